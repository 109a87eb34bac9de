"""Which pictures a run is trained on, so that they are known again, and changes are noticed."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_portrait.data.manifest import Row
from keras_portrait.data.portraits import PreparedData
from keras_portrait.data.shards.reader import ShardRows
from keras_portrait.data.styles import style_vector
from keras_portrait.errors import InputError


def fingerprint(data: PreparedData, soft_styles: bool = True) -> dict[str, list]:
    """What tells that a picture is still the same, by file.

    Args:
        data: the pictures of a run.
        soft_styles: whether a style classifier's shares are used.

    Returns:
        For each file, held-back ones too, its length and that of its mask in bytes, and the style
        vector of a drawing that is trained on; of shards what `shard_sums` tells.

    Raises:
        InputError: a picture cannot be looked at.
    """
    if data.sharded:
        return shard_sums(data.sets)

    def look(row, style=None):
        return [file_length(data.folder / row.file), file_length(data.folder / row.mask), style]

    return {
        **{row.file: look(row) for row in (*data.photos, *data.held_photos)},
        **{row.file: look(row) for row in data.held_drawings},
        **{
            row.file: look(row, style_vector(row, data.styles, soft_styles).tolist())
            for row in data.drawings
        },
    }


def shard_sums(sets: Iterable[Sequence[Row]]) -> dict[str, list]:
    """The same for samples of shards: of each shard its SHA-256, and how many samples it holds."""
    return {
        shard.name: [shard.sha256, shard.records]
        for rows in sets
        if isinstance(rows, ShardRows)
        for shard in rows.shards
    }


def file_length(path: Path) -> int:
    """The length of a picture's file in bytes.

    Raises:
        InputError: it cannot be looked at.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"Cannot read the picture ({error.strerror}). Received: {path}") from error


def sizes(folder: Path, rows: list[Row]) -> dict[str, list]:
    """The same for pictures without masks and styles: each file's length in bytes.

    Raises:
        InputError: a picture cannot be looked at.
    """
    return {row.file: [file_length(folder / row.file)] for row in rows}
