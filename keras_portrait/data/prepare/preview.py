"""`preview.png`: a sheet by which a person judges prepared data at a glance."""

import hashlib
import heapq
import os
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.data.manifest import KINDS, Row
from keras_portrait.inference.imaging import grid, read_image, resize, write_image

NAME = "preview.png"
COLUMNS = 8
# With more labels than this the avatars are one group, of which there are so many on the sheet.
LABELS = 8
AVATARS = 3 * COLUMNS
_CELL = 192
# Outlines of the masks of the eyes, the nose and the lips, RGB.
_COLOURS = ((220, 40, 40), (30, 150, 60), (40, 80, 230))


def write_preview(folder: Path, rows: list[Row], edge_promote: bool = False) -> None:
    """Writes rows of pictures for the photos, each style of drawings and each label of avatars.

    Beneath each row the same pictures follow with their masks and edge-promoted, where they have
    masks and twins. The sample depends on the names alone: the same data gives the same sheet.

    Args:
        folder: the data folder.
        rows: its manifest.
        edge_promote: whether avatars and drawings have edge-promoted twins.
    """
    kept = [row for row in rows if row.kept]
    parted = 1 < len({row.style for row in kept if row.kind == "avatar"}) <= LABELS
    groups = defaultdict(list)
    for row in kept:
        tag = row.style if row.kind == "drawing" or parted else None
        groups[KINDS.index(row.kind), tag or ""].append(row)
    cells = []
    for (kind, _), members in sorted(groups.items()):
        count = COLUMNS if parted or KINDS[kind] != "avatar" else AVATARS
        chosen = heapq.nsmallest(count, members, key=_lot)
        for start in range(0, len(chosen), COLUMNS):
            cells += _lines(folder, chosen[start : start + COLUMNS], edge_promote)
    if cells:
        write_image(folder / NAME, grid(cells, COLUMNS, fill=128))


def _lines(folder: Path, rows: list[Row], edge_promote: bool) -> list[np.ndarray]:
    """A line of pictures, and below it lines of their masks and of their twins if they have any."""
    pictures = [_read(folder / row.file) for row in rows]
    lines = [pictures]
    if rows[0].mask is not None:
        masks = [_read(folder / row.mask) for row in rows]
        lines.append([_outline(*pair) for pair in zip(pictures, masks, strict=True)])
    if edge_promote and rows[0].smooth is not None:
        lines.append([_read(folder / row.smooth) for row in rows])
    blank = [np.full((_CELL, _CELL, 3), 255, np.uint8)] * (COLUMNS - len(rows))
    return [cell for line in lines for cell in (*line, *blank)]


def _read(path: Path) -> np.ndarray:
    return resize(read_image(path), _CELL, _CELL)


def _lot(row: Row) -> bytes:
    return hashlib.sha256(os.fsencode(f"preview {row.source}")).digest()


def _outline(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    picture = picture.copy()
    for channel, colour in enumerate(_COLOURS):
        inside = np.ascontiguousarray(mask[..., channel] > 127).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, colour, 1)
    return picture
