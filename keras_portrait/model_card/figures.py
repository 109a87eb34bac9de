"""The figures of an evaluation that a model card shows, and the preset's worst drawings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.evaluation.report.figures import entry_label, make_panel, may_rank, number
from keras_portrait.evaluation.report.files import FORMAT
from keras_portrait.inference.imaging import read_image, resize
from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.inference.sheets import captioned_grid

# How many of the worst drawings of each style are shown, and the side of one in pixels.
WORST, SIDE = 4, 192


@dataclass(frozen=True)
class StyleFigures:
    """One style of the preset beside what needs no training.

    Attributes:
        style: its name.
        heads: of the columns that follow measure and goal.
        rows: a text for the measure, the goal and each column; the best figure is bold.
        met: measures whose goal is met.
        missed: the others that have a goal, with figure and goal.
        better: measures in which no baseline has a better figure, of those that can be ranked.
        worse: the others, with the best baseline and its figure.
        reasons: why each of the worst drawings is one, worst first.
    """

    style: str
    heads: list[str]
    rows: list[list[str]]
    met: list[str]
    missed: list[str]
    better: list[str]
    worse: list[str]
    reasons: list[str]


def check_evaluation(result: dict | None, place: Path) -> dict:
    """Refuses what is no evaluation.

    Raises:
        InputError: it is none, or of another version.
    """
    if result is None or result.get("format") != FORMAT or "entries" not in result:
        raise InputError(
            f"Expected what `portrait evaluate` of this version wrote. Received: {place}"
        )
    return result


def own_entries(result: dict, names: set[str], metadata: PresetMetadata) -> list[dict]:
    """The entries of a preset, in the order of its styles.

    Args:
        result: the evaluation.
        names: what the preset may be called there.
        metadata: of the preset.

    Raises:
        InputError: the preset was not measured in one of its styles, or another file of its name
            was.
    """
    presets = [entry for entry in result["entries"] if entry["kind"] == "preset"]
    found = {entry["style"]: entry for entry in presets if entry["name"] in names}
    for style in metadata.styles:
        if style not in found:
            wanted, there = " or ".join(sorted(names)), ", ".join(map(entry_label, presets))
            raise InputError(
                f"The evaluation does not have the preset in the style {style}. "
                f"Expected an entry {wanted}. Received: {there or 'no presets'}"
            )
        if found[style]["sha256"] != metadata.sha256:
            raise InputError(
                f"The evaluation is of another file of the preset {metadata.name}. Expected "
                f"SHA-256 {metadata.sha256}. Received: {found[style]['sha256'] or 'none'}"
            )
    return [found[style] for style in metadata.styles]


def style_figures(result: dict, entry: dict) -> StyleFigures:
    """The figures of one entry, of the baselines, and of the noise floor that belongs to it."""
    baselines = [
        _held_against(other, entry["reference"])
        for other in result["entries"]
        if other["kind"] == "baseline"
    ]
    floors = [
        other
        for other in result["entries"]
        if other["kind"] == "floor" and other["style"] == entry["reference"]
    ]
    columns = [entry, *baselines, *floors]
    shown = {"measures": result["measures"], "entries": columns}
    figures = StyleFigures(entry["style"], _heads(columns), [], [], [], [], [], _reasons(entry))
    for key, measure in result["measures"].items():
        if measure["better"] is None or all(_value(column, key) is None for column in columns):
            continue
        panel = make_panel(shown, key)
        own, goal = panel.cells[0], panel.cells[0].own_goal or panel.goal
        title = measure["title"]
        named = ", ".join(filter(None, [title, measure["unit"]]))
        # Without a figure, such as a landmark error where no face was found, no goal is met.
        verdict = f"{goal}: {own.verdict or own.remark or 'no figure'}" if goal else "–"
        figures.rows.append([named, verdict, *map(_cell, panel.cells)])
        if own.verdict == "met":
            figures.met.append(title)
        elif goal and not own.remark:
            figures.missed.append(f"{title} {own.value} ({goal})")
        _compare(figures, measure, key, entry, baselines)
    return figures


def worst_sheet(entries: list[dict], find: Callable[[str, int], Path]) -> np.ndarray:
    """The worst drawings: a column for each style, the worst one on top; no photos.

    Args:
        entries: of the preset.
        find: the file of a drawing, by the key of its entry and the photo's index.

    Returns:
        uint8 RGB.

    Raises:
        InputError: a drawing is missing or broken.
    """
    cells = []
    for place in range(max(len(entry["worst"][:WORST]) for entry in entries)):
        for entry in entries:
            drawing = np.full((SIDE, SIDE, 3), 255, np.uint8)
            if place < len(entry["worst"]):
                path = find(entry["key"], entry["worst"][place]["index"])
                drawing = resize(read_image(path), SIDE, SIDE)
            cells.append(drawing)
    return captioned_grid(cells, [entry["style"] for entry in entries])


def _heads(columns) -> list[str]:
    """Floors without their style, which is that of the table; counts where they differ."""
    count = _count(columns[0])
    heads = [f"`{columns[0]['style']}`"]
    for entry in columns[1:]:
        few = entry["kind"] == "baseline" and _count(entry) < count
        heads.append(entry["name"] + (f" ({_count(entry)} photos)" if few else ""))
    return heads


def _count(entry) -> int:
    return max((figure["count"] for figure in entry["figures"].values()), default=0)


def _cell(cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    return f"{value} ({cell.interval})" if cell.interval else value


def _reasons(entry) -> list[str]:
    return [f"{one['why']} ({number(one['score'])})" for one in entry["worst"][:WORST]]


def _held_against(baseline, reference) -> dict:
    """A baseline with the figures that it has against the drawings of a style."""
    other = baseline["against"].get(reference, {})
    return baseline | {"figures": baseline["figures"] | other}


def _compare(figures, measure, key, entry, baselines):
    """Notes whether a baseline is better, and which one."""
    value, choose = _value(entry, key), {"lower": min, "higher": max}[measure["better"]]
    rivals = [other for other in baselines if _value(other, key) is not None]
    measured = [
        other["figures"][key] for other in (entry, *rivals) if _value(other, key) is not None
    ]
    if value is None or not rivals or not may_rank(measure, measured):
        return
    best, name = choose((_value(other, key), other["name"]) for other in rivals)
    if choose(value, best) == value:
        figures.better.append(measure["title"])
    else:
        figures.worse.append(f"{measure['title']} ({name} {number(best)})")


def _value(entry, key) -> float | None:
    return entry["figures"].get(key, {}).get("value")
