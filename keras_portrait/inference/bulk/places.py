"""Where photos come from and drawings go to: a folder of this machine, or a store behind a URL.

Both kinds of place are those of `keras_portrait.storage`, and can do what a job needs beside that:
list photos while it runs, keep a log, and tell a photo at fault from a place at fault.
"""

import contextlib
import datetime
import itertools
import os
import posixpath
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.files import UNFINISHED_PREFIX, check_writable
from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.inference.bulk.names import is_photo
from keras_portrait.inference.folders import PassedOver, is_hidden, is_picture, walk_files
from keras_portrait.inference.formats import HEAD, kind_of_bytes
from keras_portrait.storage import LocalStore, RemoteStore, check_name, is_url, public_name

_LOCAL_SCHEME = "file://"
# What a killed process was writing is removed once nobody can be writing it any longer.
_STALE_SECONDS = 3600
# Objects of unknown names that are looked at together, where the store can do that.
_HEADS_AT_ONCE = 500
# Here an object appears whole when its upload ends, or not at all.
_WHOLE_OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory"})
# A folder lies where a file belongs, or a file where a folder does: other names are not concerned.
_NAME_TAKEN = (IsADirectoryError, NotADirectoryError, FileExistsError)
# Words by which the many libraries say that they got no access.
_ACCESS_WORDS = ("credential", "token", "permission", "forbidden", "unauthorized", "accessdenied")


def open_place(given: str) -> "Folder | RemoteFolder":
    """Opens a folder or a URL.

    Args:
        given: path of a folder, or a URL that fsspec knows, such as s3://bucket/photos.

    Raises:
        MissingExtra: fsspec, or the package for this kind of store, is not installed.
        SettingError: there is no such kind of store.
        InputError: the store cannot be opened.
    """
    if given.startswith(_LOCAL_SCHEME):
        return Folder(given.removeprefix(_LOCAL_SCHEME))
    return RemoteFolder(given) if is_url(given) else Folder(given)


class Folder(LocalStore):
    """A folder of this machine.

    Args:
        path: need not exist where only drawings are put into it.

    Attributes:
        in_process: whether other processes do not see what is in it.
        rows_at_once: rows of a log worth an `append`.
    """

    in_process = False
    rows_at_once = 1

    def __init__(self, path: "str | Path"):
        # Workers of Ray start elsewhere.
        super().__init__(Path(os.path.abspath(path)))

    def photos(self, passed: PassedOver) -> Iterator[str]:
        """Names of the photos in it and below it, sorted within each folder.

        Args:
            passed: notes what is passed over.

        Raises:
            InputError: there is no such folder, or it cannot be read.
        """
        for path in walk_files(self.folder, passed):
            if is_photo(path.name) is not False and is_picture(path):
                yield path.relative_to(self.folder).as_posix()

    def open(self, name: str) -> BinaryIO:
        """See `Store`; a photo may lie behind a link to a folder, which `photos` follows."""
        return self.open_path(self.folder / check_name(name), name)

    def check_writable(self) -> None:
        """Sees to it that drawings can be written, before the first is made.

        Raises:
            JobStopped: they cannot.
        """
        try:
            check_writable(self.folder)
        except InputError as error:
            raise JobStopped(str(error)) from error

    def write(self, name: str, data: bytes) -> None:
        """Writes a file, whole or not at all.

        Raises:
            InputError: a link leads its folder out of this one, a folder lies where the file
                belongs, or a file where its folder does.
            JobStopped: it cannot be written, for example because the disk is full.
        """
        try:
            super().write(name, data)
        except InputError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and not isinstance(cause, _NAME_TAKEN):
                raise JobStopped(str(error)) from error
            raise

    def append(self, log: str, data: bytes) -> None:
        """Adds whole lines to a log, on a line of their own whatever was torn before.

        Raises:
            JobStopped: it cannot be written.
        """
        path = self.folder / log
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab+", buffering=0) as file:
                if _is_torn(file):
                    data = b"\n" + data
                # In one call, so that lines of two jobs do not mix. Of a disk that is nearly full
                # it takes what fits, and the next call says why.
                while data:
                    data = data[file.write(data) :]
        except OSError as error:
            raise JobStopped(f"Cannot write ({error.strerror}). Received: {path}") from error

    def lines(self, log: str) -> Iterator[bytes]:
        """The lines of a log, none where there is no such log.

        Raises:
            JobStopped: it cannot be read.
        """
        path = self.folder / log
        try:
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                yield from file
        except OSError as error:
            raise JobStopped(f"Cannot read ({error.strerror}). Received: {path}") from error

    def remove_unfinished(self) -> None:
        """Removes what killed processes were writing."""
        old = time.time() - _STALE_SECONDS
        for place, _, names in os.walk(self.folder):
            for part in (Path(place, name) for name in names if name.startswith(UNFINISHED_PREFIX)):
                with contextlib.suppress(OSError):
                    if part.stat().st_mtime < old:
                        part.unlink()


def _is_torn(file) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


