"""`portrait compare`: the same photos, drawn with several presets."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.cli.generators import open_generator
from keras_portrait.errors import PortraitError, SettingError
from keras_portrait.terminal import remark, tell


@dataclass(frozen=True)
class _Column:
    given: str
    caption: str
    stylizer: object
    style: str | None


def compare(
    presets: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Names from `portrait presets`, presets' folders, model files or addresses, or "
            "run folders. A:STYLE is another style than the first, by name or index.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help="The sheet: a .png or .jpg file."),
    ],
    photos: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PHOTO",
            help="Photos; the largest face is drawn. Without any, what an imported preset was "
            "recorded with is drawn.",
        ),
    ] = None,
) -> None:
    """Draw photos with several presets, on one sheet: a row for each photo.

    Without photos the original of an imported preset stands beside the presets, with how far they
    are from it.
    """
    from keras_portrait.cli.photo_jobs import refuse_overwriting
    from keras_portrait.inference.sheets import check_output

    check_output(output)
    for photo in photos or ():
        refuse_overwriting(output, photo)
    columns = _open_columns(presets)
    if photos:
        _compare_photos(photos, columns, output)
    else:
        _compare_recorded(columns, output)


def _compare_recorded(columns: list[_Column], output: Path) -> None:
    from keras_portrait.cli.recorded import draw_recorded

    sheet = draw_recorded(columns)
    _write(output, sheet.cells, sheet.captions)
    for line in sheet.lines:
        tell(line)
    tell(output)


def _compare_photos(photos: list[Path], columns: list[_Column], output: Path) -> None:
    from keras_portrait.inference.sheets import check_sheet
    from keras_portrait.inference.skipped import Skipped

    side = max(column.stylizer.metadata.size for column in columns)
    check_sheet(len(columns) + 1, len(photos), side)
    cells, skipped = [], Skipped()
    for photo in photos:
        try:
            cells += _draw_row(photo, columns, side)
        except PortraitError as error:
            skipped.add(error)
    skipped.tell_shared()
    if skipped.count:
        remark(f"{skipped.count} of {len(photos)} pictures could not be drawn")
    if cells:
        _write(output, cells, ["photo", *(column.caption for column in columns)])
        tell(output)
    if skipped.count:
        raise typer.Exit(2)


def _write(output: Path, cells: list, captions: list[str]) -> None:
    from keras_portrait.files import make_folder
    from keras_portrait.inference.imaging import write_image
    from keras_portrait.inference.sheets import captioned_grid

    make_folder(output.parent)
    write_image(output, captioned_grid(cells, captions))


def _open_columns(presets: str) -> list[_Column]:
    from keras_portrait.inference.style import style_vector
    from keras_portrait.inference.stylizer import Stylizer

    loaded, columns = {}, []
    for given in presets.split(","):
        name, style = _parted(given.strip())
        if not name:
            raise SettingError(f"--presets: expected A,B,C. Received: {presets!r}")
        if name not in loaded:
            loaded[name] = Stylizer(open_generator(name))
        metadata = loaded[name].metadata
        chosen = metadata.styles[style_vector(style, metadata.styles).argmax()]
        caption = f"{metadata.name}, {chosen}" if len(metadata.styles) > 1 else metadata.name
        columns.append(_Column(name, caption, loaded[name], style))
    return columns


def _parted(given: str) -> tuple[str, str | None]:
    """A preset and the style that is asked for behind a colon, or None."""
    from keras_portrait.inference.addresses.address import is_address
    from keras_portrait.inference.presets import list_presets

    name, colon, style = given.rpartition(":")
    # An address has colons of its own, before a slash or a port.
    is_whole = is_address(given) and "/" in style
    if not colon or is_whole or given in list_presets() or os.path.exists(given):
        return given, None
    return name, style


def _draw_row(photo: Path, columns: list[_Column], side: int) -> list:
    """The aligned face in the photo and what each preset makes of it, uint8 squares of `side`."""
    from keras_portrait.inference.geometry import square_to_photo, warp
    from keras_portrait.inference.imaging import enlarge_drawing, read_image, resize

    picture = read_image(photo)
    face = columns[0].stylizer.largest_face(picture, str(photo))
    cells = [warp(picture, square_to_photo(face.landmarks, side), side)]
    for column in columns:
        drawing = column.stylizer.draw_face(picture, face, column.style)
        enlarge = enlarge_drawing if drawing.ndim == 2 else resize
        cells.append(enlarge(drawing, side, side))
    return cells
