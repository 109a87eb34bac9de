"""From a photo to the square that a network sees.

Training data and drawing time both come through here, so they cannot differ.
"""

from dataclasses import replace

import cv2
import numpy as np

from keras_portrait.faces import Box, Detector, Face
from keras_portrait.geometry import face_template, square_to_photo, warp
from keras_portrait.imaging import resize
from keras_portrait.segmentation import PersonSegmenter, keep_region, whiten_background

# Faces are looked for in a photo of at most this longest side: landmarks gain nothing above it.
DETECTION_SIDE = 1024
# Mean alpha between eyes and mouth below which the segmentation has missed the face. Of 565
# portraits one lay under it, at 0.4; turned heads reach down to 0.8.
LEAST_FACE = 0.6
# Part of a whole picture that a person must take up before the rest is put to white.
LEAST_PERSON = 0.02
# A square is blank from this level up; lines may lie outside the sitter by half of the rim, pixels.
_BLANK = 245
_RIM = 11


def find_faces(photo: np.ndarray, detector: Detector) -> list[Face]:
    """Finds faces in a photo of any size.

    Args:
        photo: uint8 RGB (H, W, 3).
        detector: it sees the photo reduced to at most `DETECTION_SIDE`.

    Returns:
        Faces in pixels of the photo as given, best score first.
    """
    height, width = photo.shape[:2]
    ratio = min(1.0, DETECTION_SIDE / max(height, width))
    small = resize(photo, max(1, round(width * ratio)), max(1, round(height * ratio)))
    x, y = width / small.shape[1], height / small.shape[0]
    return [
        replace(
            face,
            box=Box(face.box.left * x, face.box.top * y, face.box.width * x, face.box.height * y),
            landmarks=((face.landmarks + 0.5) * (x, y) - 0.5).astype(np.float32),
        )
        for face in detector.detect(small)
    ]


def prepare_face(
    photo: np.ndarray, landmarks: np.ndarray, size: int, segmenter: PersonSegmenter | None
) -> tuple[np.ndarray, np.ndarray]:
    """Aligns a face and puts the background to white.

    The person is looked for in the aligned square, not in the whole photo, so that a small face
    in a wide picture gets the same sharp outline as a selfie.

    Args:
        photo: uint8 RGB (H, W, 3).
        landmarks: float (5, 2), 0-based pixels of the photo: left eye, right eye, nose, left and
            right mouth corner as seen in the picture.
        size: side of the square in pixels.
        segmenter: finds the person; None leaves the background as it is. So does a face that is
            not taken for a person (1 of 565 portraits, an old print): it would go white as well.

    Returns:
        The square, uint8 RGB (size, size, 3), and the transform float64 (2, 3) from its pixels to
        those of the photo.

    Raises:
        InputError: landmarks that are not five finite points.
    """
    transform = square_to_photo(landmarks, size)
    square = warp(photo, transform, size)
    if segmenter is not None:
        template = face_template(size)
        alpha = keep_region(segmenter(square), *template[2])  # the one with the nose
        left, top = template.min(axis=0).astype(int)
        right, bottom = template.max(axis=0).astype(int)
        if alpha[top:bottom, left:right].mean() >= LEAST_FACE:
            square = whiten_background(square, alpha)
    return square, transform


def prepare_whole(
    photo: np.ndarray, size: int, segmenter: PersonSegmenter | None
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Fits a whole picture into the square without squashing it, on white.

    Args:
        photo: uint8 RGB (H, W, 3).
        size: side of the square in pixels.
        segmenter: finds the person; None leaves the background as it is. So does a picture in
            which hardly anybody is found: it would end up blank.

    Returns:
        The square, uint8 RGB (size, size, 3), and the rows and columns that the picture takes
        up in it.
    """
    height, width = photo.shape[:2]
    ratio = size / max(height, width)
    small = resize(photo, max(1, round(width * ratio)), max(1, round(height * ratio)))
    if segmenter is not None:
        alpha = segmenter(small)
        if alpha.mean() >= LEAST_PERSON:
            small = whiten_background(small, alpha)
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    place = (slice(top, top + small.shape[0]), slice(left, left + small.shape[1]))
    square = np.full((size, size, 3), 255, np.uint8)
    square[place] = small
    return square, place


def keep_paper(drawing: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Keeps a drawing blank where the photo was blank, a few pixels away from the sitter.

    Networks like to close a picture with a line along its border; there is nothing to draw there.

    Args:
        drawing: uint8 (S, S), made from the square.
        square: uint8 RGB (S, S, 3), as the network saw it.

    Returns:
        uint8 (S, S).
    """
    # A live drawing goes through here many times a second: bytes as long as they will do.
    darkest = cv2.min(cv2.min(square[..., 0], square[..., 1]), square[..., 2])
    sitter = (darkest < _BLANK).view(np.uint8)
    near = cv2.dilate(sitter, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_RIM, _RIM)))
    near = cv2.GaussianBlur(near.astype(np.float32), (0, 0), 1.0)
    ink = (255 - drawing.astype(np.float32)) * near
    return np.rint(255 - ink).astype(np.uint8)