class RemoteFolder(RemoteStore):
    """What lies below a URL; the methods are those of `Folder`.

    Args:
        url: with a scheme that fsspec knows.

    Attributes:
        in_process: whether other processes do not see what is in it.
        rows_at_once: rows of a log worth an `append`, which makes an object of its own.

    Raises:
        MissingExtra: fsspec, or the package for this kind of store, is not installed.
        SettingError: fsspec does not know the scheme, or the URL names no folder.
        InputError: the store cannot be opened.
    """

    rows_at_once = 1000

    def __init__(self, url: str):
        super().__init__(url)
        if not self._root:
            raise SettingError(
                "A URL must name a folder in the store, as in s3://bucket/photos. "
                f"Received: {public_name(url)}"
            )
        self._scheme = url.partition("://")[0]
        self.in_process = "memory://" in url
        # Logs of two jobs have two names, and later ones sort behind earlier ones.
        started = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%f")
        self._log_id, self._parts = f"{started}-{uuid.uuid4().hex[:8]}", itertools.count()

    def photos(self, passed: PassedOver) -> Iterator[str]:
        """Names of the photos below the URL.

        Args:
            passed: notes what is passed over.

        Raises:
            InputError: there is nothing of that name.
            JobStopped: the store cannot be reached.
        """
        with self._told("list"):
            for place, folders, names in self._files.walk(self._root, on_error="raise"):
                below = place.rstrip("/").removeprefix(self._root).removeprefix("/")
                if not any(map(is_hidden, below.split("/"))):
                    seen = [n for n in (*folders, *names) if not n.startswith(UNFINISHED_PREFIX)]
                    passed.hidden += sum(map(is_hidden, seen))
                    yield from self._photos_among(sorted(names), below)
                # Listings of millions of objects would be kept for the whole job.
                self._files.invalidate_cache(place)

    def _photos_among(self, names: list[str], below: str) -> Iterator[str]:
        """The photos among the files of one folder; those whose names do not tell are looked at."""
        for at in range(0, len(names), _HEADS_AT_ONCE):
            said = {name: is_photo(name) for name in names[at : at + _HEADS_AT_ONCE]}
            unsaid = [name for name, known in said.items() if known is None]
            paths = [posixpath.join(self._root, below, name) for name in unsaid]
            # What cannot be looked at is no picture by its name, and told of by nobody.
            heads = self._files.cat_ranges(paths, 0, HEAD, on_error="return") if paths else ()
            for name, head in zip(unsaid, heads, strict=True):
                said[name] = isinstance(head, bytes) and kind_of_bytes(head) is not None
            yield from (posixpath.join(below, name) for name, known in said.items() if known)

    def check_writable(self) -> None:
        """Does nothing: only an object that is written tells."""

    def write(self, name: str, data: bytes) -> None:
        """Writes an object, whole or not at all.

        Raises:
            JobStopped: the store cannot be reached or does not take it.
        """
        if self._scheme in _WHOLE_OBJECTS:
            super().write(name, data)
            return
        # Elsewhere a name may appear before its bytes do.
        folder, bare = posixpath.split(self._path(name))
        part = posixpath.join(folder, f"{UNFINISHED_PREFIX}{uuid.uuid4().hex}-{bare}")
        with self._told("write", name):
            self._files.makedirs(folder, exist_ok=True)
            try:
                self._files.pipe_file(part, data)
                self._files.mv(part, self._path(name))
            except BaseException:
                with contextlib.suppress(Exception):
                    self._files.rm_file(part)
                raise

    def append(self, log: str, data: bytes) -> None:
        """Adds whole lines to a log: stores cannot append, so each call makes one more object.

        Raises:
            JobStopped: the store cannot be reached or does not take it.
        """
        self.write(f"{_log_folder(log)}/{self._log_id}-{next(self._parts):06d}.jsonl", data)

    def lines(self, log: str) -> Iterator[bytes]:
        """The lines of all objects of a log, earlier ones first.

        Raises:
            JobStopped: the store cannot be reached.
        """
        with self._told("read", log):
            try:
                objects = sorted(self._files.ls(self._path(_log_folder(log)), detail=False))
            except FileNotFoundError:
                return
            for path in objects:
                yield from self._files.cat_file(path).splitlines()

    def remove_unfinished(self) -> None:
        """Does nothing: to look through a store costs more than what was left there."""

    @contextlib.contextmanager
    def _told(self, what: str, name: str = ""):
        """Makes one line of whatever a store's library raises.

        What is not there is the photo's fault when it is read; all else ends the job.
        """
        try:
            yield
        except PortraitError:
            raise
        except Exception as error:  # each kind of store has errors of its own
            place = f"{self.name}/{name}" if name else self.name
            if isinstance(error, FileNotFoundError) and what != "write":
                raise InputError(f"There is nothing there to {what}. Received: {place}") from error
            raise JobStopped(f"Cannot {what} it {_reason(error)}. Received: {place}") from error


def _log_folder(log: str) -> str:
    return posixpath.splitext(log)[0]


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    # What follows a question mark in a URL may be a signature.
    reason = f"{type(error).__name__}: {lines[0].partition('?')[0]}" if lines else repr(error)
    access = isinstance(error, PermissionError) or any(
        word in reason.lower().replace(" ", "") for word in _ACCESS_WORDS
    )
    expected = "credentials with access to it" if access else "a store that can be reached"
    return f"({reason}). Expected {expected}"
