"""Irises as people draw them: a ring, a pupil, a highlight.

Reference:
    Daugman, "High confidence visual recognition of persons by a test of statistical independence",
    PAMI 1993: the iris is the circle across which the lightness changes most (equation 1). Here on
    both sides alone, since lids cover its top and bottom.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from keras_portrait.inference.filters.tones import Tones

# Radii that are tried, as shares of the distance between the eyes: an iris is 11.7 mm wide, pupils
# are 63 mm apart, and heads turn.
_RADII = (0.075, 0.083, 0.091, 0.099, 0.107)
# Pixels of 1024 around an eye's landmark where its iris may lie, across and down.
_AROUND = (16, 12)
# Directions of the two sides, degrees.
_SIDES = np.deg2rad(np.r_[-40:41:10, 140:221:10])
# Contrast, as a share of the face's lightness, from which on a circle is an iris.
_LEAST_CONTRAST = 0.22
# Widths as shares of the radius, but for the ring, which is in pixels; places from the centre.
_RING, _PUPIL, _HIGHLIGHT, _LID_SHADOW = 1.6, 0.46, 0.24, 0.30
_USUAL_HIGHLIGHT = (-0.30, -0.32)
# An iris darker than this share of the face is solid but for its lower rim.
_DARK = 0.42


@dataclass(frozen=True)
class Iris:
    """A circle in the square.

    Attributes:
        x: column of its centre, pixels.
        y: row of its centre, pixels.
        radius: pixels.
        inside: lightness just inside, 0 to 255.
        outside: lightness just outside, on both sides.
    """

    x: float
    y: float
    radius: float
    inside: float
    outside: float


def find_irises(tones: Tones) -> list[Iris]:
    """The irises that can be told; closed eyes, deep shade and sunglasses have none."""
    lightness = cv2.GaussianBlur(tones.lightness, (0, 0), 1.5)
    apart = float(np.hypot(*(tones.landmarks[1] - tones.landmarks[0])))
    found = [_find(lightness, eye, apart, tones.face) for eye in tones.landmarks[:2]]
    return [iris for iris in found if iris is not None]


def are_dark(tones: Tones, irises: list[Iris]) -> bool:
    """Whether the eyes are drawn as dark ones: both alike."""
    if not irises:
        return False
    return np.mean([iris.inside for iris in irises]) < _DARK * tones.face


def draw_iris(field: np.ndarray, tones: Tones, iris: Iris, dark: bool) -> None:
    """Draws an iris into a field of ink, where lids leave it open.

    Args:
        field: float32 (1024, 1024), below 0 is ink; changed in place.
        tones: of the square.
        iris: where it lies.
        dark: whether it is solid, see `are_dark`.
    """
    radius, reach = iris.radius, int(2 * iris.radius)
    left, top = int(iris.x) - reach, int(iris.y) - reach
    side = 2 * reach + 2
    if min(left, top) < 0 or max(left, top) + side > len(field):
        return
    window = np.s_[top : top + side, left : left + side]
    across = np.arange(left, left + side, dtype=np.float32)[None] - np.float32(iris.x)
    down = np.arange(top, top + side, dtype=np.float32)[:, None] - np.float32(iris.y)
    far = np.hypot(across, down)
    lightness = cv2.GaussianBlur(tones.lightness[window], (0, 0), 1.5)
    open_ = _open_part(lightness, far, iris)
    inner = np.median(lightness[far < 0.75 * radius])
    ink = np.maximum(_RING - np.abs(far - (radius - 0.5)), _PUPIL * radius - far)
    ink = np.maximum(ink, np.minimum(-_LID_SHADOW * radius - down, radius - far))
    if dark:
        ink = np.maximum(ink, np.minimum(radius - far, 0.5 * radius - down))
    shine = _highlight(lightness, far, across, down, radius, inner)
    ink = np.minimum(np.minimum(ink, -shine), 6 * open_)
    field[window] = np.where((far < radius + 2.5) & (open_ > 0), -ink, field[window])


def _find(lightness, eye, apart, face):
    x, y = np.meshgrid(*(np.arange(-reach, reach + 1, 2.0) for reach in _AROUND))
    away = np.hypot(x, y).ravel()
    x, y = x.ravel() + eye[0], y.ravel() + eye[1]
    middle = _sample(cv2.blur(lightness, (17, 17)), x[:, None], y[:, None])[:, 0]
    best, score = None, _LEAST_CONTRAST * face
    for radius in apart * np.array(_RADII):
        inside, outside = (
            _sample(
                lightness,
                x[:, None] + (radius + step) * np.cos(_SIDES),
                y[:, None] + (radius + step) * np.sin(_SIDES),
            )
            for step in (-4, 5)
        )
        right, left = (half.mean(axis=1) for half in np.split(outside - inside, 2, axis=1))
        # Both sides count, the weaker one more: a nose's shadow is dark on one side.
        contrast = 0.7 * np.minimum(left, right) + 0.15 * (left + right)
        contrast += 0.35 * (outside.mean(axis=1) - middle) - 0.25 * away
        place = int(np.argmax(contrast))
        if contrast[place] > score:
            score = contrast[place]
            levels = inside[place].mean(), outside[place].mean()
            best = Iris(x[place], y[place], float(radius), *map(float, levels))
    return best


def _sample(image, x, y):
    return cv2.remap(
        image, np.float32(x), np.float32(y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _open_part(lightness, far, iris):
    """Above 0 where the circle is iris and not lid; reflections in it count as iris."""
    middle = (iris.inside + iris.outside) / 2
    seen = np.uint8((lightness < middle) & (far < iris.radius + 1))
    side = 2 * int(0.45 * iris.radius) + 1
    seen = cv2.morphologyEx(
        seen, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    )
    return cv2.GaussianBlur(np.float32(seen), (0, 0), 1.5) - 0.5


def _highlight(lightness, far, across, down, radius, inner):
    """Above 0 in the highlight: the photo's, where there is one."""
    shining = np.where(far < 0.75 * radius, lightness, 0)
    row, column = np.unravel_index(shining.argmax(), shining.shape)
    x, y = across[0, column], down[row, 0]
    if shining.max() <= inner + 25 or y >= 0.3 * radius:
        x, y = (share * radius for share in _USUAL_HIGHLIGHT)
    return _HIGHLIGHT * radius - np.hypot(across - np.float32(x), down - np.float32(y))
