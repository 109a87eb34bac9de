"""Lines through points, float (N, 2), of which strokes are made; closed ones end as they begin."""

import cv2
import numpy as np


def length(points: np.ndarray) -> float:
    """The length of a line."""
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def is_closed(points: np.ndarray) -> bool:
    """Whether a line ends where it begins."""
    return len(points) > 2 and bool(np.all(points[0] == points[-1]))


def resampled(points: np.ndarray, step: float) -> np.ndarray:
    """A line with points about `step` apart; its ends stay, and one of few steps is left alone."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    count = round(along[-1] / step)
    if count < 4:
        return points
    places = np.linspace(0, along[-1], count + 1)
    result = np.column_stack([np.interp(places, along, axis) for axis in points.T])
    result[0], result[-1] = points[0], points[-1]
    return result


def smoothed(points: np.ndarray, sigma: float) -> np.ndarray:
    """A line without the steps of pixels; the ends of an open one stay where they are.

    Args:
        points: float (N, 2).
        sigma: standard deviation of the Gaussian along the line, in its units.

    Returns:
        float (M, 2), points about a pixel apart.
    """
    points = resampled(points, 1.0)
    reach = min(int(np.ceil(3 * sigma)), len(points) - 1)
    if reach < 1:
        return points
    if is_closed(points):
        padded = np.vstack([points[-reach - 1 : -1], points, points[1 : reach + 1]])
    else:
        # Turned about its ends, so that they stay and the line goes on straight there.
        before = 2 * points[0] - points[reach:0:-1]
        padded = np.vstack([before, points, 2 * points[-1] - points[-2 : -reach - 2 : -1]])
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    result = np.column_stack([np.convolve(axis, weights, "valid") for axis in padded.T])
    if is_closed(points):
        result[-1] = result[0]
    return result


def simplified(points: np.ndarray, tolerance: float) -> np.ndarray:
    """As few of a line's points as keep it within `tolerance`, by Douglas and Peucker."""
    if len(points) < 4:
        return points
    if is_closed(points):
        # Between two equal ends there is no line to measure from.
        middle = len(points) // 2
        first, second = points[: middle + 1], points[middle:]
        return np.vstack([simplified(first, tolerance), simplified(second, tolerance)[1:]])
    kept = cv2.approxPolyDP(points.astype(np.float32)[:, None], tolerance, False)
    return kept[:, 0].astype(float)


def opened_at(points: np.ndarray, index: int) -> np.ndarray:
    """A closed line that begins, and ends, at another of its points."""
    return np.vstack([points[index:-1], points[: index + 1]])


def distance_to_lines(lines: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """How far each pixel is from the nearest line: float32 (H, W), exact to about half a pixel."""
    paper = np.full(shape, 255, np.uint8)
    cv2.polylines(paper, [np.round(line).astype(np.int32) for line in lines], False, 0)
    return cv2.distanceTransform(paper, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
