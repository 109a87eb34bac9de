"""Whether the eyes of a drawing can be read: an iris between two whites, under a lid.

People reject drawings whose eyes are blotted to black pits, or left as empty rings.
"""

import cv2
import numpy as np

from keras_portrait.evaluation.drawing_measures import INK, runs

# All in pixels of a 512 square, where the eyes lie 110 px apart, an eye is about 52 px wide and an
# iris 20 px: the proportions of an average face. Found by looking at 24 people drawn eight ways.
# An iris is at least and at most so wide, its middle so far at most from the eye's point, which is
# where the face detector saw it in the photo, and so much paper lies at either side.
_IRIS_512, _AWAY_512, _WHITE_512 = (6, 26), 8, 3
# Rows around the eye's point that are looked at, and how many in a row must show an iris: lids may
# hide most of it.
_ROWS_512, _LEAST_ROWS_512 = (-7, 9), 4
# The lid's line is at least so wide, and lies in a window that reaches so far to the sides, and
# from so far above the eye's point to so far below it.
_LID_512, _LID_WINDOW_512 = 32, (26, -18, 4)


def readable_eyes(drawing: np.ndarray, landmarks: np.ndarray) -> tuple[bool, bool]:
    """Whether each eye of an aligned drawing can be read.

    An eye can be read that has an iris and a lid. The iris is a span of a row of pixels that begins
    and ends with ink, as wide as an iris may be, near the eye's point, with paper at either side; a
    ring with a pupil in it counts like a disc. It must be there in a few rows, one below the other.
    In a pit there is no paper beside it; an empty ring is too wide to be one. The lid is connected
    ink, wider than an iris, around the eye's point or above it: a line, or part of a ring.

    Args:
        drawing: uint8 (S, S).
        landmarks: float (5, 2), in pixels of the square; the first two are the eyes.

    Returns:
        For the left and the right eye as seen in the picture.
    """
    ink = drawing < INK
    return tuple(_has_iris(ink, point) and _has_lid(ink, point) for point in landmarks[:2])


def _has_iris(ink: np.ndarray, point: np.ndarray) -> bool:
    scale = len(ink) / 512
    first, last = np.rint(point[1] + scale * np.array(_ROWS_512)).astype(int).clip(0, len(ink) - 1)
    longest = found = 0
    for row in ink[first : last + 1]:
        found = found + 1 if _row_has_iris(row, point[0], scale) else 0
        longest = max(longest, found)
    return longest >= _LEAST_ROWS_512 * scale


def _row_has_iris(row: np.ndarray, middle: float, scale: float) -> bool:
    starts, ends = runs(row)
    white_before = starts - np.concatenate([[0], ends[:-1]])
    white_after = np.concatenate([starts[1:], [len(row)]]) - ends
    # Spans from the start of one run of ink to the end of the same or of another.
    widths = ends[None] - starts[:, None]
    middles = (ends[None] + starts[:, None] - 1) / 2
    least, most = scale * np.array(_IRIS_512)
    fits = (widths >= least) & (widths <= most) & (abs(middles - middle) <= _AWAY_512 * scale)
    white = _WHITE_512 * scale
    return bool((fits & (white_before >= white)[:, None] & (white_after >= white)[None]).any())


def _has_lid(ink: np.ndarray, point: np.ndarray) -> bool:
    scale, size = len(ink) / 512, len(ink)
    side, above, below = scale * np.array(_LID_WINDOW_512)
    left, right = np.rint(point[0] + [-side, side + 1]).astype(int).clip(0, size)
    top, bottom = np.rint(point[1] + [above, below]).astype(int).clip(0, size)
    window = np.ascontiguousarray(ink[top:bottom, left:right]).view(np.uint8)
    if not window.any():
        return False
    _, _, boxes, _ = cv2.connectedComponentsWithStats(window, connectivity=8)
    return bool(boxes[1:, cv2.CC_STAT_WIDTH].max() >= _LID_512 * scale)
