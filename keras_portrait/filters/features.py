"""What contrast alone does not show of a face: chin, nose and lips in flat light, beards, outlines.

A chin in soft light is a slope, not an edge; people draw a line there all the same. Widths are
pixels of a square of 1024, other places and sizes shares of the distance between the eyes.
"""

import cv2
import numpy as np

from keras_portrait.filters.flow import along_flow, edge_tangent_flow
from keras_portrait.filters.line_drawing import across_flow
from keras_portrait.filters.lines import without_specks
from keras_portrait.filters.tones import SIDE, Tones, locally_normalized

# A wide difference of Gaussians finds slopes; along the flow of what is smoothed as widely.
_ACROSS, _ALONG, _FLOW = 4.5, 14.0, 9.0
# Gray levels of response from which a slope is a line, and the same on the lips, whose colour has
# been added. A line is what reaches this share of the strongest response around. What is lighter
# than the last share of the face is a reflection and no form.
_LEAST, _LEAST_LIPS, _THIN, _AROUND, _REFLECTION = 0.9, 2.0, 0.78, 19, 1.08
# Zones around (across, down) from a place, with half width and half height: the chin below the
# mouth, the nose's lower half above its tip, the lips around the mouth.
_CHIN, _NOSE, _LIPS = (0.62, 1.15, 0.45), (-0.02, 0.36, 0.22), (0.0, 0.52, 0.27)
# Between the brows lines read as a frown: they have to be stronger by so many gray levels.
_FROWN, _FROWN_LEVELS = (-0.16, 0.17, 0.32), 1.2
# Pixels that an outline keeps away from lines, and of which it has at least.
_OUTLINE_AWAY, _LEAST_OUTLINE = 29, 250
# A beard: darker than the first share of the face, in full from the second; so wide and of so many
# pixels at least; strokes from the nose outwards, as long and as dense as the rest says.
_BEARD, _FULL_BEARD, _BEARD_WIDTH, _LEAST_BEARD = 0.80, 0.62, 21, 5000
_BEARD_ALONG, _BEARD_GRAIN, _BEARD_SHARES = 9.0, 1.8, (0.30, 0.45, 0.62, 0.80)
_BEARD_STRANDS = (1.4, 0.35, -0.45, -1.7)


def soft_lines(tones: Tones) -> np.ndarray:
    """Lines on the slopes of chin, nose and lips.

    Args:
        tones: of the square.

    Returns:
        float32 (1024, 1024): below 0 is ink, above is paper.
    """
    mouth, nose = tones.landmarks[3:].mean(axis=0), tones.landmarks[2]
    lips = ellipse(mouth, tones.apart, _LIPS)
    zone = np.maximum(ellipse(mouth, tones.apart, _CHIN), ellipse(nose, tones.apart, _NOSE))
    zone = np.maximum(zone * (1 - lips), lips)
    shown = tones.lightness + (tones.lips - tones.lightness) * lips
    shown = np.minimum(shown, np.float32(_REFLECTION * tones.face))
    # Wide enough at half the side.
    half = cv2.resize(shown, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    tangent = edge_tangent_flow(cv2.GaussianBlur(half, (0, 0), 2.0), _FLOW / 2)
    response = across_flow(half, tangent, _ACROSS / 2, 1.0)
    response = along_flow(response, tangent, _ALONG / 2)
    response = cv2.resize(response, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_AROUND, _AROUND))
    strongest = cv2.erode(response, kernel)
    least = _LEAST + (_LEAST_LIPS - _LEAST) * lips
    # Thin where it is weak: it has to come nearer to the strongest response.
    faint = np.clip(1.5 - 0.25 * -strongest / least, 0, 1)
    line = response - (_THIN + 0.12 * faint) * strongest
    missing = np.maximum(strongest + least, 0)
    return np.where(zone > 0.5, line + 2 * missing, np.float32(9)).astype(np.float32)


def without_frown(lines: np.ndarray, tones: Tones) -> np.ndarray:
    """Weakens lines float32 (1024, 1024) between the brows."""
    eyes = tones.landmarks[:2].mean(axis=0)
    return lines + np.float32(_FROWN_LEVELS) * ellipse(eyes, tones.apart, _FROWN)


