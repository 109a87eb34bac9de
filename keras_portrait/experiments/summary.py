"""The table of an experiment: a line for each run, or for each style of it.

Every run drew the same photos. So what can be told of one photo is first averaged over the styles
of a run, then over photos; intervals draw the photos again, and how a run differs from the first
one is taken photo by photo, which is surer than to compare two intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_portrait.evaluation import intervals
from keras_portrait.evaluation.report.figures import number
from keras_portrait.evaluation.summary import SHARES
from keras_portrait.experiments.declaration import Declaration, measure_keys

# What the line of the training drawings is called.
REAL = "real drawings"


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        key: of the run; "" for the training drawings.
        title: what it is called.
        style: its style; "" for all of them together.
        figures: by key of a measure `value`, `low`, `high`, of the difference to the first run
            `difference`, `difference_low`, `difference_high` (None where there is none), and
            `count`, of photos.
    """

    key: str
    title: str
    style: str
    figures: dict[str, dict]


def table(declaration: Declaration, evaluation: dict) -> list[Line]:
    """The lines of an experiment's table.

    Args:
        declaration: the experiment.
        evaluation: what `evaluation.evaluate` returned; entries bear the keys of the runs.
    """
    keys = measure_keys(declaration.measures, evaluation["measures"])
    entries = evaluation["entries"]
    styles = [entry["style"] for entry in entries if entry["kind"] == "floor"]
    lines, first = [], None
    for row in declaration.rows:
        own = [entry for entry in entries if entry["name"] == row.key]
        if not own:
            continue
        groups = [[entry] for entry in own] if declaration.by_style else [own]
        for group in groups:
            style = group[0]["style"] if declaration.by_style else ""
            compared = first if declaration.differences else None
            figures = _figures(group, compared, keys, styles, evaluation["seed"])
            lines.append(Line(row.key, row.title, style, figures))
        first = first or own
    floors = [entry for entry in entries if entry["kind"] == "floor"]
    if floors:
        groups = [[entry] for entry in floors] if declaration.by_style else [floors]
        for group in groups:
            style = group[0]["style"] if declaration.by_style else ""
            figures = {key: _mean_of([e["figures"].get(key) for e in group]) for key in keys}
            lines.append(Line("", REAL, style, _known(figures)))
    return lines


def markdown(lines: Sequence[Line], measures: dict[str, dict]) -> str:
    """The table as Markdown: a line for each run, a column for each measure.

    Args:
        lines: from `table`.
        measures: `measures` of the evaluation.

    Returns:
        Lines of text; figures with their intervals, bold where the difference to the first run
        leaves 0 out.
    """
    keys = list(dict.fromkeys(key for line in lines for key in line.figures))
    heads = [", ".join(filter(None, (measures[k]["title"], measures[k]["unit"]))) for k in keys]
    arrows = [{"lower": " ↓", "higher": " ↑"}.get(measures[key]["better"], "") for key in keys]
    rows = [["", *(f"{head}{arrow}" for head, arrow in zip(heads, arrows, strict=True))]]
    for line in lines:
        title = f"{line.title}, {line.style}" if line.style else line.title
        rows.append([title, *(_cell(line.figures.get(key)) for key in keys)])
    texts = ["| " + " | ".join(row) + " |" for row in rows]
    texts.insert(1, "| --- |" + " ---: |" * len(keys))
    return "\n".join(texts)


def differs(figure: dict) -> bool:
    """Whether the interval of a figure's difference to the first run leaves 0 out."""
    low, high = figure.get("difference_low"), figure.get("difference_high")
    return low is not None and high is not None and not low <= 0 <= high


def _cell(figure):
    if figure is None or figure["value"] is None:
        return "–"
    value = f"**{number(figure['value'])}**" if differs(figure) else number(figure["value"])
    if figure["low"] is None:
        return value
    return f"{value} ({number(figure['low'])} to {number(figure['high'])})"


def _figures(entries, first, keys, styles, seed):
    """Figures of some entries of a run, and how they differ from those of the first run."""
    found = {}
    for key in keys:
        if all(key in entry["per_photo"] for entry in entries):
            found[key] = _of_photos(entries, first, key, seed)
        else:
            found[key] = _mean_of([_distance(entries, style, key) for style in styles])
    return _known(found)


def _of_photos(entries, first, key, seed):
    values = _by_photo(entries, key)
    known = values[np.isfinite(values)]
    if key in SHARES and len(set(known.tolist())) == 1 and 0 <= known[0] <= 100:
        # A bootstrap of 30 hits in 30, or of a third in each, would be sure of it.
        found = intervals.share_interval(known / 100)
    else:
        found = intervals.mean_interval(values, seed)
    figure = _as_figure(found, len(known))
    if first and all(key in entry["per_photo"] for entry in first):
        pairs = values - _by_photo(first, key)
        difference = intervals.mean_interval(pairs, seed)
        names = ("difference", "difference_low", "difference_high")
        figure |= dict(zip(names, map(_number, difference), strict=True))
    return figure


def _by_photo(entries, key):
    """The mean over entries of a measure of each photo, float (N,); nan where none has it."""
    rows = np.array([entry["per_photo"][key] for entry in entries], float)
    counts = np.isfinite(rows).sum(axis=0)
    sums = np.where(np.isfinite(rows), rows, 0).sum(axis=0)
    scale = 100 if key in SHARES else 1
    return np.where(counts > 0, scale * sums / np.maximum(counts, 1), np.nan)


def _distance(entries, style, key):
    """The figure of a distance to the training drawings of a style.

    It is that of the entry which draws in the style, or of one without styles against it.
    """
    for entry in entries:
        if entry["style"] == style:
            return entry["figures"].get(key)
    return entries[0]["against"].get(style, {}).get(key) if len(entries) == 1 else None


def _mean_of(figures):
    """The mean of independent figures, with the interval that follows; None where one lacks."""
    known = [figure for figure in figures if figure and figure["value"] is not None]
    if not known or len(known) < sum(figure is not None for figure in figures):
        return None
    value = float(np.mean([figure["value"] for figure in known]))
    if any(figure["low"] is None for figure in known):
        return _as_figure((value, np.nan, np.nan), min(figure["count"] for figure in known))
    reaches = [
        [figure["value"] - figure["low"], figure["high"] - figure["value"]] for figure in known
    ]
    below, above = np.sqrt(np.square(reaches).sum(axis=0)) / len(known)
    ends = (value, value - float(below), value + float(above))
    return _as_figure(ends, min(figure["count"] for figure in known))


def _as_figure(values, count):
    value, low, high = map(_number, values)
    return {"value": value, "low": low, "high": high, "count": count}


def _known(figures):
    return {key: figure for key, figure in figures.items() if figure is not None}


def _number(value):
    return None if value != value else round(float(value), 5)
