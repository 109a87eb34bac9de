"""How the same pictures changed over a training: a column for each of some epochs."""

import contextlib
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import grid, read_image, write_image

NAME = "progress.png"
# As the report "Generating Anime Avatars Using GAN" shows its DCGAN: ten columns, six rows.
COLUMNS, ROWS = 10, 6
# Pixels between the cells of a sample grid, and height of the line of epochs.
GAP, HEADER = 4, 20


def write_progress_sheet(folder: str | Path) -> Path | None:
    """Writes `progress.png`: rows are the same inputs, columns epochs, evenly spread.

    Grids that cannot be read, or that are not as large as the newest, are left out.

    Args:
        folder: the run folder. Of its `samples/`, grids of pictures out of nothing give the first
            row, others the first column that is the generator's, beside the input.

    Returns:
        The path of the sheet; None where there is nothing to show yet.

    Raises:
        InputError: the captions of the grids cannot be read, or the sheet not be written.
    """
    samples = Path(folder) / "samples"
    grids = _read_grids(samples)
    if not grids:
        return None
    captions = _read_captions(samples / "columns.json")
    columns = [_cells(picture, captions) for picture in grids.values()]
    titles = [str(epoch) for epoch in grids]
    if any(captions):
        newest = list(grids.values())[-1]
        columns.insert(0, [row[0] for row in _rows(newest, len(captions))])
        titles.insert(0, captions[0])
    cells = [column[row] for row in range(min(ROWS, len(columns[0]))) for column in columns]
    path = Path(folder) / NAME
    write_image(path, _titled(grid(cells, len(columns), GAP), titles))
    return path


def newest_grid(folder: str | Path) -> np.ndarray | None:
    """The sample grid of a run's last epoch, with the captions of its columns.

    Args:
        folder: the run folder.

    Returns:
        uint8 RGB; None where there is no grid yet.

    Raises:
        InputError: the captions of the grids cannot be read.
    """
    samples = Path(folder) / "samples"
    grids = _read_grids(samples)
    if not grids:
        return None
    captions = _read_captions(samples / "columns.json")
    newest = list(grids.values())[-1]
    return _titled(newest, captions) if any(captions) else newest


def _read_grids(samples):
    """The grids of some epochs after the start, in order; evenly over those that are there."""
    found = {}
    for path in samples.glob("epoch-*.png"):
        if number := re.fullmatch(r"epoch-(\d+)\.png", path.name, re.ASCII):
            found[int(number[1])] = path
    trained = sorted(epoch for epoch in found if epoch > 0)
    grids = {}
    for index in np.linspace(0, len(trained) - 1, min(COLUMNS, len(trained))):
        epoch = trained[round(index)]
        with contextlib.suppress(InputError):  # one broken picture must not cost the sheet
            grids[epoch] = read_image(found[epoch])
    shape = list(grids.values())[-1].shape if grids else None
    return {epoch: picture for epoch, picture in grids.items() if picture.shape == shape}


def _read_captions(path):
    try:
        captions = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected captions of columns. Received: {error}") from None
    if not isinstance(captions, list) or not captions:
        raise InputError(f"{path}: expected captions of columns. Received: {captions}")
    return [str(caption) for caption in captions]


def _cells(picture, captions):
    rows = _rows(picture, len(captions))
    return [row[1] for row in rows] if any(captions) else rows[0]


def _rows(picture, columns):
    """The square cells of a grid, row by row."""
    side = (picture.shape[1] + GAP) // columns - GAP
    count = (picture.shape[0] + GAP) // (side + GAP)
    step = side + GAP
    return [
        [picture[r * step : r * step + side, c * step : c * step + side] for c in range(columns)]
        for r in range(count)
    ]


def _titled(sheet, titles):
    """The sheet with a line of titles above its columns."""
    width = (sheet.shape[1] + GAP) / len(titles)
    line = Image.new("RGB", (sheet.shape[1], HEADER), "white")
    pen = ImageDraw.Draw(line)
    for index, title in enumerate(titles):
        middle = ((index + 0.5) * width - GAP / 2, HEADER / 2)
        pen.text(middle, title, "black", ImageFont.load_default(12), anchor="mm")
    return np.concatenate([np.asarray(line), sheet])
