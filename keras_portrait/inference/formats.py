"""Which files are pictures, told by their names and by their first bytes, and which can be read.

The one list for single photos, folders, jobs in bulk, `portrait prepare` and the demo.
"""

import importlib
import re
import threading
from pathlib import PurePath

from PIL import Image

from keras_portrait.errors import InputError, MissingExtra

# What Pillow may open. Formats that run another program (EPS) or that hold no photos stay shut.
# The common ones come first: Pillow loads the plugins of the others only when these do not fit.
READABLE_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "PPM", "WEBP", "TIFF", "AVIF")

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
    "JXL": (".jxl",),
    # Pictures to who has them, and closed to this package.
    "RAW": (
        *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".raf", ".orf"),
        *(".rw2", ".pef", ".srw", ".3fr", ".iiq", ".x3f"),
    ),
    "PSD": (".psd", ".psb"),
    "OTHER": (".jp2", ".j2k", ".jpf", ".jpx", ".xcf", ".tga", ".exr", ".hdr", ".qoi", ".pcx"),
}
# Of videos: what they hold is left to FFmpeg.
_VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".ogv"),
        *(".3gp", ".3g2", ".ts", ".mts", ".m2ts", ".vob"),
    }
)
_KIND_OF_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}

# Why a kind of file is not read, and what to do: the same words for each file of that kind.
_REASONS = {
    "RAW": "RAW photos of cameras cannot be read. Expected them developed to JPEG, PNG or TIFF.",
    "PSD": "Files of Photoshop cannot be read. Expected them exported as JPEG, PNG or TIFF.",
    "OTHER": "Pictures of this format cannot be read. Expected JPEG, PNG, WebP, TIFF or AVIF.",
}
# Formats that packages beside Pillow read: package, and the pip line that brings it.
_READERS = {
    "HEIF": (
        "pillow_heif",
        "HEIC photos need the package pillow-heif. Install it with: "
        'pip install "keras-portrait[heif]".',
    ),
    "JXL": (
        "pillow_jxl",
        "JPEG XL needs a package. Install it with: pip install pillow-jxl-plugin.",
    ),
}
SHARED_REASONS = frozenset([*_REASONS.values(), *(text for _, text in _READERS.values())])
EXPECTED = "Expected a JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG XL, BMP, PPM or GIF picture."

# Bytes at the begin of a file that tell what it is.
HEAD = 64
_MAGIC = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    # Two letters alone would make a picture of many a text: the length of the header follows.
    ("BMP", re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)),
    ("PPM", re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s")),
    ("JXL", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")),
    ("PSD", re.compile(rb"8BPS\0[\1\2]")),
    # Canon, Fujifilm, Olympus, Panasonic; the others' RAW is TIFF to the first bytes.
    ("RAW", re.compile(rb"II\*\0....CR|FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\0", re.DOTALL)),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),
)
# ISO 14496-12: a first box "ftyp" with the main brand, a version, and the brands that fit, too.
_BRANDS = {
    "AVIF": {b"avif", b"avis"},
    "HEIF": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"},
    "RAW": {b"crx "},
}
_HEIF_IN_GENERAL = {b"mif1", b"msf1", b"mif2"}

# Only one thread adds a format to Pillow's.
_lock = threading.Lock()


class UnreadableFormat(InputError):
    """A picture of a format that is not read here."""


class MissingReader(UnreadableFormat, MissingExtra):
    """A picture of a format that one more package reads; the text names the pip line."""


def kind_of_name(name: "str | PurePath") -> str | None:
    """What a file is by its suffix: "JPEG", "HEIF", "RAW", ...; None where it does not tell."""
    return _KIND_OF_SUFFIX.get(PurePath(name).suffix.lower())


def is_video_name(name: "str | PurePath") -> bool:
    """Whether a file is a video by its suffix."""
    return PurePath(name).suffix.lower() in _VIDEO_SUFFIXES


def kind_of_bytes(head: bytes) -> str | None:
    """What a file is by its first `HEAD` bytes; None for what is no known picture."""
    for kind, magic in _MAGIC:
        if magic.match(head):
            return kind
    if head[4:8] != b"ftyp":
        return None
    length = int.from_bytes(head[:4], "big")
    listed = head[16 : min(length, HEAD)]
    brands = [head[8:12], *(listed[at : at + 4] for at in range(0, len(listed), 4))]
    for brand in brands:
        for kind, known in _BRANDS.items():
            if brand in known:
                return kind
    return "HEIF" if _HEIF_IN_GENERAL & set(brands) else None


def formats_for(kind: str | None, name: str) -> tuple[str, ...]:
    """The formats of Pillow that may open a file.

    Args:
        kind: what it is by its bytes, or by its name.
        name: what an error calls it.

    Raises:
        UnreadableFormat: this kind is not read.
        MissingReader: it is where one more package is installed.
    """
    reason = reason_against(kind)
    if reason is not None:
        error = MissingReader if kind in _READERS else UnreadableFormat
        raise error(f"{reason} Received: {name}")
    return (kind,) if kind in _READERS else READABLE_FORMATS


def refuse_closed_format(name: str) -> None:
    """Raises UnreadableFormat for a file whose name says that it need not be opened."""
    kind = kind_of_name(name)
    if kind in _REASONS:
        formats_for(kind, name)


def reason_against(kind: str | None) -> str | None:
    """Why files of a kind are not read here, and what to do; None where they are."""
    if kind in _READERS:
        package, reason = _READERS[kind]
        return None if _has_reader(kind, package) else reason
    return _REASONS.get(kind)


def shared_reason(text: str) -> str | None:
    """The part of an error's text that it shares with those of all files of its kind, if any."""
    reason = text.partition(" Received: ")[0]
    return reason if reason in SHARED_REASONS else None


def _has_reader(kind: str, package: str) -> bool:
    with _lock:
        # Pillow itself may read it one day, or another plugin of it.
        if kind in Image.OPEN:
            return True
        try:
            module = importlib.import_module(package)
        except ImportError:
            return False
        if package == "pillow_heif":
            module.register_heif_opener()
        return True
