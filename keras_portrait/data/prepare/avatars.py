"""Avatars made ready for training: pictures in colour, taken as they are; no face is looked for."""

import math

import numpy as np

from keras_portrait.data.prepare.squares import Square
from keras_portrait.inference.imaging import resize

# How far a picture may be enlarged: as far as the smallest face that is kept of a photo, in a
# square of 256 pixels (`FaceLimits.least_eye_distance`).
MOST_ENLARGED = 2.6


def avatar_square(picture: np.ndarray, size: int) -> Square:
    """Cuts out the middle of a picture and brings it to the wanted size.

    Args:
        picture: uint8 RGB (H, W, 3).
        size: side of the square in pixels.

    Returns:
        A `Square` without score, landmarks and mask, its picture uint8 RGB (size, size, 3); with a
        fault where the picture is too small.
    """
    height, width = picture.shape[:2]
    side, least = min(height, width), math.ceil(size / MOST_ENLARGED)
    if side < least:
        return Square(f"picture too small (shorter side {side} px, at least {least})")
    top, left = (height - side) // 2, (width - side) // 2
    middle = picture[top : top + side, left : left + side]
    return Square(None, picture=resize(np.ascontiguousarray(middle), size, size))
