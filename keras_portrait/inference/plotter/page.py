"""The page that a plotter draws on."""

import math
import re
from dataclasses import dataclass

from keras_portrait.errors import SettingError

# Upright, in millimetres: ISO 216, and the North American letter of ANSI/ASME Y14.1.
PAGES = {
    "A3": (297.0, 420.0),
    "A4": (210.0, 297.0),
    "A5": (148.0, 210.0),
    "A6": (105.0, 148.0),
    "letter": (215.9, 279.4),
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)")
# A wall is no page; beyond it a mistyped number is more likely.
_LARGEST = 5000.0


@dataclass(frozen=True)
class Page:
    """A page, with margins that stay white.

    Attributes:
        width: in millimetres.
        height: in millimetres.
        margin: at each side, in millimetres.

    Raises:
        SettingError: the margins leave nothing of the page.
    """

    width: float = PAGES["A4"][0]
    height: float = PAGES["A4"][1]
    margin: float = 15.0

    def __post_init__(self):
        short = min(self.width, self.height)
        if not 0 < short <= max(self.width, self.height) <= _LARGEST:
            raise SettingError(
                f"The sides of a page are above 0 and at most {_LARGEST:g} mm. "
                f"Received: {self.width:g}x{self.height:g}"
            )
        if not self.margin >= 0:  # which NaN is not, either
            raise SettingError(f"--margin must be 0 or more. Received: {self.margin:g}")
        if self.margin >= short / 2:
            raise SettingError(
                f"The margins leave nothing of a page of {self.width:g} x {self.height:g} mm. "
                f"Expected --margin below {short / 2:g}. Received: {self.margin:g}"
            )

    @property
    def drawn_size(self) -> tuple[float, float]:
        """Width and height inside the margins, in millimetres."""
        return self.width - 2 * self.margin, self.height - 2 * self.margin


def page_size(text: str) -> tuple[float, float]:
    """Reads a page's size.

    Args:
        text: a name of `PAGES`, or its width and height in millimetres such as `150x100`; in
            whatever case.

    Returns:
        Width and height in millimetres.

    Raises:
        SettingError: it is neither.
    """
    for name, size in PAGES.items():
        if text.strip().lower() == name.lower():
            return size
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None:
        raise SettingError(
            f"--page is one of {', '.join(PAGES)}, or width and height in millimetres such as "
            f"150x100. Received: {text}"
        )
    return float(found[1]), float(found[2])


def check_above_zero(option: str, value: float) -> None:
    """Raises SettingError where a number is not finite and above 0."""
    if not (math.isfinite(value) and value > 0):
        raise SettingError(f"{option} must be a number above 0. Received: {value:g}")
