"""Which reader a file of weights needs, told by its content."""

import os
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait_export.weights.arrays import read_npy_folder, read_npz
from keras_portrait_export.weights.onnx_file import is_onnx, read_onnx
from keras_portrait_export.weights.safetensors_file import read_safetensors
from keras_portrait_export.weights.torch_file import (
    LEGACY_START,
    is_torch_archive,
    read_torch_archive,
    read_torch_legacy,
)

# What wrappers put before every name: DataParallel, Lightning, averaged copies.
_WRAPPERS = ("module.", "netG.", "generator.", "net.", "_orig_mod.")


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a file or folder.

    Args:
        path: a `.pth` or `.pt` of PyTorch (either form), `.safetensors`, `.onnx`, `.npz`, or a
            folder of `.npy`. The content tells which, not the name.

    Returns:
        Arrays by their names, float16, float32 or float64 as stored (bfloat16 as float32); those
        of integers, which count batches, are left out, and so is what a wrapper put before every
        name.

    Raises:
        InputError: it is missing, damaged, forged, of another kind, or holds no tensors.
        MissingExtra: the package that reads its format is not installed.
    """
    path = Path(path)
    found = _read(path)
    found = {name: values for name, values in found.items() if values.dtype.kind == "f"}
    if not found:
        raise InputError(
            f"Expected a file that holds a network's weights. Received: none in {path}"
        )
    _check_finite(found, path)
    return _without_wrapper(found)


def _read(path: Path) -> dict[str, np.ndarray]:
    if os.path.isdir(path):
        return read_npy_folder(path)
    start = _start_of(path)
    if start.startswith(b"PK\x03\x04"):
        return read_torch_archive(path) if is_torch_archive(path) else read_npz(path)
    if start.startswith(LEGACY_START):
        return read_torch_legacy(path)
    if start[8:9] == b"{":
        return read_safetensors(path)
    if start.startswith(b"\x89HDF"):
        raise InputError(
            "HDF5 holds Keras's own models; expected them as .keras, for `portrait-export "
            f"MODEL.keras`. Received: {path}"
        )
    if is_onnx(path):
        return read_onnx(path)
    raise InputError(
        "Expected weights as PyTorch's .pth or .pt, .safetensors, .onnx, .npz, or a folder of "
        f".npy. Received: a file of another kind, {path}"
    )


def _start_of(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError(f"There is no such file or folder. Received: {path}")
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise InputError(f"Cannot read the weights ({error.strerror}). Received: {path}") from error


def _check_finite(found: dict[str, np.ndarray], path: Path) -> None:
    odd = [name for name, values in found.items() if not np.isfinite(values).all()]
    if odd:
        raise InputError(
            "Expected weights that are finite numbers. "
            f"Received: others in {len(odd)} tensors of {path}, {odd[0]} among them"
        )


def _without_wrapper(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in found):
            return _without_wrapper({name[len(wrapper) :]: found[name] for name in found})
    return found
