"""The people among whom a drawing's sitter is looked for."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.evaluation.identity.judge import MOST_PEOPLE, FaceDescriptor, chance_first
from keras_portrait.evaluation.inputs import Photo, find_photos
from keras_portrait.evaluation.subjects import Subject, align
from keras_portrait.files import file_sha256
from keras_portrait.inference.faces import Detector
from keras_portrait.inference.stylizer import Stylizer


@dataclass(frozen=True)
class Gallery:
    """Photos of people, described.

    Attributes:
        descriptor: describes faces.
        known: float32 (N, 128), of the evaluation's photos in their order, then of the others.
        people: how many a sitter is looked for among, `MOST_PEOPLE` at most.
        words: who they are, for readers.
    """

    descriptor: FaceDescriptor
    known: np.ndarray
    people: int
    words: str

    def look_for(
        self, index: int, drawings: np.ndarray, landmarks: np.ndarray
    ) -> list[dict[str, float]]:
        """How surely the sitter of some drawings is found.

        Args:
            index: of the sitter's photo.
            drawings: uint8 (N, S, S), aligned as the photo is.
            landmarks: float (5, 2), the photo's: where the drawings have the face, too.

        Returns:
            For each drawing `identity`, see `judge.chance_first`, and `identity_distance`, to the
            sitter's photo.
        """
        found = self.descriptor(drawings, landmarks)
        distances = np.linalg.norm(found[:, None] - self.known, axis=2)
        return [
            {
                "identity": chance_first(row, index, self.people),
                "identity_distance": float(row[index]),
            }
            for row in distances
        ]


def find_strangers(folder: str | Path | None, photos: list[Photo]) -> list[Photo]:
    """Photos of other people, in an order by chance.

    Args:
        folder: of photos, subfolders too; None for none.
        photos: of the evaluation; files of the same bytes are no others.

    Raises:
        InputError: there is no such folder, or no photo in it.
    """
    if folder is None:
        return []
    taken = set(_digests(photos).values())
    others = find_photos(folder)
    digests = _digests(others)
    others = [photo for photo in others if digests.get(photo.path) not in taken]
    order = np.random.default_rng(0).permutation(len(others))
    return [others[place] for place in order]


def open_gallery(
    descriptor: FaceDescriptor,
    subjects: list[Subject],
    strangers: list[Photo],
    stylizer: Stylizer,
    detector: Detector,
    progress: Callable[[int, int], None],
) -> Gallery:
    """Describes the evaluation's photos, and as many others as make a hundred people of them.

    Args:
        descriptor: describes faces.
        subjects: the evaluation's photos; each is taken for another person.
        strangers: photos of others, more than are needed or fewer.
        stylizer: finds faces.
        detector: finds the points of an aligned face.
        progress: called with the number of photos described, and of all.

    Raises:
        InputError: there is one person alone.
    """
    found, wanted, passed = list(subjects), max(MOST_PEOPLE, len(subjects)), 0
    while len(found) < wanted and strangers:
        some, strangers = _cut(strangers, wanted - len(found))
        known = len(found)
        # It raises where none of them has a face.
        with contextlib.suppress(InputError):
            found += align(some, stylizer, len(subjects[0].square), detector, progress)[0]
        passed += len(some) - (len(found) - known)
    if len(found) < 2:
        raise InputError(
            "Identity is told by finding a sitter among others. Expected photos of two people or "
            f"more. Received: one, {subjects[0].photo.name}"
        )
    known = []
    for number, subject in enumerate(found):
        progress(number, len(found))
        known.append(descriptor(subject.square[None], subject.landmarks)[0])
    progress(len(found), len(found))
    people, others = min(len(found), MOST_PEOPLE), len(found) - len(subjects)
    words = f"{people} people, of {len(subjects)} photos of this evaluation"
    words += f" and {others} of others" if others else ""
    words += f" ({passed} more had no usable face)" if passed else ""
    return Gallery(descriptor, np.stack(known), people, words)


def _cut(items, count):
    return items[:count], items[count:]


def _digests(photos):
    """SHA-256 by path of the files that can be read; what cannot is found out later."""
    digests = {}
    for photo in photos:
        with contextlib.suppress(OSError):
            digests[photo.path] = file_sha256(photo.path)
    return digests
