"""`portrait card`: the model card of a preset."""

from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.terminal import remark, tell


def card(
    preset: Annotated[
        str,
        typer.Argument(metavar="PRESET", help="Name, folder or model file; one that draws photos."),
    ],
    run: Annotated[
        list[Path],
        typer.Option(
            metavar="RUN",
            help="Run folder that it comes from. Of a student: first that of its teacher, then, "
            "with a second --run, its own.",
        ),
    ],
    evaluation: Annotated[
        Path,
        typer.Option(
            metavar="REPORT", help="Folder that `portrait evaluate` made, with this preset in it."
        ),
    ],
    notes: Annotated[
        Path,
        typer.Option(
            metavar="FILE.toml",
            help="What no file knows: licences, intended use, known failures; see "
            "docs/training.md.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="CARD.md",
            help="The card; replaced if it is there. The worst drawings go to worst.png beside it.",
        ),
    ],
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder that `portrait-export --report` wrote: tells how near the file is to "
            "Keras.",
        ),
    ] = None,
) -> None:
    """Write the model card of a preset from what its training and evaluation left behind.

    Data and licences, recipe, steps, hours, figures with intervals, known failures with pictures.
    The same inputs give the same card.
    """
    model_card = import_with_keras("keras_portrait.model_card.card", "A model card")
    for warning in model_card.write_model_card(output, preset, run, evaluation, notes, export):
        remark(f"portrait: {warning}")
    tell(output)
