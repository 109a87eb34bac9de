"""Pictures in: from files, bytes, file objects, PIL images and arrays, whatever their format.

Colour order, EXIF orientation, alpha and odd file formats end here.
"""

import io
import logging
import os
import threading
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image

from keras_portrait.errors import InputError, TruncatedPictureWarning
from keras_portrait.inference.formats import (
    EXPECTED,
    HEAD,
    formats_for,
    kind_of_bytes,
    kind_of_name,
)
from keras_portrait.inference.jpeg_files import (
    JPEG_FORMATS,
    MOST_JPEG_PIXELS,
    check_scans,
    missing_rows,
    open_large_jpeg,
    reduce_while_reading,
    supply_end,
)
from keras_portrait.inference.jpeg_xl_head import read_jpeg_xl_head
from keras_portrait.inference.pixels import as_rgb, to_rgb, upright

# Above this a picture is taken for a decompression bomb, unless it is a JPEG, which can be reduced
# while it is read. It lies under the number at which Pillow itself begins to warn (89 million), and
# above what nearly all cameras make.
MAX_PIXELS = 80_000_000
# Pixels of a side, as JPEG has it at most: a line of millions of pixels is no photo either.
_MOST_SIDE = 65_535

# Bytes of a file of that many pixels, none of them compressed, and more than any camera writes.
MOST_BYTES = 2**29

# TIFF 6.0, tag 254: the first bit tells a reduced copy, as which cameras' RAW files begin.
_NEW_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706

# Pillow logs faults of a file that then fails with our own text; without this they reach stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class TooLargePicture(InputError):
    """A picture of more pixels or bytes than are read."""


def read_image(
    source: "str | Path | bytes | BinaryIO | Image.Image | np.ndarray",
    complete: bool = False,
    most_pixels: int | None = None,
) -> np.ndarray:
    """Reads a picture from wherever it is.

    A JPEG file of more than `MAX_PIXELS` pixels, or `most_pixels`, is reduced to a half, a quarter
    or an eighth of its sides while it is read.

    Args:
        source: path of a file, the bytes of a file, a file object that gives bytes, a PIL image, or
            an array: uint8 or uint16, (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA.
        complete: whether a JPEG file that lost its end is refused.
        most_pixels: of a picture that is unpacked, at most and by default `MAX_PIXELS`; not looked
            at where the source is an array.

    Returns:
        uint8 RGB (H, W, 3): EXIF orientation applied, transparent parts over white, 16 bits
        rounded to 8, the first frame of an animation.

    Raises:
        InputError: the source is missing, empty, broken, no picture, of a format that is not read
            (`formats.UnreadableFormat`) or only with one more package (`formats.MissingReader`),
            too large a file, or has more pixels than are read (`TooLargePicture`).

    Warns:
        TruncatedPictureWarning: a JPEG file lost its end, and less than half of its rows with it;
            these are gray.
    """
    if isinstance(source, np.ndarray):
        return as_rgb(source)
    most_pixels = min(most_pixels or MAX_PIXELS, MAX_PIXELS)
    if isinstance(source, Image.Image):
        return _decode(source, "the PIL image", complete, most_pixels, is_ours=False)
    if isinstance(source, bytes | bytearray | memoryview):
        return _read_bytes(source, f"{len(source)} bytes", complete, most_pixels)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        _require_file(path)
        try:
            file = path.open("rb")
        except PermissionError as error:
            raise InputError(f"No permission to read the file. Received: {path}") from error
        except OSError as error:
            raise _cannot_read(error, str(path)) from error
        with file:
            return _open(file, str(path), complete, most_pixels)
    if hasattr(source, "read"):
        return _read_bytes(*_all_of(source), complete, most_pixels)
    raise InputError(
        "A picture must be a path, bytes, a file object, a PIL image or a NumPy array. "
        f"Received: {type(source).__name__}"
    )


def _read_bytes(
    data: "bytes | bytearray | memoryview", name: str, complete: bool, most_pixels: int
) -> np.ndarray:
    if not data:
        raise InputError(f"The picture is empty. {EXPECTED} Received: {name}")
    return _open(io.BytesIO(data), name, complete, most_pixels)


def _all_of(file: BinaryIO) -> tuple[bytes, str]:
    """What a file object has still to give, and what an error calls it."""
    name = getattr(file, "name", None)
    name = name if isinstance(name, str) else None
    try:
        data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _cannot_read(error, name or type(file).__name__) from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError(
            "A file object must give bytes: open the file with mode 'rb'. "
            f"Received: {name or type(file).__name__}, which gives {type(data).__name__}"
        )
    name = name or f"{len(data)} bytes"
    if len(data) > MOST_BYTES:
        raise _too_many_bytes(name)
    return data, name


def _require_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"A folder where one picture was expected. Received: {path}")
        if not path.exists():
            raise InputError(f"No such file. {EXPECTED} Received: {path}")
        # A pipe or a device would block or never end.
        if not path.is_file():
            raise InputError(f"Not a regular file. {EXPECTED} Received: {path}")
        if path.stat().st_size == 0:
            raise InputError(f"The file is empty. {EXPECTED} Received: {path}")
        if path.stat().st_size > MOST_BYTES:
            raise _too_many_bytes(str(path))
    except (OSError, ValueError) as error:
        raise _cannot_read(error, str(path)) from error


