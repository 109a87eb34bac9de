"""Presets: trained generators that are found by name.

A preset is a folder with `portrait.json` (see `metadata`), the model file that it names and
`README.md`, the model card; or that model file alone. Those of the package lie in
`keras_portrait/presets`; those of others are also found by an address, see `addresses`.
"""

import os
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.inference.addresses.address import is_address
from keras_portrait.inference.filter_presets import is_filter, load_filter
from keras_portrait.inference.generator import Generator
from keras_portrait.inference.imaging import from_signed, to_signed
from keras_portrait.inference.litert.crash_test import try_model
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.metadata import (
    FILE_NAME,
    INTEGER_MODE,
    NOISE,
    PresetMetadata,
    read_metadata,
)

BUILT_IN = Path(__file__).parents[1] / "presets"
_MODEL_SUFFIX = ".tflite"


def list_presets() -> list[str]:
    """Names of the presets in the package, sorted."""
    return sorted(path.parent.name for path in BUILT_IN.glob(f"*/{FILE_NAME}"))


def is_name(given: "str | Path") -> bool:
    """Whether that is the name of a preset in the package, or of a filter."""
    return str(given) in list_presets() or is_filter(given)


def is_preset(given: "str | Path") -> bool:
    """Whether that is a name of a preset or filter, a folder that is one, a model file, an address.

    What lies behind an address is not looked at.
    """
    path = Path(given)
    # os.path answers False for names that are too long, where Path raises.
    return (
        is_name(given)
        or is_address(given)
        or os.path.isfile(path / FILE_NAME)
        or (path.suffix == _MODEL_SUFFIX and os.path.isfile(path))
    )


def find_preset(preset: "str | Path") -> Path:
    """Where a preset lies.

    Args:
        preset: name of a preset in the package, a folder that is one, a model file, or an address:
            `hf://user/name`, `https://host/name.zip#sha256=...`. What is not in the cache yet is
            fetched, tried and kept there; what is there is not asked for again.

    Returns:
        The folder, or the model file as it was given.

    Raises:
        SettingError: there is no such thing; the text names presets of nearly that name.
        InputError: an address cannot be reached, or leads to what is no sound preset.
        MissingExtra: huggingface_hub is needed and not installed.
    """
    if is_address(preset):
        from keras_portrait.inference.addresses.fetch import find_address

        return find_address(str(preset), _open)
    known = list_presets()
    if str(preset) in known:
        return BUILT_IN / str(preset)
    path = Path(preset)
    if os.path.isdir(path) or (path.suffix == _MODEL_SUFFIX and os.path.isfile(path)):
        return path
    raise SettingError(
        f"No such preset. {nearest(str(preset), known)}"
        f"Expected a name, a folder that holds {FILE_NAME}, a model file, or an address (hf://, "
        f"https://). Received: {preset}"
    )


def fetch_preset(address: str) -> Path:
    """Fetches a preset into the cache, whether it is there or not, and returns its folder.

    Args:
        address: as `find_preset` takes it.

    Raises:
        SettingError: it is no address.
        InputError: it cannot be reached, or leads to what is no sound preset.
        MissingExtra: huggingface_hub is needed and not installed.
    """
    from keras_portrait.inference.addresses.fetch import fetch_address

    return fetch_address(address, _open)


def load_preset(preset: "str | Path", threads: int = 1) -> Generator:
    """Loads the generator of a preset into the LiteRT runtime.

    Args:
        preset: as `find_preset` takes it; or `filter:NAME`, which needs no runtime.
        threads: CPU threads that one drawing may use.

    Raises:
        SettingError: there is no such preset.
        InputError: a file of the preset is missing, altered, or not what its metadata says, or
            the model crashes the runtime.
        MissingExtra: no LiteRT runtime is installed.
    """
    if is_filter(preset):
        return load_filter(preset)
    return _open(find_preset(preset), threads)


def _open(path: Path, threads: int = 1) -> Generator:
    metadata = read_metadata(path)
    file = path / metadata.file if path.is_dir() else path
    if not Path(os.path.abspath(file)).is_relative_to(BUILT_IN):
        try_model(file, metadata.sha256)
    runner = Runner(file, threads)
    _check_tensors(runner, metadata, path)
    if metadata.mode != INTEGER_MODE or metadata.inputs == NOISE:
        return Generator(metadata, runner)
    return Generator(metadata, _FloatNet(runner), runner)


class _FloatNet:
    """A net of pixels as one of numbers in [-1, 1]; a class, so that it can be pickled."""

    def __init__(self, runner: Runner):
        self._runner = runner

    def __call__(self, **arrays: np.ndarray) -> np.ndarray:
        return to_signed(self._runner(**{**arrays, "image": from_signed(arrays["image"])}))


def _check_tensors(runner: Runner, metadata: PresetMetadata, path: Path) -> None:
    size = metadata.size
    number = "uint8" if metadata.mode == INTEGER_MODE else "float32"
    shapes = {
        "image": (1, size, size, 3),
        "style": (1, len(metadata.styles)),
        "noise": (1, metadata.noise),
    }
    inputs = {name: (number, *shapes[name]) for name in metadata.inputs}
    outputs = [(number, 1, size, size, metadata.channels)]
    received = {tensor.name: (tensor.dtype.name, *tensor.shape) for tensor in runner.inputs}
    found = [(tensor.dtype.name, *tensor.shape) for tensor in runner.outputs]
    if received != inputs or found != outputs:
        raise InputError(
            f"The model does not fit its metadata: expected inputs {inputs} and one output "
            f"{outputs}. Received: {received} and {found} in {path}"
        )
