"""Eyes, brows, nose, lips and jaw drawn as strokes along known outlines, as a person would.

What contrast shows of them comes and goes with the light: lids vanish, lips are slits, noses
scraps. With the points of a face mesh they are drawn always, in strokes that swell and taper; the
photo says how dark an iris, a brow or a lip is. Widths are pixels of a square of 1024, found by
trial on 40 portraits.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from keras_portrait.inference.filters.drawn_eyes import draw_eye
from keras_portrait.inference.filters.lines import without_specks
from keras_portrait.inference.filters.strokes import (
    clear,
    depth,
    ink,
    rounded,
    smooth_curve,
    stroke,
)
from keras_portrait.inference.filters.tones import SIDE, Tones

# Indices of MediaPipe's face mesh. Lips, mouth, nose and jaw from left to right as seen; brows from
# the outer end along the upper edge and back along the lower one, wings of the nose from above,
# nostrils towards the middle.
_UPPER_LIP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_LOWER_LIP = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
_MOUTH_TOP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_MOUTH_BOTTOM = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
_BROWS = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
)
_WINGS = ((49, 102, 64, 98), (279, 331, 294, 327))
_NOSTRILS = ((75, 60, 238), (305, 290, 458))
_NOSE_BASE = (97, 2, 326)
_RIDGE = (6, 49, 102, 64, 98, 2, 327, 294, 331, 279)
_PHILTRUM = (98, 2, 327, 270, 267, 0, 37, 40)
_JAW = (58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288)

# Field of one share of the face's lightness.
_SHARE_FIELD = 60.0
# A brow is as dark as its darkest fifth, and ink up to a share of the way to the skin around it, by
# how long that way is; fairer brows than the least are a line. Outside its outline it has to be
# darker.
_BROW_CONTRASTS, _BROW_FILLS = (0.10, 0.25, 0.45), (0.16, 0.36, 0.62)
_LEAST_BROW, _FAIR_BROW, _BROW_OUTSIDE = 0.08, 0.18, 0.04
# The skin lies so far outside of a brow, pixels; shining strands part it; a fair one's line.
_BROW_AROUND, _BROW_STRANDS, _FAIR_LINE = (14, 34), 1.5, (0.3, 1.2, 1.7, 1.7, 0.8)
# Gray levels by which lines on the nose and below it have to be stronger, and their least pixels:
# the rest are reflections and shades.
_NOSE_LEVELS, _LEAST_NOSE_LINE = 0.4, 170
# A nostril is darker than this share less than all around it within so many pixels.
_NOSTRIL, _NOSTRIL_AROUND = 0.3, 31
# Lips are open from this share of the mouth's width; what is darker than the other is no tooth.
_OPEN, _MOUTH_DARK = 0.05, 0.36
# Lips are shown by their redness, a of CIE Lab, or darkness beyond the first figures, in full where
# the second ones are added; outlined from this share on. The line under the lower one reaches so
# far to each side, as a share of it, and further where lips are shown.
_RED, _DARK, _SHOWN, _UNDER_LIP = (4, 10), (0.08, 0.3), 0.3, (0.16, 0.14)
# Places between teeth, as shares of the mouth's width.
_TEETH = (0.24, 0.36, 0.5, 0.64, 0.76)
# An upper lip darker than the face by a tenth is shaded, in full from this share more, up to the
# next share of its height, which counts up to so many pixels.
_LIP_RANGE, _LIP_SHADE, _MOST_LIP = 0.4, 0.2, 30
# Irises darker than this share of the face are dark ones.
_DARK_EYE = 0.42
# A jaw is drawn where no line is within so many pixels, in pieces of at least so many points.
_JAW_AWAY, _LEAST_JAW = 26, 24


@dataclass(frozen=True)
class FacePoints:
    """Where the features of a face lie, in pixels of the square.

    Attributes:
        mesh: float64 (468, 2), of MediaPipe's face mesh.
        lids: float64 (2, 16, 2), outlines of the left and the right eye as seen: from the outer
            corner along the lower lid to the inner one (9 points), then from the outer one along
            the upper lid, without the corners.
        irises: float64 (2, 3), column, row and radius of each.
    """

    mesh: np.ndarray
    lids: np.ndarray
    irises: np.ndarray

    def scaled(self, ratio: float) -> "FacePoints":
        """The same points in a square `ratio` times as large."""
        irises = self.irises * ratio
        irises[:, :2] += 0.5 * ratio - 0.5
        mesh, lids = ((points + 0.5) * ratio - 0.5 for points in (self.mesh, self.lids))
        return FacePoints(mesh, lids, irises)


def draw_features(
    field: np.ndarray, tones: Tones, points: FacePoints, weight: float, shaded: float
) -> None:
    """Draws eyes, brows, nose, lips and jaw.

    Args:
        field: float32 (1024, 1024), below 0 is ink; changed in place.
        tones: of the square.
        points: in pixels of the square.
        weight: how bold strokes are; 1 is usual.
        shaded: how much of its shade a dark upper lip has, 0 to 1.
    """
    mesh = points.mesh
    _draw_jaw(field, mesh, weight)
    _draw_brows(field, tones, mesh, weight)
    _draw_nose(field, tones, mesh, weight)
    _draw_lips(field, tones, mesh, weight, shaded)
    dark = _dark_eyes(tones, points.irises)
    for lids, iris in zip(points.lids, points.irises, strict=True):
        draw_eye(field, tones, lids, iris, weight, dark)


def _dark_eyes(tones, irises):
    """Whether the irises are drawn dark: both alike."""
    levels = []
    for column, row, radius in irises:
        reach = int(0.8 * radius)
        left, top = max(int(column) - reach, 0), max(int(row) - reach, 0)
        bottom, right = max(int(row) + reach, 0), max(int(column) + reach, 0)
        patch = tones.lightness[top:bottom, left:right]
        levels += [np.median(patch)] if patch.size else []
    return bool(levels) and np.mean(levels) < _DARK_EYE * tones.face


def _draw_brows(field, tones, mesh, weight):
    """Fills dark brows and hints at fair ones; both as bold as the fainter one lets them be."""
    seen = []
    for brow in _BROWS:
        inside = depth(smooth_curve(mesh[list(brow)], 8))
        low, high = _BROW_AROUND
        core, around = inside > 2, (inside < -low) & (inside > -high)
        if core.any() and around.any():
            dark, skin = np.percentile(tones.share[core], 20), np.median(tones.share[around])
            seen.append((brow, inside, dark, max(skin - dark, 0)))
    fill = np.interp(min((way for *_, way in seen), default=0), _BROW_CONTRASTS, _BROW_FILLS)
    strands = _BROW_STRANDS * np.maximum(tones.strands - 0.8, 0)
    for brow, inside, dark, way in seen:
        limit = dark + fill * way + _BROW_OUTSIDE * np.clip(inside - 2, -20, 0)
        if way >= _LEAST_BROW:
            ink(field, np.minimum(_SHARE_FIELD * (limit - tones.share) - strands, inside + 8))
        if way < _FAIR_BROW:
            edge, back = mesh[list(brow[:5])], mesh[list(brow[:4:-1])]
            middle = rounded(smooth_curve(0.4 * edge + 0.6 * back), 8)
            stroke(field, middle, weight * np.array(_FAIR_LINE))


def _draw_nose(field, tones, mesh, weight):
    zones = [cv2.convexHull(np.float32(mesh[list(zone)]))[:, 0] for zone in (_RIDGE, _PHILTRUM)]
    plain = np.clip(np.maximum(*map(depth, zones)) / 8 + 0.25, 0, 1)
    strong = without_specks(
        4 * (field + np.float32(_NOSE_LEVELS)), _LEAST_NOSE_LINE, np.bool_(True)
    )
    field += plain * (strong - field)
    for wing in _WINGS:
        stroke(field, smooth_curve(mesh[list(wing)]), weight * np.array([0.5, 1.5, 1.8, 1.5, 0.5]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_NOSTRIL_AROUND, _NOSTRIL_AROUND))
    around = cv2.morphologyEx(tones.lightness, cv2.MORPH_CLOSE, kernel)
    darker = (around - tones.lightness) / np.maximum(around, 20)
    place = np.arange(SIDE, dtype=np.float32)
    for nostril in _NOSTRILS:
        curve = smooth_curve(mesh[list(nostril)])
        stroke(field, curve, weight * np.array([1.0, 2.6, 3.0, 1.2]))
        column, row = np.float32(curve.mean(axis=0))
        away = np.hypot(place[None] - column, 1.4 * (place[:, None] - row))
        near = 0.9 * np.hypot(*(curve[-1] - curve[0])) - away
        ink(field, np.minimum(30 * (darker - _NOSTRIL), near))
    stroke(field, smooth_curve(mesh[list(_NOSE_BASE)]), weight * np.array([0.6, 1.5, 0.6]))


def _draw_lips(field, tones, mesh, weight, shaded):
    top, bottom = smooth_curve(mesh[list(_UPPER_LIP)], 4), smooth_curve(mesh[list(_LOWER_LIP)], 6)
    above, below = (smooth_curve(mesh[list(line)], 5) for line in (_MOUTH_TOP, _MOUTH_BOTTOM))
    upper = depth(np.concatenate([top, above[::-1]])) > 2
    lower = depth(np.concatenate([below, bottom[::-1]])) > 2
    if not upper.any() or not lower.any():
        return
    clear(field, depth(np.concatenate([top, bottom[::-1]])) + 4)
    red = np.median(tones.redness[upper | lower])
    dark = 1 - np.median(tones.share[upper])
    shown = float(np.clip(max((red - _RED[0]) / _RED[1], (dark - _DARK[0]) / _DARK[1]), 0, 1))
    gap = np.hypot(*(mesh[13] - mesh[14]))
    if gap >= _OPEN * np.hypot(*(mesh[291] - mesh[61])):
        mouth = depth(np.concatenate([above, below[::-1]]))
        ink(field, np.minimum(_SHARE_FIELD * (_MOUTH_DARK - tones.share), mouth + 1))
        stroke(field, below, weight * np.array([1.4, 2.2, 2.4, 2.2, 1.4]))
        _draw_teeth(field, above, below, weight)
        curve, half = above, [0.8, 2.8, 2.8, 2.6, 2.6, 2.6, 2.8, 2.8, 0.8]
    else:
        curve, half = (above + below) / 2, [0.8, 3.2, 2.6, 2.4, 3.0, 2.4, 2.6, 3.2, 0.8]
    curve = rounded(np.concatenate([top[:1], curve, top[-1:]]), 4)
    height = min(np.hypot(*(mesh[0] - mesh[13])), _MOST_LIP)
    swell = shaded * np.clip((dark - 0.1) / _LIP_RANGE, 0, 1) * _LIP_SHADE * height
    _draw_mouth(field, curve, weight * np.array(half), swell)
    if shown > _SHOWN:
        stroke(field, _piece(top, 0.05, 0.48), weight * np.array([1.0, 2.0, 2.2, 2.2, 1.4]))
        stroke(field, _piece(top, 0.52, 0.95), weight * np.array([1.4, 2.2, 2.2, 2.0, 1.0]))
    reach = _UNDER_LIP[0] + _UNDER_LIP[1] * shown
    under = _piece(bottom, 0.5 - reach, 0.5 + reach)
    stroke(field, under, weight * np.array([1.0, 2.4, 2.8, 2.4, 1.0]))


def _draw_teeth(field, above, below, weight):
    """Hints at teeth: short ticks below the upper lip."""
    for share in _TEETH:
        start, end = above[int(share * len(above))], below[int(share * len(below))]
        tick = np.stack([start, start + 0.4 * (end - start)])
        stroke(field, tick, weight * np.array([1.1, 0.9, 0.4]))


def _draw_mouth(field, curve, half_widths, shade):
    """The line of the mouth, and above it the shade of the upper lip, `shade` pixels at most."""
    swell = shade * np.array([0.0, 0.5, 1.0, 1.0, 0.7, 1.0, 1.0, 0.5, 0.0])
    places = np.linspace(0, 1, len(curve)), np.linspace(0, 1, len(swell))
    curve[:, 1] -= np.interp(*places, swell)
    stroke(field, curve, half_widths + swell)


def _piece(curve, start, end):
    """A piece of a curve, from and to shares of its points."""
    return curve[int(start * len(curve)) : int(end * len(curve))]


def _draw_jaw(field, mesh, weight):
    curve = smooth_curve(mesh[list(_JAW)], 8)
    away = cv2.distanceTransform(np.uint8(field > 0), cv2.DIST_L2, 3)
    columns, rows = np.rint(curve).astype(int).clip(0, SIDE - 1).T
    steps = np.diff(np.r_[0, np.int8(away[rows, columns] > _JAW_AWAY), 0])
    for start, end in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
        if end - start > _LEAST_JAW:
            stroke(field, curve[start:end], weight * np.array([0.3, 1.3, 1.5, 1.3, 0.3]))