def _open(file: BinaryIO, name: str, complete: bool, most_pixels: int) -> np.ndarray:
    head = file.read(HEAD)
    file.seek(0)
    kind, named = kind_of_bytes(head), kind_of_name(name)
    # To its first bytes the RAW file of most cameras is a TIFF file: of a small preview.
    if kind is None or (kind == "TIFF" and named == "RAW"):
        kind = None if named in ("HEIF", "JXL") else named
    formats = formats_for(kind, name)
    try:
        with _pillow_remarks_dropped:
            if kind == "JXL":  # whose reader unpacks before it tells the size
                told = read_jpeg_xl_head(file)
                _refuse_large((told.width, told.height), name, most_pixels)
            image = Image.open(file, formats=formats)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        image = open_large_jpeg(file) if kind == "JPEG" else None
        if image is None:
            raise _too_large(name, most_pixels) from error
    except PermissionError as error:
        raise InputError(f"No permission to read the file. Received: {name}") from error
    except Exception as error:  # decoders raise nearly anything on bytes that are not theirs
        raise InputError(f"Not a picture that can be read. {EXPECTED} Received: {name}") from error
    with image:
        if image.format == "TIFF" and _is_raw(image.tag_v2):
            formats_for("RAW", name)
        # EXIF says so once more, unless the file is a JPEG that was packed again.
        if kind == "JXL" and told.orientation != 1 and not getattr(image, "jpeg", False):
            image.getexif().pop(ExifTags.Base.Orientation, None)
        return _decode(image, name, complete, most_pixels)


def _is_raw(tags) -> bool:
    """Whether a TIFF file shows a preview first and holds what a camera's sensor saw elsewhere."""
    is_preview = tags.get(_NEW_SUBFILE_TYPE, 0) == 1
    return is_preview and (_SUB_IFDS in tags or _DNG_VERSION in tags)


def _decode(
    image: Image.Image, name: str, complete: bool, most_pixels: int, is_ours: bool = True
) -> np.ndarray:
    """Unpacks a picture that was opened; one that is the caller's is not reduced."""
    if min(image.size) < 1:
        raise InputError(f"The picture has no pixels. {EXPECTED} Received: {name}")
    size, lost = image.size, 0
    is_jpeg = image.format in JPEG_FORMATS and getattr(image, "fp", None) is not None
    try:
        with _pillow_remarks_dropped:
            scans = check_scans(image, name, MAX_PIXELS) if is_jpeg else 0
            if is_jpeg and is_ours and max(size) <= _MOST_SIDE:
                reduce_while_reading(image, most_pixels)
            _refuse_large(image.size, name, most_pixels, size)
            ended = supply_end(image) if is_jpeg and not complete else ()
            image.load()
            _refuse_large(image.size, name, most_pixels)  # HEIF tells some sizes only now
            if ended:
                lost = missing_rows(image, scans)
            result = to_rgb(upright(image))
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            "There is not enough memory to read the picture. Expected a smaller one, or more free "
            f"memory. Received: {name}, {size[0]} x {size[1]}"
        ) from error
    except Exception as error:
        raise InputError(
            f"The picture is broken or cut short ({_reason(error)}). "
            f"Expected a complete file. Received: {name}"
        ) from error
    if ended:
        rows = f"{100 * lost / image.height:.0f} % of its rows" if lost else "its last bytes"
        text = f"The JPEG file was cut short: {rows} are missing. Received: {name}"
        warnings.warn(TruncatedPictureWarning(text), stacklevel=4)
    return result


class _PillowRemarksDropped:
    """Keeps from the user what Pillow remarks on odd files, in however many threads at once.

    `warnings.catch_warnings` alone would mix up the filters of threads that end in another order
    than they began.
    """

    def __init__(self):
        self._lock, self._inside, self._filters = threading.Lock(), 0, None

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|pillow_jxl)\b")
            self._inside += 1

    def __exit__(self, *error):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(*error)


_pillow_remarks_dropped = _PillowRemarksDropped()


def _refuse_large(
    size: tuple[int, int], name: str, most_pixels: int, told: tuple[int, int] | None = None
) -> None:
    if size[0] * size[1] > most_pixels or max(size) > _MOST_SIDE:
        width, height = told or size
        raise _too_large(f"{name}, {width} x {height}", most_pixels)


def _too_large(name: str, most_pixels: int) -> InputError:
    return TooLargePicture(
        f"The picture is too large. Expected at most {most_pixels / 1_000_000:.3g} million pixels "
        f"(of a JPEG {MOST_JPEG_PIXELS // 1_000_000}), {_MOST_SIDE} a side. Received: {name}"
    )


def _too_many_bytes(name: str) -> InputError:
    return TooLargePicture(
        f"The file is too large. Expected at most {MOST_BYTES // 2**20} MiB. Received: {name}"
    )


def _cannot_read(error: Exception, name: str) -> InputError:
    return InputError(f"Cannot read the file ({_reason(error)}). Received: {name}")


def _reason(error: Exception) -> str:
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
