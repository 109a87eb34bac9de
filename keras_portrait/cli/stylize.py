"""`portrait stylize`: photos to drawings."""

import enum
import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.bulk import Engine, stylize_in_bulk
from keras_portrait.cli.camera import find_camera, name_photo, take_photo
from keras_portrait.cli.clips import find_clips, stylize_clips
from keras_portrait.cli.drawing_jobs import draw_plan
from keras_portrait.cli.generators import ARGUMENT_HELP, open_generator
from keras_portrait.cli.photo_jobs import GCODE_SUFFIX, STREAM, SVG_SUFFIX, plan_jobs
from keras_portrait.cli.plotting import (
    Feed,
    Margin,
    PageSize,
    PenDelay,
    PenDown,
    PenUp,
    PenWidth,
    PlotterOptions,
    SingleLine,
)
from keras_portrait.cli.watch import watch_folder
from keras_portrait.errors import SettingError
from keras_portrait.storage import is_url, public_name
from keras_portrait.terminal import remark, tell_bytes


class Faces(enum.StrEnum):
    """Which faces are drawn."""

    largest = "largest"
    all = "all"


class Background(enum.StrEnum):
    """What lies behind the people."""

    white = "white"
    keep = "keep"


def stylize(
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Photos, folders of photos, videos, - for a photo on standard input, or 0 for one "
            "taken with the first USB camera. With --engine: IN OUT, a folder or a URL such as "
            "s3://bucket/photos, and the folder or URL for the drawings and their manifest.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Where to: a .png or .jpg file, an .svg file of traced paths, a .gcode file for a "
            "pen plotter, a folder, or - for standard output. By default me.jpg becomes "
            "me.portrait.png beside it, several photos "
            "a.jpg.portrait.png and so on, and a folder holiday becomes holiday.portraits. Of a "
            "video: .mp4, .mov, .mkv, .gif, .webp or .apng, by default clip.portrait.mp4; an "
            "animated picture stays one with these. Of a camera: camera-DATE-TIME.portrait.png.",
        ),
    ] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help=ARGUMENT_HELP)] = "portrait",
    style: Annotated[
        str | None,
        typer.Option(
            metavar="STYLE",
            help="A name, an index from 0, or a mix: ink,line in equal parts, ink:0.7,line:0.3, "
            "or a weight for each style such as 0.4,0.3,0.2,0.1.",
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
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Wait for photos in a folder, draw each once when it is wholly written, until "
            "Ctrl-C; what was drawn before is not drawn again.",
        ),
    ] = False,
    engine: Annotated[
        Engine | None,
        typer.Option(
            metavar="local|ray",
            help="Draw in bulk, from IN to OUT: local takes all cores of this machine, ray those "
            "of a Ray cluster. The same command goes on where it was broken off.",
        ),
    ] = None,
    single_line: SingleLine = False,
    pen_width: PenWidth = None,
    page: PageSize = None,
    margin: Margin = None,
    feed: Feed = None,
    pen_up: PenUp = None,
    pen_down: PenDown = None,
    pen_delay: PenDelay = None,
) -> None:
    """Draw photos, every photo of a folder, or videos."""
    if crop and whole:
        raise SettingError("Choose either --crop or --whole. Received: both")
    options = {"style": style, "faces": faces, "crop": crop, "whole": whole}
    for_plotter = PlotterOptions(
        single_line, pen_width, page, margin, feed, pen_up, pen_down, pen_delay
    )
    if watch or engine is not None:
        for_plotter.plotter(None)  # refuses them
    if watch:
        if engine is not None:
            raise SettingError("Choose either --watch or --engine. Received: both")
        watch_folder(photos, output, preset, background=background, **options)
        return
    if engine is not None:
        source, target = _two_places(photos, output)
        stylize_in_bulk(source, target, engine, preset, background=background, **options)
        return
    _refuse_urls(photos)
    clips = find_clips(photos, output)
    if clips:
        for_plotter.plotter(None)
        stylize_clips(photos, clips, output, preset, background=background, **options)
        return
    camera = find_camera(photos)
    plan = plan_jobs(photos if camera is None else [name_photo()], output)
    plotter = for_plotter.plotter(plan.result if plan.is_alone else None)
    from keras_portrait.files import check_writable
    from keras_portrait.inference.imaging import encode_image, read_image
    from keras_portrait.inference.style import style_vector
    from keras_portrait.inference.stylizer import Stylizer

    for folder in dict.fromkeys(plan.folders):
        check_writable(folder)
    stylizer = Stylizer(open_generator(preset))
    # A mistyped style would fail photo by photo.
    vector = style_vector(style, stylizer.metadata.styles)
    draws_whole = stylizer.metadata.draws_whole(crop, whole)
    if plan.is_alone and _is_vector(plan.result):
        in_place = not (crop or draws_whole)
        _check_vector(plan.result, stylizer.metadata, in_place=in_place, background=background)
        if plotter is None:
            _load_tracer()

    def draw(source: Path | None, target: Path | None) -> None:
        photo = _standard_input() if source is None else source
        if camera is not None:
            photo = take_photo(camera, needs_face=not draws_whole)
        drawing = read_image(stylizer(photo, background=background, **options))
        if target is None:
            tell_bytes(encode_image(drawing))
            return
        _write(target, drawing, stylizer.metadata, vector, plotter)

    draw_plan(plan, draw, "pictures")


