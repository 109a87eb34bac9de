"""Squares that reach beyond the photo: what is filled in, and where the drawing ends.

White behind the photo's edge would be drawn as a black line along it. The photo is continued
instead: mirrored at its edge, which leaves no step there, and the more blurred the farther out,
so that nothing mirrored is drawn as if it were somebody. The drawing itself ends before the edge.
"""

import cv2
import numpy as np

from keras_portrait.geometry import scale_of, warp

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


def continue_photo(photo: np.ndarray, square_to_photo: np.ndarray, size: int) -> np.ndarray:
    """Cuts a square out of a photo that goes on beyond its edges.

    Args:
        photo: uint8 RGB (H, W, 3).
        square_to_photo: float (2, 3), a similarity from pixels of the square to the photo's.
        size: side of the square in pixels.

    Returns:
        uint8 RGB (size, size, 3), equal to `geometry.warp` where the square lies in the photo.
    """
    distances = _crossed(photo.shape, square_to_photo, size)
    square = warp(photo, square_to_photo, size, fill=None if distances else 255)
    if not distances:
        return square
    outside = -np.minimum.reduce(distances) / size
    near = _smooth_step(outside / _NEAR)[..., None]
    far = _smooth_step((outside - _NEAR) / _FAR)[..., None]
    blurred = _blurred(square, _NEAR_BLUR * size)
    blurred += far * (_blurred(square, _FAR_BLUR * size) - blurred)
    return np.rint(square + near * (blurred - square)).astype(np.uint8)


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
        inside *= _smooth_step(distance / min(FADE * size, -float(distance.min())))
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
            x, y, offset = sign * across / scale, sign * down / scale, offset / scale
            if offset + min(0, x * last) + min(0, y * last) < -_LEAST:
                found.append(np.add.outer(np.float32(y) * steps, np.float32(x) * steps + offset))
    return found


def _blurred(square: np.ndarray, deviation: float) -> np.ndarray:
    """float32 (S, S, 3), blurred by a Gaussian of so many pixels."""
    size = square.shape[0]
    side = max(1, size // _SHRINK)
    small = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), deviation * side / size)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)


def _smooth_step(part: np.ndarray) -> np.ndarray:
    """0 up to 0, 1 from 1, and 3 x^2 - 2 x^3 in between."""
    part = np.clip(part, 0, 1)
    return part * part * (3 - 2 * part)
