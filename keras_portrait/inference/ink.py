"""Where a drawing has ink: its grays as pure black and white, as vector files need it."""

from dataclasses import dataclass

import cv2
import numpy as np

from keras_portrait.inference.imaging import resize

# Darker is ink: an edge lies where a pixel is half covered.
INK_BELOW = 128
# Lines of a pixel or two are lighter than they were meant, and would break off. Unsharp masking, of
# this strength and with a Gaussian of so many pixels, makes them dark enough and leaves straight
# edges where they are.
_SHARPENING = 0.5
_SHARPENING_SIGMA = 2.5
# How far the Gaussian reaches, in pixels of the drawing.
_MARGIN = 8
# A speckle, of ink or of paper, is smaller than this share of the ink of the whole drawing. In
# drawings by the packaged presets that is a dot about as wide as a thin stroke.
SPECKLE = 1 / 2500


@dataclass(frozen=True)
class InkPart:
    """The part of a drawing that holds all ink.

    Attributes:
        grays: float32 (H, W), sharpened; darker than `INK_BELOW` is ink.
        left: columns of the drawing left of it.
        top: rows of the drawing above it.
    """

    grays: np.ndarray
    left: int
    top: int

    def enlarged(self, width: int, height: int, least_paper: float | None = None) -> np.ndarray:
        """The ink in another size, bool (height, width); see `without_speckle`."""
        return without_speckle(resize(self.grays, width, height) < INK_BELOW, least_paper)


def find_ink(drawing: np.ndarray) -> InkPart | None:
    """Finds the part of a drawing, uint8 (H, W), that holds its ink; None where it has none."""
    # What is darker than this may be ink after sharpening; the paper around need not be looked at.
    may_be_ink = drawing < (INK_BELOW + _SHARPENING * 255) / (1 + _SHARPENING)
    rows, columns = (np.flatnonzero(may_be_ink.any(axis)) for axis in (1, 0))
    if rows.size == 0:
        return None
    top, left = (max(0, places[0] - _MARGIN) for places in (rows, columns))
    part = drawing[top : rows[-1] + 1 + _MARGIN, left : columns[-1] + 1 + _MARGIN]
    part = part.astype(np.float32)
    part += _SHARPENING * (part - cv2.GaussianBlur(part, (0, 0), _SHARPENING_SIGMA))
    return InkPart(part, int(left), int(top))


def without_speckle(ink: np.ndarray, least_paper: float | None = None) -> np.ndarray:
    """Removes specks of ink, then fills specks of paper.

    Args:
        ink: bool (H, W).
        least_paper: pixels of the smallest paper that stays; None for as many as of ink.

    Returns:
        bool (H, W), in which no connected piece is smaller than `SPECKLE` of the ink, unless
        `least_paper` says otherwise.
    """
    least = SPECKLE * np.count_nonzero(ink)
    ink = ink & ~_small_pieces(ink, least)
    return ink | _small_pieces(~ink, least if least_paper is None else least_paper)


def _small_pieces(mask: np.ndarray, least: float) -> np.ndarray:
    # vtracer, too, takes pieces for parted where their corners alone touch.
    _, labels, numbers, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    small = numbers[:, cv2.CC_STAT_AREA] < least
    small[0] = False  # label 0 is what the mask leaves out
    return small[labels]
