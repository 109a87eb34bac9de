"""Weights as PyTorch saves them: an archive since 1.6, one pickle after the other before."""

import struct
import zipfile
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait_export.weights.pickled import read_pickle
from keras_portrait_export.weights.records import (
    MOST_BYTES,
    Storage,
    TensorRecord,
    gather,
    tensors_of,
)

# A pickle of protocol 2 that holds PyTorch's magic number, the first one of the older form.
_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little")
# Bytes of the pickle that names the tensors, at most.
_MOST_PICKLE = 2**26


def is_torch_archive(path: Path) -> bool:
    """Whether a ZIP file is one of PyTorch's."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _pickle_in(archive) is not None
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def read_torch_archive(path: Path) -> dict[str, np.ndarray]:
    """Reads the form that PyTorch writes since 1.6.

    Raises:
        InputError: it is damaged or forged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = _pickle_in(archive)
            folder = name[: -len("data.pkl")]
            _check_sizes(archive, path)
            if f"{folder}constants.pkl" in archive.namelist():
                raise InputError(
                    "A TorchScript file holds a program; expected weights alone, as "
                    f"torch.save(model.state_dict(), FILE) writes them. Received: {path}"
                )
            _check_byte_order(archive, folder, path)
            with archive.open(name) as file:
                tensors = tensors_of(read_pickle(file, path), path)
            return gather(tensors, lambda one: _stored(archive, folder, one, path), path)
    # zipfile has many ways to tell of damage.
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(
            f"The file of weights is damaged ({type(error).__name__}). Received: {path}"
        ) from error


def _pickle_in(archive: zipfile.ZipFile) -> str | None:
    names = archive.namelist()
    return next((name for name in names if name.split("/")[1:] == ["data.pkl"]), None)


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    """What is packed may unfold to any length; PyTorch packs nothing."""
    members = archive.infolist()
    packed = [one.filename for one in members if one.compress_type != zipfile.ZIP_STORED]
    large = [
        one.filename
        for one in members
        if one.filename.endswith("data.pkl") and one.file_size > _MOST_PICKLE
    ]
    total = sum(one.file_size for one in members)
    if packed or large or total > MOST_BYTES:
        received = f"{packed[0]} compressed" if packed else f"{total} bytes"
        raise InputError(
            f"Expected an archive as torch.save writes it, not compressed, of at most {MOST_BYTES} "
            f"bytes. Received: {received} in {path}"
        )


def _check_byte_order(archive: zipfile.ZipFile, folder: str, path: Path) -> None:
    name = f"{folder}byteorder"
    if name in archive.namelist() and archive.read(name) != b"little":
        raise InputError(f"Expected numbers in little-endian order. Received: others in {path}")


def _stored(archive: zipfile.ZipFile, folder: str, storage: Storage, path: Path) -> bytes:
    name = f"{folder}data/{storage.key}"
    try:
        size = archive.getinfo(name).file_size
    except KeyError:
        size = -1
    wanted = storage.length * storage.bytes_each
    if size < wanted:
        raise InputError(
            f"The file of weights is cut short. Expected: {wanted} bytes of {name}. "
            f"Received: {max(size, 0)} in {path}"
        )
    return archive.read(name)


def read_torch_legacy(path: Path) -> dict[str, np.ndarray]:
    """Reads the form that PyTorch wrote before 1.6.

    Raises:
        InputError: it is damaged or forged.
    """
    try:
        with path.open("rb") as file:
            # The magic number, the version of the form, and what machine wrote it.
            _, version, machine = (read_pickle(file, path) for _ in range(3))
            if version != 1001 or not isinstance(machine, dict) or not machine.get("little_endian"):
                raise InputError(
                    "Expected version 1001 of PyTorch's older form, in little-endian order. "
                    f"Received: {version} in {path}"
                )
            tensors = tensors_of(read_pickle(file, path), path)
            keys = read_pickle(file, path)
            stored = _legacy_storages(file, keys, tensors, path)
        return gather(tensors, lambda storage: stored[storage.key], path)
    except OSError as error:
        raise InputError(f"Cannot read the weights ({error.strerror}). Received: {path}") from error


def _legacy_storages(file, keys, tensors: dict[str, TensorRecord], path: Path) -> dict[str, bytes]:
    """The bytes of each storage, in the order of `keys`: its length in 8 bytes, its numbers."""
    known = {record.storage.key: record.storage for record in tensors.values()}
    are_names = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not are_names or sorted(keys) != sorted(known):
        raise InputError(
            f"The file of weights is damaged: its storages are others. Received: {path}"
        )
    stored, size = {}, path.stat().st_size
    for key in keys:
        storage = known[key]
        head = file.read(8)
        wanted = storage.length * storage.bytes_each
        # Compared before it is read: a forged length asks for no memory.
        if len(head) < 8 or struct.unpack("<q", head)[0] != storage.length:
            raise InputError(f"The file of weights is damaged or cut short. Received: {path}")
        left = min(MOST_BYTES, size - file.tell())
        if wanted > left:
            raise InputError(
                f"The file of weights is cut short. Expected: {wanted} bytes of storage {key}. "
                f"Received: {left} in {path}"
            )
        stored[key] = file.read(wanted)
    return stored
