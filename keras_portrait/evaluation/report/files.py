"""Where the files of an evaluation lie, for those who write and those who read them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

# Of `evaluation.json`; it grows when a reader of the former one would go wrong.
FORMAT = 2
PAGE_NAME, JSON_NAME, PICTURES = "evaluation.html", "evaluation.json", "pictures"
# Keys of the pictures that are no entry's: photos, and what the edge detector sees in them.
PHOTOS, EDGES = "photos", "edges"
# The baseline whose drawings are those edges.
EDGE_BASELINE = "HED map"


def picture_path(folder: str | Path, key: str, index: int) -> Path:
    """Where a picture lies.

    Args:
        folder: of the pictures.
        key: `PHOTOS`, `EDGES`, or the `key` of an entry that is no floor.
        index: place of the photo in `photo_names`.
    """
    return Path(folder) / key / f"{index:04d}.png"


def shows_photos(entry: dict) -> bool:
    """Whether an entry's pictures are the photos' edge maps, which tell as much as the photos."""
    return entry["kind"] == "baseline" and entry["name"] == EDGE_BASELINE


def remove_photos(folder: str | Path, entries: Iterable[dict]) -> None:
    """Takes away the photos, and what the edge detector sees in them.

    Args:
        folder: of the pictures.
        entries: those of the evaluation.
    """
    for key in (PHOTOS, EDGES, *(entry["key"] for entry in entries if shows_photos(entry))):
        shutil.rmtree(Path(folder) / key)
