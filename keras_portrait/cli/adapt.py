"""`portrait adapt`: a trained generator learns one more style from few drawings."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.generators import ARGUMENT_HELP
from keras_portrait.cli.prepare import show_preparation
from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.errors import InputError, SettingError
from keras_portrait.terminal import remark, tell

RECIPE = "adapt"
# Convolutions at the generator's end that --deep trains: the two behind the last enlargement.
DEEP_LAYERS = 2
# What the folders beside the preset are called, of the prepared pictures and of the run.
PICTURES, RUN = "{}-pictures", "{}-training"
_EXPORTER = "keras_portrait_export.exporter"
_LEARNED = "a style learned from drawings of one hand"
# How `_words` writes: what stands in a preset in this form is of the drawings that it is made of.
_OWN_WORDS = {
    "description": re.compile(rf", {_LEARNED}($|, by a generator that began as )"),
    "data_licence": re.compile(r"(^|; )drawings of [^;:]+: "),
}


def adapt(
    source: Annotated[str, typer.Argument(metavar="PRESET_OR_RUN", help=ARGUMENT_HELP)],
    drawings: Annotated[
        Path,
        typer.Argument(
            help="Folder of ten to fifty drawings of one hand; subfolders are searched too."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="MINE",
            help="Preset folder to make. Beside it MINE-pictures holds what is prepared, and "
            "MINE-training the run; an interrupted one goes on.",
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Photos of faces to learn on, fifty or so: any folder of photos, or one made by "
            "`portrait prepare`. Default: those that the run was trained on; a preset has none.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="STYLE", help="Name of the new style. Default: that of the folder."),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help='Licence of the drawings, such as "CC BY 4.0, Ann Lee"; kept in the preset '
            "beside what the start says of its own pictures.",
        ),
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="A preset of the new style alone.")
    ] = False,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Train the last layers, too: for hands far from every known style. They draw for "
            "all styles, so it needs --alone.",
        ),
    ] = False,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Landmarks of the drawings, as `portrait prepare` takes them."
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("-s", help="Overrides a key of adapt.toml, e.g. -s train.epochs=20."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Prepare and check the drawings, print the options and stop.")
    ] = False,
) -> None:
    """Add a style to a preset or run, from ten to fifty drawings of one hand.

    The other styles of the preset stay as they are. Ten drawings take less than ten minutes on two
    cores; MINE-training/index.html shows a preview about each minute. Ctrl-C saves and stops; the
    same command goes on.
    """
    if output is None:
        raise SettingError("Expected a folder for the preset, as -o MINE. Received: none")
    if deep and not alone:
        raise SettingError(
            "--deep changes layers that draw every style. Expected --alone with it, or neither. "
            "Received: --deep"
        )
    _check_output(output, drawings)
    source = _absolute(source)
    size, alignment, data, start_words = _known_of(source)
    style = name or _style_name(drawings)
    pictures, run = (output.with_name(form.format(output.name)) for form in (PICTURES, RUN))
    from keras_portrait.data.prepare.one_hand import check_hand, refuse_photos
    from keras_portrait.inference.metadata import require_line

    require_line("--licence", licence)
    refuse_photos(drawings)
    given = photos or _photos_of(source, data)
    prepared = given.resolve() if _is_prepared(given) else None
    rows = _prepare(None if prepared else given, drawings, pictures, size, alignment, landmarks)
    for line in check_hand(pictures, rows):
        remark(f"{drawings}: {line}")
    overrides = {
        "train.start_from": source,
        "style": style,
        "photos": str(prepared or ""),
        "network.last_layers": DEEP_LAYERS if deep else 0,
        "data.size": size,
    }
    _train(overrides, setting or [], pictures, run, dry_run)
    if not dry_run:
        words = _words(start_words, style, alone, licence)
        _export(run, output, style if alone else None, words, licence)


def _check_output(output: Path, drawings: Path) -> None:
    """Refuses, before anything is prepared, a place that the preset cannot go to."""
    from keras_portrait.inference.metadata import FILE_NAME

    if os.path.lexists(output) and not output.is_dir():
        raise SettingError(f"-o must be a folder. Received: {output}")
    if output.is_dir() and any(output.iterdir()) and not (output / FILE_NAME).is_file():
        raise InputError(
            f"-o: expected a new or empty folder, or a preset to replace. Received: {output}, "
            "which holds something else"
        )
    if output.resolve().is_relative_to(drawings.resolve()):
        raise SettingError(
            f"-o lies in the folder of drawings. Expected another place. Received: {output}"
        )


def _absolute(source: str) -> str:
    """The same generator, wherever the command is given next time; names of presets stay."""
    from keras_portrait.inference.presets import is_name

    return str(Path(source).resolve()) if not is_name(source) and os.path.exists(source) else source


def _known_of(source: str) -> tuple[int, int, str | None, dict[str, str]]:
    """Size and alignment of what is started from, where a run's pictures lie, a preset's words.

    Raises:
        SettingError: there is no such preset or run, or it is a filter.
        InputError: it is broken.
    """
    from keras_portrait.inference.filter_presets import is_filter
    from keras_portrait.inference.metadata import read_metadata
    from keras_portrait.inference.presets import find_preset, is_preset

    if is_filter(source):
        raise SettingError(
            f"Expected a generator: a filter has no weights to train. Received: {source}"
        )
    run = Path(source).parent if Path(source).suffix == ".keras" else Path(source)
    if is_preset(source) or not (run / "options.json").is_file():
        metadata = read_metadata(find_preset(source))
        words = {"description": metadata.description, "data_licence": metadata.data_licence}
        return metadata.size, metadata.alignment, None, {"name": metadata.name, **words}
    module = import_with_keras("keras_portrait.training.saved_generator", "Adapting")
    known = module.load_run(source)
    if known.method == "asymmetric_cycle" and not (run / module.DIRECTIONS["b-to-a"]).is_file():
        remark(
            f"{source}: a run of an earlier version, without its inverse generator; LPIPS alone "
            "holds the likeness"
        )
    return known.size, known.alignment, known.data and str(known.data), {"name": known.name}


def _photos_of(source: str, data: str | None) -> Path:
    """Where the photos of a run lie."""
    if data is None:
        raise SettingError(
            "--photos: expected a folder of photos to learn on, fifty or so; only a run whose "
            f"pictures are still there brings its own. Received: none, with {source}"
        )
    return Path(data)


def _is_prepared(folder: Path) -> bool:
    from keras_portrait.data.manifest import NAME

    return (folder / NAME).is_file()


def _style_name(drawings: Path) -> str:
    """A name for a style after the folder of its drawings."""
    return re.sub(r"[\s,:]+", "-", drawings.resolve().name).strip("-") or "drawn"


def _prepare(photos, drawings, output, size, alignment, landmarks) -> list:
    """Prepares drawings, and photos where they are not; returns the rows of the drawings."""
    from keras_portrait.data.prepare.prepare import prepare

    with show_preparation() as show:
        summary = prepare(
            photos,
            drawings,
            output,
            size,
            0.0,
            alignment=alignment,
            landmarks=landmarks,
            drawings_alone=True,
            progress=show,
        )
    return [row for row in summary.rows if row.kind == "drawing"]


def _train(overrides: dict, setting: list[str], pictures: Path, run: Path, dry_run: bool) -> None:
    from keras_portrait.models.load_recipe import load_recipe

    # JSON's strings are TOML's, too: a name such as 12 or true stays a name.
    texts = [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
    recipe = load_recipe(RECIPE, [*texts, *setting])
    trainer = import_with_keras(recipe.trainer, "Adapting")
    plan = trainer.make_plan(recipe, RECIPE, pictures, run)
    if dry_run:
        tell(json.dumps(plan.options, indent=1))
        tell(plan.summary)
        return
    try:
        trainer.train(plan)
    except KeyboardInterrupt as stop:
        remark(f"{str(stop) or 'stopped'}; the same command goes on: {plan.folder}")
        raise typer.Exit(130) from None


def _words(start: dict[str, str], style: str, alone: bool, licence: str | None) -> dict[str, str]:
    """What the preset says of itself: the start's words, and what has come to them.

    Args:
        start: name of the start, and its description and data licence where it has them.
        style: name of the new style.
        alone: whether the preset has that style alone.
        licence: of the drawings; None where nobody told it.

    Returns:
        `description` and `data_licence`, fields of `PresetMetadata`.
    """
    learned = f"{style}, {_LEARNED}"
    whole = f"{start.get('description') or 'the styles of ' + start['name']}; and {learned}"
    description = f"{learned}, by a generator that began as {start['name']}" if alone else whole
    # Without a word of the drawings the start's licence would stand for them, too.
    parts = [start.get("data_licence"), f"drawings of {style}: {licence or 'licence not told'}"]
    return {"description": description, "data_licence": "; ".join(filter(None, parts))}


def _export(run: Path, output: Path, alone: str | None, words: dict[str, str], licence) -> None:
    # By its name: the exporter is a package beside this one.
    exporter = import_with_keras(_EXPORTER, "Exporting")
    # What is told on the command line takes the place of what stands in a preset that is replaced,
    # and so does what was written here for the drawings of that one.
    told = {"data_licence": words["data_licence"]} if licence else {}
    told |= {key: words[key] for key in _own_words(output)}
    options = exporter.ExportOptions(styles=(alone,) if alone else (), **told)
    trained = replace(exporter.open_source(run), words=words)
    exporter.export_generator(trained, output, options)
    tell(output)


def _own_words(preset: Path) -> list[str]:
    """Which words in a preset that is replaced `portrait adapt` itself wrote; fields of it."""
    from keras_portrait.files import parse_json, read_bounded
    from keras_portrait.inference.metadata import FILE_NAME

    try:
        row = parse_json(read_bounded(preset / FILE_NAME))
    except (OSError, ValueError):
        return []
    known = row if isinstance(row, dict) else {}
    texts = {key: known.get(key) for key in _OWN_WORDS}
    return [key for key, text in texts.items() if text and _OWN_WORDS[key].search(str(text))]
