"""Makes a model file smaller without changing what it says.

Each tensor of 8-bit weights has a scale and a zero point for every channel, twice with its bias's,
and every zero point is 0 in 8 bytes. In a small network these zeros are a fifth of the file. In
the format two tensors may point to the same numbers; the converter writes them for each.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

# Weights start at multiples of this, as the schema demands of buffers (`force_align: 16`).
_ALIGNMENT = 16


def compact(model: bytes) -> bytes:
    """Writes equal lists of numbers once.

    Args:
        model: content of a `.tflite` file.

    Returns:
        The same model, smaller or as large.
    """
    return pack(schema.ModelT.InitFromPackedBuf(model, 0))


def pack(tree: schema.ModelT) -> bytes:
    """Content of a `.tflite` file of a model, with equal lists of numbers written once."""
    builder = _SharingBuilder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _SharingBuilder(flatbuffers.Builder):
    def __init__(self, size: int):
        super().__init__(size)
        self._written = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: D102, N802
        key = x.dtype.str, x.tobytes()
        if key not in self._written:
            if x.dtype == np.uint8:
                self.Prep(_ALIGNMENT, x.nbytes)
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]
