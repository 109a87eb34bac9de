"""Seeded damage: what a careless disk, a broken upload or a hostile sender makes of a file.

`damage` works on bytes of any kind; `mutate_json` and `mutate_lines` keep the form and change what
is said in it. The same seed gives the same bytes.
"""

import json
import struct
import zlib

import numpy as np

# Numbers that programs have stumbled over: signs, limits of 8 to 64 bits, and one past them.
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# Values of JSON that fit no field, or the wrong one.
_ODD_VALUES = (
    None,
    True,
    False,
    0,
    -1,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "../../escaped",
    "/escaped",
    "..",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "\ud800",
    "x" * 100_000,
    [],
    {},
    [[]],
    {"": None},
    [None, 3, "a"],
)


def truncate(data: bytes, rng) -> bytes:
    return data[: rng.integers(len(data))]


def flip_bits(data: bytes, rng) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    for place in rng.integers(len(changed), size=rng.integers(1, 9)):
        changed[place] ^= 1 << rng.integers(8)
    return changed.tobytes()


def spoil_head(data: bytes, rng) -> bytes:
    """Random bytes among the first hundred, where sizes and types are told."""
    changed = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(min(len(changed), 100), size=rng.integers(1, 5))
    changed[places] = rng.integers(256, size=len(places))
    return changed.tobytes()


def write_extreme(data: bytes, rng) -> bytes:
    """A number at the limit of its type, in either byte order, mostly near the head."""
    kind = rng.choice(["<H", ">H", "<I", ">I"])
    width = struct.calcsize(kind)
    number = struct.pack(kind, _EXTREMES[rng.integers(len(_EXTREMES))] & (2 ** (8 * width) - 1))
    reach = len(data) if rng.random() < 0.3 else min(len(data), 400)
    place = rng.integers(max(1, reach - width))
    return data[:place] + number + data[place + width :]


def cut_out(data: bytes, rng) -> bytes:
    start, length = rng.integers(len(data)), rng.integers(1, 200)
    return data[:start] + data[start + length :]


def repeat_block(data: bytes, rng) -> bytes:
    start, length = rng.integers(len(data)), rng.integers(1, 200)
    return data[:start] + data[start : start + length] * int(rng.integers(2, 20)) + data[start:]


def insert_noise(data: bytes, rng) -> bytes:
    place = rng.integers(len(data))
    return data[:place] + rng.bytes(int(rng.integers(1, 300))) + data[place:]


def clear_block(data: bytes, rng) -> bytes:
    start, length = rng.integers(len(data)), int(rng.integers(1, 500))
    filled = bytes([rng.choice([0, 255])]) * len(data[start : start + length])
    return data[:start] + filled + data[start + length :]


DAMAGES = (
    truncate,
    flip_bits,
    spoil_head,
    write_extreme,
    cut_out,
    repeat_block,
    insert_noise,
    clear_block,
)


def damage(data: bytes, rng) -> tuple[str, bytes]:
    """Damages bytes in one of the ways of `DAMAGES`; the way's name, and what came of it."""
    way = DAMAGES[rng.integers(len(DAMAGES))]
    return way.__name__, way(data, rng)


def mutate_json(text: str, rng) -> tuple[str, str]:
    """Changes one value of a JSON text, or takes it away; or damages the text."""
    chance = rng.random()
    if chance < 0.15:
        how, data = damage(text.encode(), rng)
        return how, data.decode("utf-8", "surrogateescape")
    if chance < 0.2:
        return "nested", "[" * 100_000
    values = json.loads(text)
    holder, key = _place(values, rng)
    if key is None:
        return "top", json.dumps(_odd(rng))
    if chance < 0.4:
        del holder[key]
        return f"without {key}", json.dumps(values)
    holder[key] = _odd(rng)
    return f"odd {key}", json.dumps(values)


def _odd(rng):
    return _ODD_VALUES[rng.integers(len(_ODD_VALUES))]


def _place(values, rng):
    """A random place in nested lists and dictionaries: its holder and its key."""
    holder, key = None, None
    while isinstance(values, dict | list) and values and (key is None or rng.random() < 0.7):
        keys = list(values) if isinstance(values, dict) else range(len(values))
        holder, key = values, keys[rng.integers(len(keys))]
        values = values[key]
    return holder, key


_ODD_LINES = (
    "epochs = 1e400",
    "size = " + "9" * 5000,
    "size = 99999999999999999999",
    "x = " + "[" * 3000,
    "[a]\n[a]",
    'method = "../../escaped"',
    "method = []",
    "[network]\nfilters = -1",
    "[network]\nfilters = 10000000000",
    "[train]\nepochs = true",
    "[train]\nepochs = nan",
    "a.b.c.d = 1",
    '"" = 1',
    "d = 1979-05-27T07:32:00Z",
    "\x00",
    "\ufeff",
    "[[data]]",
    "[data]\nsize = inf",
    "[data]\nbatch = 0",
    "[data]\nsize = 0x7fffffffffffffff",
)


def mutate_lines(text: str, rng) -> tuple[str, str]:
    """Changes lines of a recipe: an odd one more, one without its value, two in turn."""
    chance = rng.random()
    if chance < 0.3:
        how, data = damage(text.encode(), rng)
        return how, data.decode("utf-8", "surrogateescape")
    lines = text.splitlines()
    place = int(rng.integers(len(lines)))
    if chance < 0.6:
        lines.insert(place, _ODD_LINES[rng.integers(len(_ODD_LINES))])
        return "odd line", "\n".join(lines)
    given = [at for at, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    place = given[rng.integers(len(given))]
    key = lines[place].partition("=")[0]
    value = ("-1", "0", "1e308", "nan", '"x"', "[]", "{}", "true", "9" * 25, "")[rng.integers(10)]
    lines[place] = f"{key}= {value}"
    return f"odd {key.strip()}", "\n".join(lines)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
