"""Pictures in and out: reading, writing, ranges, sizes, sheets.

Everywhere else in the package a picture is a uint8 RGB array (H, W, 3), and a network sees
float32 in [-1, 1]. Colour order, EXIF orientation, alpha and odd file formats end here.
"""

import io
import logging
import os
import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from keras_portrait.errors import InputError
from keras_portrait.files import write_whole

# Above this a picture is taken for a decompression bomb. It lies under the number at which
# Pillow itself begins to warn (89 million), and above what nearly all cameras make.
MAX_PIXELS = 80_000_000
# Pixels of a side, as JPEG has it at most: a line of millions of pixels is no photo either.
_MOST_SIDE = 65_535

# Bytes of a file of that many pixels, none of them compressed, and more than any camera writes.
_MOST_BYTES = 2**29

# A scan of a progressive JPEG may say nothing and still goes over the whole picture, so that 22 kB
# took 13 seconds. Encoders write about ten of them; TIFF's own reader has this limit.
_MOST_SCANS = 100
# Parts of a JPEG file, scans or not. Cameras write some dozens; a depth map takes some hundreds, of
# 64 kB each. Going through 8 MB of empty ones took 1.6 seconds.
_MOST_PARTS = 10_000
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_START_OF_SCAN, _END_OF_IMAGE, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, 0xD8)

# Pixels that are turned into RGB at a time, so that a large picture is not in memory five times.
_BAND_PIXELS = 4_000_000

# Gray level at which an enlarged line has its edge: lighter than the middle, so that thin lines
# survive. Steepening past the second figure turns what is left of the shading into blots.
_INK_EDGE = 150
_MOST_STEEPENING = 4.0

# What may be opened. Formats that run another program (EPS) or that hold no photos stay shut.
# The common ones come first: Pillow loads the plugins of the others only when these do not fit.
READABLE_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
)
_EXPECTED = "Expected a JPEG, PNG, WebP, TIFF, BMP or GIF picture."

_WRITERS = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95}),
    ".jpeg": ("JPEG", {"quality": 95}),
}
WRITABLE_SUFFIXES = tuple(_WRITERS)

# Pillow logs faults of a file that then fails with our own text; without this they reach stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

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


def read_image(source: "str | Path | bytes | Image.Image | np.ndarray") -> np.ndarray:
    """Reads a picture from wherever it is.

    Args:
        source: path of a file, the bytes of a file, a PIL image, or an array: uint8 or uint16,
            (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA.

    Returns:
        uint8 RGB (H, W, 3): EXIF orientation applied, transparent parts over white, 16 bits
        rounded to 8, the first frame of an animation.

    Raises:
        InputError: the source is missing, empty, broken, no picture, too large a file, or has
            more than `MAX_PIXELS` pixels.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _decode(source, "the PIL image")
    if isinstance(source, bytes | bytearray | memoryview):
        if not source:
            raise InputError(f"The picture is empty. {_EXPECTED} Received: 0 bytes")
        return _open(io.BytesIO(source), f"{len(source)} bytes")
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        _require_file(path)
        return _open(path, str(path))
    raise InputError(
        "A picture must be a path, bytes, a PIL image or a NumPy array. "
        f"Received: {type(source).__name__}"
    )


def _require_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"A folder where one picture was expected. Received: {path}")
        if not path.exists():
            raise InputError(f"No such file. {_EXPECTED} Received: {path}")
        # A pipe or a device would block or never end.
        if not path.is_file():
            raise InputError(f"Not a regular file. {_EXPECTED} Received: {path}")
        if path.stat().st_size == 0:
            raise InputError(f"The file is empty. {_EXPECTED} Received: {path}")
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(
                f"The file is too large. Expected at most {_MOST_BYTES // 2**20} MiB. "
                f"Received: {path}"
            )
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read the file ({_reason(error)}). Received: {path}") from error


def _open(file: "Path | io.BytesIO", name: str) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata are not the user's
            image = Image.open(file, formats=READABLE_FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except PermissionError as error:
        raise InputError(f"No permission to read the file. Received: {name}") from error
    except Exception as error:  # decoders raise nearly anything on bytes that are not theirs
        raise InputError(f"Not a picture that can be read. {_EXPECTED} Received: {name}") from error
    with image:
        return _decode(image, name)


def _decode(image: Image.Image, name: str) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS or max(image.size) > _MOST_SIDE:
        raise _too_large(f"{name}, {image.width} x {image.height}")
    if min(image.size) < 1:
        raise InputError(f"The picture has no pixels. {_EXPECTED} Received: {name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _check_scans(image, name)
            image.load()
            return _to_rgb(_upright(image))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"The picture is broken or cut short ({_reason(error)}). "
            f"Expected a complete file. Received: {name}"
        ) from error


def _check_scans(image: Image.Image, name: str) -> None:
    """Refuses a JPEG file of more scans or parts than encoders make, before it is decoded."""
    file = getattr(image, "fp", None)
    if file is None or image.format not in ("JPEG", "MPO"):
        return
    place = file.tell()
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    # Not up to the limit where less is there: Python would ask for all of that memory at once.
    data, scans, parts, at = file.read(min(length, _MOST_BYTES)), 0, 0, 0
    file.seek(place)
    while (found := _JPEG_MARKER.search(data, at)) and data[found.end() - 1] != _END_OF_IMAGE:
        at = found.end()
        if data[at - 1] not in _WITHOUT_LENGTH:
            at += max(2, int.from_bytes(data[at : at + 2]))
        scans += data[found.end() - 1] == _START_OF_SCAN
        if scans > _MOST_SCANS:
            raise InputError(
                f"The JPEG file has too many scans. Expected at most {_MOST_SCANS}. "
                f"Received: {name}"
            )
        parts += 1
        if parts > _MOST_PARTS:
            raise InputError(
                f"The JPEG file has too many parts. Expected at most {_MOST_PARTS}. "
                f"Received: {name}"
            )


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken metadata must not cost a photo that can be read
        return image
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> np.ndarray:
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
        return _from_array(np.clip(np.asarray(image), 0, 65535).astype(np.uint16))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _from_array(array: np.ndarray) -> np.ndarray:
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


def _too_large(name: str) -> InputError:
    return InputError(
        f"The picture is too large. Expected at most {MAX_PIXELS // 1_000_000} million pixels, "
        f"{_MOST_SIDE} a side. "
        f"Received: {name}"
    )


def _reason(error: Exception) -> str:
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


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
    images = [_from_array(image) for image in images]
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


def list_images(folder: "str | Path") -> list[Path]:
    """The pictures in a folder and below it, by suffix, sorted; hidden files are left out.

    Raises:
        InputError: the folder is missing, is no folder, or cannot be read.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise InputError(f"No such folder. Expected a folder of pictures. Received: {folder}")

    def refuse(error: OSError):
        raise InputError(
            f"Cannot read the folder ({_reason(error)}). Received: {error.filename}"
        ) from error

    return sorted(
        Path(place, name)
        for place, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith(".")
    )
