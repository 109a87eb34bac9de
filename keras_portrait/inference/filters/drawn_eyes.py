"""An eye drawn along the outline of its lids: lashes, lower lid, an iris with a highlight.

Widths are pixels of a square of 1024, found by trial on 40 portraits.
"""

import numpy as np

from keras_portrait.inference.filters.strokes import clear, depth, ink, smooth_curve, stroke
from keras_portrait.inference.filters.tones import SIDE, Tones

# Of the outline, from the outer corner to the inner one.
_LOWER, _UPPER = (0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 9, 10, 11, 12, 13, 14, 15, 8)
# How far rounded, see `smooth_curve`; how far around the eye other lines are cleared.
_ROUNDED, _CLEARED = 6, 5
# An eye whose lightest parts are darker than this share of the face lies behind dark glass.
_HIDDEN = 0.22
# Half widths along the lids, and how far lashes run past the outer corner, as a share of the eye.
_LASHES, _BEYOND = (0.8, 3.4, 4.2, 4.4, 4.0, 2.8, 1.4), 0.10
_LOWER_LINE, _LOWER_PART = (1.7, 1.8, 1.5, 1.2, 0.6), 0.72
# Shares of the iris's radius: pupil, shade under the lid, what is solid in dark eyes, highlight and
# its place. The ring's half width is in pixels; the least radius a share of the eye's width.
_PUPIL, _SHADE, _SOLID, _HIGHLIGHT, _PLACE = 0.55, -0.25, 0.45, 0.27, -0.3
_RING, _LEAST_RADIUS = 2.0, 0.1
# Pixels around an iris beyond which it leaves the field as it is.
_AROUND = 12


def draw_eye(
    field: np.ndarray, tones: Tones, lids: np.ndarray, iris: np.ndarray, weight: float, dark: bool
) -> None:
    """Draws an eye.

    Args:
        field: float32 (1024, 1024), below 0 is ink; changed in place.
        tones: of the square.
        lids: float (16, 2), see `FacePoints`.
        iris: column, row and radius, pixels.
        weight: how bold strokes are; 1 is usual.
        dark: whether the iris is solid but for its lower rim.
    """
    upper, lower = (smooth_curve(lids[list(line)], _ROUNDED) for line in (_UPPER, _LOWER))
    opening = depth(np.concatenate([upper, lower[::-1]]))
    seen = tones.lightness[opening > 0]
    if seen.size and np.percentile(seen, 90) < _HIDDEN * tones.face:
        return
    clear(field, opening + _CLEARED)
    wide = np.hypot(*(upper[-1] - upper[0]))
    _draw_iris(field, opening, iris[:2], max(iris[2], _LEAST_RADIUS * wide), weight, dark)
    outwards = upper[0] - upper[12]
    end = upper[0] + _BEYOND * wide * outwards / max(np.hypot(*outwards), 1)
    stroke(field, np.concatenate([[end], upper]), weight * np.array(_LASHES))
    stroke(field, lower[: int(_LOWER_PART * len(lower))], weight * np.array(_LOWER_LINE))


def _draw_iris(field, opening, middle, radius, weight, dark):
    """Draws an iris as far as the lids leave it open, in the window around it."""
    reach = radius + _AROUND
    left, top = np.floor(middle - reach).astype(int).clip(0, SIDE)
    right, bottom = np.ceil(middle + reach).astype(int).clip(0, SIDE)
    across = np.arange(left, right, dtype=np.float32)[None] - np.float32(middle[0])
    down = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(middle[1])
    window = np.s_[top:bottom, left:right]
    inked = _iris(across, down, radius, weight, dark)
    ink(field[window], np.minimum(inked, opening[window] + 1))


def _iris(across, down, radius, weight, dark):
    """Above 0 where an iris is ink, whatever lids hide of it; pixels from its middle."""
    far = np.hypot(across, down)
    ring = _RING * weight - np.abs(far - radius + 1.5)
    inked = np.maximum(ring, _PUPIL * radius - far)
    inked = np.maximum(inked, np.minimum(_SHADE * radius - down, radius - far))
    if dark:
        inked = np.maximum(inked, np.minimum(radius - far, _SOLID * radius - down))
    shine = np.hypot(across - _PLACE * radius, down - _PLACE * radius)
    return np.minimum(inked, shine - _HIGHLIGHT * radius)
