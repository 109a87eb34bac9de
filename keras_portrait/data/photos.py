"""The photos of a prepared folder, for what needs no drawings beside them."""

from dataclasses import dataclass
from pathlib import Path

from keras_portrait.data.manifest import Row, read_manifest
from keras_portrait.data.shards.reader import refuse_shards
from keras_portrait.errors import InputError


@dataclass(frozen=True)
class PhotoData:
    """The kept photos of a prepared folder.

    Attributes:
        folder: the data folder.
        photos: rows of the photos to train on.
        held_photos: rows of the photos that were held back.
    """

    folder: Path
    photos: list[Row]
    held_photos: list[Row]


def load_photos(folder: str | Path, method: str) -> PhotoData:
    """Reads which photos a prepared folder holds; its drawings and avatars are not looked at.

    Args:
        folder: made by `portrait prepare`.
        method: what reads them, for the text of an error.

    Raises:
        InputError: there is no manifest, it holds no photos to train on, or a file is missing; or
            the folder holds shards.
    """
    refuse_shards(folder, method)
    folder = Path(folder)
    rows = [row for row in read_manifest(folder) if row.kept and row.kind == "photo"]
    for row in rows:
        if not (folder / row.file).is_file():
            raise InputError(
                f"{folder}: expected every picture that the manifest names; `portrait prepare` "
                f"makes them again. Received: no {row.file}"
            )
    photos, held = ([row for row in rows if (row.split != "train") == h] for h in (False, True))
    if not photos:
        raise InputError(
            f"{folder}: expected photos to train on, as `portrait prepare PHOTOS DRAWINGS` makes "
            "them ready. Received: none (the manifest says why each picture was dropped)"
        )
    return PhotoData(folder, photos, held)
