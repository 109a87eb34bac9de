"""Pen strokes as G-code, as GRBL reads it."""

import math
from dataclasses import dataclass

from keras_portrait.errors import SettingError
from keras_portrait.inference.plotter.page import check_above_zero
from keras_portrait.inference.plotter.plot import Plot

# GRBL takes lines of so many characters, the end included.
_LONGEST_LINE = 79
# Millimetres a minute, and seconds; beyond them mistyped numbers are more likely.
_FASTEST, _LONGEST_DELAY = 1e6, 3600.0
# GRBL reads no exponents; a thousandth is as fine as it needs any number.
_SLOWEST = 0.001


@dataclass(frozen=True)
class PenMoves:
    """How a plotter moves its pen.

    The defaults are those of GRBL with a servo in the spindle's place, whose S goes to 255.

    Attributes:
        feed: millimetres a minute with the pen down.
        up: the command that lifts the pen.
        down: the command that lowers it.
        delay: seconds to wait after each of them, until the pen is there.

    Raises:
        SettingError: one of them is no such number, or no command.
    """

    feed: float = 3000.0
    up: str = "M5"
    down: str = "M3 S255"
    delay: float = 0.2

    def __post_init__(self):
        check_above_zero("--feed", self.feed)
        if not _SLOWEST <= self.feed <= _FASTEST:
            raise SettingError(
                f"--feed must be from {_SLOWEST:g} to {_FASTEST:,.0f} millimetres a minute. "
                f"Received: {self.feed:g}"
            )
        if not (math.isfinite(self.delay) and self.delay >= 0):
            raise SettingError(f"--pen-delay must be 0 or more. Received: {self.delay:g}")
        if self.delay > _LONGEST_DELAY:
            raise SettingError(
                f"--pen-delay must be at most {_LONGEST_DELAY:g} seconds. Received: {self.delay:g}"
            )
        for option, command in (("--pen-up", self.up), ("--pen-down", self.down)):
            if not command.strip() or _printable(command) != command:
                raise SettingError(
                    f"{option} must be one line of G-code, such as M5 or G0 Z5. Received: {command}"
                )
            if len(command) >= _LONGEST_LINE:
                raise SettingError(
                    f"{option} must be at most {_LONGEST_LINE - 1} characters, which is what GRBL "
                    f"reads. Received: {len(command)}"
                )


def plot_gcode(plot: Plot, moves: PenMoves, title: str = "", description: str = "") -> bytes:
    """Writes strokes as commands in millimetres; the origin is the lower left corner of the page.

    Args:
        plot: the strokes; they are drawn in their order.
        moves: how the pen goes up and down, and how fast it draws.
        title: what the drawing is.
        description: more about it.

    Returns:
        The bytes of the file, ASCII. The pen begins and ends above the origin.
    """
    wait = [f"G4 P{_number(moves.delay)}"] if moves.delay else []
    lines = [_comment(text) for text in (title, description) if text]
    lines += [
        _comment(f"page {plot.page.width:g} x {plot.page.height:g} mm, pen {plot.pen_width:g} mm"),
        "; X0 Y0 is the lower left corner of the page",
        "G21 ; millimetres",
        "G90 ; places, not steps",
        "G94 ; feed in millimetres a minute",
        moves.up,
        *wait,
    ]
    for stroke in plot.strokes:
        (start, *rest) = (f"X{x:.2f} Y{plot.page.height - y:.2f}" for x, y in stroke.tolist())
        # Commands for the pen may set a feed of their own, so it is said anew.
        lines += [f"G0 {start}", moves.down, *wait, f"G1 {rest[0]} F{_number(moves.feed)}"]
        lines += [f"G1 {place}" for place in rest[1:]]
        lines += [moves.up, *wait]
    lines += ["G0 X0 Y0", "M2"]
    return "\n".join([*lines, ""]).encode("ascii")


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _comment(text: str) -> str:
    """A line that moves nothing, cut to what GRBL takes with the end of the line."""
    line = f"; {_printable(text)}"
    return line if len(line) < _LONGEST_LINE else f"{line[: _LONGEST_LINE - 4]}..."


def _printable(text: str) -> str:
    """A text that cannot end its comment: names of presets come from files of strangers."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)
