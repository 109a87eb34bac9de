"""Where pictures and videos are kept: a folder that can be written, and names that are new."""

import contextlib
import os
from datetime import datetime
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import UNFINISHED_PREFIX, make_folder

_PREFIX = "portrait-"


def make_writable_folder(folder: Path) -> None:
    """Makes a folder where it is not there yet, and tries whether files can be made in it.

    Raises:
        InputError: it cannot be made, or no file in it.
    """
    make_folder(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"Cannot write into the folder (no permission). Received: {folder}")


def fresh_path(folder: Path, suffix: str) -> Path:
    """A file named by date and time that is not there yet, with a suffix like ".png"."""
    name = f"{_PREFIX}{datetime.now():%Y%m%d-%H%M%S}"
    path, count = folder / f"{name}{suffix}", 1
    # A Pi without network forgets the time: the same second may come again.
    while path.exists():
        count += 1
        path = folder / f"{name}-{count}{suffix}"
    return path


def remove_unfinished(folder: Path, suffix: str) -> None:
    """Removes what was being written under such names when the power went; no one else's files."""
    for part in folder.glob(f"{UNFINISHED_PREFIX}*-{_PREFIX}*{suffix}"):
        with contextlib.suppress(OSError):
            part.unlink()
