"""Trainings that start from a generator that was trained before."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from keras_portrait.errors import SettingError
from keras_portrait.files import require_sha256
from keras_portrait.inference.filter_presets import is_filter
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.presets import find_preset, is_preset
from keras_portrait.layers import AppendStyle, PlaneWave
from keras_portrait.recipe import WAVES
from keras_portrait.training.run_folder import OPTIONS_NAME
from keras_portrait.training.saved_generator import (
    DIRECTIONS,
    TrainedGenerator,
    load_model,
    load_run,
    run_folder_of,
)


@dataclass(frozen=True)
class Start:
    """A generator that was trained before, for a training with styles of its own.

    Attributes:
        generator: `TrainedGenerator`.
        sha256: hash of its file, of a preset of its model, in hexadecimal.
        styles: names of the styles of the new training.
        folder: the run folder that was named; None where it was a file, or a preset.
    """

    generator: TrainedGenerator
    sha256: str
    styles: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def model(self) -> keras.Model:
        """The network."""
        return self.generator.model

    @property
    def shares(self) -> np.ndarray:
        """Which of its styles the styles of the training begin as.

        float32 (K, L): for each style 1 where the start has one of that name, or equal shares of
        all that it has.
        """
        known = list(self.generator.styles)
        rows = [
            [float(name == other) if name in known else 1 / len(known) for other in known]
            for name in self.styles
        ]
        return np.float32(rows).reshape(len(self.styles), len(known))


def open_start(source: str, styles: Sequence[str], direction: str = "a-to-b") -> Start | None:
    """Opens the generator that a recipe starts from.

    Args:
        source: a run folder, a `.keras` file, or a preset as `presets.find_preset` takes it, which
            wins over a folder of its name; empty for none. A file without the `options.json` of its
            run is taken where there are no styles to be told apart.
        styles: names of the styles of the training.
        direction: a key of `DIRECTIONS`, of a run folder.

    Returns:
        The generator, or None.

    Raises:
        InputError: there is no such generator, or it is broken, or its preset does not tell how
            its network is built.
        SettingError: it draws none of these styles, or is a filter.
    """
    if not source:
        return None
    path, folder = Path(source), None
    if is_preset(source):
        generator, sha256 = _of_preset(source)
    elif path.suffix == ".keras":
        generator, sha256 = _of_file(path, styles), require_sha256(path, "the generator")
    else:
        generator, folder = load_run(source, direction), path
        sha256 = require_sha256(path / DIRECTIONS[direction], "the generator")
    if len(styles) > 1 and not set(generator.styles) & set(styles):
        raise SettingError(
            f"train.start_from: expected a run with some of the styles {', '.join(styles)}. "
            f"Received: {', '.join(generator.styles) or 'none'} in {source}"
        )
    return Start(generator, sha256, tuple(styles), folder)


def _of_preset(source):
    """The generator of a preset, and the hash that its metadata has."""
    # Only here: it reads model files, for which 32-bit boards have another package.
    from keras_portrait.training.preset_generator import recover_generator

    if is_filter(source):
        raise SettingError(
            f"train.start_from: expected a generator; filters have no weights. Received: {source}"
        )
    return recover_generator(source), read_metadata(find_preset(source)).sha256


def _of_file(path, styles):
    """The generator of a file of a run, or of a file alone, which tells no names of styles."""
    if not os.path.isfile(path) or os.path.isfile(run_folder_of(path) / OPTIONS_NAME):
        return load_run(path)
    return TrainedGenerator(
        model=load_model(path),
        file=path.name,
        name=path.resolve().parent.name,
        method="",
        size=0,
        styles=tuple(styles) if len(styles) == 1 else (),
        kind="model",
    )


def drawings_of(start: Start) -> Callable:
    """What a start draws: for losses that hold on to it.

    Args:
        start: the trained generator.

    Returns:
        A function of photos float (N, H, W, 3) and style (N, K) to drawings (N, H, W, 1) without a
        gradient, both in [-1, 1]. No model: checkpoints would hold it.
    """
    shares = start.shares

    def draw(photos, style):
        several = len(start.model.inputs) > 1
        inputs = [photos, ops.matmul(style, shares)] if several else photos
        return ops.stop_gradient(start.model(inputs, training=False))

    return draw


def check_start(generator: keras.Model, start: Start) -> None:
    """Refuses a start for a network of another form.

    Args:
        generator: the new one.
        start: the trained one.

    Raises:
        SettingError: the two networks differ, or their plane waves do.
    """
    _fitting(generator, start)


def take_weights(generator: keras.Model, start: Start) -> None:
    """Puts the weights of a trained generator into a new one.

    Args:
        generator: the new one.
        start: the trained one. A style that it does not know begins as the mean of those that it
            knows.

    Raises:
        SettingError: the two networks differ, or their plane waves do.
    """
    for layer, arrays in _fitting(generator, start):
        layer.set_weights(arrays)


def _fitting(generator, start):
    """The layers of a generator, and the arrays of the start that each of them takes."""
    waves, known_waves = (_periods(model) for model in (generator, start.model))
    if waves and known_waves and waves != known_waves:
        raise SettingError(
            f"train.start_from: expected a run of data.size={WAVES * waves[0]}, as this one: the "
            f"plane wave follows it. Received: {WAVES * known_waves[0]} in {start.generator.name}"
        )
    weighted, known = (
        [layer for layer in model.layers if layer.weights] for model in (generator, start.model)
    )
    normalized, known_normalized = (
        any(isinstance(layer, layers.BatchNormalization) for layer in layers_of)
        for layers_of in (weighted, known)
    )
    if normalized and not known_normalized and start.generator.kind == "preset":
        raise SettingError(
            "train.start_from: expected the run that the preset was made of: its batch "
            "normalization is multiplied into the convolutions, and a training needs it apart. "
            f"Received: preset {start.generator.name}"
        )
    values = [
        with_styles(layer.get_weights(), start.shares) if sees_style(layer) else layer.get_weights()
        for layer in known
    ]
    shapes = [[array.shape for array in arrays] for arrays in values]
    if shapes != [[tuple(weight.shape) for weight in layer.weights] for layer in weighted]:
        raise SettingError(
            "train.start_from: expected a generator of the size that the recipe's [network] says. "
            f"Received: another one, {start.generator.name}/{start.generator.file}"
        )
    return list(zip(weighted, values, strict=True))


def _periods(model):
    return [layer.period for layer in model.layers if isinstance(layer, PlaneWave)]


def sees_style(layer: keras.Layer) -> bool:
    """Whether the last channels that a layer sees are those of the style vector."""
    if not isinstance(layer, layers.Conv2D):
        return False
    before = _before(layer)
    if isinstance(before, layers.ZeroPadding2D):
        before = _before(before)
    return isinstance(before, (AppendStyle, layers.Reshape))


def _before(layer):
    return layer._inbound_nodes[0].parent_nodes[0].operation


def with_styles(weights: list[np.ndarray], shares: np.ndarray) -> list[np.ndarray]:
    """The weights of a convolution that sees the style vector, for other styles.

    Args:
        weights: its kernel (H, W, C, O), whose last L input channels are those of L styles, and
            its bias where it has one.
        shares: float (K, L), of which of these each of the K other styles is made.
    """
    kernel, *bias = weights
    count = shares.shape[1]
    mixed = np.einsum("kl,hwlo->hwko", shares, kernel[:, :, -count:])
    return [np.concatenate([kernel[:, :, :-count], mixed], axis=2), *bias]
