"""`portrait prepare`: folders of photos and drawings become a folder to train on."""

from pathlib import Path
from typing import Annotated

import typer


def prepare(
    photos: Annotated[Path, typer.Argument(help="Folder of photos; subfolders are searched too.")],
    drawings: Annotated[
        Path, typer.Argument(help="Folder of drawings; each subfolder is a style.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make.")],
    size: Annotated[int, typer.Option(help="Side of the squares in pixels.")] = 256,
    holdout: Annotated[
        float, typer.Option(help="Share of the pictures to keep back for tests.")
    ] = 0.1,
    dry_run: Annotated[
        bool, typer.Option(help="Look at every picture and report; nothing is written.")
    ] = False,
) -> None:
    """Align photos and drawings for training, with masks of eyes, nose and lips.

    Pictures without a usable face are left out; OUTPUT/manifest.jsonl says why. Ctrl-C is safe:
    the same command goes on where it was.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from keras_portrait.data.prepare import prepare as run

    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    name_column = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), name_column)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)

        def show(row, number: int, count: int) -> None:
            # A file name may hold bytes that are no text.
            name = row.source.encode("utf-8", "replace").decode()
            if row.broken:
                console.print(f"{name}: {row.reason}")
            bar.update(task, completed=number, total=count, description=name[-40:])

        summary = run(photos, drawings, output, size, holdout, dry_run=dry_run, progress=show)
    for line in summary.lines():
        typer.echo(line)
    if not dry_run:
        typer.echo(output)
