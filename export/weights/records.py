"""Tensors as a file of PyTorch describes them, and their numbers."""

import math
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


# Bytes that the tensors of a file have at most together.
MOST_BYTES = 2**31


def from_bfloat16(halves: np.ndarray) -> np.ndarray:
    """The upper halves of float32 numbers, uint16, as such numbers."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


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
            return from_bfloat16(np.frombuffer(data, "<u2", self.length))
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
            raise NotWeights("a tensor without a shape")
        # Python's integers do not overflow: no shape is too large to be seen through.
        count = math.prod(self.shape)
        steps = zip(self.shape, self.strides, strict=True)
        last = self.start + sum((length - 1) * stride for length, stride in steps)
        if count > self.storage.length or (count and last >= self.storage.length):
            raise NotWeights(f"a tensor {self.shape} of {self.storage.length} numbers")

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The tensor, a copy, out of its storage's numbers."""
        step = numbers.itemsize
        view = np.lib.stride_tricks.as_strided(
            numbers[self.start :], self.shape, [stride * step for stride in self.strides]
        )
        return np.array(view)


class NotWeights(Exception):
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


def _networks_in(content: object, name: str = "the file", depth: int = 0, seen: set | None = None):
    # A dictionary may stand in many places of a file; it is looked into once.
    seen = set() if seen is None else seen
    if not isinstance(content, dict) or depth > _MOST_DEPTH or id(content) in seen:
        return
    seen.add(id(content))
    tensors = {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, TensorRecord)
    }
    if tensors:
        yield name, tensors
        return
    for key, value in content.items():
        yield from _networks_in(value, str(key), depth + 1, seen)


def gather(
    tensors: dict[str, TensorRecord], read: Callable[[Storage], bytes], path
) -> dict[str, np.ndarray]:
    """The arrays of tensors; each storage is read once.

    Args:
        tensors: by their names.
        read: returns a storage's bytes, all of them.
        path: named in errors.

    Raises:
        InputError: many views of one storage would be too much together.
    """
    total = sum(one.storage.bytes_each * math.prod(one.shape) for one in tensors.values())
    if total > MOST_BYTES:
        raise InputError(
            f"The tensors are too large. Expected at most {MOST_BYTES} bytes in all. "
            f"Received: {total} in {path}"
        )
    storages: dict[str, np.ndarray] = {}
    arrays = {}
    for name, record in tensors.items():
        key = record.storage.key
        if key not in storages:
            storages[key] = record.storage.numbers(read(record.storage))
        arrays[name] = record.values(storages[key])
    return arrays
