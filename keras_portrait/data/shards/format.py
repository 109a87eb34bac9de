"""What a folder of shards looks like: its list, the index of each shard, the files in a shard.

A shard is a plain tar file of samples, in the form of WebDataset: the files of one sample lie one
after the other and share the name up to the first dot. `KEY.json` is the picture's line of the
manifest, `KEY.png` the square, `KEY.mask.png` its mask, `KEY.smooth.png` its edge-promoted twin.
Beside each tar lies its index, a JSON file that says where every sample begins and how long it is;
`shards.json` lists the shards with their SHA-256. All of it can be read with the standard library.
"""

import hashlib
import json
import re
import tarfile
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from keras_portrait.data.manifest import KINDS
from keras_portrait.errors import InputError
from keras_portrait.inference.alignment import ALIGNMENTS
from keras_portrait.storage import Store

# Of an index, and the formats of a list; its second says how photos are aligned.
FORMAT = 1
LIST_FORMATS = (1, 2)
LIST_NAME = "shards.json"
# Side of the blocks that a tar file is made of, in bytes.
BLOCK = tarfile.BLOCKSIZE
# Most bytes that a sample and a list or index may have, so that a false one cannot fill the memory.
MOST_SAMPLE = 256 * 1024 * 1024
MOST_LIST = 256 * 1024 * 1024
SPLITS = ("train", "test")
# The kinds of files in a sample, by what follows the key and the dot.
PARTS = ("json", "png", "mask.png", "smooth.png")

_NAME = re.compile(rf"({'|'.join(KINDS)})-({'|'.join(SPLITS)})-[0-9]{{5}}\.tar")
_MEMBER = re.compile(r"([a-z0-9-]+)\.([a-z.]+)")
_EXPECTED = "Expected what `portrait prepare --shards` wrote."


@dataclass(frozen=True)
class Shard:
    """A shard in the list.

    Attributes:
        name: of the tar file.
        kind: "photo", "drawing" or "avatar": a shard holds one kind.
        split: "train" or "test": and one split.
        records: how many samples it holds.
        bytes: length of the tar file.
        sha256: of the tar file, in hexadecimal.
        index_sha256: of its index.
        landmarks: whether every picture in it has landmarks.
        contents: tells pictures apart that were packed; the same pictures give the same.
    """

    name: str
    kind: str
    split: str
    records: int
    bytes: int
    sha256: str
    index_sha256: str
    landmarks: bool
    contents: str


@dataclass(frozen=True)
class ShardList:
    """What `shards.json` holds.

    Attributes:
        side: side of the squares in pixels.
        smooth: whether avatars and drawings have their edge-promoted twins with them.
        styles: names of the drawings' styles, sorted.
        groups: pairs of a style, or None, and a subfolder: where drawings came from. Indices name
            a drawing's group by its place here.
        shards: the shards, sorted by name.
        alignment: of the photos, one of `alignment.ALIGNMENTS`.
    """

    side: int
    smooth: bool
    styles: list[str]
    groups: list[tuple[str | None, str]]
    shards: list[Shard]
    alignment: int = 1

    def encode(self) -> bytes:
        """The bytes of the file."""
        row = {"format": LIST_FORMATS[-1], **asdict(self)}
        return (json.dumps(row, indent=1) + "\n").encode()


@dataclass(frozen=True)
class ShardIndex:
    """Where the samples of a shard lie: 16 bytes of memory for each.

    Attributes:
        offsets: uint64 (N,), where each begins.
        lengths: uint32 (N,), bytes of each, headers and padding included.
        groups: uint32 (N,), places in `ShardList.groups`; 0 for what is no drawing.
    """

    offsets: np.ndarray
    lengths: np.ndarray
    groups: np.ndarray

    def encode(self, shard: Shard) -> bytes:
        """The bytes of the file that lies beside a shard; the file's own SHA-256 is left empty."""
        arrays = {name: array.tolist() for name, array in vars(self).items()}
        return (json.dumps({"format": FORMAT, "shard": asdict(shard), **arrays}) + "\n").encode()


def index_name(shard: str) -> str:
    """Name of the index of a shard."""
    return shard.removesuffix(".tar") + ".json"


def is_shard_name(name: str) -> bool:
    """Whether a file has the name of a shard or of an index."""
    return bool(_NAME.fullmatch(name.removesuffix(".json").removesuffix(".tar") + ".tar"))


def read_list(store: Store) -> ShardList:
    """Reads the list of the shards of a folder.

    Raises:
        InputError: it is not there, cannot be reached, is none, or has a format that this version
            does not know.
    """
    if store.length(LIST_NAME) is None:
        raise InputError(
            f"No {LIST_NAME} there. Expected a whole folder made by `portrait prepare --shards`. "
            f"Received: {store.name}"
        )
    where = f"{store.name}/{LIST_NAME}"
    found = _parse(store.read(LIST_NAME, MOST_LIST), where, LIST_FORMATS)
    try:
        shards = [Shard(**shard) for shard in found["shards"]]
        groups = [(style, str(folder)) for style, folder in found["groups"]]
        alignment = found["alignment"] if found["format"] > 1 else 1
        styles, smooth = found["styles"], found["smooth"]
        made = ShardList(found["side"], smooth, styles, groups, shards, alignment)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where} is no list of shards. {_EXPECTED} Received: {error}") from None
    _check_list(made, where)
    return made


