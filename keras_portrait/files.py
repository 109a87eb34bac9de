"""Files that are there whole or not at all, and small ones that are read with care."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from keras_portrait.errors import InputError

# How the name of a file begins that is being written. The suffixes stay: Keras looks at them.
UNFINISHED_PREFIX = ".part-"
# Seconds after which nobody is still making what is unfinished.
_FORGOTTEN = 24 * 3600
# How the name of a drawing ends.
DRAWING_SUFFIX = ".portrait.png"
# Bytes that a file of JSON has at most; those of this package have some thousands.
MOST_TEXT = 2**24
# The environment variable that names another cache folder.
CACHE_VARIABLE = "KERAS_PORTRAIT_CACHE"


def cache_folder() -> Path:
    """Where files lie that can be fetched or made again; it need not be there yet.

    It is what the environment variable `KERAS_PORTRAIT_CACHE` says, otherwise `keras-portrait` in
    `XDG_CACHE_HOME` or `~/.cache`.
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras-portrait"


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


@contextlib.contextmanager
def new_folder(folder: Path, what: str) -> Iterator[Path]:
    """Gives a folder beside the wanted one, which takes its place at the end and only then.

    Args:
        folder: the wanted one; not there, or empty.
        what: what goes into it, for the text of an error.

    Yields:
        The folder to write to; it is removed where the block fails.

    Raises:
        InputError: it cannot be written.
    """
    target = folder.resolve()
    part = target.with_name(f"{UNFINISHED_PREFIX}{os.getpid()}-{target.name}")
    make_folder(part)
    try:
        yield part
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise InputError(
            f"Cannot write the {what} ({error.strerror}). Received: {folder}"
        ) from error
    try:
        if target.is_dir():
            target.rmdir()
        part.rename(target)
    except OSError as error:
        raise InputError(
            f"Cannot put the finished {what} in its place ({error.strerror}). It is in {part}. "
            f"Received: {folder}"
        ) from error


def check_writable(folder: Path) -> None:
    """Sees to it that files can be written into a folder that is there or will be made.

    Raises:
        InputError: they cannot.
    """
    there = folder.absolute()
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not os.path.isdir(there):
        reason = os.strerror(errno.ENOTDIR)
        raise InputError(f"Cannot make the folder ({reason}). Received: {folder}")
    try:
        # To write tells more than to ask: disks may be read-only, or know nothing of permissions.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(
            f"Cannot write into the folder ({error.strerror}). Received: {folder}"
        ) from error


def remove_unfinished(folder: Path) -> None:
    """Removes what a killed process was writing in a folder and below it."""
    for part in folder.rglob(f"{UNFINISHED_PREFIX}*"):
        with contextlib.suppress(OSError):
            part.unlink()


def remove_forgotten(folder: Path, name: str = "") -> None:
    """Removes what killed processes were making in a folder, a day ago or longer.

    Args:
        folder: its own files and folders are looked at, not those below.
        name: what their names go on with after `UNFINISHED_PREFIX`, where the folder is not ours.
    """
    for part in folder.glob(f"{UNFINISHED_PREFIX}{glob.escape(name)}*"):
        with contextlib.suppress(OSError):
            if time.time() - part.lstat().st_mtime > _FORGOTTEN:
                shutil.rmtree(part) if part.is_dir() else part.unlink()


def read_bounded(path: Path, limit: int = MOST_TEXT) -> bytes:
    """Reads a file.

    Args:
        path: where it lies; a link is followed.
        limit: bytes that it may have.

    Raises:
        OSError: it is missing, cannot be read, is no regular file (a pipe blocks, a device never
            ends), or is longer; `strerror` says which.
    """
    try:
        # Not blocking, so that a pipe nobody writes to is opened and then refused.
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except ValueError:  # a name with a zero byte
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path)) from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        # Not up to the limit: Python would ask for all of that memory at once.
        data = file.read(found.st_size + 1) if found.st_size <= limit else None
    if data is None or len(data) > limit:
        raise OSError(errno.EFBIG, f"More than {limit} bytes", str(path))
    return data


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_sha256(path: Path, what: str) -> str:
    """As `file_sha256`, with an error for the user.

    Args:
        path: of the file.
        what: the error calls it.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(f"Cannot read {what} ({error.strerror}). Received: {path}") from error


def parse_json(text: str | bytes) -> object:
    """Reads JSON.

    Raises:
        ValueError: it is none, or is nested deeper than Python can follow.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
