"""Pixels of any kind as uint8 RGB, upright."""

import numpy as np
from PIL import ExifTags, Image

from keras_portrait.errors import InputError

# Pixels that are turned into RGB at a time, so that a large picture is not in memory five times.
_BAND_PIXELS = 4_000_000

# EXIF 2.32, tag 0x0112: what turns a stored picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image) -> Image.Image:
    """A picture turned as its EXIF orientation says."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken metadata must not cost a photo that can be read
        return image
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> np.ndarray:
    """The pixels of a picture of any mode: uint8 RGB (H, W, 3), transparent parts over white.

    Raises:
        InputError: they are floating point numbers.
    """
    if image.mode == "F":
        raise InputError(
            "Pictures of floating point numbers have no fixed range. "
            "Expected 8 or 16 bits a channel. Received: mode F"
        )
    result = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        result[top:bottom] = _band_to_rgb(image.crop((0, top, image.width, bottom)))
    return result


def _band_to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow keeps in 16 or 32 bits
        return as_rgb(np.clip(np.asarray(image), 0, 65535).astype(np.uint16))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def as_rgb(array: np.ndarray) -> np.ndarray:
    """An array of pixels as a picture.

    Args:
        array: as `reading.read_image` takes it.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        InputError: it has another type or shape, or no pixels.
    """
    shape_fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if not shape_fits or array.size == 0 or array.dtype not in (np.uint8, np.uint16):
        raise InputError(
            "A picture array must be uint8 or uint16 and (H, W), (H, W, 1), (H, W, 3) RGB or "
            f"(H, W, 4) RGBA. Received: {array.dtype} {array.shape}"
        )
    if array.dtype == np.uint16:
        array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.ndim == 2:
        array = array[..., None]
    if array.shape[2] == 4:
        alpha = array[..., 3:].astype(np.float32) / 255
        array = np.rint(array[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))
