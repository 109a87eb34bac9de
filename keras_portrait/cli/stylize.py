"""`portrait stylize`: photos to drawings."""

import enum
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.generators import ARGUMENT_HELP, open_generator
from keras_portrait.errors import InputError, PortraitError, SettingError

RESULT_SUFFIX = ".portrait.png"


class Faces(enum.StrEnum):
    """Which faces are drawn."""

    largest = "largest"
    all = "all"


class Background(enum.StrEnum):
    """What lies behind the people."""

    white = "white"
    keep = "keep"


def stylize(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo, or a folder of photos.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Where to: a .png or .jpg file, or a folder. By default me.jpg becomes "
            "me.portrait.png beside it, and a folder holiday becomes holiday.portraits.",
        ),
    ] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help=ARGUMENT_HELP)] = "pen",
    style: Annotated[
        str | None,
        typer.Option(
            metavar="STYLE", help="A name, an index from 0, or weights such as 0.5,0.5 for a mix."
        ),
    ] = None,
    crop: Annotated[
        bool,
        typer.Option(
            "--crop", help="Draw the face alone, upright, as a square, as colour presets do anyway."
        ),
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Draw the whole picture, without looking for a face.")
    ] = False,
    faces: Annotated[
        Faces, typer.Option(metavar="largest|all", help="Draw the largest face, or all.")
    ] = Faces.largest,
    background: Annotated[
        Background,
        typer.Option(
            metavar="white|keep", help="Draw on white paper, or keep what is behind the people."
        ),
    ] = Background.white,
) -> None:
    """Draw a photo, or every photo of a folder."""
    if crop and whole:
        raise SettingError("Choose either --crop or --whole. Received: both")
    is_folder = os.path.isdir(photo)
    jobs, result = _plan_folder(photo, output) if is_folder else _plan_photo(photo, output)
    from keras_portrait.atomic import make_folder
    from keras_portrait.imaging import read_image, write_image
    from keras_portrait.stylizer import Stylizer, style_vector

    stylizer = Stylizer(open_generator(preset))
    style_vector(style, stylizer.contract.styles)  # a mistyped style would fail photo by photo
    options = {"style": style, "faces": faces, "crop": crop, "whole": whole}

    def draw(source: Path, target: Path) -> None:
        drawing = read_image(stylizer(source, background=background, **options))
        make_folder(target.parent)
        write_image(target, drawing)

    if is_folder:
        _draw_folder(jobs, draw, result)
    else:
        draw(*jobs[0])
        print(result)


def _plan_photo(photo: Path, output: Path | None) -> tuple[list[tuple[Path, Path]], Path]:
    """The one pair of source and target, and the target again."""
    from keras_portrait.imaging import WRITABLE_SUFFIXES

    name = photo.stem + RESULT_SUFFIX
    if output is None:
        target = photo.with_name(name)
    elif os.path.isdir(output):
        target = output / name
    elif output.suffix.lower() in WRITABLE_SUFFIXES:
        target = output
    else:
        raise SettingError(
            f"-o must be a {' or '.join(WRITABLE_SUFFIXES)} file, or a folder that exists. "
            f"Received: {output}"
        )
    refuse_overwriting(target, photo)
    return [(photo, target)], target


def refuse_overwriting(target: Path, photo: Path) -> None:
    """Raises SettingError where a result would take the place of a photo."""
    if os.path.exists(target) and os.path.exists(photo) and os.path.samefile(target, photo):
        raise SettingError(
            f"-o would overwrite the photo. Expected another name. Received: {target}"
        )


def _plan_folder(photos: Path, output: Path | None) -> tuple[list[tuple[Path, Path]], Path]:
    """Pairs of source and target for all pictures but earlier results, and the result folder."""
    from keras_portrait.imaging import WRITABLE_SUFFIXES, list_images

    if output is None:
        photos = photos.resolve() if photos.name in ("", "..") else photos
        output = photos.with_name(photos.name + ".portraits")
    elif output.suffix.lower() in WRITABLE_SUFFIXES or os.path.isfile(output):
        raise SettingError(f"-o must be a folder when the photos are a folder. Received: {output}")
    sources = [path for path in list_images(photos) if not path.name.endswith(RESULT_SUFFIX)]
    if not sources:
        raise InputError(
            f"No pictures in the folder. Expected JPEG, PNG or WebP files. Received: {photos}"
        )
    # a.jpg and a.png would end up under one name: then each keeps its suffix in it.
    stems = Counter(source.with_suffix("") for source in sources)
    jobs = []
    for source in sources:
        name = source.stem if stems[source.with_suffix("")] == 1 else source.name
        jobs.append((source, output / source.relative_to(photos).with_name(name + RESULT_SUFFIX)))
    return jobs, output


def _draw_folder(jobs: list, draw: Callable[[Path, Path], None], result: Path) -> None:
    """Draws with a progress bar; a photo that cannot be drawn is named and left out."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    skipped, count = 0, len(jobs)
    if console.is_terminal:
        jobs = track(jobs, "Drawing", console=console)
    for source, target in jobs:
        try:
            draw(source, target)
        except PortraitError as error:
            skipped += 1
            console.print(f"skipped: {error}", markup=False)
    if skipped:
        console.print(f"{skipped} of {count} pictures could not be drawn", markup=False)
    if skipped < count:
        print(result)
    if skipped:
        raise typer.Exit(2)
