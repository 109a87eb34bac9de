"""Engraved lines: a plane wave, displaced by the form, whose lines widen where it is darker.

Every pixel depends on its place and its surroundings only, so that a network can learn it that is
given the wave's cosine and sine.

Reference:
    Ostromoukhov, "Digital facial engraving", SIGGRAPH 1999: line shapes by thresholds of a periodic
    layer that is warped over the face. Here the warp is the blurred lightness.
"""

import cv2
import numpy as np

from keras_portrait.inference.filters.tones import SIDE, Tones

# Pixels after which the wave repeats in both directions, and its waves in them, across and down:
# lines 16 / sqrt(10) = 5.06 pixels apart, tilted by 18.4 degrees.
WAVE_TILE = 16
_WAVES = (1, 3)
# Side in pixels up to which the wave keeps that spacing; in larger pictures it grows with them.
WAVE_SIDE = 512
# Waves by which a face's lightness displaces the lines, and the blur before it, pixels of 1024.
_DISPLACEMENT, _FORM = 2.2, 14.0
# Share of ink by lightness as a share of the face's: none above 0.82, solid below about 0.13.
_LIGHTNESS = (0.12, 0.25, 0.45, 0.65, 0.82, 0.83)
_INK = (1.05, 0.80, 0.52, 0.34, 0.16, -0.05)
# How much lighter eyes and lips are drawn, and the middle of the face: readable, plain.
_PARTS_LIGHTER, _FACE_LIGHTER = 0.22, 0.06
# Field of what is paper throughout; the wave's own reaches 3. From the share of ink `_SOLID` on the
# gaps between lines close.
_PAPER, _WAVE_FIELD = 9.0, 3.0
_SOLID, _SOLID_FIELD = 0.85, 2.0


def wave_phase(height: int, width: int) -> np.ndarray:
    """The plane wave's phase at every pixel, float64 (height, width), radians."""
    across, down = _WAVES
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    return 2 * np.pi * ((down * rows + across * columns) % WAVE_TILE) / WAVE_TILE


def plane_wave(height: int, width: int) -> np.ndarray:
    """Cosine and sine of the plane wave, as a network sees them.

    Args:
        height: pixels.
        width: pixels.

    Returns:
        float32 (height, width, 2) in [-1, 1]. Crops at multiples of `WAVE_TILE` are equal.
    """
    phase = wave_phase(height, width)
    return np.stack([np.cos(phase), np.sin(phase)], axis=-1).astype(np.float32)


def engraved_field(tones: Tones, size: int) -> np.ndarray:
    """Finds the engraved lines of a portrait.

    Args:
        tones: of the square.
        size: side in pixels of the drawing that this becomes: up to `WAVE_SIDE` the lines lie where
            `plane_wave(size, size)` has them.

    Returns:
        float32 (1024, 1024): below 0 is ink, above is paper.
    """
    place = (np.arange(SIDE) + 0.5) * min(size, WAVE_SIDE) / SIDE - 0.5
    across, down = _WAVES
    phase = np.float32(2 * np.pi / WAVE_TILE * (down * place[:, None] + across * place[None]))
    form = cv2.GaussianBlur(tones.lightness, (0, 0), _FORM) / np.float32(tones.face)
    phase += np.float32(2 * np.pi * _DISPLACEMENT) * form
    tone = cv2.GaussianBlur(tones.lightness, (0, 0), 2.0) / np.float32(tones.face)
    tone += _PARTS_LIGHTER * np.maximum(tones.parts["eyes"], tones.parts["lips"])
    tone += _FACE_LIGHTER * tones.oval
    ink = np.interp(tone, _LIGHTNESS, _INK).astype(np.float32)
    field = _WAVE_FIELD * (np.cos(phase) + np.cos(np.pi * ink))
    # Gaps close one by one; a field that leaps would ring where it is enlarged.
    field -= _SOLID_FIELD * np.clip((ink - _SOLID) / (1 - _SOLID), 0, 1)
    field[ink <= 0] = _PAPER
    return field
