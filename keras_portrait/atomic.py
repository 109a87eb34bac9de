"""Files that are there whole or not at all, whenever the writing is cut off."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from keras_portrait.errors import InputError

# How the name of a file begins that is being written. The suffixes stay: Keras looks at them.
UNFINISHED_PREFIX = ".part-"


@contextlib.contextmanager
def whole_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """Gives a place to write to, and moves what was written there to `path` at the end.

    Args:
        path: the file to make or to replace; its folder must exist.
        durable: whether to wait until the disk has it, so that a power cut does not leave an empty
            file either.

    Yields:
        The path to write to, in the same folder and with the same suffixes.

    Raises:
        InputError: the file cannot be written, for example because the disk is full. What was at
            `path` is still there then.
    """
    part = path.with_name(f"{UNFINISHED_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield part
        if durable:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(part, path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise InputError(f"Cannot write the file ({reason}). Received: {path}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _sync_folder(folder: Path) -> None:
    """Waits until the disk has a folder's new names too, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Writes bytes to a file.

    Raises:
        InputError: the file cannot be written.
    """
    with whole_file(path) as part:
        part.write_bytes(data)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, where they are not there yet.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the folder ({error.strerror}). Received: {folder}"
        ) from error


def remove_unfinished(folder: Path) -> None:
    """Removes what a killed process was writing in a folder and below it."""
    for part in folder.rglob(f"{UNFINISHED_PREFIX}*"):
        with contextlib.suppress(OSError):
            part.unlink()
