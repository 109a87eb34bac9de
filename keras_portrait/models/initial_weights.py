"""Trainings that start from a generator that was trained before."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

from keras_portrait.errors import SettingError
from keras_portrait.layers import AppendStyle, PlaneWave
from keras_portrait.recipe import WAVES
from keras_portrait.training.saved_generator import TrainedGenerator, load_run, raise_contrast


def open_start(source: str, styles: Sequence[str]) -> TrainedGenerator | None:
    """Opens the generator that a recipe starts from.

    Args:
        source: a run folder or a `.keras` file in it; empty for none.
        styles: names of the styles of the training.

    Returns:
        The generator, or None.

    Raises:
        InputError: there is no such run, or it is broken.
        SettingError: it draws none of these styles.
    """
    if not source:
        return None
    start = load_run(source)
    if len(styles) > 1 and not set(start.styles) & set(styles):
        raise SettingError(
            f"train.start_from: expected a run with some of the styles {', '.join(styles)}. "
            f"Received: {', '.join(start.styles) or 'none'} in {source}"
        )
    return start


def style_shares(start: TrainedGenerator, styles: Sequence[str]) -> np.ndarray:
    """Which styles of a start the styles of a training begin as.

    Args:
        start: the trained generator.
        styles: names of the styles of the training.

    Returns:
        float32 (K, L): for each style 1 where the start has one of that name, or equal shares of
        all that it has.
    """
    known = list(start.styles)
    rows = [
        [float(name == other) for other in known]
        if name in known
        else [1 / len(known)] * len(known)
        for name in styles
    ]
    return np.float32(rows)


def drawings_of(start: TrainedGenerator, styles: Sequence[str]) -> Callable:
    """What a start draws: for losses that hold on to it.

    Args:
        start: the trained generator.
        styles: names of the styles of the training.

    Returns:
        A function of photos float (N, H, W, 3) and style (N, K) to drawings (N, H, W, 1) without a
        gradient, both in [-1, 1]. No model: checkpoints would hold it.
    """
    shares = style_shares(start, styles)

    def draw(photos, style):
        several = len(start.model.inputs) > 1
        inputs = [photos, ops.matmul(style, shares)] if several else photos
        return ops.stop_gradient(start.model(inputs, training=False))

    return draw


def take_weights(
    generator: keras.Model,
    start: TrainedGenerator,
    styles: Sequence[str],
    contrast: float = 1.0,
) -> None:
    """Puts the weights of a trained generator into a new one.

    Args:
        generator: the new one.
        start: the trained one.
        styles: names of the styles of the new one. One that the start does not know begins as the
            mean of those that it knows.
        contrast: factor of what goes into the tanh at its end.

    Raises:
        SettingError: the two networks differ, or their plane waves do.
    """
    shares = style_shares(start, styles)
    waves, known_waves = (_periods(model) for model in (generator, start.model))
    if waves and known_waves and waves != known_waves:
        raise SettingError(
            f"train.start_from: expected a run of data.size={WAVES * waves[0]}, as this one: the "
            f"plane wave follows it. Received: {WAVES * known_waves[0]} in {start.name}"
        )
    weighted, known = (
        [layer for layer in model.layers if layer.weights] for model in (generator, start.model)
    )
    values = [
        _with_styles(layer.get_weights(), shares) if _sees_style(layer) else layer.get_weights()
        for layer in known
    ]
    shapes = [[array.shape for array in arrays] for arrays in values]
    if shapes != [[tuple(weight.shape) for weight in layer.weights] for layer in weighted]:
        raise SettingError(
            "train.start_from: expected a generator of the size that the recipe's [network] says. "
            f"Received: another one, {start.name}/{start.file}"
        )
    for layer, arrays in zip(weighted, values, strict=True):
        layer.set_weights(arrays)
    raise_contrast(generator, contrast)


def _periods(model):
    return [layer.period for layer in model.layers if isinstance(layer, PlaneWave)]


def _sees_style(layer: keras.Layer) -> bool:
    """Whether the last channels that a layer sees are those of the style vector."""
    if not isinstance(layer, layers.Conv2D):
        return False
    before = _before(layer)
    if isinstance(before, layers.ZeroPadding2D):
        before = _before(before)
    return isinstance(before, (AppendStyle, layers.Reshape))


def _before(layer):
    return layer._inbound_nodes[0].parent_nodes[0].operation


def _with_styles(weights, shares):
    """The weights of a convolution whose last channels are mixed anew."""
    kernel, *bias = weights
    count = shares.shape[1]
    mixed = np.einsum("kl,hwlo->hwko", shares, kernel[:, :, -count:])
    return [np.concatenate([kernel[:, :, :-count], mixed], axis=2), *bias]
