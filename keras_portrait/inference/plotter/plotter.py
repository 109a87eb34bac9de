"""A pen plotter: its page, its pen, and the files that it draws."""

from dataclasses import dataclass, field

import numpy as np

from keras_portrait.inference.plotter.gcode import PenMoves, plot_gcode
from keras_portrait.inference.plotter.page import Page
from keras_portrait.inference.plotter.passes import load_skimage
from keras_portrait.inference.plotter.plot import Plot, check_pen, plot_drawing
from keras_portrait.inference.plotter.svg import plot_svg


@dataclass(frozen=True)
class Plotter:
    """What a drawing is plotted with.

    Attributes:
        page: the paper and its margins.
        pen_width: in millimetres.
        moves: how fast the pen draws, and how it goes up and down.

    Raises:
        SettingError: the pen does not fit on the page.
        MissingExtra: scikit-image is not installed.
    """

    page: Page = Page()
    pen_width: float = 0.4
    moves: PenMoves = field(default_factory=PenMoves)

    def __post_init__(self):
        check_pen(self.pen_width, self.page)
        load_skimage()

    def plot(self, drawing: np.ndarray) -> Plot:
        """Finds the strokes of a drawing, uint8 (H, W); see `plot_drawing`."""
        return plot_drawing(drawing, self.page, self.pen_width)

    def told(self, plot: Plot) -> str:
        """A line on how long the strokes are and take."""
        minutes = plot.minutes(self.moves.feed, self.moves.delay)
        return (
            f"{plot.drawn_length / 1000:.2f} m drawn, {plot.up_length / 1000:.2f} m with the pen "
            f"up, {plot.lifts} pen lift{'' if plot.lifts == 1 else 's'}, "
            f"about {minutes:.1f} minutes at {self.moves.feed:g} mm/min"
        )

    def svg(self, plot: Plot, title: str = "", description: str = "") -> bytes:
        """The bytes of an SVG file; see `plot_svg`."""
        return plot_svg(plot, title, description)

    def gcode(self, plot: Plot, title: str = "", description: str = "") -> bytes:
        """The bytes of a file of G-code; see `plot_gcode`."""
        return plot_gcode(plot, self.moves, title, description)
