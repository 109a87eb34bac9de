"""Hatching of a photo without learning: strokes along the flow, denser where it is darker.

Noise that is smeared along a vector field shows its stream lines (Cabral and Leedom, "Imaging
vector fields using line integral convolution", SIGGRAPH 1993); cut at a level that follows the
picture's tone, the stream lines become strokes of ink.
"""

from statistics import NormalDist

import cv2
import numpy as np

from keras_portrait.inference.filters.flow import along_flow, edge_tangent_flow
from keras_portrait.inference.filters.line_drawing import face_tone

# Tones between which strokes go from none to solid ink, as shares of the face's; a
# negative one leaves some paper in the darkest parts.
LIGHT, DARK = 0.82, -0.25
# Widths in pixels at 256 px: of a stroke's grain, of the tone's and the flow's smoothing, and
# along a stroke.
GRAIN, TONE_SIGMA, FLOW_SIGMA, STROKE_SIGMA = 0.55, 1.2, 5.0, 5.0
# Steepness of a stroke's edge, per standard deviation of the smeared noise.
SHARPNESS = 4.0
# Levels of the noise by share of ink; its values are nearly normal.
SHARES = np.linspace(0.0, 1.0, 101)
LEVELS = np.array([NormalDist().inv_cdf(min(max(share, 1e-3), 0.999)) for share in SHARES])


def hatching(gray: np.ndarray, width: float = 1.0, seed: int = 0) -> np.ndarray:
    """Draws the tones of a picture as strokes of ink.

    Args:
        gray: float32 (H, W) in [0, 255].
        width: factor of all widths: 1 suits 256 pixels.
        seed: of the noise that places the strokes.

    Returns:
        float32 (H, W) in [0, 1]; 1 is paper, 0 is ink.
    """
    tangent = edge_tangent_flow(cv2.GaussianBlur(gray, (0, 0), 2.0 * width), FLOW_SIGMA * width)
    noise = np.random.default_rng(seed).normal(size=gray.shape).astype(np.float32)
    strokes = along_flow(
        cv2.GaussianBlur(noise, (0, 0), GRAIN * width), tangent, STROKE_SIGMA * width
    )
    strokes = (strokes - strokes.mean()) / strokes.std()
    tone = cv2.GaussianBlur(gray, (0, 0), TONE_SIGMA * width) / max(face_tone(gray), 1.0)
    ink = np.clip((LIGHT - tone) / (LIGHT - DARK), 0.0, 1.0)
    level = np.interp(ink, SHARES, LEVELS).astype(np.float32)
    paper = 0.5 + 0.5 * np.tanh(SHARPNESS * (strokes - level))
    return np.where(ink > 0, paper, np.float32(1))
