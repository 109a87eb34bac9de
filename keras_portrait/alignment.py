"""From a face in a photo to the square that a network sees.

Training data and drawing time both come through `prepare_face`, so they cannot differ.
"""

import numpy as np

from keras_portrait.geometry import square_to_photo, warp
from keras_portrait.segmentation import PersonSegmenter, whiten_background


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
        segmenter: finds the person; None leaves the background as it is.

    Returns:
        The square, uint8 RGB (size, size, 3), and the transform float64 (2, 3) from its pixels to
        those of the photo.

    Raises:
        InputError: landmarks that are not five finite points.
    """
    transform = square_to_photo(landmarks, size)
    square = warp(photo, transform, size)
    if segmenter is not None:
        square = whiten_background(square, segmenter(square))
    return square, transform
