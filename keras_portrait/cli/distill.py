"""`portrait distill`: a trained generator teaches a small one for small machines."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.generators import ARGUMENT_HELP
from keras_portrait.cli.preset_options import (
    ContrastOption,
    DescriptionOption,
    LicenceOption,
    NameOption,
    PresetOption,
)
from keras_portrait.cli.train import train
from keras_portrait.errors import InputError, SettingError

# Name of a student -> its recipe in the package; anything else is a recipe's own name or path.
STUDENTS = {"fast": "student-fast", "fine": "student-fine"}


def distill(
    teacher: Annotated[str, typer.Argument(metavar="TEACHER", help=ARGUMENT_HELP)],
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="Folder made by `portrait prepare`; its photos alone are used. Default: the one "
            "that the teacher's run was trained on.",
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "-o", "--run-dir", metavar="STUDENT", help="Run folder; an interrupted run goes on."
        ),
    ] = None,
    student: Annotated[
        str,
        typer.Option(metavar="fast|fine|FILE.toml", help="Which student: its recipe."),
    ] = "fast",
    setting: Annotated[
        list[str] | None,
        typer.Option("-s", help="Overrides a key of the recipe, e.g. -s train.epochs=100."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Print the resolved options and stop; nothing is written.")
    ] = False,
    preset: PresetOption = None,
    contrast: ContrastOption = None,
    name: NameOption = None,
    description: DescriptionOption = None,
    licence: LicenceOption = None,
) -> None:
    """Train a small generator of drawings to draw like a trained one.

    It learns from photos that the teacher draws first, and can be exported in 8-bit integers.
    Watch it in the run folder's index.html. Ctrl-C saves and stops; the same command goes on.
    --preset OUT makes a preset of it at the end.
    """
    if run_dir is None:
        raise SettingError("Expected a folder for the student, as -o STUDENT. Received: none")
    teacher = _absolute(teacher)
    data = data or _data_of(teacher)
    recipe = STUDENTS.get(student, student)
    # JSON's strings are TOML's, too: a name such as 12 or true stays a name.
    overrides = [*(setting or []), f"teacher={json.dumps(teacher)}"]
    train(
        recipe,
        data,
        run_dir,
        overrides,
        dry_run=dry_run,
        preset=preset,
        contrast=contrast,
        name=name,
        description=description,
        licence=licence,
    )


def _absolute(teacher: str) -> str:
    """The same teacher, wherever the command is given next time; names of presets stay."""
    from keras_portrait.inference.presets import list_presets

    known = teacher in list_presets() or not os.path.exists(teacher)
    return teacher if known else str(Path(teacher).resolve())


def _data_of(teacher: str) -> Path:
    """The data folder that a run was trained on."""
    from keras_portrait.training.run_folder import OPTIONS_NAME, read_options

    folder = Path(teacher).parent if Path(teacher).suffix == ".keras" else Path(teacher)
    options = read_options(folder)
    if options is None or not isinstance(options.get("data"), str):
        raise SettingError(
            "DATA: expected a folder made by `portrait prepare`, since the teacher is no run whose "
            f"{OPTIONS_NAME} names one. Received: none"
        )
    if not os.path.isdir(options["data"]):
        raise InputError(
            "DATA: expected the folder that the teacher was trained on, or another one in its "
            f"place. Received: {options['data']}, which is not there"
        )
    return Path(options["data"])
