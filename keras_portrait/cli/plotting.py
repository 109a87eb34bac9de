"""The options of `portrait stylize` for pen plotters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.photo_jobs import GCODE_SUFFIX, SVG_SUFFIX
from keras_portrait.errors import SettingError

SingleLine = Annotated[
    bool,
    typer.Option(
        "--single-line",
        help="For pen plotters: an .svg file of strokes of a pen instead of outlines; .gcode files "
        "always are.",
    ),
]
PenWidth = Annotated[
    float | None,
    typer.Option("--pen-width", metavar="MM", help="The width of the pen's line.  [default: 0.4]"),
]
PageSize = Annotated[
    str | None,
    typer.Option(
        "--page",
        metavar="SIZE",
        help="A3, A4, A5, A6, letter, or WxH in millimetres such as 150x100.  [default: A4]",
    ),
]
Margin = Annotated[
    float | None,
    typer.Option("--margin", metavar="MM", help="White at each side of the page.  [default: 15]"),
]
Feed = Annotated[
    float | None,
    typer.Option(
        "--feed", metavar="MM/MIN", help="The speed of the pen, a minute.  [default: 3000]"
    ),
]
PenUp = Annotated[
    str | None,
    typer.Option("--pen-up", metavar="CODE", help="G-code that lifts the pen.  [default: M5]"),
]
PenDown = Annotated[
    str | None,
    typer.Option(
        "--pen-down", metavar="CODE", help="G-code that lowers the pen.  [default: M3 S255]"
    ),
]
PenDelay = Annotated[
    float | None,
    typer.Option(
        "--pen-delay",
        metavar="SECONDS",
        help="How long the pen takes to go up, and down.  [default: 0.2]",
    ),
]


@dataclass(frozen=True)
class PlotterOptions:
    """The options as they were given; None where one was not.

    Attributes are named after the options.
    """

    single_line: bool = False
    pen_width: float | None = None
    page: str | None = None
    margin: float | None = None
    feed: float | None = None
    pen_up: str | None = None
    pen_down: str | None = None
    pen_delay: float | None = None

    def plotter(self, output: Path | None):
        """What is to be plotted with.

        Args:
            output: the one file of a drawing; None where there is none.

        Returns:
            A `Plotter`; None where the drawing is for none.

        Raises:
            SettingError: an option does not fit the output, or the others.
        """
        suffix = "" if output is None else output.suffix.lower()
        if self.single_line and suffix not in (SVG_SUFFIX, GCODE_SUFFIX):
            raise SettingError(
                "--single-line is for one drawing in an .svg or .gcode file. Expected "
                f"-o drawing.svg with it. Received: {output or 'none'}"
            )
        is_plotted = self.single_line or suffix == GCODE_SUFFIX
        for name, value in vars(self).items():
            option = "--" + name.replace("_", "-")
            if value is None or value is False:
                continue
            if not is_plotted:
                raise SettingError(
                    f"{option} is for pen plotters. Expected --single-line and -o drawing.svg with "
                    f"it, or -o drawing.gcode. Received: {option} {value}"
                )
            if name in ("pen_up", "pen_down") and suffix != GCODE_SUFFIX:
                raise SettingError(
                    f"{option} is for G-code. Expected -o drawing.gcode with it. "
                    f"Received: -o {output}"
                )
        return self._plotter() if is_plotted else None

    def _plotter(self):
        from keras_portrait.inference.plotter.gcode import PenMoves
        from keras_portrait.inference.plotter.page import Page, page_size
        from keras_portrait.inference.plotter.plotter import Plotter

        width, height = page_size("A4" if self.page is None else self.page)
        return Plotter(
            Page(width, height, **_given(margin=self.margin)),
            moves=PenMoves(
                **_given(feed=self.feed, up=self.pen_up, down=self.pen_down, delay=self.pen_delay)
            ),
            **_given(pen_width=self.pen_width),
        )


def _given(**options) -> dict:
    return {name: value for name, value in options.items() if value is not None}
