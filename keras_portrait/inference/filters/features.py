"""What contrast alone does not show of a face: chin, nose and lips in flat light, beards, outlines.

A chin in soft light is a slope, not an edge; people draw a line there all the same. Widths are
pixels of a square of 1024, other places and sizes shares of the distance between the eyes.
"""

import cv2
import numpy as np

from keras_portrait.inference.filters.flow import along_flow, edge_tangent_flow
from keras_portrait.inference.filters.line_drawing import across_flow
from keras_portrait.inference.filters.lines import without_specks
from keras_portrait.inference.filters.tones import SIDE, Tones, ellipse, locally_normalized

# A wide difference of Gaussians finds slopes; along the flow of what is smoothed as widely.
_ACROSS, _ALONG, _FLOW = 4.5, 14.0, 9.0
# Gray levels of response from which a slope is a line, which reaches this share of the strongest
# response around. What is lighter than the last share of the face is a reflection and no form.
_LEAST, _THIN, _AROUND, _REFLECTION = 0.9, 0.78, 19, 1.02
# Slopes of fewer pixels of ink are specks.
_LEAST_SLOPE = 130
# Lips are redder than the face by so much, a of CIE Lab, and reach this share of the reddest part;
# they have so many pixels. Half the width of their outline, as a share of the blur's height.
_RED, _RED_SHARE, _LEAST_LIPS, _LIP_LINE = 5.0, 0.45, 3000, 0.36
# A hole of fewer pixels in a lip is a reflection, a larger one the open mouth.
_REFLECTION_PIXELS = 1200
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
    """Lines on the slopes of chin, nose and, where their colour does not tell them, lips.

    Args:
        tones: of the square.

    Returns:
        float32 (1024, 1024): below 0 is ink, above is paper.
    """
    mouth, nose = tones.landmarks[3:].mean(axis=0), tones.landmarks[2]
    lips, outline_ = ellipse(mouth, tones.apart, _LIPS), lip_outline(tones)
    zone = np.maximum(ellipse(mouth, tones.apart, _CHIN), ellipse(nose, tones.apart, _NOSE))
    zone = zone * (1 - lips) if outline_ is not None else np.maximum(zone, lips)
    shown = np.minimum(tones.lightness, np.float32(_REFLECTION * tones.face))
    # Wide enough at half the side.
    half = cv2.resize(shown, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    tangent = edge_tangent_flow(cv2.GaussianBlur(half, (0, 0), 2.0), _FLOW / 2)
    response = across_flow(half, tangent, _ACROSS / 2, 1.0)
    response = along_flow(response, tangent, _ALONG / 2)
    response = cv2.resize(response, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_AROUND, _AROUND))
    strongest = cv2.erode(response, kernel)
    # Thin where it is weak: it has to come nearer to the strongest response.
    faint = np.clip(1.5 - 0.25 * -strongest / _LEAST, 0, 1)
    line = response - (_THIN + 0.12 * faint) * strongest
    # Steep: a faint slope is a thin line or none, never a gray one.
    line = 4 * (line + 2 * np.maximum(strongest + _LEAST, 0))
    line = np.where(zone > 0.5, line, np.float32(9)).astype(np.float32)
    line = without_specks(line, _LEAST_SLOPE, np.bool_(True))
    return line if outline_ is None else np.minimum(line, outline_)


def lip_outline(tones: Tones) -> np.ndarray | None:
    """The outline of closed lips by their colour.

    Args:
        tones: of the square.

    Returns:
        float32 (1024, 1024): below 0 is ink, above is paper; None where lips are not redder than
        the face, as in gray photos and in shade, and where teeth part them: stretched lips are
        thinner than two outlines.
    """
    if tones.smiles:
        return None
    mouth = tones.landmarks[3:].mean(axis=0)
    zone = ellipse(mouth, tones.apart, _LIPS)
    reddest = np.percentile(tones.redness[zone > 0.5], 92) if (zone > 0.5).any() else 0.0
    if reddest < _RED:
        return None
    lips = _lip_shapes(tones.redness * zone > _RED_SHARE * reddest)
    # Redness all over the zone is no lip, nor is what lies on one side or is narrower than a mouth.
    if not _LEAST_LIPS <= lips.sum() <= 0.6 * (zone > 0.5).sum():
        return None
    columns = np.flatnonzero(lips.any(axis=0))
    right = np.mean(np.nonzero(lips)[1] > mouth[0])
    corners = abs(tones.landmarks[4, 0] - tones.landmarks[3, 0])
    if not 0.3 < right < 0.7 or columns[-1] - columns[0] < 0.65 * corners:
        return None
    soft = cv2.GaussianBlur(np.float32(lips), (0, 0), 4.0)
    return ((np.abs(soft - 0.5) - np.float32(_LIP_LINE)) * np.float32(4)).astype(np.float32)


def _lip_shapes(red: np.ndarray) -> np.ndarray:
    """Upper and lower lip out of what is red, bool (H, W): one shape or two, no reflections."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 9))
    lips = cv2.morphologyEx(np.uint8(red), cv2.MORPH_CLOSE, kernel)
    lips = cv2.morphologyEx(lips, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lips)
    large = stats[:, cv2.CC_STAT_AREA] >= 0.25 * max(stats[1:, cv2.CC_STAT_AREA], default=0)
    large[0] = False
    lips = large[labels]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.uint8(~lips), connectivity=4)
    holes = stats[:, cv2.CC_STAT_AREA] < _REFLECTION_PIXELS
    holes[0] = False
    return lips | holes[labels]


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
