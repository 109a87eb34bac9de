"""What happens between the epochs: progress, losses, pictures, checkpoints."""

import json
import os
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_portrait.imaging import from_signed, grid, write_image
from keras_portrait.run_folder import checkpoints

# Checkpoints that stay: the newest, and the one before it.
KEPT = 2


class Progress(keras.callbacks.Callback):
    """Tells the model how far the training is, 0 at the first epoch.

    Args:
        epochs: int, N of the paper's schedule; epoch i of 0..N-1 has progress i / N.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the progress for the epoch."""
        self.model.progress.assign(epoch / self.epochs)


class LossLog(keras.callbacks.Callback):
    """Appends a line of JSON for each epoch: phase, epoch, steps done, seconds, losses.

    Args:
        path: the `.jsonl` file.
        phase: name of the phase of training.
        steps_per_epoch: int.
    """

    def __init__(self, path: Path, phase: str, steps_per_epoch: int):
        super().__init__()
        self.path = path
        self.phase = phase
        self.steps_per_epoch = steps_per_epoch

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the line."""
        row = {
            "phase": self.phase,
            "epoch": epoch + 1,
            "step": (epoch + 1) * self.steps_per_epoch,
            "seconds": round(time.perf_counter() - self.started, 2),
            **{name: float(f"{float(value):.6g}") for name, value in (logs or {}).items()},
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


class SampleGrid(keras.callbacks.Callback):
    """Writes the same photos and what the model makes of them, before step 0 and after every epoch.

    Args:
        folder: run folder; pictures go to its `samples/`.
        batch: the fixed batch, see `PortraitBatches.fixed`.
    """

    def __init__(self, folder: Path, batch: dict):
        super().__init__()
        self.folder = folder / "samples"
        self.batch = batch

    def on_train_begin(self, logs=None):
        """Writes the grid from before the first step, once."""
        if not (self.folder / "epoch-0000.png").exists():
            self._write(0)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the grid of the epoch."""
        self._write(epoch + 1)

    def _write(self, epoch):
        count = len(self.batch["photo"])
        rows = []
        for index in range(count):
            one = {name: value[index : index + 1] for name, value in self.batch.items()}
            pictures = self.model.visuals(one).values()
            rows += [_displayed(ops.convert_to_numpy(picture)[0]) for picture in pictures]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_image(self.folder / f"epoch-{epoch:04d}.png", grid(rows, columns=len(rows) // count))


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole state after every epoch, each file complete or absent.

    Args:
        folder: run folder. `checkpoint-NNNN.weights.h5` holds everything that a restart needs;
            `generator.keras` is the averaged generator, ready for export.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def on_train_begin(self, logs=None):
        """Saves the start, so that a restart does not repeat the warm start."""
        if not checkpoints(self.folder):
            self.save(0)

    def on_epoch_end(self, epoch, logs=None):
        """Saves the epoch and forgets the oldest one."""
        self.save(epoch + 1)

    def save(self, epoch: int):
        """Writes the state as that of a number of finished epochs."""
        # The checkpoint last: it says that the epoch is finished.
        _replace(self.folder / "generator.keras", self.model.averaged_generator.save)
        _replace(self.folder / f"checkpoint-{epoch:04d}.weights.h5", self.model.save_weights)
        for _, path in checkpoints(self.folder)[:-KEPT]:
            path.unlink()


def _replace(path, save):
    # Keras looks at the whole suffix, so the mark of an unfinished file goes in front.
    part = path.with_name(f"part-{path.name}")
    save(part)
    os.replace(part, path)


def _displayed(picture):
    picture = from_signed(picture)
    return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture
