"""Presets of others on this disk: found by their address, moved in whole.

    CACHE/presets/FOLDER/     the files of a preset; the name is a hash of them
    CACHE/presets/KEY.json    an address, and the folder that it leads to

Folders are never written to again, so that any number of processes may fetch and draw at once; an
address that leads to something new gets another folder.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import (
    UNFINISHED_PREFIX,
    cache_folder,
    file_sha256,
    make_folder,
    parse_json,
    read_bounded,
    remove_forgotten,
    write_whole,
)
from keras_portrait.inference.addresses.address import Address
from keras_portrait.inference.metadata import FILE_NAME

_FORMAT = 1
# Letters of a hash in hexadecimal that names are made of.
_LETTERS = 32


@dataclass(frozen=True)
class Cached:
    """A preset in the cache.

    Attributes:
        address: as it is typed.
        folder: holds its files.
    """

    address: str
    folder: Path


class Unreachable(InputError):
    """Nobody answers at an address; the text says what is there without it.

    Args:
        reason: in some words.
        where: the address.
    """

    def __init__(self, reason: str, where: str):
        names = ", ".join(entry.address for entry in list_cached())
        there = f"Cached are: {names}." if names else "No preset is cached."
        super().__init__(f"The preset cannot be fetched ({reason}). {there} Received: {where}")


def list_cached() -> list[Cached]:
    """The presets in the cache, by their addresses; what is damaged is left out."""
    found = []
    with contextlib.suppress(OSError):
        paths = list(_presets().glob(f"{'[0-9a-f]' * _LETTERS}.json"))
        found = [entry for entry in map(_read, paths) if entry]
    return sorted(found, key=lambda entry: entry.address)


def find_cached(address: Address) -> Path | None:
    """The folder of a preset in the cache, or None."""
    entry = _read(_entry(address))
    return entry.folder if entry else None


@contextlib.contextmanager
def new_folder() -> Iterator[Path]:
    """Gives an empty folder on the disk of the cache, which is gone at the end.

    Raises:
        InputError: it cannot be made, for example because the disk is full.
    """
    presets = _presets()
    make_folder(presets)
    remove_forgotten(presets)
    try:
        part = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED_PREFIX}{os.getpid()}-", dir=presets))
    except OSError as error:
        raise InputError(
            f"Cannot write into the folder ({error.strerror}). Received: {presets}"
        ) from error
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def keep(address: Address, made: Path) -> Path:
    """Moves a preset into the cache.

    Args:
        address: where it comes from.
        made: folder with its files, within one of `new_folder`.

    Returns:
        The folder in which they lie now.

    Raises:
        InputError: they cannot be moved there.
    """
    name = _hash_of(made)
    folder = made.parent.with_name(name)
    try:
        # It is there where another process came first, or where somebody damaged it.
        if os.path.lexists(folder) and _hash_of(folder) != name:
            os.rename(folder, made.with_name("damaged"))
        try:
            os.rename(made, folder)
        except OSError:
            if _hash_of(folder) != name:
                raise
    except OSError as error:
        raise InputError(
            f"Cannot keep the preset ({error.strerror}). Received: {folder}"
        ) from error
    row = {"format": _FORMAT, "address": address.text, "folder": name}
    write_whole(_entry(address), json.dumps(row, indent=2).encode() + b"\n")
    return folder


def _presets() -> Path:
    # Absolute, as places in jobs are that other processes work on.
    return Path(os.path.abspath(cache_folder())) / "presets"


def _entry(address: Address) -> Path:
    key = hashlib.sha256(address.key.encode()).hexdigest()[:_LETTERS]
    return _presets() / f"{key}.json"


def _read(path: Path) -> Cached | None:
    try:
        row = parse_json(read_bounded(path))
        name, address = row["folder"], row["address"]
        fits = row["format"] == _FORMAT and isinstance(address, str) and len(name) == _LETTERS
        folder = path.with_name(name) if fits and name.isalnum() else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Cached(address, folder) if folder and (folder / FILE_NAME).is_file() else None


def _hash_of(folder: Path) -> str:
    """A hash of names and contents of the files in a folder."""
    rows = sorted((path.name, file_sha256(path)) for path in folder.iterdir() if path.is_file())
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:_LETTERS]
