"""What is particular to JPEG files: scans, reading them reduced, and an end that was lost."""

import os
import re
from typing import BinaryIO

import numpy as np
from PIL import Image

from keras_portrait.errors import InputError

# The second are files of several JPEG pictures, of which the first is read.
JPEG_FORMATS = ("JPEG", "MPO")

# Above what phones of 200 megapixels write (16,384 x 12,288).
MOST_JPEG_PIXELS = 250_000_000
# By what JPEG can be reduced while it is read (libjpeg's `scale_denom`).
_REDUCTIONS = (2, 4, 8)

# A scan of a progressive JPEG may say nothing and still goes over the whole picture, so that 22 kB
# took 13 seconds. Encoders write about ten of them; TIFF's own reader has this limit.
_MOST_SCANS = 100
# Parts of a JPEG file, scans or not. Cameras write some dozens; a depth map takes some hundreds, of
# 64 kB each. Going through 8 MB of empty ones took 1.6 seconds.
_MOST_PARTS = 10_000
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_START_OF_SCAN, _END_OF_IMAGE, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, 0xD8)

# With fewer scans a progressive picture is a mosaic of its 8 x 8 blocks.
_LEAST_SCANS = 3
# Gray levels that the decoder gives rows of which the file says nothing.
_UNSAID = (127, 128)
# Rows that are looked at together for that.
_BAND_ROWS = 256


def open_large_jpeg(file: BinaryIO) -> Image.Image | None:
    """Opens a JPEG file of more pixels than `PIL.Image.open` agrees to.

    Returns:
        The picture, not read yet; None where it is none, or has more than `MOST_JPEG_PIXELS`.
    """
    open_jpeg, _ = Image.OPEN["JPEG"]
    try:
        file.seek(0)
        image = open_jpeg(file, "")
    except Exception:  # decoders raise nearly anything on bytes that are not theirs
        return None
    return image if image.width * image.height <= MOST_JPEG_PIXELS else None


def check_scans(image: Image.Image, name: str, most_pixels: int) -> int:
    """Refuses a JPEG file of more scans or parts than encoders make, before it is decoded.

    Args:
        image: not read yet.
        name: what an error calls it.
        most_pixels: of a larger picture fewer scans are allowed, so that it takes no longer.

    Returns:
        The number of scans.

    Raises:
        InputError: there are too many.
    """
    file = image.fp
    place = file.tell()
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    pixels = image.width * image.height
    most = _MOST_SCANS if pixels <= most_pixels else _MOST_SCANS * most_pixels // (2 * pixels)
    data, scans, parts, at = file.read(length), 0, 0, 0
    file.seek(place)
    while (found := _MARKER.search(data, at)) and data[found.end() - 1] != _END_OF_IMAGE:
        at = found.end()
        if data[at - 1] not in _WITHOUT_LENGTH:
            at += max(2, int.from_bytes(data[at : at + 2]))
        scans += data[found.end() - 1] == _START_OF_SCAN
        if scans > most:
            raise InputError(
                f"The JPEG file has too many scans. Expected at most {most}. Received: {name}"
            )
        parts += 1
        if parts > _MOST_PARTS:
            raise InputError(
                f"The JPEG file has too many parts. Expected at most {_MOST_PARTS}. "
                f"Received: {name}"
            )
    return scans


def reduce_while_reading(image: Image.Image, most_pixels: int) -> None:
    """Has a JPEG picture of too many pixels reduced as little as is needed when it is read.

    Args:
        image: not read yet; its size changes. What no reduction mends is left as it is.
        most_pixels: of the picture that is read.
    """
    width, height = image.size
    if not most_pixels < width * height <= MOST_JPEG_PIXELS:
        return
    for reduction in _REDUCTIONS:
        if -(-width // reduction) * -(-height // reduction) <= most_pixels:
            image.draft(None, (width // reduction, height // reduction))
            return


def supply_end(image: Image.Image) -> list:
    """Has the decoder told that a file ends where it was cut short, instead of failing there.

    Pillow's own switch for that, `ImageFile.LOAD_TRUNCATED_IMAGES`, is one for all threads.

    Returns:
        Is empty, and no longer so once the file turned out to have lost its end.
    """
    read, ended = image.load_read, []

    def read_on(count: int) -> bytes:
        data = read(count)
        if data or ended:
            return data
        ended.append(True)
        return bytes([0xFF, _END_OF_IMAGE])

    image.load_read = read_on
    return ended


def missing_rows(image: Image.Image, scans: int) -> int:
    """How much of a picture is missing whose file lost its end.

    Args:
        image: as it was read, not turned.
        scans: that were begun in the file.

    Returns:
        Rows at the bottom.

    Raises:
        ValueError: more is missing than is there.
    """
    missing = _gray_rows(image)
    coarse = "progressive" in image.info and (missing > 0 or scans < _LEAST_SCANS)
    if missing > image.height / 2 or coarse:
        raise ValueError("the file ends before half of the picture")
    return missing


def _gray_rows(image: Image.Image) -> int:
    """Rows at the bottom that have the gray of what was never said."""
    last = np.asarray(image.getpixel((image.width - 1, image.height - 1)))
    if not np.isin(last, _UNSAID).all():
        return 0
    found = 0
    for bottom in range(image.height, 0, -_BAND_ROWS):
        band = np.asarray(image.crop((0, max(0, bottom - _BAND_ROWS), image.width, bottom)))
        is_gray = (band == last).reshape(len(band), -1).all(axis=1)
        if not is_gray.all():
            return found + int(is_gray[::-1].argmin())
        found += len(band)
    return found
