"""Photos of invented faces that end at the chin, the crown or an ear, or were turned."""

import functools

import cv2
import numpy as np

from keras_portrait.data.synthetic_faces import draw_face

# Degrees by which a selfie is turned.
TURN = 20
_SIDE = 600


def cut_photo(where: str, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A photo that the aligned square reaches beyond.

    Args:
        where: "chin", "crown", "left ear" and "right ear" as seen in the picture, or "turned":
            cut on every side after the camera was turned.
        seed: of the face.

    Returns:
        The photo, uint8 RGB (H, W, 3), and its landmarks (5, 2) in pixels.
    """
    face = _face(seed)
    photo, points = face.photo, face.landmarks.astype(float)
    middle = points[:2].mean(axis=0)
    unit = points[1, 0] - points[0, 0]
    left, top, right, bottom = 0, 0, _SIDE, _SIDE
    if where == "turned":
        turn = cv2.getRotationMatrix2D(tuple(middle), TURN, 1)
        photo = cv2.warpAffine(photo, turn, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
        points = points @ turn[:, :2].T + turn[:, 2]
        left, right = (round(middle[0] + share * unit) for share in (-1.4, 1.4))
        top, bottom = (round(middle[1] + share * unit) for share in (-1.4, 1.9))
    elif where == "chin":
        bottom = round(middle[1] + 1.55 * unit)
    elif where == "crown":
        top = round(middle[1] - 0.75 * unit)
    elif where == "left ear":
        left = round(middle[0] - 0.9 * unit)
    else:
        right = round(middle[0] + 0.9 * unit)
    return np.ascontiguousarray(photo[top:bottom, left:right]), points - [left, top]


CUTS = ("chin", "crown", "left ear", "right ear", "turned")


@functools.lru_cache(maxsize=4)
def _face(seed):
    face = draw_face(seed, _SIDE)
    face.photo.setflags(write=False)
    return face
