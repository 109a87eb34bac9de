"""The original of an imported preset beside what presets make of the same pictures."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.errors import SettingError


@dataclass(frozen=True)
class RecordedSheet:
    """Pictures and captions of a sheet, and the figures in words.

    Attributes:
        cells: uint8 squares, row by row: what went in, what the original made of it, what each
            preset makes.
        captions: one for each column.
        lines: how far each preset is from the original.
    """

    cells: list[np.ndarray]
    captions: list[str]
    lines: list[str]


def draw_recorded(columns: list) -> RecordedSheet:
    """Draws what the first preset with a recording was recorded with.

    Args:
        columns: of `portrait compare`. One whose style was not asked for and that has as many
            styles as the recording draws in those of the recording.

    Raises:
        SettingError: no preset has a recording.
        InputError: a recording is damaged.
    """
    from keras_portrait.inference.imaging import enlarge_drawing, resize

    pictures = _first_recording(columns)
    side, channels = pictures[0].output.shape[1:]
    rows, differences = [], [[] for _ in columns]
    for picture in pictures:
        row = [picture.square, picture.output]
        for number, column in enumerate(columns):
            made = _draw(column, picture)
            if made.shape == picture.output.shape:
                differences[number].append(np.abs(made.astype(int) - picture.output))
            enlarge = enlarge_drawing if made.shape[-1] == 1 else resize
            row.append(made if len(made) == side else enlarge(made, side, side))
        rows += row
    captions, lines = ["picture", "original"], []
    for column, found in zip(columns, differences, strict=True):
        if not found:
            captions.append(column.caption)
            lines.append(
                f"{column.caption}: not measured, since its pictures are not {side} x {side} x "
                f"{channels} as the original's"
            )
            continue
        mean, most = np.mean(found), np.max(found)
        captions.append(f"{column.caption}: {mean:.2f} off")
        lines.append(
            f"{column.caption}: {mean:.2f} of 255 levels off the original in the mean, {most} at "
            f"most; {len(found)} picture(s)"
        )
    return RecordedSheet(rows, captions, lines)


def _first_recording(columns: list) -> list:
    from keras_portrait.inference.filter_presets import is_filter
    from keras_portrait.inference.presets import find_preset, is_preset
    from keras_portrait.inference.recording import read_recording

    for column in columns:
        if is_filter(column.given) or not is_preset(column.given):
            continue
        folder = Path(find_preset(column.given))
        pictures = read_recording(folder, column.stylizer.metadata) if os.path.isdir(folder) else ()
        if pictures:
            return pictures
    raise SettingError(
        "Nothing to draw. Expected photos, or a preset with a recording, which `portrait-export "
        f"import --recorded` keeps. Received: {', '.join(column.given for column in columns)}"
    )


def _draw(column, picture) -> np.ndarray:
    """What a preset makes of a recorded picture, uint8 (S, S, channels)."""
    from keras_portrait.inference.imaging import resize
    from keras_portrait.inference.style import style_vector

    metadata, square = column.stylizer.metadata, picture.square
    if len(square) != metadata.size:
        square = resize(square, metadata.size, metadata.size)
    same = column.style is None and len(metadata.styles) == picture.style.shape[1]
    style = picture.style if same else style_vector(column.style, metadata.styles)
    return column.stylizer.generator.draw(square, style)
