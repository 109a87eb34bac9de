"""Pictures that were read: writing them, ranges, sizes, sheets.

Everywhere else in the package a picture is a uint8 RGB array (H, W, 3), and a network sees
float32 in [-1, 1]. `read_image` is at home in `reading`, `list_images` in `folders`.
"""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from keras_portrait.errors import InputError
from keras_portrait.files import write_whole
from keras_portrait.inference.folders import list_images as list_images
from keras_portrait.inference.pixels import as_rgb
from keras_portrait.inference.reading import MAX_PIXELS as MAX_PIXELS
from keras_portrait.inference.reading import read_image as read_image

# Gray level at which an enlarged line has its edge: lighter than the middle, so that thin lines
# survive. Steepening past the second figure turns what is left of the shading into blots.
_INK_EDGE = 150
_MOST_STEEPENING = 4.0

_WRITERS = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95}),
    ".jpeg": ("JPEG", {"quality": 95}),
}
WRITABLE_SUFFIXES = tuple(_WRITERS)


def encode_image(image: np.ndarray, suffix: str = ".png") -> bytes:
    """The bytes of a picture file.

    Args:
        image: uint8 (H, W) or (H, W, 1) gray, or (H, W, 3) RGB; one that is gray throughout is
            stored with one channel.
        suffix: `.png`, `.jpg` or `.jpeg`; it decides the format.

    Raises:
        InputError: another suffix.
    """
    try:
        file_format, options = _WRITERS[suffix.lower()]
    except KeyError:
        raise InputError(
            f"Pictures are written as {', '.join(WRITABLE_SUFFIXES)}. Received: suffix {suffix!r}"
        ) from None
    if image.ndim == 3 and (image == image[..., :1]).all():
        image = image[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, file_format, **options)
    return buffer.getvalue()


def write_image(path: "str | Path", image: np.ndarray) -> None:
    """Writes a picture so that the file is there whole or not at all.

    Args:
        path: where to; `.png`, `.jpg` or `.jpeg`. Its folder must exist.
        image: uint8 (H, W), (H, W, 1) or (H, W, 3) RGB.

    Raises:
        InputError: another suffix, or a place that cannot be written to.
    """
    path = Path(path)
    write_whole(path, encode_image(image, path.suffix))


def to_signed(image: np.ndarray) -> np.ndarray:
    """uint8 0..255 of any shape as float32 in [-1, 1]."""
    return image.astype(np.float32) / 127.5 - 1


def from_signed(image: np.ndarray) -> np.ndarray:
    """Float [-1, 1] of any shape as uint8 0..255, rounded and clipped."""
    return np.clip(np.rint((np.asarray(image, np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)


def to_gray(picture: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) as gray (H, W), by its luma; what is gray already stays."""
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resizes a picture: each side by area averages where it shrinks, bicubic where it grows.

    Args:
        image: uint8 or float32, (H, W) or (H, W, C).
        width: new width in pixels, at least 1.
        height: new height in pixels, at least 1.

    Returns:
        The same type and number of axes, (height, width) or (height, width, C).
    """
    old_height, old_width = image.shape[:2]
    if (width, height) == (old_width, old_height):
        return image.copy()
    if (width < old_width and height > old_height) or (width > old_width and height < old_height):
        return resize(resize(image, width, old_height), width, height)
    shrinks = width < old_width or height < old_height
    filter_ = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    result = cv2.resize(image, (width, height), interpolation=filter_)
    return result.reshape((height, width, *image.shape[2:]))  # OpenCV drops an axis of length 1


def reduced(image: np.ndarray, side: int) -> np.ndarray:
    """A picture with a longest side of `side` pixels at most; a smaller one stays as it is.

    Args:
        image: as `resize` takes it.
        side: pixels, at least 1.
    """
    height, width = image.shape[:2]
    ratio = min(1.0, side / max(height, width))
    return resize(image, max(1, round(width * ratio)), max(1, round(height * ratio)))


def fit_frame(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture as large as fits into a frame, in its middle, on white.

    Args:
        picture: uint8 RGB (H, W, 3).
        width: columns of the frame in pixels.
        height: rows of the frame in pixels.

    Returns:
        uint8 RGB (height, width, 3).
    """
    ratio = min(width / picture.shape[1], height / picture.shape[0])
    small = resize(
        picture, max(1, round(picture.shape[1] * ratio)), max(1, round(picture.shape[0] * ratio))
    )
    if small.shape[:2] == (height, width):
        return small
    frame = np.full((height, width, 3), 255, np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    return frame


def enlarge_drawing(drawing: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resizes a drawing so that its lines stay as sharp as they were.

    Bicubic enlargement spreads the edge of a line over as many pixels as it enlarges; steepening
    the tones around `_INK_EDGE` by the same factor draws it together again. Faint gray fades, as it
    would in print.

    Args:
        drawing: uint8 (H, W), dark lines on white.
        width: columns of the result.
        height: rows of the result.

    Returns:
        uint8 (height, width); what does not grow is only resized.
    """
    factor = min(width / drawing.shape[1], height / drawing.shape[0])
    resized = resize(drawing, width, height)
    if factor <= 1:
        return resized
    steep = (resized.astype(np.float32) - _INK_EDGE) * min(factor, _MOST_STEEPENING) + _INK_EDGE
    return np.clip(np.rint(steep), 0, 255).astype(np.uint8)


def grid(images, columns: int, gap: int = 4, fill: int = 255) -> np.ndarray:
    """Lays pictures out as a sheet, row by row.

    Args:
        images: pictures, uint8 (H, W), (H, W, 1) or (H, W, 3); sizes may differ, the largest
            sets the cell.
        columns: pictures in a row.
        gap: pixels between cells.
        fill: gray value 0..255 of gaps and empty cells.

    Returns:
        uint8 RGB.
    """
    images = [as_rgb(image) for image in images]
    cell_height = max(image.shape[0] for image in images)
    cell_width = max(image.shape[1] for image in images)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full(
        (rows * (cell_height + gap) - gap, columns * (cell_width + gap) - gap, 3), fill, np.uint8
    )
    for index, image in enumerate(images):
        top = index // columns * (cell_height + gap)
        left = index % columns * (cell_width + gap)
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet
