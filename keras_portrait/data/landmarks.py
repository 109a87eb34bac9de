"""Where the landmarks of a photo go when it is cut, and where a detector would look around them."""

import numpy as np

from keras_portrait.data.manifest import Row

# In a mirrored face the left eye is where the right one was, and so are the corners of the mouth.
MIRRORED = [1, 0, 2, 4, 3]

# Boxes a picture.
BOXES = 3
# PNet's proposals around a face, as measured on 383 photos and drawings of them in three styles:
# centre, relative to the middle of the five landmarks, and side, both in distances from the middle
# of the eyes to the middle of the mouth. Mean and standard deviation; the side's is a factor.
_CENTRE, _CENTRE_SPREAD = (0.0, -0.185), (0.165, 0.12)
_SIDE, _SIDE_SPREAD = 2.44, 0.17


def cut_landmarks(row: Row, size: int, cut: tuple[int, int, int, bool]) -> np.ndarray:
    """Where the landmarks of a picture lie in a cut of it.

    Args:
        row: of a picture with landmarks.
        size: side of the cut in pixels.
        cut: side to which the picture was resized, top and left corner of the cut, and whether it
            was mirrored.

    Returns:
        float64 (5, 2) in pixels of the cut, in the order of the manifest.
    """
    large, top, left, mirrored = cut
    # Pixel centres lie at integers, so the outer half pixel has to be counted in.
    points = (np.asarray(row.landmarks) + 0.5) * (large / row.size) - 0.5 - [left, top]
    return [size - 1, 0] + points[MIRRORED] * [-1, 1] if mirrored else points


def boxes_around(landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Squares in which a detector would look for a face, as far off as its proposals are.

    Args:
        landmarks: float (5, 2) in pixels.
        rng: source of chance.

    Returns:
        float32 (BOXES, 4), left, top, right, bottom in pixels.
    """
    unit = np.linalg.norm(landmarks[:2].mean(axis=0) - landmarks[3:].mean(axis=0))
    centres = landmarks.mean(axis=0) + unit * rng.normal(_CENTRE, _CENTRE_SPREAD, (BOXES, 2))
    half = unit / 2 * _SIDE * np.exp(rng.normal(0, _SIDE_SPREAD, (BOXES, 1)))
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)