def beard(tones: Tones) -> tuple[np.ndarray, np.ndarray]:
    """A beard as strokes that grow from the nose outwards.

    Args:
        tones: of the square.

    Returns:
        The strokes, below 0 is ink; and where there is beard, in [0, 1]; float32 (1024, 1024).
    """
    place = np.arange(SIDE, dtype=np.float32)
    nose, mouth = np.float32(tones.landmarks[2]), np.float32(tones.landmarks[3:].mean(axis=0))
    across = (place - nose[0])[None] / np.float32(tones.apart)
    down = (place - nose[1])[:, None] / np.float32(tones.apart)
    lips = ellipse(mouth, tones.apart, (0.04, 0.48, 0.20))
    zone = np.clip(12 * (down - 0.10), 0, 1) * np.clip(6 * (0.98 - np.abs(across)), 0, 1)
    chin = (mouth[1] - nose[1]) / np.float32(tones.apart) + 0.72
    zone = zone * np.clip(6 * (chin - down), 0, 1) * (1 - lips)
    share = cv2.GaussianBlur(tones.share, (0, 0), 6.0)
    where = zone * np.clip((_BEARD - share) / (_BEARD - _FULL_BEARD), 0, 1) * (1 - tones.skin)
    where = _large_part(where)
    length = np.maximum(np.hypot(0.55 * across, down + 0.35), np.float32(1e-3))
    tangent = np.stack(np.broadcast_arrays(0.55 * across / length, (down + 0.35) / length), -1)
    half = np.ascontiguousarray(tangent[::2, ::2], np.float32)
    contrast = cv2.resize(tones.lightness, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    contrast = 0.5 * np.clip(locally_normalized(contrast, 8.0, 4.0), -2, 2)
    grain = np.random.default_rng(1).standard_normal(contrast.shape, np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), _BEARD_GRAIN / 2)
    strands = along_flow(contrast + grain / grain.std(), half, _BEARD_ALONG / 2)
    strands = (strands - strands.mean()) / max(float(strands.std()), 1e-3)
    strands = cv2.resize(strands, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    limit = np.interp(share, _BEARD_SHARES, _BEARD_STRANDS).astype(np.float32)
    strokes = 2 * (strands - limit) + 6 * np.maximum(0.35 - where, 0)
    return np.where(where > 0, strokes, np.float32(9)).astype(np.float32), where


def _large_part(where):
    """Without what is too narrow or too small for a beard: shadows of lips and chin."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_BEARD_WIDTH, _BEARD_WIDTH))
    wide = cv2.morphologyEx(np.uint8(where > 0.5), cv2.MORPH_OPEN, kernel)
    if wide.sum() < _LEAST_BEARD:
        return np.zeros_like(where)
    return where * (cv2.dilate(wide, kernel) > 0)


def outline(tones: Tones, lines: np.ndarray) -> np.ndarray:
    """The line between person and background, where no other line is near.

    Args:
        tones: of the square.
        lines: float32 (1024, 1024), below 0 is ink.

    Returns:
        float32 (1024, 1024): below 0 is ink, above is paper.
    """
    near = cv2.dilate(np.uint8(lines < 0), np.ones((_OUTLINE_AWAY, _OUTLINE_AWAY), np.uint8))
    # Half a line's width to each side of the border, which is where half of the blur is person.
    field = (np.abs(tones.person - 0.5) - np.float32(0.34)) * np.float32(4)
    return without_specks(np.where(near > 0, np.float32(9), field), _LEAST_OUTLINE, np.bool_(True))


def ellipse(middle: np.ndarray, apart: float, shape: tuple[float, float, float]) -> np.ndarray:
    """1 within an ellipse, falling to 0 over its outer quarter.

    Args:
        middle: (x, y) in pixels of 1024.
        apart: distance between the eyes, pixels.
        shape: how far below, half width, half height, as shares of `apart`.

    Returns:
        float32 (1024, 1024) in [0, 1].
    """
    below, half_width, half_height = (np.float32(share * apart) for share in shape)
    place = np.arange(SIDE, dtype=np.float32)
    across = (place - np.float32(middle[0])) / half_width
    down = (place - np.float32(middle[1]) - below) / half_height
    return np.clip(4 - 4 * np.hypot(across[None], down[:, None]), 0, 1)
