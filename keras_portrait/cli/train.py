"""`portrait train`: a recipe and a prepared folder become a run folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.preset_of_run import is_made, make_preset
from keras_portrait.cli.preset_options import (
    ContrastOption,
    DescriptionOption,
    LicenceOption,
    NameOption,
    PresetOption,
    check_wishes,
    wishes_of,
)
from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.errors import SettingError
from keras_portrait.terminal import remark, tell


def train(
    recipe: Annotated[
        str, typer.Argument(help="TOML recipe, or the name of a shipped one (portrait.toml).")
    ],
    data: Annotated[
        str,
        typer.Argument(
            help="Folder made by `portrait prepare`; or its shards, a folder or URL (s3://...)."
        ),
    ],
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Run folder. Default: runs/NNN-RECIPE; an interrupted run goes on."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("-s", help="Overrides a key of the recipe, e.g. -s loss.relaxed=5."),
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="GPUs of this machine that share each batch.")
    ] = 1,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="mirrored: all GPUs of this machine. multiworker: those of all hosts in TF_CONFIG."
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(min=1, help="Seconds to wait at the start for all workers of TF_CONFIG."),
    ] = 300,
    jit: Annotated[
        bool, typer.Option(help="Let XLA compile the steps: for GPUs; on a CPU it is slower.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Print the resolved options and stop; nothing is written.")
    ] = False,
    preset: PresetOption = None,
    contrast: ContrastOption = None,
    name: NameOption = None,
    description: DescriptionOption = None,
    licence: LicenceOption = None,
) -> None:
    """Train a model on prepared photos, drawings or avatars: the recipe says which one.

    Watch it in the run folder's index.html. Ctrl-C saves and stops; the same command goes on.
    --preset OUT makes a preset of it at the end.
    """
    from keras_portrait.models.load_recipe import load_recipe
    from keras_portrait.recipe import Recipe

    words = {"name": name, "description": description, "licence": licence}
    wishes = wishes_of(preset, contrast=contrast, **words)
    resolved = load_recipe(recipe, setting or [])
    if wishes:
        check_wishes(wishes, resolved, data, strategy)
    trainer = import_with_keras(resolved.trainer, "Training")
    further = {} if strategy is None else {"strategy": strategy, "wait": wait}
    if further and resolved.trainer != Recipe.trainer:
        raise SettingError(
            f"--strategy: {resolved.method} trains on one device. Received: {strategy}"
        )
    if jit:
        if resolved.trainer != Recipe.trainer:
            raise SettingError(f"--jit: expected a method of several networks. Received: {recipe}")
        further["jit"] = True
    if wishes:
        further["finished_too"] = True  # its preset may be missing yet
    plan = trainer.make_plan(resolved, Path(recipe).stem, data, run_dir, devices, **further)
    made = wishes is not None and is_made(wishes, plan)
    if dry_run:
        tell(json.dumps(plan.options, indent=1))
        tell(plan.summary)
        tell(plan.folder)
        if wishes:
            tell(f"{preset}: {'made already' if made else 'a preset, ' + resolved.preset_mode}")
        return
    if made:
        remark(f"{preset} holds the preset of this run already; it is left as it is.")
        return
    try:
        tell(trainer.train(plan))
        if wishes:
            make_preset(wishes, plan)
            tell(preset)
    except KeyboardInterrupt as stop:
        remark(f"{str(stop) or 'stopped'}; the same command goes on: {plan.folder}")
        raise typer.Exit(130) from None