def _refuse_urls(photos: list[str]) -> None:
    for photo in filter(is_url, photos):
        raise SettingError(
            "URLs are drawn in bulk. Expected: portrait stylize URL OUT --engine local. "
            f"Received: {public_name(photo)}"
        )


def _standard_input():
    """Standard input as a file of bytes; what was closed before the start is an empty one."""
    return getattr(sys.stdin, "buffer", None) or io.BytesIO()


def _two_places(photos: list[str], output: str | None) -> tuple[str, str | None]:
    """The places of a job's photos and drawings; the second may be given in either way."""
    if len(photos) > 2:
        raise SettingError(
            "--engine takes one folder or URL. Expected: portrait stylize IN OUT --engine local. "
            f"Received: {len(photos)} places"
        )
    if STREAM in (*photos, output):
        raise SettingError(
            "--engine takes folders and URLs, not standard input or output. Received: -"
        )
    source, *rest = photos
    if rest and output is not None:
        raise SettingError(
            f"OUT was given twice. Expected it once. Received: {rest[0]} and {output}"
        )
    return source, rest[0] if rest else output


def _is_vector(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() in (SVG_SUFFIX, GCODE_SUFFIX)


def _check_vector(target: Path, metadata, in_place: bool, background: Background) -> None:
    """Raises where the drawing cannot become such a file, before anything is drawn."""
    a_file = f"{'An' if target.suffix.lower() == SVG_SUFFIX else 'A'} {target.suffix.lower()} file"
    if metadata.channels == 3:
        raise SettingError(
            f"{a_file} holds lines in black, and pictures of this preset are in colour. "
            f"Expected -o with .png or .jpg. Received: --preset {metadata.name}"
        )
    if in_place and background == Background.keep:
        raise SettingError(
            f"{a_file} holds lines alone, not the photo around them. Expected --crop or "
            "--whole with it, or --background white. Received: --background keep"
        )


def _load_tracer() -> None:
    from keras_portrait.inference.svg import load_tracer

    load_tracer()


def _write(target: Path, drawing, metadata, vector, plotter) -> None:
    """Writes a drawing, RGB, made with a preset and a style vector (1, K)."""
    from keras_portrait.files import make_folder, write_whole
    from keras_portrait.inference.imaging import write_image
    from keras_portrait.inference.svg import portrait_svg, title_and_description

    if not _is_vector(target):
        make_folder(target.parent)
        write_image(target, drawing)
        return
    if plotter is None:
        data, told = portrait_svg(drawing, metadata, vector), None
    else:
        plot = plotter.plot(drawing[..., 0])
        as_file = plotter.gcode if target.suffix.lower() == GCODE_SUFFIX else plotter.svg
        data, told = as_file(plot, *title_and_description(metadata, vector)), plotter.told(plot)
    make_folder(target.parent)
    write_whole(target, data)
    if told:
        remark(told)
