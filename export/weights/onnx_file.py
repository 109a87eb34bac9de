"""Weights out of an ONNX file: its named tensors, whatever its graph does with them."""

from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.files import read_bounded
from keras_portrait_export.weights.records import MOST_BYTES


def is_onnx(path: Path) -> bool:
    """Whether a file may be ONNX: it begins with its version, a small number, as field 1."""
    with path.open("rb") as file:
        start = file.read(3)
    return path.suffix.lower() == ".onnx" or (start[:1] == b"\x08" and start[2:3] == b"\x12")


def read_onnx(path: Path) -> dict[str, np.ndarray]:
    """Reads the tensors that an ONNX file brings.

    Raises:
        InputError: it is damaged, or keeps its weights in another file, or its exporter has
            renamed or melted together the weights.
        MissingExtra: the package is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
        from onnx import numpy_helper
    except ModuleNotFoundError as error:
        raise MissingExtra(
            'Weights in .onnx need a package. Install it with: pip install "keras-portrait[import]"'
        ) from error
    try:
        model = onnx.ModelProto.FromString(read_bounded(path, MOST_BYTES))
        tensors = list(model.graph.initializer)
        for tensor in tensors:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise InputError(
                    "Expected an .onnx file that holds its weights; this one keeps them in another "
                    f"file. Received: {path}"
                )
        arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}
    except (DecodeError, OSError, ValueError, TypeError, LookupError) as error:
        raise InputError(f"The file of weights is damaged, or no ONNX. Received: {path}") from error
    renamed = [name for name in arrays if name.startswith("onnx::")]
    if renamed:
        raise InputError(
            "The ONNX exporter has melted normalizations into convolutions, and their names are "
            "lost. Expected "
            "the .pth it was made of, or an export with training=TrainingMode.PRESERVE. "
            f"Received: {renamed[0]} and {len(renamed) - 1} more in {path}"
        )
    return {name: np.asarray(values) for name, values in arrays.items()}
