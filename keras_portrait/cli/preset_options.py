"""What `portrait train` and `portrait distill` take with `--preset OUT`, and what they refuse."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.evaluate import import_evaluation
from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.errors import InputError, SettingError

# By its name: the exporter is a package beside this one.
EXPORTER = "keras_portrait_export.exporter"
CARD = "keras_portrait.model_card.card"
INTEGERS = "int8"

PresetOption = Annotated[
    Path | None,
    typer.Option(
        "--preset",
        metavar="OUT",
        help="Preset folder to make when the training has ended: the exported generator, its "
        "evaluation on held-back photos, and its model card. Given again, the command goes on "
        "where it was.",
    ),
]
ContrastOption = Annotated[
    float | None,
    typer.Option(
        "--contrast",
        metavar="X",
        help="Of the preset: above 1 edges of ink are steeper than in training; see "
        "`portrait-export`.  [default: 1]",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="TEXT", help="Name of the preset. Default: that of its folder."),
]
DescriptionOption = Annotated[
    str | None,
    typer.Option(
        "--description", metavar="TEXT", help="One line for the list of presets; kept in it."
    ),
]
LicenceOption = Annotated[
    str | None,
    typer.Option(
        "--licence",
        metavar="TEXT",
        help="Which pictures it learned from, under which licences; kept in the preset.",
    ),
]


@dataclass(frozen=True)
class Wishes:
    """What is asked for on the command line.

    Attributes:
        folder: the preset's folder.
        contrast: as `ExportOptions` has it, and so are the others.
        name: see there.
        description: see there.
        licence: see there, `data_licence`.
    """

    folder: Path
    contrast: float = 1.0
    name: str | None = None
    description: str | None = None
    licence: str | None = None

    @property
    def options(self) -> dict:
        """What the exporter is asked for, the mode left out; fields of `ExportOptions`."""
        return {
            "contrast": self.contrast,
            "name": self.name or self.folder.resolve().name,
            "description": self.description,
            "data_licence": self.licence,
        }


def wishes_of(folder: Path | None, **words) -> Wishes | None:
    """What is asked for; None where no preset is.

    Raises:
        SettingError: something is said of a preset that is not asked for.
    """
    given = {name: value for name, value in words.items() if value is not None}
    if folder is None:
        if given:
            option, value = next(iter(given.items()))
            raise SettingError(
                f"--{option} is of the preset. Expected --preset OUT with it. Received: {value}"
            )
        return None
    return Wishes(folder, **given)


def check_method(recipe) -> None:
    """Refuses methods whose generator becomes no preset with a card.

    Args:
        recipe: of the training.

    Raises:
        SettingError: it is one of these.
    """
    from keras_portrait.recipe import Recipe

    later = "Expected no --preset; `portrait-export RUN -o OUT` makes one after the training"
    if recipe.trainer != Recipe.trainer:
        why = "this method trains no generator, so there is nothing to export. Expected none"
    elif recipe.takes == "noise":
        why = f"its pictures are made out of noise, and a card is of drawings of photos. {later}"
    elif recipe.channels == 3:
        why = f"its pictures are in colour, and a card is of drawings in gray. {later}"
    elif recipe.method == "style_adaptation":
        why = "a style is added by `portrait adapt`, which makes the preset. Expected that command"
    elif not recipe.title:
        why = f"the method has no `title`, under which a card would name it. {later}"
    else:
        return
    raise SettingError(f"--preset: {why}. Received: method {recipe.method}")


def check_wishes(wishes: Wishes, recipe, data: str | Path, strategy: str | None) -> None:
    """Refuses what would fail when the training has ended, before it begins.

    Args:
        wishes: what is asked for.
        recipe: of the training.
        data: the data folder.
        strategy: as `portrait train` takes it.

    Raises:
        SettingError: an option does not fit.
        InputError: the folder cannot be made, or there are too few photos to calibrate with.
        MissingExtra: a package or a frozen network is not installed.
    """
    from keras_portrait.files import check_writable
    from keras_portrait.inference.metadata import require_line

    check_method(recipe)
    if strategy == "multiworker":
        raise SettingError(
            "--preset is made by one process. Expected the training of several hosts without it, "
            f"then the same command without --strategy. Received: --strategy {strategy}"
        )
    for option in ("name", "description", "licence"):
        require_line(f"--{option}", getattr(wishes, option))
    require_line("--preset: the folder's name", wishes.options["name"])
    if os.path.lexists(wishes.folder) and not wishes.folder.is_dir():
        raise SettingError(f"--preset must be a folder. Received: {wishes.folder}")
    check_writable(wishes.folder.resolve().parent)
    # Its own word: what is in its file of settings counts, too.
    backend = import_with_keras("keras", "Training").backend.backend()
    if backend != "tensorflow":
        raise SettingError(
            "--preset: generators are exported by TensorFlow. Expected the training without it, "
            f"then `portrait-export`. Received: Keras on {backend}"
        )
    exporter = import_with_keras(EXPORTER, "Exporting")
    exporter.check_factor(wishes.contrast)
    import_with_keras(CARD, "A model card")
    train, held = count_photos(data)
    if held:
        import_evaluation()
        from keras_portrait.perceptual.weights import find_hed_weights

        find_hed_weights()
    if recipe.preset_mode == INTEGERS and train < exporter.LEAST:
        raise InputError(
            "--preset: 8-bit integers are calibrated on photos that were trained on. Expected "
            f"{exporter.LEAST} or more. Received: {train} in {data}"
        )


def count_photos(data: str | Path) -> tuple[int, int]:
    """How many photos of a prepared folder are trained on, and held back; of shards, no files."""
    from keras_portrait.data.manifest import NAME, read_manifest

    if not os.path.isfile(Path(data) / NAME):
        return 0, 0
    photos = [row for row in read_manifest(data) if row.kept and row.kind == "photo"]
    train = sum(row.split == "train" for row in photos)
    return train, len(photos) - train
