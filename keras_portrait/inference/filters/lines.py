"""Lines of the portrait filters: flow-based difference of Gaussians, twice, without specks.

Reference:
    Kang, Lee, Chui, "Coherent line drawing", NPAR 2007; the second pass on a picture that holds the
    first one's lines is section 4's iteration. Winnemöller, Kyprianidis, Olsen, "XDoG: an
    eXtended difference-of-Gaussians compendium", Computers & Graphics 2012, for the threshold.
"""

import cv2
import numpy as np

from keras_portrait.inference.filters.flow import along_flow
from keras_portrait.inference.filters.line_drawing import across_flow
from keras_portrait.inference.filters.tones import Tones, locally_normalized

# Width across a line and along it, in pixels of 1024; weight of the surround.
_ACROSS, _ALONG, _SURROUND = 2.0, 7.0, 0.985
# Steepness with which the first pass's lines are drawn into the picture, per gray level.
_STEEP = 0.9
# Gray levels that a standard deviation of the locally normalized lightness stands for.
_LOCAL_LEVELS = 40.0
# From which response on a pixel is ink, in gray levels: of the two passes on the photo and of the
# one on the locally normalized lightness, which is scaled to the strength of the others.
_BOLD, _THIN, _LOCAL_BOLD, _LOCAL_THIN, _LOCAL_SCALE = 0.45, 0.55, 1.6, 1.8, 0.6
# How much sooner inside nose and lips, whose lines are faint in flat light.
_BOLD_CARE, _THIN_CARE, _LOCAL_BOLD_CARE, _LOCAL_THIN_CARE = 0.2, 0.35, 0.9, 1.1
# From this field on there is paper and no gray.
SOFT = 0.25
# Lines of fewer pixels are specks; inside the eyes a lash counts sooner.
_SPECK, _SPECK_IN_EYES = 150, 40


def line_fields(tones: Tones) -> tuple[np.ndarray, np.ndarray]:
    """Finds the lines of a portrait.

    Args:
        tones: of the square.

    Returns:
        Bold and thin lines, each float32 (1024, 1024): below 0 is ink, above is paper.
    """
    first = _response(tones.lightness, tones.tangent)
    drawn = 255 * (1 + np.tanh(_STEEP * np.minimum(first, 0)))
    second = _response(np.minimum(tones.lightness, drawn), tones.tangent)
    even = np.clip(128 + _LOCAL_LEVELS * locally_normalized(tones.lightness), 0, 255)
    local = _response(even, tones.tangent)
    care = cv2.GaussianBlur(np.maximum(tones.parts["nose"], tones.parts["lips"]), (0, 0), 6.0)
    bold = np.minimum(
        second + _BOLD - _BOLD_CARE * care,
        _LOCAL_SCALE * (local + _LOCAL_BOLD - _LOCAL_BOLD_CARE * care),
    )
    thin = np.minimum(
        first + _THIN - _THIN_CARE * care,
        _LOCAL_SCALE * (local + _LOCAL_THIN - _LOCAL_THIN_CARE * care),
    )
    eyes = tones.parts["eyes"] > 0.5
    return tuple(
        without_specks(without_specks(lines, _SPECK, ~eyes), _SPECK_IN_EYES, eyes)
        for lines in (bold, thin)
    )


def without_specks(field: np.ndarray, least: int, where: np.ndarray) -> np.ndarray:
    """Turns specks of ink into paper.

    Args:
        field: float32 (H, W), below 0 is ink.
        least: pixels of ink that a shape has at least; its soft rim holds it together.
        where: bool (H, W), the places whose shapes may go.

    Returns:
        float32 (H, W).
    """
    soft = field < SOFT
    _, labels = cv2.connectedComponents(np.uint8(soft), connectivity=8)
    ink = np.bincount(labels[field < 0], minlength=labels.max() + 1)
    small = ink < least
    small[0] = False
    return np.where(small[labels] & where, np.float32(SOFT), field)


def _response(lightness, tangent):
    return along_flow(across_flow(lightness, tangent, _ACROSS, _SURROUND), tangent, _ALONG)
