"""From ink to strokes: contour passes where it is wider than the pen, centre lines elsewhere."""

import cv2
import numpy as np

from keras_portrait.errors import MissingExtra
from keras_portrait.inference.plotter.polylines import (
    distance_to_lines,
    is_closed,
    length,
    smoothed,
)
from keras_portrait.inference.plotter.skeleton import skeleton_lines

# A line is drawn in one pass until it is wider than this many pens. From there two passes
# side by side, which are a contour, keep the whole width.
_ONE_PASS_PENS = 1.35
# From one contour to the next, in pen widths: they overlap a little, for an even black.
_STEP_PENS = 0.8
# Blacks are filled from their edge by so many contours at most, and hatched within: looking for a
# contour takes as long for the last one as for the first.
_MOST_CONTOURS = 24
# Shorter centre lines between contours, and shorter contours, in pen widths, are none; what they
# leave open is drawn as a centre line or dabbed.
_SHORTEST_PENS = 0.35
_SHORTEST_CONTOUR_PENS = 1.5
# Gaps are dabbed that have this area, in squares of the pen, so deep inside, in pen widths.
_GAP_SQUARE_PENS = 0.08
_GAP_DEPTH_PENS = 0.8
# How far strokes are smoothed: as far as edges waver, in pixels of the drawing, and centre lines at
# least as far as thinning does, in pen widths.
_SIGMA_PIXELS = 0.7
_LINE_SIGMA_PENS = 0.5


def pen_passes(ink: np.ndarray, pen: float, pixel: float) -> list[np.ndarray]:
    """Finds the lines that a pen draws to cover ink.

    Args:
        ink: bool (H, W), with a border of paper.
        pen: the width of the pen in pixels, 3 or more.
        pixel: how many pixels of `ink` make one of the drawing.

    Returns:
        Lines, float (N, 2) with N at least 2, x and y in pixels with pixel 0 centred at 0. Contours
        end where they begin. The order is no order to draw in.

    Raises:
        MissingExtra: scikit-image is not installed.
    """
    skeletonize, _ = load_skimage()
    depth = cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
    sigma = _SIGMA_PIXELS * pixel
    contours = [smoothed(contour, sigma) for contour in contour_passes(depth, pen)]
    contours += hatching(depth, pen)
    contours = [contour for contour in contours if length(contour) >= _SHORTEST_CONTOUR_PENS * pen]
    is_covered = distance_to_lines(contours, ink.shape) <= pen / 2
    lines = []
    for line in skeleton_lines(skeletonize(ink), depth, pen):
        line = smoothed(line, max(sigma, _LINE_SIGMA_PENS * pen))
        lines += _uncovered(_within_ink(line, depth, pen), is_covered, depth, pen)
    passes = contours + [_at_least_a_dot(line, pen) for line in lines]
    return passes + _dabs(passes, depth, pen)


