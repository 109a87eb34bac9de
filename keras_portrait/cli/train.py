"""`portrait train`: a recipe and a prepared folder become a run folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.errors import MissingExtra


def train(
    recipe: Annotated[
        str, typer.Argument(help="TOML recipe, or the name of a shipped one (portrait.toml).")
    ],
    data: Annotated[Path, typer.Argument(help="Folder made by `portrait prepare`.")],
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Run folder. Default: runs/NNN-RECIPE; an interrupted run goes on."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("-s", help="Overrides a key of the recipe, e.g. -s loss.relaxed=5."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Print the resolved options and stop; nothing is written.")
    ] = False,
) -> None:
    """Train a portrait model on prepared photos and drawings.

    Ctrl-C is safe: the same command goes on after the last finished epoch.
    """
    from keras_portrait.config import load_recipe

    resolved = load_recipe(recipe, setting or [])
    try:
        from keras_portrait import training
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f'Training needs {error.name}. Install it with: pip install "keras-portrait[train]"'
        ) from None
    plan = training.make_plan(resolved, Path(recipe).stem, data, run_dir)
    if dry_run:
        typer.echo(json.dumps(plan.options, indent=1))
        typer.echo(f"{plan.recipe.train.epochs} epochs of {plan.steps_per_epoch} steps")
        typer.echo(plan.folder)
        return
    typer.echo(training.train(plan))
