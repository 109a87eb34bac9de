"""Weights as NumPy saves them: an archive of arrays, or a folder with a file for each."""

import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait_export.weights.records import MOST_BYTES


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads a `.npz` file; arrays of objects, which are pickles, are refused.

    Raises:
        InputError: it is damaged, or something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            arrays, left = {}, MOST_BYTES
            for name in members:
                with archive.open(name) as file:
                    arrays[name[:-4]], left = _array(file, name, left, path)
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"The file of weights is damaged, or no .npz ({type(error).__name__}). Received: {path}"
        ) from error
    return arrays


def read_npy_folder(folder: Path) -> dict[str, np.ndarray]:
    """Reads every `.npy` of a folder; its name without the ending is the tensor's.

    Raises:
        InputError: there are none, or one is damaged.
    """
    arrays, left = {}, MOST_BYTES
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".npy"))
        for name in names:
            with (folder / name).open("rb") as file:
                arrays[name[:-4]], left = _array(file, name, left, folder)
    except OSError as error:
        raise InputError(
            f"Cannot read the weights ({error.strerror}). Received: {folder}"
        ) from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{name} is damaged, or no array. Received: {folder}") from error
    if not arrays:
        raise InputError(f"Expected a folder of .npy files. Received: none in {folder}")
    return arrays


def _array(file, name: str, left: int, path: Path) -> tuple[np.ndarray, int]:
    """An array, and how many bytes may still be read; its head is looked at first."""
    version = np.lib.format.read_magic(file)
    read_head = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read_head:
        raise ValueError(f"version {version}")
    shape, in_columns, kind = read_head[version](file)
    size = math.prod(shape) * kind.itemsize
    if kind.hasobject or kind.kind not in "fiub" or min(shape, default=0) < 0 or size > left:
        received = f"{kind} {shape}"
        raise InputError(
            f"Expected arrays of at most {MOST_BYTES} bytes in all. Received: {received} in "
            f"{name} of {path}"
        )
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    order = "F" if in_columns else "C"
    return np.frombuffer(data, kind).reshape(shape, order=order), left - size
