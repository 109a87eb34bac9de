"""Sheets of pictures with a caption above each column, and what can be wrong with a sheet."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_portrait.errors import SettingError
from keras_portrait.inference.imaging import MAX_PIXELS, WRITABLE_SUFFIXES, grid

# Pixels between cells, height of the line of captions, and of their letters.
GAP, HEADER, LETTERS = 4, 24, 14


def check_output(path: Path) -> None:
    """Refuses, before anything is drawn, a file name that no picture can be written to.

    Raises:
        SettingError: its suffix is not that of a picture.
    """
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise SettingError(f"-o must be a {' or '.join(WRITABLE_SUFFIXES)} file. Received: {path}")


def check_sheet(columns: int, rows: int, side: int) -> None:
    """Refuses a sheet that would be too large to be read again.

    Args:
        columns: cells in a row.
        rows: cells in a column.
        side: height and width of a cell in pixels.

    Raises:
        SettingError: it has more than `imaging.MAX_PIXELS` pixels.
    """
    if columns * rows * (side + GAP) ** 2 > MAX_PIXELS:
        raise SettingError(
            f"The sheet is too large. Expected at most {MAX_PIXELS // 1_000_000} million pixels. "
            f"Received: {columns} x {rows} pictures of {side} x {side} pixels"
        )


def captioned_grid(images: list[np.ndarray], captions: list[str]) -> np.ndarray:
    """Lays pictures out with a column for each caption.

    Args:
        images: uint8 (H, W), (H, W, 1) or (H, W, 3), row by row, all of one height and width.
        captions: one for each column; what does not fit above its column is cut off.

    Returns:
        uint8 RGB.
    """
    sheet = grid(images, len(captions), GAP)
    width = (sheet.shape[1] + GAP) // len(captions)
    line = Image.new("RGB", (sheet.shape[1], HEADER), "white")
    pen, font = ImageDraw.Draw(line), ImageFont.load_default(LETTERS)
    for index, caption in enumerate(captions):
        middle = (index * width + (width - GAP) / 2, HEADER / 2)
        pen.text(middle, _fitted(caption, width - GAP, font), "black", font, anchor="mm")
    return np.concatenate([np.asarray(line), sheet])


def _fitted(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."
