"""The figures of an evaluation made ready to be read: cells of a table, dots on an axis, Markdown.

They are taken from what `evaluation.evaluate` returns, see `docs/evaluation.md`.
"""

import math
from dataclasses import dataclass

DIRECTIONS = {"lower": "lower is better", "higher": "higher is better", None: ""}
# Stands for a figure that there is not.
_NOTHING = "–"
# Ticks of an axis lie this many steps apart at most; steps are 1, 2 or 5 times a power of ten.
_MOST_STEPS = 4
# What of a figure has a place on the axis.
_SHOWN = ("value", "low", "high", "goal")
# Share of an axis that stays free at either end.
_MARGIN = 0.06


@dataclass(frozen=True)
class Cell:
    """One figure of one entry.

    Attributes:
        value: as text, "–" where there is none.
        interval: as text, "" where there is none.
        best: whether no other entry has a better one, the noise floor aside.
        verdict: "met", "missed", or "" where there is no goal for this entry.
        own_goal: the entry's goal where it is not that of the measure, "" otherwise.
        remark: why it cannot be told whether the goal is met; "" where it can.
    """

    value: str
    interval: str
    best: bool
    verdict: str
    own_goal: str
    remark: str


@dataclass(frozen=True)
class Dot:
    """One figure on its measure's axis; places are percents of the axis from its left end."""

    label: str
    kind: str
    cell: Cell
    value: float
    low: float | None
    high: float | None
    goal: float | None


@dataclass(frozen=True)
class Panel:
    """One measure with its figures.

    Attributes:
        key: of the measure.
        title: of the measure.
        unit: of its figures; "" where they have none.
        direction: which figures are better, in words; "" where none are.
        goal: in words, "" where there is none.
        explanation: of the measure.
        cells: one for each entry.
        dots: one for each entry that has a figure.
        ticks: pairs of a percent of the axis and the number there.
    """

    key: str
    title: str
    unit: str
    direction: str
    goal: str
    explanation: str
    cells: list[Cell]
    dots: list[Dot]
    ticks: list[tuple[float, str]]


def entry_label(entry: dict) -> str:
    """Name and style of an entry."""
    return f"{entry['name']} · {entry['style']}" if entry["style"] else entry["name"]


def make_panel(result: dict, key: str) -> Panel:
    """One measure with what it is, and its figures on an axis that holds them all.

    Args:
        result: the evaluation.
        key: of the measure.
    """
    measure, entries = result["measures"][key], result["entries"]
    cells = _cells(result, key)
    axis = _Axis([entry["figures"].get(key, {}).get(name) for entry in entries for name in _SHOWN])
    dots = []
    for entry, cell in zip(entries, cells, strict=True):
        figure = entry["figures"].get(key, {})
        if figure.get("value") is not None:
            places = {name: axis.place(figure[name]) for name in _SHOWN}
            dots.append(Dot(entry_label(entry), entry["kind"], cell, **places))
    return Panel(
        key=key,
        title=measure["title"],
        unit=measure["unit"],
        direction=DIRECTIONS[measure["better"]],
        goal=_goal_text(measure),
        explanation=measure["explanation"],
        cells=cells,
        dots=dots,
        ticks=axis.ticks,
    )


def markdown(result: dict) -> str:
    """The figures that can be better or worse, as a Markdown table; those that are there.

    Args:
        result: the evaluation.

    Returns:
        Lines of text: a line for each measure, a column for each entry. The best figure of a
        measure is bold.
    """
    entries = result["entries"]
    lines = [_markdown_row(["", *map(entry_label, entries)]), "| --- |" + " ---: |" * len(entries)]
    for key, measure in result["measures"].items():
        texts = [f"**{cell.value}**" if cell.best else cell.value for cell in _cells(result, key)]
        if measure["better"] is None or set(texts) == {_NOTHING}:
            continue
        arrow = "↓" if measure["better"] == "lower" else "↑"
        head = ", ".join(filter(None, [measure["title"], measure["unit"]]))
        goal = f" ({_goal_text(measure)})" if _goal_text(measure) else ""
        lines.append(_markdown_row([f"{head} {arrow}{goal}", *texts]))
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits or more, and no exponent unless the number is very large or small."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.2e}".replace("-", "−")
    exponent = int(f"{value:.2e}".partition("e")[2])  # of the rounded number: 99.96 is 100
    return f"{value:,.{max(0, 2 - exponent) if value else 0}f}".replace("-", "−")


def may_rank(measure: dict, figures: list[dict]) -> bool:
    """Whether it can be told which of the figures of a measure is the best."""
    counts = {figure["count"] for figure in figures}
    return measure["ranked"] == "all" or (measure["ranked"] == "equal counts" and len(counts) < 2)


def _cells(result, key) -> list[Cell]:
    measure, entries = result["measures"][key], result["entries"]
    figures = [entry["figures"].get(key, {}) for entry in entries]
    rivals = [
        figure
        for entry, figure in zip(entries, figures, strict=True)
        if entry["kind"] != "floor" and figure.get("value") is not None
    ]
    # A figure that stands alone is not the best one.
    ranked = len(rivals) > 1 and may_rank(measure, rivals)
    choose = {"lower": min, "higher": max}.get(measure["better"]) if ranked else None
    best = choose(figure["value"] for figure in rivals) if choose else None
    return [
        _cell(measure, figure, entry["kind"] != "floor", best)
        for entry, figure in zip(entries, figures, strict=True)
    ]


def _cell(measure, figure, rival, best) -> Cell:
    value, low, high = (figure.get(name) for name in ("value", "low", "high"))
    goal, met = figure.get("goal"), figure.get("met")
    judged = rival and met is not None
    return Cell(
        value=_NOTHING if value is None else number(value),
        interval="" if low is None or high is None else f"{number(low)} to {number(high)}",
        best=rival and value is not None and value == best,
        verdict=("met" if met else "missed") if judged else "",
        own_goal=_goal_text(measure | {"goal": goal}) if judged and goal != measure["goal"] else "",
        remark=figure.get("remark", "") if rival else "",
    )


def _goal_text(measure) -> str:
    """The goal of a measure, such as "at most 4.5 %"; "" where it has none."""
    if measure["goal"] is None:
        return ""
    bound = "at least" if measure["better"] == "higher" else "at most"
    unit = "\N{NO-BREAK SPACE}%" if measure["unit"].startswith("%") else ""
    return f"{bound} {measure['goal']:g}{unit}"


class _Axis:
    """Turns numbers into percents of an axis that holds them all."""

    def __init__(self, numbers: list[float | None]):
        known = [number for number in numbers if number is not None]
        low, high = min(known, default=0.0), max(known, default=1.0)
        if low == high:
            low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
        margin = _MARGIN * (high - low)
        self._low, self._length = low - margin, high - low + 2 * margin
        step = _round_step((high - low) / _MOST_STEPS)
        digits = max(0, -math.floor(math.log10(step)))
        self.ticks = [
            (self.place(index * step), f"{index * step:,.{digits}f}".replace("-", "−"))
            for index in range(math.ceil(low / step), math.floor(high / step) + 1)
        ]

    def place(self, number: float | None) -> float | None:
        """Where a number lies, to a hundredth of a percent."""
        return None if number is None else round(100 * (number - self._low) / self._length, 2)


def _round_step(least):
    power = 10 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def _markdown_row(texts):
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
