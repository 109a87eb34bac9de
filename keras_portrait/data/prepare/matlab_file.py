"""One array of numbers out of a MATLAB file of level 5, as `save` has written them since 1996.

A few lines of our own: SciPy's reader (1.17.1) ended the process with a segmentation fault when it
was given damaged files. The format is that of "MAT-File Format", The MathWorks: a header of 128
bytes, then elements of a type, a length and data; of a matrix these are again elements: flags,
dimensions, name and numbers, column by column.
"""

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

# Types of elements.
_MATRIX, _COMPRESSED = 14, 15
_INT8, _INT32, _UINT32 = 1, 5, 6
_NUMBERS = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
# Classes of matrices: double, single and integers of 8 to 64 bits.
_NUMERIC = range(6, 16)
_IS_COMPLEX = 0x800
# More axes, and more letters of a name, are none that anybody looks for.
_MOST_AXES, _LETTERS = 8, 64
# Bytes of an element that are unpacked: enough for some thousand numbers.
MOST_UNPACKED = 2**16


class MatlabFault(ValueError):
    """What is wrong with a file, for the end of an error."""


def read_array(data: bytes, name: str) -> np.ndarray:
    """Reads an array of real numbers.

    Args:
        data: the file.
        name: of the array.

    Returns:
        float64, as many axes as the file says.

    Raises:
        MatlabFault: it is no such file, is damaged, or has no such array.
    """
    if data.startswith(b"MATLAB 7.3") or data.startswith(b"\x89HDF"):
        raise MatlabFault("version 7.3, which `save -v7` makes readable")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise MatlabFault("no MATLAB file of level 5")
    found = []
    for kind, body in _elements(data[128:], order):
        if kind == _COMPRESSED:
            kind, body = _unpacked(body, order)
        if kind != _MATRIX:
            continue
        matrix = _elements(body, order)
        flags, shape, label = _head(matrix, order)
        found.append(label)
        if label == name:
            return _numbers(matrix, flags, shape, order)
    raise MatlabFault(f"no {name} but {', '.join(found[:5]) or 'nothing'}")


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The type and the data of each element; the last one may be cut short by `_unpacked`."""
    place = 0
    while place + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, place)
        if kind >> 16:  # a small one: length, type and data in eight bytes
            kind, length, start, stop = kind & 0xFFFF, kind >> 16, place + 4, place + 8
            if length > 4:
                raise MatlabFault("damaged bytes")
        else:
            start = place + 8
            # What is compressed is not padded to eight bytes.
            stop = start + (length if kind == _COMPRESSED else -(-length // 8) * 8)
        yield kind, data[start : start + length]
        place = stop


def _unpacked(data: bytes, order: str) -> tuple[int, bytes]:
    try:
        plain = zlib.decompressobj().decompress(data, MOST_UNPACKED)
    except zlib.error:
        raise MatlabFault("damaged bytes") from None
    return next(_elements(plain, order), (0, b""))


def _head(matrix: Iterator[tuple[int, bytes]], order: str) -> tuple[int, tuple[int, ...], str]:
    """Flags, shape and name, with which each matrix begins."""
    flags, shape, name = (next(matrix, (0, b"")) for _ in range(3))
    if (flags[0], shape[0], name[0]) != (_UINT32, _INT32, _INT8) or len(flags[1]) != 8:
        raise MatlabFault("damaged bytes")
    sides = np.frombuffer(shape[1][: len(shape[1]) // 4 * 4], f"{order}i4").tolist()
    if not 2 <= len(sides) <= _MOST_AXES or any(side < 1 for side in sides):
        raise MatlabFault("damaged bytes")
    label = name[1][:_LETTERS].decode("latin-1")
    return struct.unpack(f"{order}II", flags[1])[0], tuple(sides), label


def _numbers(
    matrix: Iterator[tuple[int, bytes]], flags: int, shape: tuple[int, ...], order: str
) -> np.ndarray:
    kind, data = next(matrix, (0, b""))
    if flags & 0xFF not in _NUMERIC or flags & _IS_COMPLEX or kind not in _NUMBERS:
        raise MatlabFault("something else than real numbers in it")
    # A double that is a whole number lies there as an integer.
    stored = np.dtype(order + _NUMBERS[kind])
    if len(data) != math.prod(shape) * stored.itemsize:
        raise MatlabFault("damaged bytes")
    return np.frombuffer(data, stored).astype(np.float64).reshape(shape, order="F")
