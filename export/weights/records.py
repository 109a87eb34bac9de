"""The pickle inside a file of PyTorch, read as records of tensors and nothing else.

A pickle is a program for a small machine that may call anything that can be imported. This reader
imports
nothing: a name in it stands for a record that is listed here, and any other name ends the reading.
"""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_portrait.errors import InputError

# Storages of PyTorch by name -> what their bytes are. bfloat16 is the upper half of a float32.
BFLOAT16 = "bfloat16"
STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# Axes that a tensor has at most.
_MOST_AXES = 8
# How deep dictionaries with the weights somewhere in them are followed.
_MOST_DEPTH = 4


@dataclass(frozen=True)
class Storage:
    """A row of numbers that tensors are views of.

    Attributes:
        key: its name in the file.
        kind: a value of `STORAGES`.
        length: how many numbers it has.
    """

    key: str
    kind: str
    length: int

    @property
    def bytes_each(self) -> int:
        """Bytes of one number."""
        return 2 if self.kind == BFLOAT16 else np.dtype(self.kind).itemsize

    def numbers(self, data: bytes) -> np.ndarray:
        """The storage's numbers, (length,)."""
        if self.kind == BFLOAT16:
            halves = np.frombuffer(data, "<u2", self.length)
            return (halves.astype(np.uint32) << 16).view(np.float32)
        return np.frombuffer(data, self.kind, self.length)


@dataclass(frozen=True)
class TensorRecord:
    """A tensor as the file describes it, checked against its storage.

    Attributes:
        storage: where its numbers are.
        start: index of its first number.
        shape: of the tensor.
        strides: numbers from one place of an axis to the next.
    """

    storage: Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self):
        numbers = (self.start, *self.shape, *self.strides)
        fits = (
            isinstance(self.storage, Storage)
            and all(type(number) is int and number >= 0 for number in numbers)
            and len(self.shape) == len(self.strides) <= _MOST_AXES
        )
        if not fits:
            raise ForgedPickle("a tensor without a shape")
        # Python's integers do not overflow: no shape is too large to be seen through.
        count = 1
        for length in self.shape:
            count *= length
        steps = zip(self.shape, self.strides, strict=True)
        last = self.start + sum((length - 1) * stride for length, stride in steps)
        if count > self.storage.length or (count and last >= self.storage.length):
            raise ForgedPickle(f"a tensor {self.shape} of {self.storage.length} numbers")

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The tensor, a copy, out of its storage's numbers."""
        step = numbers.itemsize
        view = np.lib.stride_tricks.as_strided(
            numbers[self.start :], self.shape, [stride * step for stride in self.strides]
        )
        return np.array(view)


class ForgedPickle(Exception):
    """What a pickle holds that no file of weights does; the text names it."""


def _tensor(storage, start, shape, strides, *_) -> TensorRecord:
    return TensorRecord(storage, start, tuple(shape), tuple(strides))


def _parameter(record, *_) -> TensorRecord:
    if not isinstance(record, TensorRecord):
        raise ForgedPickle("a parameter that is no tensor")
    return record


class _Dictionary(dict):
    """An OrderedDict of a file; what is set on it, such as versions of modules, is thrown away."""

    def __setstate__(self, state):
        pass


@dataclass(frozen=True)
class _StorageKind:
    kind: str


# The only names that are known, and what stands for them.
_KNOWN: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _Dictionary,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): tuple,
    **{("torch", name): _StorageKind(kind) for name, kind in STORAGES.items()},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        known = _KNOWN.get((module, name))
        if known is None:
            raise ForgedPickle(f"{module}.{name}")
        return known

    def persistent_load(self, record) -> Storage:
        fits = isinstance(record, tuple) and len(record) >= 5 and record[0] == "storage"
        if not (fits and isinstance(record[1], _StorageKind)):
            raise ForgedPickle("a reference that is no storage")
        key, length = record[2], record[4]
        if not isinstance(key, str) or type(length) is not int or length < 0:
            raise ForgedPickle("a storage without a name or a length")
        return Storage(key, record[1].kind, length)


def read_pickle(file: io.BufferedIOBase, path) -> object:
    """The next pickle of a file.

    Args:
        file: stands at the pickle's first byte.
        path: named in errors.

    Returns:
        Dictionaries, lists, tuples, numbers and texts, with `TensorRecord`s where tensors are.

    Raises:
        InputError: it is damaged, or names anything besides tensors.
    """
    try:
        return _Reader(file).load()
    except ForgedPickle as error:
        raise InputError(
            "Expected a file of weights alone, as torch.save(model.state_dict(), FILE) writes it; "
            f"nothing else is read, and nothing was run. Received: {error} in {path}"
        ) from error
    # A damaged pickle may make its reader fail in any way.
    except Exception as error:
        raise InputError(
            f"The file of weights is damaged ({type(error).__name__}). Received: {path}"
        ) from error


def tensors_of(content: object, path) -> dict[str, TensorRecord]:
    """The tensors of a network, by their names, wherever in a checkpoint they lie.

    Args:
        content: from `read_pickle`.
        path: named in errors.

    Raises:
        InputError: there are none, or those of several networks.
    """
    found = dict(_networks_in(content))
    if len(found) != 1:
        received = f"those of {', '.join(sorted(found))}" if found else "none"
        raise InputError(
            "Expected the weights of one network, a dictionary of tensors by their names. "
            f"Received: {received} in {path}"
        )
    return next(iter(found.values()))


def _networks_in(content: object, name: str = "the file", depth: int = 0):
    if not isinstance(content, dict) or depth > _MOST_DEPTH:
        return
    tensors = {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, TensorRecord)
    }
    if tensors:
        yield name, tensors
        return
    for key, value in content.items():
        yield from _networks_in(value, str(key), depth + 1)


def gather(
    tensors: dict[str, TensorRecord], read: Callable[[Storage], bytes]
) -> dict[str, np.ndarray]:
    """The arrays of tensors; each storage is read once.

    Args:
        tensors: by their names.
        read: returns a storage's bytes, all of them.
    """
    storages: dict[str, np.ndarray] = {}
    arrays = {}
    for name, record in tensors.items():
        key = record.storage.key
        if key not in storages:
            storages[key] = record.storage.numbers(read(record.storage))
        arrays[name] = record.values(storages[key])
    return arrays
