"""Packs the pictures of a prepared folder into shards.

One sample is in memory at a time. A shard whose pictures are the same as before is not packed
again, and the list of shards is written last: a folder without it is not finished.
"""

import contextlib
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_portrait.data.folder_options import read_alignment
from keras_portrait.data.manifest import NAME, Row, row_fields
from keras_portrait.data.manifest_rows import shares_fit
from keras_portrait.data.shards.format import (
    BLOCK,
    FORMAT,
    LIST_NAME,
    MOST_LIST,
    MOST_SAMPLE,
    Shard,
    ShardIndex,
    ShardList,
    index_name,
    is_shard_name,
    pack_sample,
    shard_of_index,
)
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.files import make_folder, whole_file, write_whole
from keras_portrait.storage import LocalStore

# Folder of the shards in a data folder. It is whole in itself and can be copied anywhere.
FOLDER = "shards"
# Five digits number the shards of a kind and split.
MOST_SHARDS = 100_000


@dataclass(frozen=True)
class Sample:
    """What is packed of one picture.

    Attributes:
        row: its line of the manifest.
        parts: the bytes of its files by `shards_format.PARTS`, without the row.
        group: of a drawing, its place in `ShardList.groups`; else 0.
    """

    row: Row
    parts: dict[str, bytes]
    group: int = 0


def check_count(count: int) -> None:
    """Refuses numbers of shards that cannot be made.

    Raises:
        SettingError: it is out of range.
    """
    if not 1 <= count <= MOST_SHARDS:
        raise SettingError(
            f"The number of shards must be from 1 to {MOST_SHARDS}. Received: {count}"
        )


def remove_shards(data: Path) -> None:
    """Removes what `pack_shards` wrote into a data folder; nothing else.

    Raises:
        InputError: a file cannot be removed.
    """
    folder = data / FOLDER
    if folder.is_dir():
        _remove_others(folder, set())
        with contextlib.suppress(OSError):  # something else lies there
            folder.rmdir()


def pack_shards(data: Path, rows: list[Row], count: int, smooth: bool) -> ShardList:
    """Packs the kept pictures of a data folder into `data/shards`.

    A picture's shard follows from a hash of its name, so that new pictures change few shards.

    Args:
        data: the data folder.
        rows: of its manifest.
        count: shards of each kind and split; fewer where there are fewer pictures.
        smooth: whether edge-promoted twins are packed.

    Returns:
        The list of the shards, as it was written.

    Raises:
        InputError: a picture is missing, the shares of a drawing are none, or a file cannot be
            written.
        SettingError: the count is out of range.
    """
    check_count(count)
    _check_shares(data, rows)
    folder = data / FOLDER
    make_folder(folder)
    known = _known(folder)
    rows = [row for row in rows if row.kept]
    groups = sorted({_group(row) for row in rows if row.kind == "drawing"}, key=repr)
    numbers = {group: number for number, group in enumerate(groups)}
    made = {}
    for name, members in sorted(_plan(rows, count).items()):
        contents = _contents(data, members, smooth, groups)
        made[name] = known.get((name, contents))
        if made[name] is None:
            # The former list no longer holds from here on.
            LocalStore(folder).remove(LIST_NAME)
            samples = (_read(data, row, smooth, numbers.get(_group(row), 0)) for row in members)
            made[name] = write_shard(folder, name, samples, contents)
    styles = sorted({row.style for row in rows if row.kind == "drawing" and row.style})
    side = min((row.size for row in rows), default=0)
    alignment = read_alignment(data)
    found = ShardList(side, smooth, styles, groups, list(made.values()), alignment)
    write_whole(folder / LIST_NAME, found.encode())
    _remove_others(folder, set(made))
    return found


