"""The photos that are drawn, who is in them, and what draws them."""

import contextlib
import csv
import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_portrait.data.manifest import NAME as MANIFEST_NAME
from keras_portrait.data.manifest import read_manifest
from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import read_bounded
from keras_portrait.inference.folders import PassedOver, list_images
from keras_portrait.inference.presets import Generator
from keras_portrait.inference.reading import MOST_BYTES

GROUPS = ("women", "men")
_WORDS = {
    "women": {"women", "woman", "female", "females"},
    "men": {"men", "man", "male", "males"},
}


@dataclass(frozen=True)
class Source:
    """What draws.

    Attributes:
        name: what it is called in the result.
        generator: the generator, of drawings or pictures in colour, from photos.
        kind: "preset" or "run".
    """

    name: str
    generator: Generator
    kind: str = "preset"


@dataclass(frozen=True)
class Photo:
    """A photo of the folder.

    Attributes:
        name: its path in the folder, with forward slashes.
        path: where it lies.
        group: one of `GROUPS`, or None.
        landmarks: float (5, 2), the face's points in pixels of the photo; None where a detector
            has to find them.
    """

    name: str
    path: Path
    group: str | None
    landmarks: np.ndarray | None = None


def find_photos(
    folder: str | Path,
    groups: str | Path | None = None,
    limit: int | None = None,
    passed: PassedOver | None = None,
) -> list[Photo]:
    """Lists photos, and tells women from men.

    Args:
        folder: of photos, subfolders too; or a folder made by `portrait prepare`, of which the
            photos are taken that were held back.
        groups: a CSV file with the columns `file`, a path in the folder or a bare name, and
            `group`; None tells by whole words of folder and file names, such as `female-007.jpg`.
            Of a prepared folder the names are those of the photos that were prepared.
        limit: at most so many, evenly chosen.
        passed: notes what is passed over in the folder.

    Returns:
        The photos, sorted by path.

    Raises:
        InputError: there is no such folder, no photo in it, or the CSV file cannot be used.
    """
    folder = Path(folder)
    prepared = os.path.isfile(folder / MANIFEST_NAME)
    photos = _held_photos(folder) if prepared else _photos_in(folder, passed)
    table = None if groups is None else _read_groups(Path(groups))
    names = {name for photo in photos for name in (photo.name, _bare(photo.name))}
    unknown = sorted(set(table or ()) - names)
    if unknown:
        raise InputError(f"{groups}: expected files of {folder}. Received: {unknown[0]}")
    if limit is not None and limit < len(photos):
        photos = [photos[i] for i in np.linspace(0, len(photos) - 1, limit).round().astype(int)]
    return [
        replace(photo, group=table.get(photo.name, table.get(_bare(photo.name))))
        if table is not None
        else photo
        for photo in photos
    ]


def _photos_in(folder, passed):
    paths = list_images(folder, passed)
    if not paths:
        raise InputError(f"Expected a folder of photos. Received: no picture in {folder}")
    names = [path.relative_to(folder).as_posix() for path in paths]
    return [Photo(name, path, _group_of(name)) for name, path in zip(names, paths, strict=True)]


def _held_photos(folder):
    """The photos of a prepared folder that no training has seen, with their landmarks."""
    rows = [row for row in read_manifest(folder) if row.kept and row.kind == "photo"]
    held = sorted((row for row in rows if row.split != "train"), key=lambda row: row.source)
    if not held:
        raise InputError(
            f"{folder}: expected photos that were held back; `portrait prepare --holdout` says how "
            f"many, and a folder of other photos will do. Received: {len(rows)} to train on"
        )
    return [
        Photo(row.source, folder / row.file, _group_of(row.source), np.array(row.landmarks, float))
        for row in held
    ]


def _bare(name):
    return name.rpartition("/")[2]


def fingerprint(photos: list[Photo]) -> str:
    """SHA-256, in hexadecimal, over the names and bytes of photos."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(f"{photo.name}\n".encode())
        # Of one that cannot be read the name alone; it is left out, which is told later.
        with contextlib.suppress(OSError):
            digest.update(hashlib.sha256(read_bounded(photo.path, MOST_BYTES)).digest())
    return digest.hexdigest()


def check_sources(sources: list[Source]) -> None:
    """Sees to it that every source draws, and that names tell them apart.

    Raises:
        SettingError: there is none, two have one name, or one makes something else of photos.
    """
    if not sources:
        raise SettingError("Expected a preset or a run folder. Received: none")
    names = [source.name for source in sources]
    for source in sources:
        metadata = source.generator.metadata
        if "image" not in metadata.inputs:
            raise SettingError(
                "Expected a preset or run that makes pictures of photos. Received: "
                f"{source.name}, which takes {metadata.inputs[0]}"
            )
        if names.count(source.name) > 1:
            raise SettingError(f"Expected different names. Received: {source.name} twice")


def safe_key(*words: str) -> str:
    """Words as the name of a folder: letters, digits and hyphens, in lower case."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).casefold()).strip("-") or "entry"


def _group_of(name):
    words = set(re.split(r"[^a-z]+", name.casefold()))
    found = [group for group in GROUPS if words & _WORDS[group]]
    return found[0] if len(found) == 1 else None


def _read_groups(path):
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        table = {row["file"].strip(): row["group"].strip().casefold() for row in rows}
    except (OSError, UnicodeError, csv.Error, KeyError, AttributeError) as error:
        raise InputError(
            f"Expected a CSV file with the columns file and group. Received: {path}"
        ) from error
    for name, word in table.items():
        known = [group for group in GROUPS if word in _WORDS[group]]
        if not known:
            raise InputError(
                f"{path}: expected women or men as the group of {name}. Received: {word!r}"
            )
        table[name] = known[0]
    return table
