"""The same pictures after every epoch, so that progress can be seen."""

import json
import math
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_portrait.errors import PortraitError
from keras_portrait.files import make_folder, write_whole
from keras_portrait.inference.imaging import from_signed, grid, write_image
from keras_portrait.training import run_page as report

# Seconds after which the grid from before the first step is shown as far as it is: of untrained
# networks of the papers' sizes a CPU draws one photo in about ten.
FIRST_SECONDS = 30.0


class SampleGrid(keras.callbacks.Callback):
    """Writes what the model makes of the same photos, before step 0 and after every epoch.

    The first grid has fewer rows where drawing them takes long: it shows that the run has begun.

    Args:
        folder: run folder; pictures go to its `samples/`, with `columns.json`, a caption for each
            column; `progress.png` sets epochs side by side.
        batch: the fixed batch: float arrays (N, ...) by name, as `visuals` of the model asks.
    """

    def __init__(self, folder: Path, batch: dict):
        super().__init__()
        self.folder = folder / "samples"
        self.batch = batch

    def on_train_begin(self, logs=None):
        """Writes the grid from before the first step, after a warm start, once."""
        if not (self.folder / "epoch-0000.png").exists():
            self._write(0, FIRST_SECONDS)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the grid of the epoch."""
        self._write(epoch + 1)

    def _write(self, epoch, seconds=math.inf):
        cells, captions, began = [], [], time.perf_counter()
        for index in range(len(next(iter(self.batch.values())))):
            if cells and time.perf_counter() - began >= seconds:
                break
            one = {name: value[index : index + 1] for name, value in self.batch.items()}
            pictures = self.model.visuals(one)
            captions = list(pictures)
            cells += [_displayed(ops.convert_to_numpy(p)[0]) for p in pictures.values()]
        make_folder(self.folder)
        # Pictures out of nothing fill a square; the others have a row for each input.
        alone = len(captions) == 1
        columns = math.ceil(len(cells) ** 0.5) if alone else len(captions)
        captions = [""] * columns if alone else captions
        write_whole(self.folder / "columns.json", json.dumps(captions).encode())
        write_image(self.folder / f"epoch-{epoch:04d}.png", grid(cells, columns=columns))
        try:
            report.write_progress_sheet(self.folder.parent)
        except PortraitError as error:  # a view of the grids: the training goes on
            print(f"The progress sheet is not up to date: {error}", file=sys.stderr)


def _displayed(picture):
    picture = from_signed(picture)
    return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture
