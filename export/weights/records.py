"""Tensors as a file of PyTorch describes them, and their numbers."""

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
            raise Forged("a tensor without a shape")
        # Python's integers do not overflow: no shape is too large to be seen through.
        count = 1
        for length in self.shape:
            count *= length
        steps = zip(self.shape, self.strides, strict=True)
        last = self.start + sum((length - 1) * stride for length, stride in steps)
        if count > self.storage.length or (count and last >= self.storage.length):
            raise Forged(f"a tensor {self.shape} of {self.storage.length} numbers")

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The tensor, a copy, out of its storage's numbers."""
        step = numbers.itemsize
        view = np.lib.stride_tricks.as_strided(
            numbers[self.start :], self.shape, [stride * step for stride in self.strides]
        )
        return np.array(view)


class Forged(Exception):
    """What a file holds that no file of weights does; the text names it."""


def tensors_of(content: object, path) -> dict[str, TensorRecord]:
    """The tensors of a network, by their names, wherever in a checkpoint they lie.

    Args:
        content: from `pickled.read_pickle`.
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
