"""Where drawn squares are placed, and what is shown of a frame."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from keras_portrait.inference.geometry import paste_back
from keras_portrait.inference.imaging import fit_frame, grid
from keras_portrait.inference.paste import at_photo_scale, lay_ink
from keras_portrait.inference.style import check_choice

LAYOUTS = ("drawing", "side-by-side", "overlay")
# Gray of the oval that shows where a face would be drawn.
_PLACEHOLDER = 215


@dataclass(frozen=True)
class Drawing:
    """What was drawn in one frame.

    Attributes:
        picture: uint8 RGB (H, W, 3), as large as the frame: drawings in black and white at their
            faces' places on white paper, pictures in colour as squares in the middle.
        squares: what the generator made of each face, uint8 (S, S) or (S, S, 3), with the transform
            (2, 3) from it to the frame; the largest face is last.
    """

    picture: np.ndarray
    squares: tuple[tuple[np.ndarray, np.ndarray], ...]


def lay_on_paper(photo: np.ndarray, squares: list[tuple[np.ndarray, np.ndarray]]) -> Drawing:
    """Lays drawn squares on paper as large as the frame.

    Args:
        photo: uint8 RGB (H, W, 3), the frame.
        squares: as in `Drawing`; an empty list gives `placeholder`.
    """
    return Drawing(_lay_on_paper(photo, squares), tuple(squares))


def _lay_on_paper(photo: np.ndarray, squares: list) -> np.ndarray:
    height, width = photo.shape[:2]
    if not squares:
        return placeholder(height, width)
    if squares[0][0].ndim == 3:
        from_left = sorted(squares, key=lambda one: one[1][0].sum())
        return fit_frame(grid([square for square, _ in from_left], len(squares)), width, height)
    paper = None
    for drawn, transform in squares:
        paper = lay_ink(paper, height, width, *at_photo_scale(drawn, transform))
    return cv2.cvtColor(paper, cv2.COLOR_GRAY2RGB)


@lru_cache(maxsize=4)
def placeholder(height: int, width: int) -> np.ndarray:
    """Paper with a pale oval where a face would be, uint8 RGB (height, width, 3), read-only."""
    paper = np.full((height, width, 3), 255, np.uint8)
    side = min(height, width)
    centre, axes = (width // 2, round(0.47 * height)), (round(0.19 * side), round(0.26 * side))
    gray = (_PLACEHOLDER,) * 3
    cv2.ellipse(paper, centre, axes, 0, 0, 360, gray, max(1, side // 160), cv2.LINE_AA)
    paper.setflags(write=False)
    return paper


def lay_out(layout: str, photo: np.ndarray, drawing: Drawing) -> np.ndarray:
    """What is shown of a frame.

    Args:
        layout: "drawing"; "side-by-side", the photo at the left of it; or "overlay", the lines on
            the photo, and pictures in colour at their faces' places in it.
        photo: uint8 RGB (H, W, 3).
        drawing: what was drawn of it.

    Returns:
        uint8 RGB (H, W, 3), or twice as wide side by side.

    Raises:
        SettingError: there is no such layout.
    """
    check_choice("layout", layout, LAYOUTS)
    if layout == "drawing":
        return drawing.picture
    if layout == "side-by-side":
        return np.hstack([photo, drawing.picture])
    if drawing.squares and drawing.squares[0][0].ndim == 3:
        for square, transform in drawing.squares:
            photo = paste_back(photo, square, transform)
        return photo
    return cv2.multiply(photo, drawing.picture, scale=1 / 255)
