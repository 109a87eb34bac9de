"""The line that a drawing has where the photo ends.

Where the aligned square reaches beyond the photo, what is filled in has a straight edge to it, and
what draws lines may well draw one along it.
"""

import cv2
import numpy as np

from keras_portrait.evaluation.drawing_measures import INK, runs
from keras_portrait.inference.geometry import invert, transform_points

# Ink counts from so far outside of the photo's edge to so far inside, pixels of a 512 square: the
# lines of the packaged presets lay 1 to 8 px inside, and were 6 px wide.
_BAND_512 = (-3, 6)


def photo_corners(shape: tuple[int, ...], square_to_photo: np.ndarray) -> np.ndarray:
    """Where the corners of a photo lie in an aligned square, or outside of it.

    Args:
        shape: of the photo, (H, W, ...) in pixels.
        square_to_photo: float (2, 3), from pixels of the square to those of the photo.

    Returns:
        float64 (4, 2), pixels of the square: top left, top right, bottom right, bottom left.
    """
    height, width = shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5
    return transform_points(corners, invert(square_to_photo))


def border_line(drawing: np.ndarray, corners: np.ndarray) -> float:
    """The longest straight run of ink along the edge of the photo, percent of the square's side.

    Ink counts that lies on a line parallel to the edge, a pixel more or less, and near it. Ink that
    crosses the edge counts as far as it is wide; a solid black that ends there counts whole.

    Args:
        drawing: uint8 (S, S).
        corners: from `photo_corners`.

    Returns:
        0 where no edge lies in the square.
    """
    size = len(drawing)
    ink = cv2.dilate((drawing < INK).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    longest = 0
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = np.linalg.norm(end - start)
        along = (end - start) / length
        # Corners go round clockwise as seen, so that the photo lies at this side of its edge.
        inwards = np.array([-along[1], along[0]])
        points = start + np.outer(np.arange(int(length) + 1), along)
        points = points[((points >= 0) & (points <= size - 1)).all(axis=1)]
        for distance in range(*np.rint(np.array(_BAND_512) * size / 512).astype(int) + (0, 1)):
            where = np.rint(points + distance * inwards).astype(int)
            inside = ((where >= 0) & (where < size)).all(axis=1)
            x, y = where.clip(0, size - 1).T
            first, last = runs(ink[y, x] & inside)
            longest = max(longest, (last - first).max(initial=0))
    return 100 * float(longest) / size
