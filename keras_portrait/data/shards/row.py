"""A sample of a shard as a row of the manifest that carries its pictures with it."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_portrait.data.manifest import Row
from keras_portrait.data.manifest_rows import row_fits
from keras_portrait.data.shards.format import Shard, unpack_sample
from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import read_image


@dataclass(frozen=True, slots=True)
class ShardRow(Row):
    """A row together with the files of its sample.

    Attributes:
        parts: the bytes of its files, by `shards_format.PARTS`.
        where: the shard, for texts.
    """

    parts: dict[str, bytes] = field(default_factory=dict, repr=False)
    where: str = ""

    def read(self, folder: str | Path, name: str) -> np.ndarray:
        """See `Row`; the bytes are here already."""
        names = {self.file: "png", self.mask: "mask.png", self.smooth: "smooth.png"}
        data = self.parts.get(names.get(name, ""))
        if data is None:
            raise InputError(
                f"{self.where}: expected every picture of a sample. Received: no {name}"
            )
        try:
            return read_image(data)
        except InputError as error:
            raise InputError(f"{error}, {name} in {self.where}") from error


def read_row(data: bytes, shard: Shard, where: str) -> ShardRow:
    """The row of a sample, held to what it must be.

    Args:
        data: the sample, as it lies in the shard.
        shard: which one, from the list.
        where: the shard, for texts.

    Raises:
        InputError: it is no sample of this shard.
    """
    parts = unpack_sample(data, where)
    try:
        row = ShardRow(**json.loads(parts.pop("json")), parts=parts, where=where)
        fits = row.kept is True and row_fits(row) and row.size > 0 and row.kind == shard.kind
    except (KeyError, ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise InputError(f"{where}: expected samples with their rows. Received: one without")
    return row
