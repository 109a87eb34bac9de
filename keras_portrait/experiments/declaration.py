"""What an experiment is: its runs, what is measured of them, and what is shown of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """A run of an experiment, and so a row of its table.

    Attributes:
        key: name of its run folder, and what the other parts of the experiment call it.
        title: what the page calls it.
        recipe: name of the recipe, unless another one of its method is asked for.
        overrides: what makes the run what it is, as `-s` of `portrait train` takes it; nobody's
            settings change it.
        explanation: what the run is there for, in a sentence.
    """

    key: str
    title: str
    recipe: str
    overrides: tuple[str, ...] = ()
    explanation: str = ""


@dataclass(frozen=True)
class Figure:
    """A picture of the page.

    Attributes:
        key: name of its file, without the suffix.
        title: what the page calls it.
        caption: how to read it.
        draw: function of `outcome.Outcome` to uint8 RGB (H, W, 3); None where there is nothing to
            show.
        shows_photos: whether photos are in it even where the outcome leaves them out: such a figure
            is left out then.
    """

    key: str
    title: str
    caption: str
    draw: Callable[..., np.ndarray | None]
    shows_photos: bool = False


@dataclass(frozen=True)
class Declaration:
    """An experiment.

    Attributes:
        name: what the command calls it.
        title: what its page is called.
        question: what it is there to answer, and where it comes from.
        rows: its runs, in the order in which they are trained; the others are compared with the
            first.
        measures: keys of `evaluation.measures` that its table has, with `KID` and `FID` for
            `kid...` and `fid...`, whichever features these are taken of.
        figures: what is shown.
        by_style: whether the table has a line for each style, not one for each run.
        differences: whether the table tells how each run differs from the first.
        has_styles: whether a photo and a reference drawing are looked at, and a generator that is
            trained already can take the place of the runs that draw.
    """

    name: str
    title: str
    question: str
    rows: tuple[Row, ...]
    measures: tuple[str, ...]
    figures: tuple[Figure, ...]
    by_style: bool = False
    differences: bool = False
    has_styles: bool = False


# Stand for the keys of the distances, whose names tell the features that they are taken of.
KID, FID = "kid*", "fid*"


def measure_keys(wanted: tuple[str, ...], known: dict) -> list[str]:
    """The keys of an evaluation's measures that are meant.

    Args:
        wanted: `Declaration.measures`.
        known: `measures` of an evaluation.
    """
    found = []
    for key in wanted:
        stem = key.removesuffix("*")
        matches = [name for name in known if name == key or (stem != key and _is_of(name, stem))]
        found += matches
    return found


def _is_of(name, stem):
    return name == stem or name.startswith(f"{stem}_")
