"""Line drawings that filters make of a photo, by name: what warm start and anchor hold on to."""

import cv2
import numpy as np

from keras_portrait.data.hatching import hatching
from keras_portrait.data.line_drawing import line_drawing

# Parts of a photo darker than this share of the face are filled in the filter "filled".
SHADE = 0.4


def filled(photo: np.ndarray, width: float = 1.0) -> np.ndarray:
    """Bold lines, the darkest parts solid ink."""
    gray = _even(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))
    return line_drawing(gray, sigma=0.9 * width, line_sigma=3.0 * width, shade=SHADE)


def hatched(photo: np.ndarray, width: float = 1.0) -> np.ndarray:
    """Fine lines, tones as strokes."""
    gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    lines = line_drawing(_even(gray), sigma=0.7 * width, line_sigma=3.0 * width)
    return np.minimum(lines, hatching(np.float32(gray), width))


def thin(photo: np.ndarray, width: float = 1.0) -> np.ndarray:
    """Thin lines alone."""
    gray = _even(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))
    return line_drawing(gray, sigma=0.55 * width, rho=0.98, line_sigma=4.0 * width, sharpness=0.8)


def _even(gray):
    """A gray picture with its local contrast evened out, so that faint features become lines."""
    return cv2.createCLAHE(clipLimit=2.0, tileGridSize=(4, 4)).apply(gray)


# Each takes a photo, uint8 (H, W, 3), and the factor of its widths (1 suits 256 pixels), and gives
# float32 (H, W) in [0, 1]: 1 is paper, 0 is ink.
LINE_FILTERS = {"filled": filled, "hatched": hatched, "thin": thin}
