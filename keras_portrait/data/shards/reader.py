"""Reads shards: samples by number, from a folder or an object store, at constant memory.

A set of samples behaves like the list of its rows, but keeps none of them: a row is read when it
is asked for, with the bytes of its pictures. Of each shard that is open, 16 bytes a sample are in
memory. A shard is held to its SHA-256 when it is opened first; one of an object store is copied to
a temporary file for that, in one long run.
"""

import functools
import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from keras_portrait.data.folder_options import read_alignment
from keras_portrait.data.manifest import Row
from keras_portrait.data.shards.format import (
    LIST_NAME,
    Shard,
    ShardIndex,
    ShardList,
    is_shard_name,
    read_index,
    read_list,
)
from keras_portrait.data.shards.order import WINDOW, WindowedOrder
from keras_portrait.data.shards.row import ShardRow, read_row
from keras_portrait.errors import InputError
from keras_portrait.storage import CHUNK, Store, as_place, is_url, open_store, public_name

# Shards that are open at a time: CartoonGAN sees its cartoons in two orders at once, and a batch
# may lie in two windows of each.
OPEN_SHARDS = 4 * WINDOW
# Of sets that pictures are drawn from at random, without an order of windows.
OPEN_AT_RANDOM = 256


def is_sharded(place: str | Path) -> bool:
    """Whether a place holds shards; what a URL names always does, as far as can be told."""
    if is_url(place):
        return True
    folder = Path(place)
    return (folder / LIST_NAME).is_file() or any(
        is_shard_name(path.name) for path in folder.glob("*-*-*.tar")
    )


def data_alignment(place: str | Path) -> int:
    """How the photos of data are aligned.

    Args:
        place: folder made by `portrait prepare`, or the path or URL of a folder of shards.

    Returns:
        One of `alignment.ALIGNMENTS`.

    Raises:
        InputError: a newer version made them, or there is no list of shards.
        MissingExtra: what the URL needs is not installed.
        SettingError: no such kind of URL.
    """
    if is_sharded(place):
        return read_list(open_store(as_place(place))).alignment
    return read_alignment(place)


def refuse_shards(place: str | Path, what: str) -> None:
    """Refuses shards where only loose pictures will do.

    Args:
        place: path or URL of data.
        what: what needs them, at the beginning of the text.

    Raises:
        InputError: there are shards.
    """
    if is_sharded(place):
        raise InputError(
            f"{what} needs the loose pictures. Expected a folder made by `portrait prepare`. "
            f"Received: shards, {public_name(place)}"
        )


class ShardFolder:
    """A folder of shards, of this machine or of an object store.

    Args:
        place: path or URL, made by `portrait prepare --shards`.

    Attributes:
        name: the place, for texts.
        list: what `shards.json` says, a `ShardList`.

    Raises:
        InputError: there is no list of shards, a shard is missing or has another length, or the
            store cannot be reached.
        MissingExtra: what the URL needs is not installed.
        SettingError: no such kind of URL.
    """

    def __init__(self, place: str | Path):
        self._store = open_store(as_place(place))
        self.name = public_name(place)
        self.list: ShardList = read_list(self._store)
        lengths = self._store.lengths()
        for shard in self.list.shards:
            length = lengths.get(shard.name)
            if length != shard.bytes:
                found = "no such file" if length is None else f"{length} bytes"
                raise InputError(
                    f"Expected a shard of {shard.bytes} bytes. Received: {found}, "
                    f"{self._store.name}/{shard.name}"
                )

    @property
    def kinds(self) -> set[str]:
        """The kinds of pictures that there are."""
        return {shard.kind for shard in self.list.shards}

    def rows(self, kind: str, held: bool, at_random: bool = False) -> "ShardRows":
        """The samples of a kind that are trained on, or those that were held back.

        Args:
            kind: "photo", "drawing" or "avatar".
            held: whether those that were held back.
            at_random: whether they are drawn at random, so that more shards must stay open.
        """
        split = "test" if held else "train"
        shards = [each for each in self.list.shards if (each.kind, each.split) == (kind, split)]
        most = OPEN_AT_RANDOM if at_random else OPEN_SHARDS
        return ShardRows(self._store, self.list, shards, most)


