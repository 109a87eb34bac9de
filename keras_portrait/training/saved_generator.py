"""The generator of a training run, loaded with Keras, and what is known of it."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from keras_portrait import layers  # noqa: F401  registers the layers that a saved generator holds
from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.files import parse_json, read_bounded
from keras_portrait.inference.alignment import ALIGNMENTS
from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.inference.presets import Generator
from keras_portrait.recipe import Recipe
from keras_portrait.training.model_archive import check_archive
from keras_portrait.training.run_folder import FORMAT, OPTIONS_NAME

GENERATOR_FILE = "generator.keras"
# Folder of those of former epochs, in a run folder.
KEPT_FOLDER = "generators"
# Which way a generator goes -> its file. Only runs of cyclegan have both.
DIRECTIONS = {"a-to-b": GENERATOR_FILE, "b-to-a": "inverse_generator.keras"}


@dataclass(frozen=True)
class TrainedGenerator:
    """What there is to a generator in a run folder.

    Attributes:
        model: the averaged generator, in the precision that it was trained in.
        file: name of its file.
        name: name of the run folder.
        method: how it was trained.
        size: side of its training pictures in pixels.
        styles: names of its styles; one that stands for the method where it has no style input,
            none where it takes noise.
        kind: what it was loaded from, a "run", a "preset" or a "model".
        data: folder of the pictures it learned from, where it is known and still there.
        alignment: of the photos it learned from, one of `alignment.ALIGNMENTS`.
        words: what is known of `description` and `data_licence`, fields of `PresetMetadata`.
    """

    model: keras.Model
    file: str
    name: str
    method: str
    size: int
    styles: tuple[str, ...]
    kind: str = "run"
    data: Path | None = None
    alignment: int = 1
    words: dict[str, str] = field(default_factory=dict)

    def metadata(self, **changes) -> PresetMetadata:
        """What the generator takes and returns.

        Args:
            **changes: fields of `PresetMetadata` that differ from those of the Keras model itself.
        """
        inputs = self.model.inputs
        fields = {
            "name": self.name,
            "method": self.method,
            "file": self.file,
            "size": self.size,
            "mode": "fp32",
            "styles": self.styles,
            "inputs": tuple(tensor.name for tensor in inputs),
            "noise": inputs[0].shape[-1] if inputs[0].name == "noise" else 0,
            "channels": self.model.outputs[0].shape[-1],
            "alignment": self.alignment if inputs[0].name == "image" else 1,
        }
        return PresetMetadata(**fields | changes)


def load_run(run: str | Path, direction: str = "a-to-b") -> TrainedGenerator:
    """Reads a run folder.

    Args:
        run: the folder, or a `.keras` file in it or in its `generators/`.
        direction: a key of `DIRECTIONS`; of a file, only the first.

    Returns:
        The generator and what is known of it.

    Raises:
        InputError: a file is missing or broken, or the two do not belong together.
        SettingError: there is no such direction.
    """
    if direction not in DIRECTIONS:
        raise SettingError(
            f"No such direction. {nearest(direction, DIRECTIONS)}Received: {direction}"
        )
    file, path = DIRECTIONS[direction], Path(run)
    if path.suffix != ".keras":
        path = path / file
    elif file != GENERATOR_FILE:
        raise SettingError(f"A direction needs a run folder, not a file of it. Received: {run}")
    if not os.path.isfile(path):
        raise InputError(
            f"Expected a run folder that holds {file}, or such a file. Received: {run}"
        )
    folder = run_folder_of(path)
    options = _read_options(folder / OPTIONS_NAME)
    trained = TrainedGenerator(
        model=load_model(path),
        file=path.name,
        name=folder.resolve().name,
        method=options["method"],
        size=options["recipe"]["data"]["size"],
        styles=_styles(options),
        data=_data_folder(options),
        alignment=options.get("alignment", 1),  # runs are older than the others
    )
    _check_signature(trained, path)
    return trained


def run_folder_of(file: Path) -> Path:
    """The run folder that a generator's file belongs to, its `generators/` included."""
    folder = file.parent
    return folder.parent if folder.name == KEPT_FOLDER else folder


def load_generator(run: str | Path) -> Generator:
    """Makes the generator of a run ready to draw with, through Keras.

    Args:
        run: as `load_run` takes it.

    Returns:
        A generator that computes in float32, as exported ones do.

    Raises:
        InputError: a file is missing or broken, or the two do not belong together.
    """
    trained = load_run(run)
    model = in_float32(trained.model)
    return Generator(trained.metadata(), _KerasNet(model))


class _KerasNet:
    """A function of named arrays that Keras computes."""

    def __init__(self, model: keras.Model):
        self._model = model
        self._names = [tensor.name for tensor in model.inputs]

    def __call__(self, **arrays: np.ndarray) -> np.ndarray:
        given = [arrays[name] for name in self._names]
        result = self._model(given if len(given) > 1 else given[0], training=False)
        return keras.ops.convert_to_numpy(result)

    def __reduce__(self):
        raise TypeError(
            "A generator that Keras runs cannot be pickled. Expected the path of its run folder in "
            "the pickle, or a preset that `portrait-export` made of it. Received: "
            f"{self._model.name}"
        )


