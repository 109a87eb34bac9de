"""Folders and object stores behind one interface: list, read, write whole files.

A place is the path of a folder or the URL of one (`s3://bucket/faces`, `gs://...`,
`memory://...`). URLs are reached through fsspec, which is imported only then.
"""

import abc
import contextlib
import os
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from keras_portrait.errors import InputError, MissingExtra, PortraitError, SettingError
from keras_portrait.files import UNFINISHED_PREFIX, make_folder, write_whole

# Bytes that are read from an object store in one request: long runs, but bounded memory.
CHUNK = 8 * 1024 * 1024
# Chains of fsspec are URLs, too: simplecache::s3://bucket/faces.
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+::)*[A-Za-z][A-Za-z0-9+.-]+://")
# A password may hold an @ of its own; where there is more than one, the last ends it.
_SECRETS = re.compile(r"(?<=://)[^/?#]*@|\?.*")


def is_url(place: str | Path) -> bool:
    """Whether a place is named by a URL."""
    return bool(_URL.match(str(place)))


def as_place(place: str | Path) -> str | Path:
    """A place as it is kept: URLs as text, since paths would lose a slash of them."""
    return str(place) if is_url(place) else Path(place)


def public_name(place: str | Path) -> str:
    """How a place is named in texts and files: without passwords and signatures of a URL."""
    return _SECRETS.sub("", str(place)) if is_url(place) else str(place)


def full_name(place: str | Path) -> str:
    """A name that means the same in every working folder: an absolute path, or the URL."""
    return public_name(place) if is_url(place) else str(Path(place).resolve())


def check_name(name: str) -> str:
    """Refuses names of files that lead out of the place that they are looked for in.

    Args:
        name: relative, with forward slashes.

    Returns:
        The name.

    Raises:
        InputError: it is absolute or empty, has a part `..` or a zero byte.
    """
    for path in (PurePosixPath(name), Path(name)):
        leads_out = path.is_absolute() or path.drive or ".." in path.parts
        if not path.parts or leads_out or "\0" in name:
            raise InputError(
                f"Expected the name of a file inside the folder, without `..`. Received: {name!r}"
            )
    return name


def open_store(place: str | Path) -> "Store":
    """Reaches for a place; nothing is read or made yet.

    Args:
        place: path of a folder, or its URL.

    Raises:
        MissingExtra: fsspec, or what it needs for this kind of URL, is not installed.
        SettingError: no such kind of URL.
        InputError: the store cannot be reached.
    """
    if not is_url(place):
        return LocalStore(Path(place))
    text = str(place)
    if text.startswith(("file://", "local://")):
        return LocalStore(Path(text.partition("://")[2]))
    return RemoteStore(text)


