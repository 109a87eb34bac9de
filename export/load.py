"""What is exported: the generator of a run, of a preset, or any Keras model of that form."""

import os
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.inference.presets import is_preset, list_presets
from keras_portrait.training.preset_generator import recover_generator
from keras_portrait.training.run_folder import OPTIONS_NAME
from keras_portrait.training.saved_generator import (
    GENERATOR_FILE,
    TrainedGenerator,
    load_run,
    run_folder_of,
)
from keras_portrait_export.foreign import open_foreign
from keras_portrait_export.ranges import Range

# How a Keras model of another kind is saved so that the exporter can read it.
_SAVE = 'load it where it was made and save it with model.save("model.keras")'
_IMPORT = "`portrait-export import FILE --licence TEXT -o DIR` takes those of known networks"
# Ending of a file -> what it is, and what to do.
_OTHER_FILES = {
    ".h5": f"HDF5, the format of Keras 2; {_SAVE}",
    ".hdf5": f"HDF5, the format of Keras 2; {_SAVE}",
    ".pb": f"a part of a SavedModel, which holds operations instead of layers; {_SAVE}",
    ".onnx": f"ONNX's; {_IMPORT}",
    ".pt": f"PyTorch's; {_IMPORT}",
    ".pth": f"PyTorch's; {_IMPORT}",
    ".safetensors": f"one of weights; {_IMPORT}",
}


def open_source(
    source: str | Path,
    direction: str = "a-to-b",
    sizes: tuple[int, ...] = (),
    input_range: Range | None = None,
) -> TrainedGenerator:
    """Loads a generator.

    Args:
        source: name of a preset in the package, a preset's folder or model file, a run folder, or
            a `.keras` file. Without the `options.json` of a run beside it, such a file may be
            anybody's functional or Sequential model of a picture, of a picture and a style vector,
            or of a noise vector.
        direction: "a-to-b", or "b-to-a" for the inverse generator of a run of cyclegan.
        sizes: sides of pictures in pixels that will be asked for; the first one stands for the
            size of the training where nothing tells it.
        input_range: of the picture that anybody's model takes; see `foreign.open_foreign`.

    Raises:
        InputError: a file is missing or broken, or is no generator.
        SettingError: an option does not fit.
    """
    trained = _open(source, direction, sizes, input_range)
    _check_weights(trained, source)
    return trained


def _open(source, direction, sizes, input_range) -> TrainedGenerator:
    path = Path(source)
    if is_preset(source):
        if direction != "a-to-b":
            raise SettingError(f"A direction needs a run folder, not a preset. Received: {source}")
        return recover_generator(source)
    _check_kind(path)
    has_options = os.path.isfile(run_folder_of(path) / OPTIONS_NAME)
    if path.suffix.lower() == ".keras" and not has_options:
        if direction != "a-to-b":
            raise SettingError(f"A direction needs a run folder, not a file. Received: {source}")
        return open_foreign(path, sizes, input_range)
    return load_run(source, direction)


def _check_kind(path: Path) -> None:
    """Refuses what is there and is something else, and what is not there."""
    expected = f"Expected a run folder that holds {GENERATOR_FILE}, a preset, or a .keras file"
    if not os.path.exists(path):
        near = nearest(path, list_presets()) if path.name == str(path) and not path.suffix else ""
        raise InputError(f"There is no such file or folder. {near}{expected}. Received: {path}")
    if os.path.isfile(path / "saved_model.pb"):
        raise InputError(
            "A SavedModel holds operations instead of layers, which the exporter rebuilds; "
            f"{_SAVE}. Received: {path}"
        )
    suffix = path.suffix.lower()
    if not os.path.isdir(path) and suffix != ".keras":
        if path.name.endswith(".weights.h5"):
            found = f"weights without their network; {_SAVE}"
        else:
            found = _OTHER_FILES.get(suffix, "of another kind")
        raise InputError(f"{expected}; this file is {found}. Received: {path}")


def _check_weights(trained: TrainedGenerator, source) -> None:
    """Refuses weights that are no numbers: training has failed, and nothing can be drawn."""
    odd = {}
    for weight in trained.model.weights:
        values = np.asarray(weight.numpy(), np.float32)
        if not np.isfinite(values).all():
            odd[weight.path] = int(np.sum(~np.isfinite(values)))
    if odd:
        name, count = next(iter(odd.items()))
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        raise InputError(
            "The model holds weights that are not finite numbers: a training that went astray. "
            f"Received: {count} in {name}{more} of {source}"
        )
