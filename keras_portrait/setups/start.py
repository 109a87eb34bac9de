"""Trainings that start from a generator that was trained before."""

from collections.abc import Sequence

import keras

from keras_portrait.errors import SettingError
from keras_portrait.trained_generator import TrainedGenerator, load_run


def open_start(source: str, styles: Sequence[str]) -> TrainedGenerator | None:
    """Opens the generator that a recipe starts from.

    Args:
        source: a run folder or a `.keras` file in it; empty for none.
        styles: names of the styles of the training.

    Returns:
        The generator, or None.

    Raises:
        InputError: there is no such run, or it is broken.
        SettingError: it draws other styles.
    """
    if not source:
        return None
    start = load_run(source)
    if len(styles) > 1 and list(start.styles) != list(styles):
        raise SettingError(
            f"train.start_from: expected a run with the styles {', '.join(styles)}. "
            f"Received: {', '.join(start.styles) or 'none'} in {source}"
        )
    return start


def take_weights(generator: keras.Model, start: TrainedGenerator, contrast: float = 1.0) -> None:
    """Puts the weights of a trained generator into a new one.

    Args:
        generator: the new one.
        start: the trained one.
        contrast: factor of what goes into the tanh at its end.

    Raises:
        SettingError: the two networks differ.
    """
    expected = [tuple(weight.shape) for weight in generator.weights]
    if expected != [tuple(weight.shape) for weight in start.model.weights]:
        raise SettingError(
            "train.start_from: expected a generator of the size that the recipe's [network] says. "
            f"Received: another one, {start.name}/{start.file}"
        )
    generator.set_weights(start.model.get_weights())
    # The last layer with weights is the convolution before the tanh.
    for weight in [layer for layer in generator.layers if layer.weights][-1].weights:
        weight.assign(contrast * weight)
