"""The page of an experiment: one file with the table, the figures and how it was made."""

import os
from dataclasses import dataclass
from pathlib import Path

from keras_portrait.errors import PortraitError
from keras_portrait.evaluation.report.figures import DIRECTIONS, number
from keras_portrait.evaluation.report.files import PAGE_NAME as EVALUATION_PAGE
from keras_portrait.evaluation.report.pictures import Picture, pack_picture
from keras_portrait.experiments.declaration import Declaration
from keras_portrait.experiments.outcome import EVALUATION, Outcome
from keras_portrait.experiments.summary import Line, differs
from keras_portrait.files import make_folder, write_whole
from keras_portrait.inference.imaging import write_image
from keras_portrait.terminal import remark
from keras_portrait.training.templates import load_template

TEMPLATE = "experiment.html.j2"
NAME, FIGURES = "index.html", "figures"
# Longest side in pixels, and WebP quality, of figures in the page.
_SIDE, _QUALITY = 1600, 85


@dataclass(frozen=True)
class RunFacts:
    """What the page says of a run.

    Attributes:
        title: what it is called.
        explanation: what it is there for.
        recipe: how it is trained, in words.
        state: how far it is.
        page: its own page, relative to that of the experiment; "" where there is none.
    """

    title: str
    explanation: str
    recipe: str
    state: str
    page: str


def require_template() -> None:
    """Says at once, not after hours, that no page can be made.

    Raises:
        MissingExtra: jinja2 is not installed.
    """
    _template()


def write_figures(outcome: Outcome) -> dict[str, Path]:
    """Draws the figures that can be drawn so far.

    One that fails is told of and left out: a figure must not cost the others.

    Args:
        outcome: of the experiment.

    Returns:
        Their files by their keys.
    """
    folder, found = outcome.folder / FIGURES, {}
    for figure in outcome.declaration.figures:
        if figure.shows_photos and not outcome.photos:
            (folder / f"{figure.key}.png").unlink(missing_ok=True)
            continue
        try:
            picture = figure.draw(outcome)
            if picture is not None:
                make_folder(folder)
                write_image(folder / f"{figure.key}.png", picture)
                found[figure.key] = folder / f"{figure.key}.png"
        except PortraitError as error:
            remark(f"{figure.title}: no figure. {error}")
    return found


def write_page(
    outcome: Outcome,
    runs: list[RunFacts],
    lines: list[Line],
    figures: dict[str, Path],
    facts: dict[str, str],
) -> Path:
    """Writes `index.html`.

    Args:
        outcome: of the experiment.
        runs: its runs.
        lines: of its table; empty before the evaluation.
        figures: from `write_figures`.
        facts: how it was made.

    Returns:
        The path of the page.

    Raises:
        InputError: it cannot be written.
        MissingExtra: jinja2 is not installed.
    """
    declaration, evaluation = outcome.declaration, outcome.evaluation
    measures = evaluation["measures"] if evaluation else {}
    keys = list(dict.fromkeys(key for line in lines for key in line.figures))
    text = _template().render(
        declaration=declaration,
        runs=runs,
        heads=[_head(measures[key]) for key in keys],
        lines=[_shown(line, keys) for line in lines],
        photos=evaluation["photos"]["count"] if evaluation else 0,
        figures=_packed(declaration, figures),
        facts=facts,
        evaluation=_there(outcome.folder, f"{EVALUATION}/{EVALUATION_PAGE}"),
    )
    path = outcome.folder / NAME
    write_whole(path, text.encode("utf-8", "replace"))
    return path


def _template():
    return load_template(Path(__file__).with_name(TEMPLATE), "The page of an experiment")


def _there(folder, name):
    return name if os.path.isfile(folder / name) else ""


def _head(measure):
    return {
        "title": measure["title"],
        "more": ", ".join(filter(None, [measure["unit"], DIRECTIONS[measure["better"]]])),
        "explanation": measure["explanation"],
    }


def _shown(line: Line, keys):
    return {
        "title": line.title,
        "style": line.style,
        "real": not line.key,
        "cells": [_cell(line.figures.get(key)) for key in keys],
    }


def _cell(figure):
    if figure is None or figure["value"] is None:
        return {"value": "–", "interval": "", "difference": "", "differs": False}
    interval = difference = ""
    if figure["low"] is not None:
        interval = f"{number(figure['low'])} to {number(figure['high'])}"
    if figure.get("difference") is not None:
        ends = [_signed(figure[f"difference{end}"]) for end in ("", "_low", "_high")]
        difference = f"{ends[0]} ({ends[1]} to {ends[2]})"
    return {
        "value": number(figure["value"]),
        "interval": interval,
        "difference": difference,
        "differs": differs(figure),
    }


def _signed(value):
    return f"+{number(value)}" if value > 0 else number(value)


def _packed(declaration: Declaration, files: dict[str, Path]) -> list[tuple[object, Picture]]:
    return [
        (figure, pack_picture(files[figure.key], _SIDE, _QUALITY))
        for figure in declaration.figures
        if figure.key in files
    ]
