"""Unpacks a preset from a ZIP archive of a stranger."""

import errno
import io
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.inference.addresses.contents import check_files, is_passed_over
from keras_portrait.storage import check_name

# Deflate stores nothing at less than a 1032nd; weights, text and pictures come near a tenth.
_MOST_RATIO = 200
# Small archives are no bombs, whatever they hold.
_ALWAYS_FITS = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_CHUNK = 2**16
# Bytes of the table of files, of which each takes 46 and its name: more than some thousands are
# not looked at. zipfile makes several times as many bytes of them.
_MOST_TABLE = 2**17


def unpack(archive: Path, folder: Path, where: str) -> None:
    """Unpacks the files of a preset; one folder around them all is left out.

    Args:
        archive: the ZIP file.
        folder: takes the files; it is there and empty.
        where: what an error calls the archive.

    Raises:
        InputError: it is no ZIP archive, or holds what is no preset: surplus files, links, names
            that lead out, more bytes than a preset has.
    """
    try:
        with _Bounded(archive, where) as plain, zipfile.ZipFile(plain) as file:
            members = _members(file, where)
            check_files({name: info.file_size for name, info in members.items()}, where)
            _check_ratio(members.values(), archive.stat().st_size, where)
            for name, info in members.items():
                # zipfile reads no more than the size that was checked.
                with file.open(info) as source, (folder / name).open("xb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
    except InputError:
        raise
    # Of damage zipfile has many ways to tell.
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, LookupError, RuntimeError):
        raise _damaged(where) from None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a table that names places before the file
            raise _damaged(where) from None
        raise InputError(
            f"Cannot unpack the preset ({error.strerror or error}). Received: {where}"
        ) from error


class _Bounded(io.BufferedReader):
    """A file of which no more is read at once than a table of files may have.

    Whichever end record zipfile believes, of the old kind or of ZIP64, it reads the table at once.
    """

    def __init__(self, path: Path, where: str):
        super().__init__(io.FileIO(path))
        self._where = where

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_TABLE:
            raise InputError(
                "The archive holds far more files than a preset. Expected a table of at most "
                f"{_MOST_TABLE} bytes. Received: {size} bytes in {self._where}"
            )
        return super().read(size)


def _damaged(where: str) -> InputError:
    return InputError(f"The file is no whole ZIP archive. Received: {where}")


def _members(file: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """What is to be unpacked, by bare names."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in file.infolist():
        if info.is_dir():
            continue
        try:
            name = check_name(info.filename)
        except InputError:
            raise InputError(
                f"A name in the archive leads out of it. Received: {info.filename!r} in {where}"
            ) from None
        if is_passed_over(name):
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        is_plain = kind in (0, stat.S_IFREG) and not info.flag_bits & _ENCRYPTED
        if not is_plain or info.compress_type not in _METHODS or name in found:
            raise InputError(
                "Expected plain files, stored or deflated, each once. "
                f"Received: {info.filename!r} in {where}"
            )
        found[name] = info
    return _without_common_folder(found)


def _without_common_folder(found: dict) -> dict:
    tops = {name.partition("/")[0] for name in found}
    if len(tops) != 1 or not all("/" in name for name in found):
        return found
    return {name.partition("/")[2]: info for name, info in found.items()}


def _check_ratio(infos, packed: int, where: str) -> None:
    size = sum(info.file_size for info in infos)
    if size > max(_ALWAYS_FITS, _MOST_RATIO * packed):
        raise InputError(
            f"The archive unpacks to more than {_MOST_RATIO} times its size. "
            f"Received: {size} bytes out of {packed} in {where}"
        )
