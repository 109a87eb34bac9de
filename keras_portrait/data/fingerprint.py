"""Which pictures a run is trained on, so that a changed data folder is noticed and named."""

from keras_portrait.data.pipeline import PreparedData
from keras_portrait.errors import InputError

# As many changed pictures are named.
_NAMED = 3


def fingerprint(data: PreparedData) -> dict[str, list]:
    """What tells that a picture is still the same, by file.

    Args:
        data: the pictures of a run.

    Returns:
        For each file of the training split its length in bytes, and what its style is known by.

    Raises:
        InputError: a picture cannot be looked at.
    """
    try:
        return {
            row.file: [(data.folder / row.file).stat().st_size, _style(row)]
            for row in [*data.photos, *data.drawings]
        }
    except OSError as error:
        raise InputError(
            f"Cannot read the picture ({error.strerror}). Received: {error.filename}"
        ) from error


def _style(row):
    return getattr(row, "style_shares", None) or row.style


def changes(before: dict[str, list], now: dict[str, list]) -> str:
    """Names pictures that were added, removed or changed; "" where there are none.

    Args:
        before: `fingerprint` of when the run began.
        now: `fingerprint` of the same folder today.
    """
    parts = []
    for word, files in (
        ("added", now.keys() - before.keys()),
        ("removed", before.keys() - now.keys()),
        ("changed", {file for file in before.keys() & now.keys() if before[file] != now[file]}),
    ):
        if files:
            names = ", ".join(sorted(files)[:_NAMED])
            more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
            parts.append(f"{word} {names}{more}")
    return "; ".join(parts)
