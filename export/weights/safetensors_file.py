"""Weights in the format of the package `safetensors`, which holds nothing but numbers."""

from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.files import read_bounded
from keras_portrait_export.weights.records import MOST_BYTES, from_bfloat16

# Types of that format -> NumPy's. bfloat16 is the upper half of a float32.
_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a `.safetensors` file.

    Raises:
        InputError: it is damaged.
        MissingExtra: the package is not installed.
    """
    try:
        import safetensors
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "Weights in .safetensors need a package. Install it with: pip install "
            '"keras-portrait[import]"'
        ) from error
    try:
        records = safetensors.deserialize(read_bounded(path, MOST_BYTES))
        # Integers count batches; what else there is has no place in a network here.
        known = {name: one for name, one in records if one["dtype"] in _KINDS}
        return {name: _array(one) for name, one in known.items()}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"The file of weights is damaged ({reason}). Received: {path}") from error


def _array(record: dict) -> np.ndarray:
    numbers = np.frombuffer(record["data"], _KINDS[record["dtype"]])
    if record["dtype"] == "BF16":
        numbers = from_bfloat16(numbers)
    return numbers.reshape(record["shape"])
