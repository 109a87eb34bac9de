"""Files as PyTorch writes them, made by hand so that they can be forged, too."""

import io
import pickle
import struct
import zipfile

import numpy as np

_KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}
_MAGIC = 0x1950A86A20F9469CFC6C


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def row(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + row(*arguments) + b"R"


def storage(key: str, length: int, kind: str = "FloatStorage", legacy: bool = False) -> bytes:
    extra = [b"N"] if legacy else []
    parts = (text("storage"), named("torch", kind), text(key), text("cpu"), number(length), *extra)
    return row(*parts) + b"Q"


def tensor(stored: bytes, shape, strides=None, start: int = 0) -> bytes:
    if strides is None:
        strides = [int(np.prod(shape[at + 1 :])) for at in range(len(shape))]
    return call(
        "torch._utils",
        "_rebuild_tensor_v2",
        stored,
        number(start),
        row(*map(number, shape)),
        row(*map(number, strides)),
        b"\x89",
        call("collections", "OrderedDict"),
    )


def dictionary(entries: dict[str, bytes]) -> bytes:
    """The opcodes of an OrderedDict with the attribute that modules leave on theirs."""
    items = b"".join(text(name) + value for name, value in entries.items())
    state = b"}" + text("_metadata") + b"}s"
    return call("collections", "OrderedDict") + b"(" + items + b"u" + state + b"b"


def whole(opcodes: bytes) -> bytes:
    return b"\x80\x02" + opcodes + b"."


def records(weights: dict[str, np.ndarray], legacy: bool = False) -> dict[str, bytes]:
    found = {}
    for at, (name, values) in enumerate(weights.items()):
        kind = _KINDS[values.dtype.str[1:]]
        found[name] = tensor(storage(str(at), values.size, kind, legacy), values.shape)
    return found


def archive(content: bytes, stored: dict[str, bytes], compression=zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as members:
        members.writestr("net/data.pkl", content)
        members.writestr("net/byteorder", "little")
        for key, data in stored.items():
            members.writestr(f"net/data/{key}", data)
    return file.getvalue()


def archive_of(weights: dict[str, np.ndarray], wrap=lambda entries: dictionary(entries)) -> bytes:
    stored = {str(at): values.tobytes() for at, values in enumerate(weights.values())}
    return archive(whole(wrap(records(weights))), stored)


def legacy_of(weights: dict[str, np.ndarray]) -> bytes:
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(part, 2) for part in (_MAGIC, 1001, machine))
    keys = [str(at) for at in range(len(weights))]
    body = whole(dictionary(records(weights, legacy=True))) + pickle.dumps(keys, 2)
    data = b"".join(struct.pack("<q", one.size) + one.tobytes() for one in weights.values())
    return head + body + data
