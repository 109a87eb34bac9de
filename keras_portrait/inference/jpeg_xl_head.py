"""What a JPEG XL file says of its picture, read without unpacking it (ISO/IEC 18181-1 and -2)."""

from typing import BinaryIO, NamedTuple

_CODESTREAM = b"\xff\x0a"
# Bytes of a codestream in which all this stands: 2, and at most 2 * 32 + 10 bits.
_ENOUGH = 16
# Annex C: bits of a side, chosen by two bits.
_SIDE_BITS = (9, 13, 18, 30)
# Width over height, chosen by three bits; 0 says that the width follows.
_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class JpegXlHead(NamedTuple):
    """Size in pixels, and the turn that the reader applies, as EXIF 2.32 numbers it."""

    width: int
    height: int
    orientation: int


def read_jpeg_xl_head(file: BinaryIO) -> JpegXlHead:
    """Reads the head of a file, which stands at its begin afterwards.

    Raises:
        ValueError: it is no JPEG XL file, or ends before.
    """
    start = file.read(len(_CODESTREAM))
    file.seek(0)
    head = file.read(_ENOUGH) if start == _CODESTREAM else _first_codestream(file)
    file.seek(0)
    if not head.startswith(_CODESTREAM):
        raise ValueError("no JPEG XL")
    bits = _Bits(head[len(_CODESTREAM) :])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = _RATIOS[bits.take(3)]
    width = _side(bits, small) if ratio is None else height * ratio[0] // ratio[1]
    all_default, extra_fields = bits.take(1), 0
    if not all_default:
        extra_fields = bits.take(1)
    return JpegXlHead(width, height, 1 + bits.take(3) if extra_fields else 1)


def _side(bits: "_Bits", small: int) -> int:
    if small:
        return 8 * (1 + bits.take(5))
    return 1 + bits.take(_SIDE_BITS[bits.take(2)])


def _first_codestream(file: BinaryIO) -> bytes:
    """The begin of what the boxes of a container hold."""
    while len(head := file.read(8)) == 8:
        length, kind, taken = int.from_bytes(head[:4], "big"), head[4:], 8
        if length == 1:
            length, taken = int.from_bytes(file.read(8), "big"), 16
        if kind == b"jxlp":  # a part, behind its number
            file.read(4)
        if kind in (b"jxlc", b"jxlp"):
            return file.read(_ENOUGH)
        if length < taken:  # up to the end of the file
            break
        file.seek(length - taken, 1)
    return b""


class _Bits:
    """Bits of a codestream, the lowest of each byte first."""

    def __init__(self, data: bytes):
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("cut short")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return taken
