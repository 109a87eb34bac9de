"""The losses of a run as curves: a picture, and the parts of a page.

Figures are made with matplotlib's objects, never with pyplot, which keeps state and may open
windows.
"""

import contextlib
import io
import math
import re
import statistics
from pathlib import Path

from keras_portrait.errors import MissingExtra
from keras_portrait.files import write_whole
from keras_portrait.training.run_page.loss_log import (
    ACCURACY,
    VALIDATION,
    Panel,
    current_rows,
    panels,
    read_losses,
)

PNG_NAME = "losses.png"
# Eight hues that stay at 3:1 or more on white and on the page's dark ground.
COLOURS = (
    *("#2f7fc1", "#d9730d", "#2b8f5b", "#cf4a4a"),
    *("#8a63d2", "#a8713f", "#c4519a", "#1f93a8"),
)
# Dashes in units of the line's width, for curves beyond the eighth; the first is a solid line.
DASHES = ((), (4, 2), (1, 1.5), (6, 2, 1, 2))
# Characters of a name that a legend has room for.
_LEGEND = 20
# Axes and words. In a page this very colour is replaced by that of the text around.
_INK = "#4a4f57"
# A panel spans more than this between its largest value and its smallest curve: logarithmic.
_LOG_RATIO = 30.0


def look(index: int) -> tuple[str, tuple[float, ...]]:
    """Colour and dashes of the curve with this number in its panel."""
    return COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]


def write_curves(folder: str | Path) -> Path:
    """Draws `losses.png`: a panel for each group of losses; what is 0 throughout is left out.

    Args:
        folder: the run folder.

    Returns:
        The path of the picture.

    Raises:
        InputError: the losses cannot be read, or the picture cannot be written.
        MissingExtra: matplotlib is not installed.
    """
    shown = panels(current_rows(read_losses(folder)))
    with _style():
        figure = _figure(12.0, 3.1 * max(-(-len(shown) // 2), 1))
        if not shown:
            figure.text(0.5, 0.5, "No losses yet", ha="center", va="center", color=_INK, size=14)
        for panel, place in zip(shown, _places(figure, len(shown)), strict=True):
            axes = figure.add_axes(place)
            _draw(axes, panel)
            axes.set_title(
                panel.title, loc="left", size=11, weight="bold", color=_INK, parse_math=False
            )
            _legend(axes, panel)
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=110)
    path = Path(folder) / PNG_NAME
    write_whole(path, data.getvalue())
    return path


def _places(figure, count: int) -> list[tuple[float, float, float, float]]:
    """Where the axes of two panels a row lie, with room for titles, labels and legends.

    Matplotlib's own layout engines would find places too, and take as long as all the drawing.
    """
    width, height = figure.get_size_inches()
    return [
        (
            (0.8 + index % 2 * width / 2) / width,
            1 - (index // 2 + 1) * 3.1 / height + 0.55 / height,
            3.4 / width,
            2.2 / height,
        )
        for index in range(count)
    ]


def panel_svg(panel: Panel) -> str:
    """Draws one panel as an SVG element for a page: no title, no legend, colours of the page.

    Args:
        panel: from `panels`.

    Returns:
        Markup that names no address, follows the page's text colour and fills the width it gets.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    # The salt makes the element's inner names differ from those of the page's other panels.
    with _style({"svg.fonttype": "none", "svg.hashsalt": panel.title}):
        figure = _figure(4.5, 2.8)
        axes = figure.add_axes((0.145, 0.17, 0.835, 0.80))
        _draw(axes, panel)
        data = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(data, format="svg", metadata=nothing, transparent=True)
    return _inline(data.getvalue())


def _inline(document: str) -> str:
    """What of an SVG document belongs into a page."""
    text = document[document.index("<svg") :]
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    return re.sub(r"\s*\n\s*", "\n", text.replace(_INK, "currentColor"))


@contextlib.contextmanager
def _style(extra: dict | None = None):
    try:
        import matplotlib.style
    except ImportError as error:
        raise MissingExtra(
            'Curves need matplotlib. Install it with: pip install "keras-portrait[train]"'
        ) from error
    settings = {"font.size": 10, "axes.edgecolor": _INK, "axes.labelcolor": _INK}
    settings |= {"xtick.color": _INK, "ytick.color": _INK, "font.family": "DejaVu Sans"}
    # "default" leaves the user's matplotlibrc aside: a run looks the same everywhere.
    with matplotlib.style.context(["default", settings | (extra or {})]):
        yield


def _figure(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _draw(axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    for index, (positions, values) in enumerate(panel.series.values()):
        colour, dashes = look(index)
        values = [value if math.isfinite(value) else math.nan for value in values]
        [line] = axes.plot(positions, values, color=colour, linewidth=1.6, clip_on=False)
        if dashes:
            line.set_dashes(dashes)
        alone = _alone(values)
        if alone:  # a line needs two points; without a mark these would not be seen
            line.set(marker="o", markersize=4, markevery=alone)
    _scale(axes, panel)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if len({position for positions, _ in panel.series.values() for position in positions}) == 1:
        axes.set_xticks(next(iter(panel.series.values()))[0])
    axes.set_xlabel(panel.unit)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=_INK, alpha=0.18, linewidth=0.8)
    axes.tick_params(length=3)
    axes.set_axisbelow(True)


def _alone(values: list[float]) -> list[int]:
    """Indices of numbers without a number before or after them."""
    known = [False, *(not math.isnan(value) for value in values), False]
    return [
        index - 1
        for index in range(1, len(known) - 1)
        if known[index] and not known[index - 1] and not known[index + 1]
    ]


def _scale(axes, panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if panel.group == ACCURACY:
        axes.set_ylim(0, 1)
        axes.axhline(0.5, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_ylabel("share judged rightly")
        return
    axes.set_ylabel("value" if panel.group == VALIDATION else "loss")
    if _spans_magnitudes(panel):
        axes.set_yscale("log", nonpositive="mask")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3) if high < 1000 * low else (1,)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylabel(axes.get_ylabel() + ", log scale")
    elif 0 <= min(_finite(panel), default=0) < 0.5 * max(_finite(panel), default=0):
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    digits, exponent = f"{value:.3e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def _spans_magnitudes(panel: Panel) -> bool:
    # Medians: a single 0, such as the first value of a term that fades in, should not decide.
    middles = [
        statistics.median(known)
        for _, values in panel.series.values()
        if (known := [value for value in values if math.isfinite(value)])
    ]
    return bool(middles) and min(middles) > 0 and max(_finite(panel)) > _LOG_RATIO * min(middles)


def _finite(panel: Panel) -> list[float]:
    return [v for _, values in panel.series.values() for v in values if math.isfinite(v)]


def _legend(axes, panel: Panel) -> None:
    legend = axes.legend(
        axes.get_lines()[: len(panel.series)],
        [name if len(name) <= _LEGEND else name[: _LEGEND - 1] + "…" for name in panel.series],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.03),
        frameon=False,
        fontsize=9,
        labelcolor=_INK,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
