"""`portrait stylize`: photos to drawings."""

import enum
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.bulk import Engine, stylize_in_bulk
from keras_portrait.cli.generators import ARGUMENT_HELP, open_generator
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.storage import public_name

RESULT_SUFFIX = ".portrait.png"
SVG_SUFFIX = ".svg"


class Faces(enum.StrEnum):
    """Which faces are drawn."""

    largest = "largest"
    all = "all"


class Background(enum.StrEnum):
    """What lies behind the people."""

    white = "white"
    keep = "keep"


def stylize(
    photo: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="A photo, or a folder of photos; with --engine a folder or a URL such as "
            "s3://bucket/photos.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Argument(
            metavar="OUT",
            help="With --engine: the folder or URL for the drawings and their manifest.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Where to: a .png or .jpg file, an .svg file of traced paths, or a folder. By "
            "default me.jpg becomes me.portrait.png beside it, and a folder holiday becomes "
            "holiday.portraits.",
        ),
    ] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help=ARGUMENT_HELP)] = "portrait",
    style: Annotated[
        str | None,
        typer.Option(
            metavar="STYLE",
            help="A name, an index from 0, or a mix: ink,pen in equal parts, ink:0.7,pen:0.3, or "
            "a weight for each style such as 0.7,0.3.",
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
    engine: Annotated[
        Engine | None,
        typer.Option(
            metavar="local|ray",
            help="Draw in bulk, from IN to OUT: local takes all cores of this machine, ray those "
            "of a Ray cluster. The same command goes on where it was broken off.",
        ),
    ] = None,
) -> None:
    """Draw a photo, or every photo of a folder."""
    if crop and whole:
        raise SettingError("Choose either --crop or --whole. Received: both")
    options = {"style": style, "faces": faces, "crop": crop, "whole": whole}
    if engine is not None:
        target = _only_one(out, output)
        stylize_in_bulk(photo, target, engine, preset, background=background, **options)
        return
    if out is not None:
        # Not taken for -o: of *.jpg the shell makes two photos, and one would be written over.
        raise SettingError(
            "Two places without --engine. Expected one photo or folder, -o before the place of "
            f"its drawing, or --engine local. Received: {photo} and {out}"
        )
    if "://" in photo:
        raise SettingError(
            "URLs are drawn in bulk. Expected: portrait stylize URL OUT --engine local. Received: "
            f"{public_name(photo)}"
        )
    photo, output = Path(photo), None if output is None else Path(output)
    is_folder = os.path.isdir(photo)
    jobs, result = _plan_folder(photo, output) if is_folder else _plan_photo(photo, output)
    from keras_portrait.files import make_folder
    from keras_portrait.inference.imaging import read_image
    from keras_portrait.inference.style import style_vector
    from keras_portrait.inference.stylizer import Stylizer

    stylizer = Stylizer(open_generator(preset))
    # A mistyped style would fail photo by photo.
    vector = style_vector(style, stylizer.metadata.styles)
    if _is_svg(result):
        _check_svg(stylizer.metadata, in_place=not (crop or whole), background=background)

    def draw(source: Path, target: Path) -> None:
        drawing = read_image(stylizer(source, background=background, **options))
        make_folder(target.parent)
        _write(target, drawing, stylizer.metadata, vector)

    if is_folder:
        _draw_folder(jobs, draw, result)
    else:
        draw(*jobs[0])
        print(result)


def _only_one(out: str | None, output: str | None) -> str | None:
    """The place for the drawings of a job, which may be given in either way."""
    if out is not None and output is not None:
        raise SettingError(f"OUT was given twice. Expected it once. Received: {out} and {output}")
    return output if out is None else out


def _is_svg(path: Path) -> bool:
    return path.suffix.lower() == SVG_SUFFIX


def _check_svg(metadata, in_place: bool, background: Background) -> None:
    """Raises where the drawing cannot become an SVG file, before anything is drawn."""
    from keras_portrait.inference.svg import load_tracer

    if metadata.channels == 3:
        raise SettingError(
            "An .svg file holds lines in black, and pictures of this preset are in colour. "
            f"Expected -o with .png or .jpg. Received: --preset {metadata.name}"
        )
    if in_place and background == Background.keep:
        raise SettingError(
            "An .svg file holds lines alone, not the photo around them. Expected --crop or "
            "--whole with it, or --background white. Received: --background keep"
        )
    load_tracer()


def _write(target: Path, drawing, metadata, vector) -> None:
    """Writes a drawing, RGB, made with a preset and a style vector (1, K)."""
    from keras_portrait.files import write_whole
    from keras_portrait.inference.imaging import write_image

    if not _is_svg(target):
        write_image(target, drawing)
        return
    from keras_portrait.inference.bulk.drawing import style_text
    from keras_portrait.inference.svg import trace_drawing

    style = style_text(vector[0], metadata.styles)
    svg = trace_drawing(
        drawing[..., 0],
        title=f"Portrait in the style {style}",
        description=f"Drawn by keras-portrait with the preset {metadata.name}, style {style}.",
    )
    write_whole(target, svg.encode())


def _plan_photo(photo: Path, output: Path | None) -> tuple[list[tuple[Path, Path]], Path]:
    """The one pair of source and target, and the target again."""
    from keras_portrait.inference.imaging import WRITABLE_SUFFIXES

    name = photo.stem + RESULT_SUFFIX
    if output is None:
        target = photo.with_name(name)
    elif os.path.isdir(output):
        target = output / name
    elif output.suffix.lower() in (*WRITABLE_SUFFIXES, SVG_SUFFIX):
        target = output
    else:
        raise SettingError(
            f"-o must be a {', '.join(WRITABLE_SUFFIXES)} or {SVG_SUFFIX} file, or a folder "
            f"that exists. Received: {output}"
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
    from keras_portrait.inference.imaging import WRITABLE_SUFFIXES, list_images

    if output is None:
        photos = photos.resolve() if photos.name in ("", "..") else photos
        output = photos.with_name(photos.name + ".portraits")
    elif output.suffix.lower() in (*WRITABLE_SUFFIXES, SVG_SUFFIX) or os.path.isfile(output):
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