class ShardRows(Sequence[Row]):
    """The samples of some shards, as the sequence of their rows, none of which is kept.

    Args:
        store: where the shards lie.
        listed: the list that they are in.
        shards: which of them.
        most_open: how many stay open.

    Attributes:
        shards: list of `Shard`.
        side: side of the squares in pixels.
        reads: how many shards were opened so far.
    """

    def __init__(self, store: Store, listed: ShardList, shards: list[Shard], most_open: int):
        self.shards = shards
        self.side = listed.side
        self.reads = 0
        self._store = store
        self._listed = listed
        self._most_open = most_open
        counts = [shard.records for shard in shards]
        self._ends = np.cumsum(counts, dtype=np.int64)
        self._order = WindowedOrder(counts)
        self._opened: OrderedDict[int, _Opened] = OrderedDict()
        # Files end with what reads them, whoever else was given it.
        weakref.finalize(self, _close_all, self._opened)
        self._whole: set[int] = set()
        # Batches are made in a thread of the backend, samples and scores in the main one.
        self._lock = threading.Lock()

    def __reduce__(self):
        """Other processes open the shards by themselves."""
        return ShardRows, (self._store, self._listed, self.shards, self._most_open)

    def __len__(self):
        """How many samples there are."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> ShardRow:
        """Reads a sample.

        Raises:
            InputError: the shard is missing, damaged, or not what the list says.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        shard = int(np.searchsorted(self._ends, index, side="right"))
        return self._read(shard, index - int(self._ends[shard]) + self.shards[shard].records)

    def shuffled(self, seed: int, number: int, *purpose: int) -> ShardRow:
        """The `number`-th sample of the shuffled order, see `WindowedOrder`."""
        return self._read(*self._order.place(seed, number, *purpose))

    def grouped(self) -> dict[tuple[str | None, str], "ShardSelection"]:
        """The drawings by style and subfolder; of each, 4 bytes are kept."""
        codes = [read_index(self._store, s, len(self._listed.groups)).groups for s in self.shards]
        codes = np.concatenate([np.zeros(0, np.uint32), *codes])
        # One sort instead of a search for each group.
        order = np.argsort(codes, kind="stable").astype(np.uint32)
        ends = np.cumsum(np.bincount(codes, minlength=len(self._listed.groups)))
        selections = [ShardSelection(self, part) for part in np.split(order, ends[:-1])]
        pairs = zip(self._listed.groups, selections, strict=True)
        return {group: selection for group, selection in pairs if len(selection)}

    def _read(self, shard, number):
        where = f"{self._store.name}/{self.shards[shard].name}"
        with self._lock:
            opened = self._open(shard, where)
            try:
                opened.file.seek(int(opened.index.offsets[number]))
                data = opened.file.read(int(opened.index.lengths[number]))
            except OSError as error:
                raise InputError(f"Cannot read it ({error.strerror}). Received: {where}") from error
        return read_row(data, self.shards[shard], where)

    def _open(self, shard, where):
        if shard in self._opened:
            self._opened.move_to_end(shard)
            return self._opened[shard]
        listed = self.shards[shard]
        index = read_index(self._store, listed, len(self._listed.groups))
        file = self._store.open(listed.name)
        # Every copy of an object store is a new one; a file of this machine is looked at once.
        if self._store.remote or shard not in self._whole:
            try:
                _require_whole(file, listed, where)
            except BaseException:
                file.close()
                raise
            self._whole.add(shard)
        self.reads += 1
        while len(self._opened) >= self._most_open:
            self._opened.popitem(last=False)[1].file.close()
        self._opened[shard] = _Opened(file, index)
        return self._opened[shard]


@dataclass(frozen=True)
class ShardSelection(Sequence[Row]):
    """Some of the samples of shards.

    Attributes:
        rows: all of them.
        numbers: uint32 (N,), which ones.
    """

    rows: ShardRows
    numbers: np.ndarray

    def __len__(self):
        """How many."""
        return len(self.numbers)

    def __getitem__(self, index: int) -> ShardRow:
        """Reads a sample."""
        return self.rows[int(self.numbers[index])]


def least_side(sets: Iterable[Sequence[Row]]) -> int:
    """The side of the smallest square in sets of rows, one of which holds rows, in pixels."""
    sides = (
        rows.side if isinstance(rows, ShardRows) else min(row.size for row in rows)
        for rows in sets
        if len(rows)
    )
    return min(sides)


def without_landmarks(rows: Sequence[Row]) -> str | None:
    """Names a picture that has no landmarks, or the shard that holds one; None where all do."""
    if isinstance(rows, ShardRows):
        return next((shard.name for shard in rows.shards if not shard.landmarks), None)
    return next((row.file for row in rows if row.landmarks is None), None)


@dataclass(frozen=True)
class _Opened:
    file: BinaryIO
    index: ShardIndex


def _close_all(opened):
    for each in opened.values():
        each.file.close()
    opened.clear()


def _require_whole(file, listed, where):
    digest = hashlib.sha256()
    try:
        for data in iter(functools.partial(file.read, CHUNK), b""):
            digest.update(data)
    except OSError as error:
        raise InputError(f"Cannot read it ({error.strerror}). Received: {where}") from error
    if digest.hexdigest() != listed.sha256:
        raise InputError(
            f"The shard is not the one that {LIST_NAME} names: damaged, or of another run of "
            f"`portrait prepare --shards`. Received: {where}"
        )