class Store(abc.ABC):
    """A folder of files. Names are relative, with forward slashes, and never lead out of it.

    Every method raises an `InputError` of one line where the place cannot do what is asked.

    Attributes:
        name: the place, for texts.
        remote: whether it is an object store.
    """

    name: str
    remote: bool

    @abc.abstractmethod
    def lengths(self) -> dict[str, int]:
        """All files in it and below it with their bytes; {} where there is no such folder."""

    def names(self) -> list[str]:
        """Names of all files in it and below it, sorted."""
        return sorted(self.lengths())

    @abc.abstractmethod
    def length(self, name: str) -> int | None:
        """Bytes of a file; None where it is not there."""

    @abc.abstractmethod
    def read(self, name: str, most: int | None = None) -> bytes:
        """The bytes of a file; refuses one with more than `most`."""

    @abc.abstractmethod
    def open(self, name: str) -> BinaryIO:
        """A file to read at any place in it.

        Of an object store it is a copy on this machine's disk that has no name and is gone when it
        is closed; `CHUNK` bytes at a time are in memory.
        """

    @abc.abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Writes a file, which is there whole or not at all, and folders where they are missing."""

    @abc.abstractmethod
    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""

    def _check_length(self, name: str, most: int | None) -> None:
        length = None if most is None else self.length(name)
        if length is not None and length > most:
            raise InputError(
                f"{self.name}/{name}: expected at most {most} bytes. Received: {length}"
            )


class LocalStore(Store):
    """A folder of this machine.

    Args:
        folder: its path; it need not be there yet.
    """

    remote = False

    def __init__(self, folder: Path):
        self.folder = folder
        self.name = str(folder)

    def path(self, name: str) -> Path:
        """Where a file lies.

        Raises:
            InputError: the name, or a link on its way, leads out of the folder.
        """
        path = self.folder / check_name(name)
        try:
            inside = path.parent.resolve().is_relative_to(self.folder.resolve())
        except RuntimeError:  # a link that leads to itself
            inside = False
        if not inside:
            raise InputError(f"{self.name}: a link leads out of the folder. Received: {name}")
        return path

    def lengths(self) -> dict[str, int]:
        """See `Store`; what is just being written is left out."""
        found = {}
        for folder, _, files in os.walk(self.folder, onerror=self._refuse):
            for path in (Path(folder, name) for name in files):
                if not path.name.startswith(UNFINISHED_PREFIX):
                    with contextlib.suppress(FileNotFoundError):  # gone since, or a dangling link
                        name = path.relative_to(self.folder).as_posix()
                        found[name] = path.stat().st_size
        return found

    def _refuse(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise InputError(f"Cannot list the folder ({error.strerror}). Received: {self.name}")

    def length(self, name: str) -> int | None:
        """See `Store`."""
        path = self.path(name)
        try:
            return path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _cannot("read", self.name, name, error) from error

    def read(self, name: str, most: int | None = None) -> bytes:
        """See `Store`."""
        self._check_length(name, most)
        try:
            with self.open(name) as file:
                return file.read()
        except OSError as error:  # a damaged disk, a server that is gone
            raise _cannot("read", self.name, name, error) from error

    def open(self, name: str) -> BinaryIO:
        """See `Store`."""
        return self.open_path(self.path(name), name)

    def open_path(self, path: Path, name: str) -> BinaryIO:
        """Opens a file of the folder to read, wherever links on its way lead.

        Args:
            path: where it lies.
            name: what an error calls it.

        Raises:
            InputError: it is missing, is no file, or cannot be read.
        """
        try:
            # A pipe or a device would block or never end.
            if path.exists() and not path.is_file():
                raise InputError(f"Expected a file. Received: {path}")
            return path.open("rb")
        except OSError as error:
            raise _cannot("read", self.name, name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """See `Store`."""
        path = self.path(name)
        make_folder(path.parent)
        write_whole(path, data)

    def remove(self, name: str) -> None:
        """See `Store`."""
        path = self.path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _cannot("remove", self.name, name, error) from error


class RemoteStore(Store):
    """A folder of an object store, reached through fsspec.

    An object store shows a file when its upload is complete, so that each is there whole or not at
    all.

    Args:
        url: of the folder.
    """

    remote = True

    def __init__(self, url: str):
        self.name = public_name(url).rstrip("/")
        scheme = url.partition("://")[0]
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise MissingExtra(
                f"{scheme}:// needs the package fsspec. Install it with: "
                f'pip install "keras-portrait[store]". Received: {self.name}'
            ) from None
        try:
            self._files, self._root = url_to_fs(url)
        except ImportError as error:
            raise MissingExtra(
                f"{scheme}:// needs one more package: {_first_line(error)}. Received: {self.name}"
            ) from None
        except ValueError as error:
            raise SettingError(
                "Expected a folder, or a URL that fsspec knows (s3://, gs://, ...): "
                f"{_first_line(error)}. Received: {self.name}"
            ) from None
        except Exception as error:  # each kind of store has errors of its own
            raise _cannot("reach", self.name, "", error) from error
        self._root = self._root.rstrip("/")

    def _path(self, name):
        return f"{self._root}/{check_name(name)}"

    @contextlib.contextmanager
    def _told(self, what, name=""):
        """One line of text for whatever goes wrong: refused, unreachable, no credentials."""
        try:
            yield
        except PortraitError:
            raise
        except Exception as error:  # each kind of store has errors of its own
            raise _cannot(what, self.name, name, error) from error

    def lengths(self) -> dict[str, int]:
        """See `Store`."""
        with self._told("list"):
            self._files.invalidate_cache(self._root)
            try:
                found = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
            start = len(self._root)
            return {path[start:].lstrip("/"): int(info["size"]) for path, info in found.items()}

    def length(self, name: str) -> int | None:
        """See `Store`."""
        with self._told("read", name):
            try:
                return int(self._files.info(self._path(name))["size"])
            except FileNotFoundError:
                return None

    def read(self, name: str, most: int | None = None) -> bytes:
        """See `Store`."""
        self._check_length(name, most)
        with self._told("read", name):
            return self._files.cat_file(self._path(name))

    def open(self, name: str) -> BinaryIO:
        """See `Store`."""
        with self._told("read", name), contextlib.ExitStack() as stack:
            path = self._path(name)
            length = int(self._files.info(path)["size"])
            copy = stack.enter_context(tempfile.TemporaryFile())
            for start in range(0, length, CHUNK):
                end = min(start + CHUNK, length)
                copy.write(self._files.cat_file(path, start=start, end=end))
            copy.seek(0)
            stack.pop_all()
            return copy

    def write(self, name: str, data: bytes) -> None:
        """See `Store`."""
        with self._told("write", name):
            self._files.pipe_file(self._path(name), data)

    def remove(self, name: str) -> None:
        """See `Store`."""
        with self._told("remove", name), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))


def _cannot(what, place, name, error):
    missing = isinstance(error, FileNotFoundError)
    reason = "no such file" if missing and what == "read" else _first_line(error)
    return InputError(f"Cannot {what} it ({reason}). Received: {place}{'/' * bool(name)}{name}")


def _first_line(error):
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    # Errors of HTTP clients quote whole URLs, signatures included.
    return re.sub(r"\?\S*", "", text.splitlines()[0]).rstrip(".")
