"""From a drawing to the strokes on a page that a pen plotter draws."""

from dataclasses import dataclass

import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.ink import INK_BELOW, InkPart, find_ink
from keras_portrait.inference.plotter.joining import join_strokes
from keras_portrait.inference.plotter.ordering import ordered, pen_up_length
from keras_portrait.inference.plotter.page import Page, check_above_zero
from keras_portrait.inference.plotter.passes import pen_passes
from keras_portrait.inference.plotter.polylines import length, simplified

# The ink is looked at in pixels so small that this many make the pen, or as many as memory allows.
_PIXELS_PER_PEN = 5
_LEAST_PIXELS_PER_PEN = 3
_MOST_PIXELS = 16_000_000
# Paper of a smaller area than a square of this side, in pen widths, is filled.
_LEAST_PAPER_PENS = 0.7
# Points are left out where the line stays this near, in pen widths.
_TOLERANCE_PENS = 1 / 16


@dataclass(frozen=True)
class Plot:
    """Strokes on a page, in the order in which they are drawn.

    Attributes:
        strokes: lines, float (N, 2) with N at least 2: x from the left and y from the top of the
            page, in millimetres.
        page: what they are drawn on.
        pen_width: in millimetres.
    """

    strokes: list[np.ndarray]
    page: Page
    pen_width: float

    @property
    def drawn_length(self) -> float:
        """Millimetres with the pen down."""
        return sum(map(length, self.strokes))

    @property
    def up_length(self) -> float:
        """Millimetres with the pen up, from home and back home included."""
        return pen_up_length(self.strokes, home(self.page))

    @property
    def lifts(self) -> int:
        """How often the pen is lifted: once after each stroke."""
        return len(self.strokes)

    def minutes(self, feed: float, delay: float) -> float:
        """How long it takes, without the time that the machine needs to get up to speed.

        Args:
            feed: millimetres a minute, with the pen down and up.
            delay: seconds that the pen takes to go down, and up.
        """
        return (self.drawn_length + self.up_length) / feed + 2 * delay * self.lifts / 60


def home(page: Page) -> np.ndarray:
    """Where the pen begins and ends: the lower left corner of the page, the origin of G-code."""
    return np.array([0.0, page.height])


def plot_drawing(drawing: np.ndarray, page: Page, pen_width: float) -> Plot:
    """Finds the strokes that draw a drawing on a page, as large as its margins allow.

    Args:
        drawing: uint8 (H, W), dark lines on white. Where its ink ends, the drawing ends: white
            around it is left out.
        page: what it is drawn on; the ink is centred on it.
        pen_width: in millimetres.

    Raises:
        InputError: the drawing has no ink.
        SettingError: the pen is too wide, or too thin, for the page.
        MissingExtra: scikit-image is not installed.
    """
    check_pen(pen_width, page)
    part = find_ink(drawing)
    ink, scale = (None, 1.0) if part is None else ink_for_pen(part, page, pen_width)
    if ink is None:
        raise InputError(
            "The drawing is empty. Expected dark lines on white, of which a pen could draw some"
        )
    millimetres = pixel_size(ink.shape, page)
    pen = pen_width / millimetres
    ink = np.pad(ink, 2)  # so that its edge is an edge everywhere
    strokes = join_strokes(pen_passes(ink, pen, scale), ink, pen)
    strokes = [simplified(stroke, _TOLERANCE_PENS * pen) for stroke in strokes]
    middle = (np.array(ink.shape[::-1]) - 1) / 2
    centre = np.array([page.width, page.height]) / 2
    on_page = [(stroke - middle) * millimetres + centre for stroke in strokes]
    return Plot(ordered(on_page, home(page)), page, pen_width)


def check_pen(pen_width: float, page: Page) -> None:
    """Raises SettingError where a pen, of so many millimetres, does not fit on a page."""
    check_above_zero("--pen-width", pen_width)
    short = min(page.drawn_size)
    if pen_width >= short:
        raise SettingError(
            "The pen is wider than the page inside its margins. Expected --pen-width below "
            f"{short:g}. Received: {pen_width:g}"
        )


def ink_for_pen(part: InkPart, page: Page, pen_width: float) -> tuple[np.ndarray | None, float]:
    """The ink, bool (H, W), cut to what is black; None where it is nothing but speckle.

    Also how many of its pixels make a pixel of the drawing.
    """
    box = _box(part.grays < INK_BELOW)
    if box is None:
        return None, 1.0
    millimetres = pixel_size(part.grays[box].shape, page)
    most = np.sqrt(_MOST_PIXELS / part.grays.size)
    scale = min(_PIXELS_PER_PEN * millimetres / pen_width, most)
    pen = scale * pen_width / millimetres
    if pen < _LEAST_PIXELS_PER_PEN:
        raise SettingError(
            "The pen is too thin for so large a page. Expected a smaller --page, or --pen-width of "
            f"{_LEAST_PIXELS_PER_PEN * millimetres / most:.2g} or more. Received: {pen_width:g}"
        )
    height, width = (max(1, round(scale * side)) for side in part.grays.shape)
    # The light in an eye is smaller than other specks; what the pen closes anyway need not stay.
    ink = part.enlarged(width, height, least_paper=(_LEAST_PAPER_PENS * pen) ** 2)
    box = _box(ink)
    return None if box is None else ink[box], scale


def _box(mask: np.ndarray) -> tuple[slice, slice] | None:
    """The rows and columns that hold all of a mask."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not rows.size:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def pixel_size(shape: tuple[int, int], page: Page) -> float:
    """How large a pixel is where a picture of this shape fills the page inside its margins."""
    return float(np.min(np.array(page.drawn_size) / shape[::-1]))
