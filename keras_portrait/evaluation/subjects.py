"""The photos' faces, aligned as `portrait stylize` does it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.evaluation.border import photo_corners
from keras_portrait.evaluation.content import find_landmarks
from keras_portrait.evaluation.inputs import Photo
from keras_portrait.inference.alignment import prepare_face
from keras_portrait.inference.faces import Box, Detector, Face
from keras_portrait.inference.geometry import invert, transform_points
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.segmentation import PersonSegmenter
from keras_portrait.inference.stylizer import Stylizer

# Why a photo that can be read is left out.
NO_FACE = "no face that looks at the camera"


@dataclass(frozen=True)
class Subject:
    """A photo with a face.

    Attributes:
        photo: which.
        face: what is drawn, in pixels of the photo.
        square: the aligned square, uint8 (S, S, 3), background white.
        landmarks: float (5, 2), the face's points in pixels of the square.
        inside: float32 (S, S) in [0, 1], see `alignment.AlignedFace`: beyond the photo's edge there
            is nothing to draw.
        corners: float (4, 2), where the photo's corners lie, see `border.photo_corners`.
    """

    photo: Photo
    face: Face
    square: np.ndarray
    landmarks: np.ndarray
    inside: np.ndarray
    corners: np.ndarray


def align(
    photos: list[Photo],
    stylizer: Stylizer,
    size: int,
    detector: Detector,
    progress: Callable[[int, int], None],
) -> tuple[list[Subject], list[dict[str, str]]]:
    """Finds the largest face of each photo, where it is not known, and cuts out its square.

    Args:
        photos: from `inputs.find_photos`.
        stylizer: any; it finds faces.
        size: side of the squares in pixels.
        detector: looks for the points in the square, as it will do in drawings; where it finds
            none those of the photo count.
        progress: called with the number of photos done, and of all.

    Returns:
        The photos that can be drawn, and `file` and `reason` of the others.

    Raises:
        InputError: no photo can be drawn.
    """
    segmenter, subjects, skipped = PersonSegmenter(), [], []
    for number, photo in enumerate(photos):
        progress(number, len(photos))
        try:
            picture = read_image(photo.path)
        except InputError as error:
            skipped.append({"file": photo.name, "reason": str(error)})
            continue
        try:
            face = _face_in(photo, picture, stylizer)
        except InputError:
            skipped.append({"file": photo.name, "reason": NO_FACE})
            continue
        aligned = prepare_face(picture, face.landmarks, size, segmenter)
        expected = transform_points(face.landmarks, invert(aligned.transform))
        found = find_landmarks(aligned.square, expected, detector)
        landmarks = expected if found is None else found
        corners = photo_corners(picture.shape, aligned.transform)
        subjects.append(Subject(photo, face, aligned.square, landmarks, aligned.inside, corners))
    progress(len(photos), len(photos))
    if not subjects:
        raise InputError(
            "Expected at least one photo with a face that looks at the camera. "
            f"Received: {len(photos)} that cannot be drawn, the first: {skipped[0]['reason']}"
        )
    return subjects, skipped


def _face_in(photo, picture, stylizer):
    """The face whose landmarks are known, or the largest one that a detector finds."""
    if photo.landmarks is None:
        return stylizer.largest_face(picture, photo.name)
    left, top = photo.landmarks.min(axis=0)
    width, height = np.ptp(photo.landmarks, axis=0)
    return Face(Box(left, top, width, height), photo.landmarks.astype(np.float32), 1.0)