def write_shard(folder: Path, name: str, samples: Iterable[Sample], contents: str = "") -> Shard:
    """Writes one shard and its index, each whole or not at all.

    Args:
        folder: where to.
        name: such as `avatar-train-00003.tar`.
        samples: one or more.
        contents: see `Shard`.

    Raises:
        InputError: a sample is too large, or a file cannot be written.
    """
    stem, (kind, split, _) = name.removesuffix(".tar"), name.split("-")
    offsets, lengths, groups, landmarks = [], [], [], True
    digest, place = hashlib.sha256(), 0
    with whole_file(folder / name) as part, part.open("wb") as file:
        for number, sample in enumerate(samples):
            landmarks &= sample.row.landmarks is not None
            line = json.dumps(row_fields(sample.row)).encode()
            data = pack_sample(f"{stem}-{number:06d}", {"json": line, **sample.parts})
            if len(data) > MOST_SAMPLE:
                raise InputError(
                    f"Expected pictures of at most {MOST_SAMPLE} bytes. Received: {sample.row.file}"
                )
            offsets.append(place)
            lengths.append(len(data))
            groups.append(sample.group)
            place += file.write(data)
            digest.update(data)
        digest.update(bytes(2 * BLOCK))  # the end of a tar file
        place += file.write(bytes(2 * BLOCK))
    index = ShardIndex(
        np.array(offsets, np.uint64), np.array(lengths, np.uint32), np.array(groups, np.uint32)
    )
    made = Shard(
        name=name,
        kind=kind,
        split=split,
        records=len(offsets),
        bytes=place,
        sha256=digest.hexdigest(),
        index_sha256="",
        landmarks=landmarks,
        contents=contents,
    )
    data = index.encode(made)
    write_whole(folder / index_name(name), data)
    return replace(made, index_sha256=hashlib.sha256(data).hexdigest())


def _check_shares(data: Path, rows: list[Row]) -> None:
    for row in rows:
        if not shares_fit(row.style_shares):
            raise InputError(
                f"{data / NAME}: expected a number for each style as `style_shares`. "
                f"Received: {row.style_shares!r} for {row.source}"
            )


def _known(folder: Path) -> dict[tuple[str, str], Shard]:
    """The shards that earlier runs finished, by name and contents; told by their indices."""
    store, found = LocalStore(folder), {}
    for name in store.names():
        if not (is_shard_name(name) and name.endswith(".json")):
            continue
        with contextlib.suppress(PortraitError):
            shard = shard_of_index(store.read(name, MOST_LIST))
            # The tar is written before its index, but may have been removed or cut since.
            if shard is not None and store.length(shard.name) == shard.bytes:
                found[shard.name, shard.contents] = shard
    return found


def _plan(rows: list[Row], count: int) -> dict[str, list[Row]]:
    """The rows of each shard, in the order of the manifest."""
    plan = defaultdict(list)
    for row in rows:
        digest = hashlib.sha256(os.fsencode(row.source)).digest()
        # Other bytes than those that choose the split.
        number = int.from_bytes(digest[8:16], "big") % count
        split = "train" if row.split == "train" else "test"
        plan[f"{row.kind}-{split}-{number:05d}.tar"].append(row)
    return plan


def _group(row: Row) -> tuple[str | None, str]:
    """Style and subfolder of a drawing; an untagged one has the style of its largest share."""
    style = row.style
    if style is None and row.style_shares:
        style = max(row.style_shares, key=row.style_shares.get)
    return style, Path(row.source).parent.as_posix()


def _files(data: Path, row: Row, smooth: bool) -> dict[str, Path]:
    """Where the files of a sample lie."""
    names = {"png": row.file, "mask.png": row.mask, "smooth.png": row.smooth if smooth else None}
    return {part: data / name for part, name in names.items() if name}


def _contents(data: Path, rows: list[Row], smooth: bool, groups: list) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, groups]).encode())
    for row in rows:
        digest.update(json.dumps(row_fields(row)).encode())
        for part, path in _files(data, row, smooth).items():
            try:
                status = path.stat()
            except OSError as error:
                raise InputError(
                    f"Cannot read the picture ({error.strerror}). Received: {path}"
                ) from error
            digest.update(f"{part} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _read(data: Path, row: Row, smooth: bool, group: int) -> Sample:
    parts = {}
    for part, path in _files(data, row, smooth).items():
        try:
            parts[part] = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"Cannot read the picture ({error.strerror}). Received: {path}"
            ) from error
    return Sample(row, parts, group)


def _remove_others(folder: Path, names: set[str]) -> None:
    """Removes shards of other names with their indices; without names, the list first."""
    store = LocalStore(folder)
    if not names:
        store.remove(LIST_NAME)
    wanted = {*names, *map(index_name, names)}
    for name in store.names():
        if is_shard_name(name) and name not in wanted:
            store.remove(name)
