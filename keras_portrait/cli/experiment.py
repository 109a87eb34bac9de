"""`portrait experiment`: the runs, the table and the figures of a paper, with one command."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.evaluate import progress_line
from keras_portrait.cli.generators import open_generator
from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.errors import InputError, SettingError
from keras_portrait.terminal import remark, tell

# What a photo is for whose styles are shown, unless another is given.
_EXAMPLE = Path(__file__).parents[1] / "example.jpg"


def experiment(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="ablations, comparison, report or styles.")
    ],
    data: Annotated[str, typer.Argument(help="Folder made by `portrait prepare`.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help="Folder to make; open its index.html."),
    ],
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            help="Recipe in the place of that of the same method, e.g. --recipe cyclegan-cpu.toml."
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("-s", help="Overrides a key in every recipe that has it."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of each run. Default: as its recipe says."),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(help="Hours of each run instead; how fast it is, is measured first."),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Photos to evaluate with, not trained on. Default: those of DATA that were held "
            "back.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many of them, evenly chosen. Default: all of them."),
    ] = None,
    trained: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN|PRESET",
            help="styles: a generator that is trained already, in the styles of DATA.",
        ),
    ] = None,
    photo: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="styles: the photo that is drawn. Default: an example."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="styles: a drawing whose style is told. Default: one of each style of DATA.",
        ),
    ] = None,
    hide_photos: Annotated[
        bool,
        typer.Option(
            "--no-photos",
            help="Leave the photos out of page, figures and evaluation; OUT/runs shows them.",
        ),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown, too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be trained; nothing is written.")
    ] = False,
) -> None:
    """Train, measure and show what a paper compares.

    ablations: the asymmetric cycle, and five times without one of its parts. comparison: beside
    CycleGAN and CartoonGAN, on the same drawings. styles: what lies between styles, and the style
    of a drawing. report: the figures of "Generating Anime Avatars Using GAN"; DATA holds avatars.

    OUT/index.html has the table and the figures, OUT/results.json the numbers. Ctrl-C saves and
    stops; the same command goes on, and trains nothing twice.
    """
    from keras_portrait.experiments import find_experiment
    from keras_portrait.inference.imaging import read_image

    declaration = find_experiment(name)
    _check(declaration, steps, hours, trained, photo, reference)
    _check_place(output, {"data": Path(data), "--photos": photos})
    conductor = import_with_keras("keras_portrait.experiments.conduct", "An experiment")
    planning = import_with_keras("keras_portrait.experiments.plan", "An experiment")
    wishes = planning.Wishes(
        data=data,
        folder=output,
        recipes=tuple(recipe or ()),
        settings=tuple(setting or ()),
        steps=steps,
        hours=hours,
        photos=photos,
        count=count,
        trained=trained,
    )
    plan = planning.make_plan(declaration, wishes)
    if dry_run:
        for line in conductor.describe(plan):
            tell(line)
        return
    shown = read_image(photo or _EXAMPLE) if declaration.has_styles else None
    try:
        means = conductor.Means(
            open=open_generator,
            tell=remark,
            progress=progress_line,
            photos=not hide_photos,
            photo=shown,
            reference=reference,
            command=shlex.join(["portrait", *sys.argv[1:]]),
        )
        made = conductor.conduct(plan, means)
        if markdown:
            tell(conductor.markdown_table(plan))
        tell(made)
    except KeyboardInterrupt as stop:
        remark(f"{str(stop) or 'stopped'}; the same command goes on: {output}")
        raise typer.Exit(130) from None


def _check(declaration, steps, hours, trained, photo, reference) -> None:
    """Refuses options that exclude each other, and what cannot be."""
    if steps is not None and hours is not None:
        raise SettingError(f"Choose either --steps or --hours. Received: {steps} and {hours:g}")
    if hours is not None and not 0 < hours < 10_000:
        raise SettingError(f"--hours: expected more than 0, below 10000. Received: {hours:g}")
    given = {"--from": trained, "--photo": photo, "--reference": reference}
    for option, value in given.items():
        if value is not None and not declaration.has_styles:
            raise SettingError(
                f"{option} is for the experiment styles. Received: {value}, for {declaration.name}"
            )
    if reference is not None and not reference.is_file():
        raise InputError(f"--reference: expected a picture file. Received: {reference}")


def _check_place(output: Path, inputs: dict[str, Path | None]) -> None:
    """Refuses a folder whose pictures would be taken for more data."""
    for name, folder in inputs.items():
        if folder is not None and output.resolve().is_relative_to(folder.resolve()):
            raise SettingError(
                f"-o lies in the folder of {name}. Expected another place. Received: {output}"
            )
