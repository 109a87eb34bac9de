"""The pickle inside a file of PyTorch, read by a machine that can build records and nothing else.

A pickle is a program for a small machine that may call anything that can be imported. This one
imports and calls nothing: a name in the pickle stands for a record that is listed here, and any
other name, like any operation that such files do not need, ends the reading.
"""

import io
import pickletools
from collections.abc import Callable

from keras_portrait.errors import InputError
from keras_portrait_export.weights.records import STORAGES, NotWeights, Storage, TensorRecord

# Operations that a pickle has at most; a network of a thousand tensors has some 30,000.
_MOST_OPERATIONS = 2**21


class _Name:
    """A name that the pickle may use, and what it makes of arguments."""

    def __init__(self, make: Callable | None = None, kind: str = ""):
        self.make = make
        self.kind = kind


def _tensor(storage, start, shape, strides, *_) -> TensorRecord:
    return TensorRecord(storage, start, tuple(shape), tuple(strides))


def _parameter(record, *_) -> TensorRecord:
    if not isinstance(record, TensorRecord):
        raise NotWeights("a parameter that is no tensor")
    return record


# The only names that are known. The last are the kinds of a storage, which make nothing.
_KNOWN = {
    "collections OrderedDict": _Name(lambda: {}),
    "torch Size": _Name(lambda lengths: tuple(lengths)),
    "torch._utils _rebuild_parameter": _Name(_parameter),
    "torch._utils _rebuild_tensor": _Name(_tensor),
    "torch._utils _rebuild_tensor_v2": _Name(_tensor),
    **{f"torch {name}": _Name(kind=kind) for name, kind in STORAGES.items()},
}
_MARK = object()
# Operations that put their own argument on the stack, and those that put a constant there.
_VALUES = {"BINFLOAT", "BININT", "BININT1", "BININT2", "BINUNICODE", "BINUNICODE8", "FLOAT", "INT"}
_VALUES |= {"LONG", "LONG1", "LONG4", "SHORT_BINUNICODE", "UNICODE"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NOTHING = {"FRAME", "PROTO"}


def read_pickle(file: io.BufferedIOBase, path) -> object:
    """The next pickle of a file.

    Args:
        file: stands at the pickle's first byte, and then at the first byte behind it.
        path: named in errors.

    Returns:
        Dictionaries, lists, tuples, numbers and texts, with `TensorRecord`s where tensors are.

    Raises:
        InputError: it is damaged, or holds anything besides tensors.
    """
    try:
        return _Machine().run(file)
    except NotWeights as error:
        raise InputError(
            "Expected a file of weights alone, as torch.save(model.state_dict(), FILE) writes it; "
            f"nothing in it was run. Received: {error} in {path}"
        ) from error
    # A damaged pickle fails in many ways: a missing byte, a stack without a mark, an odd argument.
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, EOFError) as error:
        raise InputError(
            f"The file of weights is damaged ({type(error).__name__}). Received: {path}"
        ) from error


class _Machine:
    """The stack and the memory of one pickle."""

    def __init__(self):
        self._stack: list = []
        self._memory: dict[int, object] = {}

    def run(self, file) -> object:
        for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
            if count > _MOST_OPERATIONS:
                raise NotWeights(f"more than {_MOST_OPERATIONS} operations")
            name = operation.name
            if name == "STOP":
                return self._stack.pop()
            if name in _VALUES:
                self._stack.append(argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            elif name not in _NOTHING:
                step = getattr(self, f"_{name.lower()}", None)
                if step is None:
                    raise NotWeights(f"the operation {name}")
                step(argument)
        raise EOFError

    def _since_mark(self) -> list:
        at = len(self._stack) - 1 - self._stack[::-1].index(_MARK)
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    def _mark(self, _):
        self._stack.append(_MARK)

    def _pop(self, _):
        self._stack.pop()

    def _put(self, key):
        self._memory[key] = self._stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _):
        self._memory[len(self._memory)] = self._stack[-1]

    def _get(self, key):
        self._stack.append(self._memory[key])

    _binget = _long_binget = _get

    def _empty_dict(self, _):
        self._stack.append({})

    def _empty_list(self, _):
        self._stack.append([])

    def _empty_tuple(self, _):
        self._stack.append(())

    def _tuple(self, _):
        self._stack.append(tuple(self._since_mark()))

    def _tuple1(self, _):
        self._gather(1)

    def _tuple2(self, _):
        self._gather(2)

    def _tuple3(self, _):
        self._gather(3)

    def _gather(self, count: int):
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(items)

    def _append(self, _):
        item = self._stack.pop()
        _as(list, self._stack[-1]).append(item)

    def _appends(self, _):
        items = self._since_mark()
        _as(list, self._stack[-1]).extend(items)

    def _setitem(self, _):
        value, key = self._stack.pop(), self._stack.pop()
        self._set(self._stack[-1], [(key, value)])

    def _setitems(self, _):
        items = self._since_mark()
        self._set(self._stack[-1], zip(items[::2], items[1::2], strict=True))

    def _set(self, target, pairs):
        for key, value in pairs:
            # Tuples of tuples would take for ever to be hashed.
            if not isinstance(key, (str, int)):
                raise NotWeights("a dictionary whose keys are no names")
            _as(dict, target)[key] = value

    def _build(self, _):
        # What is set on a dictionary of weights, such as versions of modules, is not needed.
        self._stack.pop()
        _as(dict, self._stack[-1])

    def _global(self, name):
        if name not in _KNOWN:
            raise NotWeights(name.replace(" ", "."))
        self._stack.append(_KNOWN[name])

    def _stack_global(self, _):
        name, module = self._stack.pop(), self._stack.pop()
        self._global(f"{module} {name}")

    def _reduce(self, _):
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, _Name) or name.make is None:
            raise NotWeights("a call of what is no record")
        self._stack.append(name.make(*_as(tuple, arguments)))

    def _binpersid(self, _):
        record = self._stack.pop()
        fits = isinstance(record, tuple) and len(record) >= 5 and record[0] == "storage"
        if not (fits and isinstance(record[1], _Name) and record[1].kind):
            raise NotWeights("a reference that is no storage")
        key, length = record[2], record[4]
        if not isinstance(key, str) or type(length) is not int or length < 0:
            raise NotWeights("a storage without a name or a length")
        self._stack.append(Storage(key, record[1].kind, length))


def _as(kind: type, value):
    if type(value) is not kind:
        raise TypeError(f"expected a {kind.__name__}")
    return value
