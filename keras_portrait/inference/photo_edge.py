"""Squares that reach beyond the photo: what is filled in, and where the drawing ends.

White behind the photo's edge would be drawn as a black line along it. The photo is continued
instead: mirrored at its edge, which leaves no step there, and the more blurred the farther out,
so that nothing mirrored is drawn as if it were somebody. The drawing itself ends before the edge.
"""

import cv2
import numpy as np

from keras_portrait.inference.geometry import scale_of, smooth_step

# Parts of the square's side. The drawing fades over the last `FADE` before the photo's edge; beyond
# it the blur sets in over `_NEAR` and is full at `_NEAR + _FAR`. Found by trial on tight portraits.
FADE = 0.03
_NEAR, _FAR = 0.03, 0.12
# Standard deviations of the two blurs, parts of the side as well.
_NEAR_BLUR, _FAR_BLUR = 0.015, 0.05
# Blurs are computed in a picture this much smaller.
_SHRINK = 4
# Part of a pixel by which a square must reach beyond an edge, so that rounding alone never counts.
_LEAST = 1e-3


def blur_outside(
    square: np.ndarray, shape: tuple[int, ...], square_to_photo: np.ndarray
) -> np.ndarray:
    """Blurs what lies outside of the photo, the more the farther out.

    Args:
        square: uint8 RGB (S, S, 3), cut out by `geometry.warp`, the photo mirrored at its edges.
        shape: of the photo, (H, W, ...) in pixels.
        square_to_photo: float (2, 3), a similarity from pixels of the square to the photo's.

    Returns:
        uint8 RGB (S, S, 3), the same within the photo.
    """
    size = square.shape[0]
    distances = _crossed(shape, square_to_photo, size)
    if not distances:
        return square
    outside = np.minimum.reduce(distances) / np.float32(-size)
    near, far = smooth_step(outside / _NEAR), smooth_step((outside - _NEAR) / _FAR)
    blurred = _blurred(square, _NEAR_BLUR * size), _blurred(square, _FAR_BLUR * size)
    return cv2.blendLinear(square, cv2.blendLinear(*blurred, 1 - far, far), 1 - near, near)


def inside_photo(shape: tuple[int, ...], square_to_photo: np.ndarray, size: int) -> np.ndarray:
    """How much of a drawing is kept at each place of a square.

    Only edges that the square reaches beyond count, and a square that reaches beyond one by less
    than `FADE` fades over as little, so that nothing leaps while a face moves out of a frame.

    Args:
        shape: of the photo, (H, W, ...) in pixels.
        square_to_photo: float (2, 3), a similarity from pixels of the square to the photo's.
        size: side of the square in pixels.

    Returns:
        float32 (size, size) in [0, 1]: 0 from the photo's edge outwards, 1 at `FADE` of the side
        before it; all 1 where the square lies in the photo.
    """
    inside = np.ones((size, size), np.float32)
    for distance in _crossed(shape, square_to_photo, size):
        inside *= smooth_step(distance / min(FADE * size, -float(distance.min())))
    return inside


def _crossed(shape: tuple[int, ...], matrix: np.ndarray, size: int) -> list[np.ndarray]:
    """For each edge of the photo that the square reaches beyond: how far inside it pixels lie.

    float32 (size, size) in pixels of the square, negative outside.
    """
    scale, steps, last = scale_of(matrix), np.arange(size, dtype=np.float32), size - 1
    found = []
    for (across, down, start), length in zip(matrix, shape[1::-1], strict=True):
        # Each axis has two edges, half a pixel outside the first and the last centre.
        for sign, offset in ((1, start + 0.5), (-1, length - 0.5 - start)):
            x, y, offset = np.float32([sign * across, sign * down, offset]) / np.float32(scale)
            if offset + min(0, x * last) + min(0, y * last) < -_LEAST:
                found.append(np.add.outer(y * steps, x * steps + offset))
    return found


def _blurred(square: np.ndarray, deviation: float) -> np.ndarray:
    """The same, blurred by a Gaussian of so many pixels."""
    size = square.shape[0]
    side = max(1, size // _SHRINK)
    small = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), deviation * side / size)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
