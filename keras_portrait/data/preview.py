"""`preview.png`: a sheet by which a person judges prepared data at a glance."""

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.data.manifest import Row
from keras_portrait.imaging import grid, read_image, resize, write_image

NAME = "preview.png"
COLUMNS = 8
_CELL = 192
# Outlines of the masks of the eyes, the nose and the lips, RGB.
_COLOURS = ((220, 40, 40), (30, 150, 60), (40, 80, 230))


def write_preview(folder: Path, rows: list[Row]) -> None:
    """Writes two rows of pictures for the photos and for each style: plain, and with masks.

    The sample depends on the names alone: the same data gives the same sheet.

    Args:
        folder: the data folder.
        rows: its manifest.
    """
    cells = []
    groups = sorted({(row.kind != "photo", row.style or "") for row in rows if row.kept})
    for is_drawing, style in groups:
        members = [
            row
            for row in rows
            if row.kept and (row.kind != "photo") == is_drawing and (row.style or "") == style
        ]
        members = sorted(members, key=_lot)[:COLUMNS]
        pictures = [resize(read_image(folder / row.file), _CELL, _CELL) for row in members]
        masks = [resize(read_image(folder / row.mask), _CELL, _CELL) for row in members]
        outlined = [_outline(*pair) for pair in zip(pictures, masks, strict=True)]
        blank = [np.full((_CELL, _CELL, 3), 255, np.uint8)] * (COLUMNS - len(members))
        cells += [*pictures, *blank, *outlined, *blank]
    if cells:
        write_image(folder / NAME, grid(cells, COLUMNS, fill=128))


def _lot(row: Row) -> bytes:
    return hashlib.sha256(os.fsencode(f"preview {row.source}")).digest()


def _outline(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    picture = picture.copy()
    for channel, colour in enumerate(_COLOURS):
        inside = np.ascontiguousarray(mask[..., channel] > 127).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, colour, 1)
    return picture
