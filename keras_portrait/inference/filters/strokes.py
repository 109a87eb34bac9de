"""Strokes that swell and taper along smooth curves, and shapes, in a field over the square.

A field is float32 (1024, 1024): below 0 is ink, above is paper; near the edge of a stroke it counts
pixels.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from keras_portrait.inference.filters.tones import SIDE

# Points of a curve for each of the points that it goes through.
SAMPLES = 16
# How far around a stroke the field tells the distance to it, pixels.
_REACH = 6


def smooth_curve(points: np.ndarray, width: float = 0.0) -> np.ndarray:
    """A curve through points, its corners rounded.

    Args:
        points: float (N, 2), N at least 2.
        width: of the Gaussian that rounds corners, in sixteenths of the way between two points; 0
            goes through every point.

    Returns:
        float64 (16 (N - 1) + 1, 2), from the first point to the last.

    Reference:
        Catmull and Rom, "A class of local interpolating splines", 1974.
    """
    points = np.asarray(points, np.float64)
    before = np.concatenate([[2 * points[0] - points[1]], points[:-1]])
    after = np.concatenate([points[1:], [2 * points[-1] - points[-2]]])
    slopes = (after - before) / 2
    t = np.arange(SAMPLES)[None, :, None] / SAMPLES
    between = (
        (2 * t**3 - 3 * t**2 + 1) * points[:-1, None]
        + (t**3 - 2 * t**2 + t) * slopes[:-1, None]
        + (3 * t**2 - 2 * t**3) * points[1:, None]
        + (t**3 - t**2) * slopes[1:, None]
    )
    curve = np.concatenate([between.reshape(-1, 2), points[-1:]])
    return rounded(curve, width) if width else curve


def rounded(curve: np.ndarray, width: float) -> np.ndarray:
    """Rounds the corners of a curve (M, 2) by a Gaussian of `width` points; its ends stay."""
    reach = min(int(3 * width), len(curve) - 1)
    before = 2 * curve[:1] - curve[reach:0:-1]
    after = 2 * curve[-1:] - curve[-2 : -reach - 2 : -1]
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    longer = np.concatenate([before, curve, after])
    columns = [np.convolve(column, weights / weights.sum(), "valid") for column in longer.T]
    return np.stack(columns, axis=-1)


def stroke(field: np.ndarray, curve: np.ndarray, half_widths: Sequence[float]) -> None:
    """Inks a curve.

    Args:
        field: changed in place.
        curve: float (M, 2), pixels.
        half_widths: pixels, spread evenly along the curve.
    """
    length = np.r_[0, np.cumsum(np.hypot(*np.diff(curve, axis=0).T))]
    # A disc for each pixel of the way, or thin strokes would be rows of dots.
    way = np.linspace(0, length[-1], int(length[-1]) + 2)
    curve = np.stack([np.interp(way, length, axis) for axis in curve.T], axis=-1)
    half = np.interp(np.linspace(0, 1, len(way)), np.linspace(0, 1, len(half_widths)), half_widths)
    margin = max(half_widths) + _REACH
    left, top = np.floor(curve.min(axis=0) - margin).astype(int).clip(0, SIDE)
    right, bottom = np.ceil(curve.max(axis=0) + margin).astype(int).clip(0, SIDE)
    if right <= left or bottom <= top:
        return
    x = np.arange(left, right, dtype=np.float32)[None]
    y = np.arange(top, bottom, dtype=np.float32)[:, None]
    near = np.full((bottom - top, right - left), np.float32(SIDE))
    for (across, down), width in zip(np.float32(curve), np.float32(half), strict=True):
        np.minimum(near, np.hypot(x - across, y - down) - width, out=near)
    ink(field[top:bottom, left:right], -near)


def depth(outline: np.ndarray) -> np.ndarray:
    """How deep inside a closed outline each pixel lies.

    Args:
        outline: float (M, 2), pixels; the last point is joined to the first.

    Returns:
        float32 (1024, 1024), pixels to the outline, below 0 outside.
    """
    inside = np.zeros((SIDE, SIDE), np.uint8)
    # Sixteenths of a pixel.
    cv2.fillPoly(inside, [np.rint(outline * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    within, without = (cv2.distanceTransform(part, cv2.DIST_L2, 3) for part in (inside, 1 - inside))
    return within - without


def ink(field: np.ndarray, where: np.ndarray) -> None:
    """Inks a field, in place, where `where` is above 0."""
    np.minimum(field, -where, out=field)


def clear(field: np.ndarray, where: np.ndarray) -> None:
    """Leaves paper in a field, in place, where `where` is above 0."""
    np.maximum(field, np.clip(where, -3, 3), out=field)
