"""Drawings that need no training: what a user would get of the same squares without a generator."""

from collections.abc import Callable

import cv2
import numpy as np

from keras_portrait.evaluation.report.files import EDGE_BASELINE
from keras_portrait.inference.alignment import keep_paper
from keras_portrait.inference.filters.line_filters import LINE_FILTERS, plain_lines

# Widths of the line filters suit this side, and grow with it.
_FILTER_SIDE = 256
# XDoG: width of the centre, pixels of a 512 square; ratio of the surround; sharpening; the tone
# where ink begins, and how steeply. Winnemoeller's ranges, chosen by eye on aligned portraits.
_SIGMA_512, _RATIO, _SHARPENING, _INK_TONE, _STEEPNESS = 2.0, 1.6, 12.0, 0.35, 10.0


def edge_drawing(edges: np.ndarray) -> np.ndarray:
    """HED's edge map as dark lines on paper.

    Args:
        edges: float (S, S) in [0, 1], of the aligned square.

    Returns:
        uint8 (S, S).
    """
    return np.rint(255 * (1 - np.clip(edges, 0, 1))).astype(np.uint8)


def xdog_drawing(square: np.ndarray) -> np.ndarray:
    """Extended difference of Gaussians with a soft threshold.

    Args:
        square: uint8 RGB (S, S, 3).

    Returns:
        uint8 (S, S).

    Reference:
        Winnemoeller, "XDoG: advanced image stylization with eXtended Difference-of-Gaussians",
        NPAR 2011: D = (1 + p) G_sigma - p G_(k sigma), then 1 above the tone e, else
        1 + tanh(phi (D - e)).
    """
    gray = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    sigma = _SIGMA_512 * len(square) / 512
    centre, surround = (cv2.GaussianBlur(gray, (0, 0), s) for s in (sigma, _RATIO * sigma))
    response = (1 + _SHARPENING) * centre - _SHARPENING * surround
    paper = 1 + np.tanh(_STEEPNESS * np.minimum(response - _INK_TONE, 0))
    return np.rint(255 * paper).astype(np.uint8)


def flow_drawing(square: np.ndarray) -> np.ndarray:
    """Flow-based difference of Gaussians, the darkest parts filled.

    Args:
        square: uint8 RGB (S, S, 3).

    Returns:
        uint8 (S, S).
    """
    paper = LINE_FILTERS["filled"](square, len(square) / _FILTER_SIDE)
    return np.rint(255 * np.clip(paper, 0, 1)).astype(np.uint8)


def flow_lines(square: np.ndarray) -> np.ndarray:
    """The lines of `flow_drawing` without its filled parts: what line F1 is measured against.

    Args:
        square: uint8 RGB (S, S, 3).

    Returns:
        uint8 (S, S).
    """
    paper = plain_lines(square, len(square) / _FILTER_SIDE)
    return np.rint(255 * np.clip(paper, 0, 1)).astype(np.uint8)


# Each takes the aligned square and its edge map, and gives a drawing uint8 (S, S).
BASELINES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    EDGE_BASELINE: lambda square, edges: keep_paper(edge_drawing(edges), square),
    "XDoG": lambda square, edges: keep_paper(xdog_drawing(square), square),
    "flow-based DoG": lambda square, edges: keep_paper(flow_drawing(square), square),
}
