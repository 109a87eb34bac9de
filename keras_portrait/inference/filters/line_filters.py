"""Line drawings that filters make of a photo, by name: what warm start and anchor hold on to.

Edges alone leave brows, pupils and mouths hollow, and a face detector finds few such faces; people
who draw fill them. So every filter fills what is darker than all around it, and where it is told
where eyes, nose and lips are, it draws them as people do: with more care than the rest.
"""

import cv2
import numpy as np

from keras_portrait.inference.filters.flow import FLOW_SIGMA
from keras_portrait.inference.filters.hatching import hatching
from keras_portrait.inference.filters.line_drawing import line_drawing

# Parts of a photo darker than this share of the face are filled in the filter "filled", and those
# darker than the other share of what lies within some pixels of them.
SHADE = 0.4
DARK_SHARE, DARK_SIGMA = 0.65, 10.0
# How much darker than everything around it a detail must be to be filled, and how wide it may be,
# in pixels at 256 px: a brow, a pupil, a nostril, the line of a mouth; with thin lines less.
DETAIL_CONTRAST, DETAIL_SIZE, SMALL_DETAIL_SIZE = 0.25, 17, 12
# The same inside eyes, nose and lips: fainter details. Wider ones turn shadows into black patches.
PART_CONTRAST, PART_DETAIL_SIZE = 0.16, 12
# Steepness of the edges of filled parts: per gray level, and per unit of contrast.
DARK_SHARPNESS, DETAIL_SHARPNESS = 0.15, 12.0


def filled(photo: np.ndarray, width: float = 1.0, parts: np.ndarray | None = None) -> np.ndarray:
    """Bold lines, the darkest parts solid ink."""
    gray = _gray(photo)
    lines = np.minimum(plain_lines(photo, width, SHADE), dark_parts(gray, width))
    return _with_details(lines, gray, width, DETAIL_SIZE, parts)


def hatched(photo: np.ndarray, width: float = 1.0, parts: np.ndarray | None = None) -> np.ndarray:
    """Fine lines, tones as strokes."""
    gray = _gray(photo)
    lines = line_drawing(
        _even(gray), sigma=0.7 * width, line_sigma=3.0 * width, flow_sigma=FLOW_SIGMA * width
    )
    lines = np.minimum(lines, hatching(np.float32(gray), width))
    return _with_details(lines, gray, width, DETAIL_SIZE, parts)


def thin(photo: np.ndarray, width: float = 1.0, parts: np.ndarray | None = None) -> np.ndarray:
    """Thin lines, small dark details filled."""
    gray = _gray(photo)
    lines = line_drawing(
        _even(gray),
        sigma=0.55 * width,
        rho=0.98,
        line_sigma=4.0 * width,
        sharpness=0.8,
        flow_sigma=FLOW_SIGMA * width,
    )
    return _with_details(lines, gray, width, SMALL_DETAIL_SIZE, parts)


def plain_lines(photo: np.ndarray, width: float = 1.0, shade: float = 0.0) -> np.ndarray:
    """The lines of "filled" alone; `shade` as in `line_drawing`."""
    return line_drawing(
        _even(_gray(photo)),
        sigma=0.9 * width,
        line_sigma=3.0 * width,
        shade=shade,
        flow_sigma=FLOW_SIGMA * width,
    )


def dark_details(
    gray: np.ndarray,
    width: float = 1.0,
    size: float = DETAIL_SIZE,
    least: float = DETAIL_CONTRAST,
) -> np.ndarray:
    """Fills small details that are darker than all around them.

    Args:
        gray: uint8 (H, W).
        width: factor of the widths: 1 suits 256 pixels.
        size: widest detail in pixels, before that factor.
        least: contrast at which the ink is half of black.

    Returns:
        float32 (H, W) in [0, 1]; 1 is paper, 0 is ink.

    Reference:
        The black top-hat of mathematical morphology (Meyer, 1978), relative to its closing.
    """
    smooth = cv2.GaussianBlur(np.float32(gray), (0, 0), 0.7 * width)
    side = max(3, round(size * width))
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    around = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, ellipse)
    contrast = (around - smooth) / np.maximum(around, 20.0)
    # At no contrast this is paper but for a thousandth, which is taken away.
    paper = 0.5 - 0.5 * np.tanh(DETAIL_SHARPNESS * (contrast - least))
    return np.where(contrast > 0.05, paper, np.float32(1))


def dark_parts(gray: np.ndarray, width: float = 1.0) -> np.ndarray:
    """Fills parts darker than their surroundings; arguments and result as in `dark_details`."""
    gray = np.float32(gray)
    smooth = cv2.GaussianBlur(gray, (0, 0), 0.8 * width)
    around = cv2.GaussianBlur(gray, (0, 0), DARK_SIGMA * width)
    paper = 0.5 + 0.5 * np.tanh(DARK_SHARPNESS * (smooth - DARK_SHARE * around))
    return np.where(smooth < 0.9 * around, paper, np.float32(1))


def _with_details(lines, gray, width, size, parts):
    """Adds dark details, and inside of `parts` more of them."""
    paper = np.minimum(lines, dark_details(gray, width, size))
    if parts is None:
        return paper
    closer = dark_details(gray, width, PART_DETAIL_SIZE, PART_CONTRAST)
    return np.minimum(paper, 1 - (1 - closer) * parts)


def _gray(photo):
    return cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)


def _even(gray):
    """A gray picture with its local contrast evened out, so that faint features become lines."""
    return cv2.createCLAHE(clipLimit=2.0, tileGridSize=(4, 4)).apply(gray)


# Each takes a photo, uint8 (H, W, 3), the factor of its widths (1 suits 256 pixels), and where
# eyes, nose and lips are, float32 (H, W) in [0, 1], or None; it gives float32 (H, W) in [0, 1]: 1
# is paper, 0 is ink.
LINE_FILTERS = {"filled": filled, "hatched": hatched, "thin": thin}
