"""Which files a preset of others may bring, and how large they may be."""

from pathlib import PurePosixPath

from keras_portrait.errors import InputError
from keras_portrait.files import MOST_TEXT
from keras_portrait.inference import metadata
from keras_portrait.inference.addresses.address import MODEL

# Bytes of a card or picture.
_MOST_EXTRA = 2**25
_MOST_FILES = 32
_EXTRA_SUFFIXES = (".md", ".txt", ".png", ".jpg", ".jpeg", ".webp")
_EXTRA_NAMES = ("LICENSE", "NOTICE")
# What git, the hub and file managers leave everywhere; it is not kept.
_PASSED_OVER = (".gitattributes", ".gitignore", ".DS_Store", "Thumbs.db", "desktop.ini")


def is_passed_over(name: str) -> bool:
    """Whether a file says nothing about a preset and is left where it is."""
    path = PurePosixPath(name)
    return path.name in _PASSED_OVER or "__MACOSX" in path.parts


def is_part(name: str) -> bool:
    """Whether a file of that name may be one of a preset."""
    path = PurePosixPath(name)
    if path.name != name or name.startswith(".") or "\\" in name or not name.isprintable():
        return False
    suffix = path.suffix.lower()
    return (
        name in (metadata.FILE_NAME, *_EXTRA_NAMES) or suffix == MODEL or suffix in _EXTRA_SUFFIXES
    )


def most_bytes(name: str) -> int:
    """Bytes that a file of a preset may have."""
    if name == metadata.FILE_NAME:
        return MOST_TEXT
    return metadata.MOST_MODEL if name.lower().endswith(MODEL) else _MOST_EXTRA


def check_files(sizes: dict[str, int], where: str) -> None:
    """Refuses files that are no preset, before any of them is fetched or unpacked.

    Args:
        sizes: bytes of each file, by name; without those that are passed over.
        where: what an error calls the whole.

    Raises:
        InputError: a file is missing, is too much, or is too large.
    """
    received = f"Received: {where}"
    for name in sizes:
        if not is_part(name):
            raise InputError(
                f"A preset is {metadata.FILE_NAME}, its model, a card and pictures, and no other "
                f"files. Received: {name} in {where}"
            )
    if metadata.FILE_NAME not in sizes:
        raise InputError(f"The preset lacks {metadata.FILE_NAME}. {received}")
    models = [name for name in sizes if name.lower().endswith(MODEL)]
    if len(models) != 1:
        found = f"{len(models)} in {where}" if models else where
        raise InputError(f"A preset has one model, a {MODEL} file. Received: {found}")
    if len(sizes) > _MOST_FILES or len({name.casefold() for name in sizes}) < len(sizes):
        raise InputError(
            f"Expected at most {_MOST_FILES} files, each of a name of its own. "
            f"Received: {len(sizes)} in {where}"
        )
    for name, size in sizes.items():
        if size > most_bytes(name):
            raise InputError(
                f"A file of the preset is too large. Expected at most {most_bytes(name)} bytes. "
                f"Received: {size} bytes in {name} of {where}"
            )
