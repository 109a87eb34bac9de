"""The pictures of a folder and of those below it, and what is passed over there."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import UNFINISHED_PREFIX
from keras_portrait.inference.formats import HEAD, kind_of_bytes, kind_of_name

# Kept by systems, network disks and cameras beside pictures: not the user's.
_SYSTEM_NAMES = frozenset(
    {
        *("@eadir", "#recycle", "__macosx", "$recycle.bin", "system volume information"),
        *("lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini", "lost.dir"),
    }
)


@dataclass
class PassedOver:
    """What a search of folders did not look into.

    Attributes:
        hidden: number of hidden and system files and folders; what a folder holds is not counted.
        unreadable: folders that could not be read, each with its error.
    """

    hidden: int = 0
    unreadable: dict[Path, InputError] = field(default_factory=dict)

    def told(self) -> str:
        """The number of hidden ones in words; "" for none."""
        if not self.hidden:
            return ""
        noun = "file or folder" if self.hidden == 1 else "files and folders"
        return f"{self.hidden} hidden or system {noun} passed over"


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or the system's own, by its bare name."""
    return name.startswith(".") or name.casefold() in _SYSTEM_NAMES


def is_picture(path: Path) -> bool:
    """Whether a file is a picture: by its suffix, or else by its first bytes."""
    if kind_of_name(path.name) is not None:
        return True
    # Nothing is said of files that cannot be opened: by their names they are none of ours.
    with contextlib.suppress(OSError):
        if path.is_file():  # a pipe or a device would block
            with path.open("rb") as file:
                return kind_of_bytes(file.read(HEAD)) is not None
    return False


def walk_files(folder: Path, passed: PassedOver) -> Iterator[Path]:
    """All files of a folder and of those below it, sorted within each folder.

    Links to folders are followed after all others, and no folder is entered twice, so that files
    keep the names under which they lie and a link that leads back does no harm.

    Args:
        folder: where to look.
        passed: notes what is passed over.

    Raises:
        InputError: the folder is missing, is no folder, or cannot be read.
    """
    if not os.path.isdir(folder):
        raise InputError(f"No such folder. Expected a folder of pictures. Received: {folder}")
    entered, todo, links = set(), [folder], []
    while todo or links:
        place = todo.pop() if todo else links.pop(0)
        try:
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in entered:
                continue
            with os.scandir(place) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            refusal = InputError(
                f"Cannot read the folder ({error.strerror}). Received: {error.filename or place}"
            )
            if place == folder:
                raise refusal from error
            passed.unreadable[place] = refusal
            continue
        entered.add((status.st_dev, status.st_ino))
        inner = []
        for entry in entries:
            if is_hidden(entry.name):
                passed.hidden += not entry.name.startswith(UNFINISHED_PREFIX)
            elif not _is_folder(entry):
                yield place / entry.name
            else:
                (links if entry.is_symlink() else inner).append(place / entry.name)
        todo += reversed(inner)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def list_images(folder: "str | Path", passed: PassedOver | None = None) -> list[Path]:
    """The pictures in a folder and below it, sorted, those that cannot be read among them.

    Args:
        folder: where to look.
        passed: notes what is passed over; None where nobody asks.

    Raises:
        InputError: the folder is missing, is no folder, or cannot be read.
    """
    passed = PassedOver() if passed is None else passed
    return sorted(path for path in walk_files(Path(folder), passed) if is_picture(path))