def raise_contrast(generator: keras.Model, factor: float) -> None:
    """Multiplies what goes into the tanh at a generator's end: edges of ink get as much steeper.

    Args:
        generator: changed in place.
        factor: above 0.
    """
    # The last layer with weights is the convolution before the tanh.
    for weight in [layer for layer in generator.layers if layer.weights][-1].weights:
        weight.assign(factor * weight)


def in_float32(generator: keras.Model) -> keras.Model:
    """The same layers with the same weights, computing in float32: what an export is held to."""
    return copy_layers(generator, lambda layer: layer.__class__.from_config(float32_config(layer)))


def copy_layers(
    generator: keras.Model, layer_function: Callable, inputs: "object | None" = None
) -> keras.Model:
    """Clones a functional model layer by layer, with its weights.

    Args:
        generator: the model.
        layer_function: makes a layer's counterpart, of the same weights.
        inputs: symbolic inputs of the clone, of the structure of `generator.input`; None for
            inputs as the model has them.
    """
    copy = keras.models.clone_model(generator, input_tensors=inputs, clone_function=layer_function)
    for layer in generator.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def float32_config(layer: keras.Layer) -> dict:
    """A layer's configuration, computing in float32; plain operations have no type to change."""
    config = layer.get_config()
    return {**config, "dtype": "float32"} if isinstance(layer, keras.Layer) else config


def load_model(path: Path) -> keras.Model:
    """Loads a model file saved by Keras.

    Raises:
        InputError: it is missing or broken, or holds what `model_archive` refuses.
    """
    check_archive(path)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    # Depending on what is wrong, Keras lets through errors of zip, of HDF5 and its own.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"Cannot load the generator ({reason}). Received: {path}") from error


def _read_options(path):
    try:
        options = parse_json(read_bounded(path))
    except OSError as error:
        raise InputError(
            f"Expected the run's {OPTIONS_NAME} beside its generator ({error.strerror}). "
            f"Received: {path}"
        ) from error
    except ValueError as error:
        raise InputError(f"Expected a JSON file. Received: {path}") from error
    try:
        fits = (
            isinstance(options["method"], str)
            and type(options["recipe"]["data"]["size"]) is int
            and all(isinstance(style, str) for style in _styles(options))
        )
    except (KeyError, TypeError):
        fits = False
    if not fits:
        raise InputError(f"Expected method, styles and recipe.data.size. Received: {path}")
    alignment = options.get("alignment", 1)
    if type(alignment) is not int or alignment not in ALIGNMENTS:
        raise InputError(
            f"This version knows the alignments {', '.join(map(str, ALIGNMENTS))}. "
            f"Received: alignment {alignment!r} in {path}"
        )
    made = options.get("format", FORMAT)
    if type(made) is not int or not 1 <= made <= FORMAT:
        raise InputError(
            f"This version reads run folders up to format {FORMAT}. "
            f"Received: format {made!r} in {path}"
        )
    return options


def _data_folder(options):
    folder = options.get("data")
    return Path(folder) if isinstance(folder, str) and os.path.isdir(folder) else None


def _recipe_kind(method: str) -> type[Recipe]:
    """The recipe class of a method; of one that is not known here, that of drawings of photos."""
    # By its name: what trains methods must not know them.
    return importlib.import_module("keras_portrait.models").methods().get(method, Recipe)


def _styles(options):
    """Names of the styles; one that stands for the method where it makes pictures in colour."""
    kind = _recipe_kind(options["method"])
    if kind.channels == 3:
        return (options["method"],) if kind.takes == "image" else ()
    return tuple(options["styles"])


def _check_signature(trained, path):
    size, kind = trained.size, _recipe_kind(trained.method)
    found = {tensor.name: tuple(tensor.shape) for tensor in trained.model.inputs}
    outputs = [tuple(tensor.shape) for tensor in trained.model.outputs]
    if kind.takes == "noise":
        expected = {"noise": (None, found.get("noise", (None, "Z"))[-1])}
        expected_output = (None, size, size, kind.channels)
    else:
        expected = {"image": (None, None, None, 3)}
        expected_output = (None, None, None, kind.channels)
        if len(trained.styles) > 1:
            expected["style"] = (None, len(trained.styles))
    if found != expected or outputs != [expected_output]:
        raise InputError(
            f"A generator of method {trained.method} takes {expected} here and returns "
            f"{expected_output}. Received: {found} and {outputs} in {path}"
        )
    if size < 16 or size % 4:
        raise InputError(
            f"The size must be a multiple of 4 from 16 up. Received: {size} in "
            f"{path.with_name(OPTIONS_NAME)}"
        )