def load_skimage():
    """Imports `skeletonize` and `find_contours` of scikit-image.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        from skimage.measure import find_contours
        from skimage.morphology import skeletonize
    except ModuleNotFoundError:
        raise MissingExtra(
            'Pen strokes need scikit-image. Install it with: pip install "keras-portrait[plotter]"'
        ) from None
    return skeletonize, find_contours


def contour_passes(depth: np.ndarray, pen: float) -> list[np.ndarray]:
    """Finds the contours that fill ink from its edge inwards.

    Args:
        depth: float32 (H, W), how far the edge of the ink is from each pixel inside.
        pen: the width of the pen in pixels.

    Returns:
        Closed lines. The first ones lie half a pen inside the edge, the next ones a step further,
        and so on. Where the ink is too narrow for two passes there are none.
    """
    _, find_contours = load_skimage()
    contours, inset = [], pen / 2
    innermost = _innermost(pen) + 1e-6
    # An opening with this radius keeps contours away from where both sides would nearly meet.
    radius = (_ONE_PASS_PENS - 1) * pen / 2
    margin = int(np.ceil(radius)) + 2
    while inset <= innermost and (core := depth >= inset + radius).any():
        rows, columns = (np.flatnonzero(core.any(axis)) for axis in (1, 0))
        top, left = (max(0, places[0] - margin) for places in (rows, columns))
        part = core[top : rows[-1] + 1 + margin, left : columns[-1] + 1 + margin]
        outside = cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        for contour in find_contours(outside, radius + 0.5):
            contours.append(contour[:, ::-1] + (left, top))
        inset += _STEP_PENS * pen
    return contours


def hatching(depth: np.ndarray, pen: float) -> list[np.ndarray]:
    """Finds the lines that fill what lies within the innermost contours.

    Args:
        depth: float32 (H, W), how far the edge of the ink is from each pixel inside.
        pen: the width of the pen in pixels.

    Returns:
        Lines of two points from contour to contour, one below the other.
    """
    lines = []
    for row in np.arange(0, len(depth), _STEP_PENS * pen).astype(int):
        inside = depth[row] >= _innermost(pen)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]])))
        for start, end in edges.reshape(-1, 2):
            lines.append(np.array([[start, row], [end - 1, row]], float))
    return lines


def _innermost(pen: float) -> float:
    """How deep the last contour lies, in pixels."""
    return pen / 2 + (_MOST_CONTOURS - 1) * _STEP_PENS * pen


def _within_ink(line: np.ndarray, depth: np.ndarray, pen: float) -> np.ndarray:
    """A line whose ends lie half a pen inside the ink's, so that the pen ends where the ink does.

    A third of it remains where it is short.
    """
    if is_closed(line) or len(line) < 3:
        return line
    ends = np.round(line[[0, -1]]).astype(int)
    beyond = np.clip(pen / 2 - depth[ends[:, 1], ends[:, 0]], 0, length(line) / 3)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    kept = line[(along >= beyond[0]) & (along <= along[-1] - beyond[1])]
    return kept if len(kept) else line[len(line) // 2][None]


def _uncovered(line, is_covered, depth: np.ndarray, pen: float) -> list[np.ndarray]:
    """The parts of a line that contours do not cover.

    Short ones are left out, but for those that hold a narrow place between two contours together.
    """
    x, y = np.round(line).astype(int).T
    covered = is_covered[y, x]
    if not covered.any():
        return [line]
    edges = np.flatnonzero(np.diff(np.concatenate([[True], covered, [True]])))
    parts = []
    for start, end in edges.reshape(-1, 2):
        is_bridge = 0 < start and end < len(line) or is_closed(line)
        is_narrow = depth[y[start:end], x[start:end]].max() <= _GAP_DEPTH_PENS * pen
        part = line[max(0, start - 1) : end + 1]
        if (is_bridge and is_narrow) or length(part) >= _SHORTEST_PENS * pen:
            parts.append(part)
    return parts


def _dabs(passes: list[np.ndarray], depth: np.ndarray, pen: float) -> list[np.ndarray]:
    """Ways there and back over each gap that passes leave where they turn sharply inside ink."""
    is_gap = distance_to_lines(passes, depth.shape) > pen / 2
    is_gap &= depth > _GAP_DEPTH_PENS * pen
    count, labels, numbers, _ = cv2.connectedComponentsWithStats(is_gap.astype(np.uint8))
    dabs = []
    for label in range(1, count):
        left, top, width, height, area = numbers[label]
        if area < _GAP_SQUARE_PENS * pen**2:
            continue
        rows, columns = np.nonzero(labels[top : top + height, left : left + width] == label)
        pixels = np.column_stack([columns, rows]) + (left, top)
        axis = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)[2][0]
        along = (pixels - pixels.mean(0)) @ axis
        ends = [pixels.mean(0) + axis * place for place in (along.min(), along.max())]
        dabs.append(np.array([ends[0], _dot_end(*ends, pen), ends[0]]))
    return dabs


def _dot_end(start: np.ndarray, end: np.ndarray, pen: float) -> np.ndarray:
    """The end, or a place a tenth of the pen off where it is nearer."""
    return end if np.hypot(*(end - start)) >= 0.1 * pen else start + (0.1 * pen, 0)


def _at_least_a_dot(line: np.ndarray, pen: float) -> np.ndarray:
    """A line that is long enough for programs that leave out points: a tenth of the pen."""
    if length(line) >= 0.1 * pen:
        return line
    return line.mean(0) + np.array([[-0.05, 0], [0.05, 0]]) * pen