def _check_list(made, where):
    fits = (
        isinstance(made.side, int)
        and type(made.alignment) is int
        and made.alignment in ALIGNMENTS
        and isinstance(made.smooth, bool)
        and isinstance(made.styles, list)
        and all(isinstance(style, str) for style in made.styles)
        and all(style is None or style in made.styles for style, _ in made.groups)
        and all(map(_is_shard, made.shards))
        and (bool(made.groups) or all(shard.kind != "drawing" for shard in made.shards))
        and len({shard.name for shard in made.shards}) == len(made.shards)
    )
    if not fits:
        raise InputError(
            f"{where} is no list of shards. {_EXPECTED} Received: fields of another kind"
        )


def _is_shard(shard):
    if any(type(getattr(shard, each.name)) is not each.type for each in fields(Shard)):
        return False
    match = _NAME.fullmatch(shard.name)
    return bool(match) and match.groups() == (shard.kind, shard.split) and shard.records > 0


def read_index(store: Store, shard: Shard, groups: int) -> ShardIndex:
    """Reads the index of a shard.

    Args:
        store: where the shard lies.
        shard: from the list.
        groups: how many groups of drawings there are.

    Raises:
        InputError: it is missing, cannot be reached, or is another one than the list says.
    """
    name = index_name(shard.name)
    data = store.read(name, MOST_LIST)
    if hashlib.sha256(data).hexdigest() != shard.index_sha256:
        raise InputError(
            f"The index is not the one that {LIST_NAME} names: damaged, or of another run of "
            f"`portrait prepare --shards`. Received: {store.name}/{name}"
        )
    found = _parse(data, f"{store.name}/{name}", (FORMAT,))
    try:
        index = ShardIndex(
            np.array(found["offsets"], np.uint64),
            np.array(found["lengths"], np.uint32),
            np.array(found["groups"], np.uint32),
        )
        fits = all(array.shape == (shard.records,) for array in vars(index).values())
        fits = fits and index.lengths.max() <= MOST_SAMPLE and index.lengths.min() >= BLOCK
        # First alone, since sums start over behind the largest number.
        fits = fits and index.offsets.max() <= shard.bytes
        fits = fits and (index.offsets + index.lengths).max() <= shard.bytes
        fits = fits and index.groups.max() < max(groups, 1)
    except (KeyError, TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise InputError(f"It is no index of its shard. {_EXPECTED} Received: {store.name}/{name}")
    return index


def shard_of_index(data: bytes) -> Shard | None:
    """The shard that an index belongs to, with the SHA-256 of the index; None where it is none."""
    try:
        found = json.loads(data)
        shard = Shard(**found["shard"]) if found["format"] == FORMAT else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if shard is None or not _is_shard(shard):
        return None
    return replace(shard, index_sha256=hashlib.sha256(data).hexdigest())


def _parse(data, where, formats):
    try:
        found = json.loads(data)
        known = type(found["format"]) is int and found["format"] in formats
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError(f"Not JSON of a folder of shards. {_EXPECTED} Received: {where}") from None
    if not known:
        raise InputError(
            f"{where} has another format. Expected {' or '.join(map(str, formats))}; a newer "
            f"version of this package may know it. Received: {found['format']!r}"
        )
    return found


def pack_sample(key: str, parts: dict[str, bytes]) -> bytes:
    """A sample as it lies in a shard.

    Args:
        key: its name.
        parts: the bytes of its files, by what follows the key: one or more of `PARTS`.
    """
    blocks = []
    for part in (part for part in PARTS if part in parts):
        header = tarfile.TarInfo(f"{key}.{part}")
        header.size, header.mode = len(parts[part]), 0o644
        blocks += [header.tobuf(tarfile.USTAR_FORMAT), parts[part], bytes(-header.size % BLOCK)]
    return b"".join(blocks)


def unpack_sample(data: bytes, where: str) -> dict[str, bytes]:
    """The files of a sample; names are keys only, nothing is written to disk.

    Args:
        data: what the index says is a sample.
        where: for the text of the error.

    Returns:
        The bytes of its files, by what follows the key.

    Raises:
        InputError: it is cut short, holds links, devices or files of other samples, or is no tar.
    """
    parts, place, keys = {}, 0, set()
    while place < len(data):
        try:
            header = tarfile.TarInfo.frombuf(data[place : place + BLOCK], "ascii", "strict")
        except (tarfile.HeaderError, ValueError):
            raise _damaged(where, "no header of a tar file") from None
        match = _MEMBER.fullmatch(header.name)
        start = place + BLOCK
        if header.type != tarfile.REGTYPE or not match or match[2] not in PARTS:
            raise _damaged(where, f"{header.name!r}, type {header.type.decode('latin-1')!r}")
        if not 0 <= header.size <= len(data) - start or match[2] in parts:
            raise _damaged(where, f"{header.size} bytes for {header.name}")
        keys.add(match[1])
        parts[match[2]] = data[start : start + header.size]
        place = start + -(-header.size // BLOCK) * BLOCK
    if len(keys) != 1:
        raise _damaged(where, f"files of {len(keys)} samples")
    return parts


def _damaged(where, received):
    return InputError(
        f"{where}: the shard is damaged. Expected plain files of one sample. Received: {received}"
    )
