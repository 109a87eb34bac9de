"""The losses of a training, epoch by epoch: as lines of JSON, and as what is made of them."""

import json
import sys
import time
from pathlib import Path

import keras

from keras_portrait.errors import InputError, PortraitError
from keras_portrait.files import write_whole
from keras_portrait.training import run_page as report


class LossLog(keras.callbacks.Callback):
    """Appends a line of JSON for each epoch.

    A line holds the phase, the epoch, the steps done by then, over how many of them its losses are
    means, its seconds, the time that loading data took as a share of them, and the losses. Under
    TensorFlow data are loaded beside the steps, which wait for them only where it comes near 1.

    Args:
        path: the `.jsonl` file.
        phase: name of the phase of training.
        steps_per_epoch: int.
        start: steps that a former start has taken; its lines after that are taken out, since these
            epochs come again.
        batches: what makes the batches; `seconds` is the time that it took so far.
    """

    def __init__(self, path: Path, phase: str, steps_per_epoch: int, start: int, batches):
        super().__init__()
        self.path = path
        self.phase = phase
        self.steps_per_epoch = steps_per_epoch
        self.step = start
        self.batches = batches

    def on_train_begin(self, logs=None):
        """Takes out the lines of epochs that come again."""
        rows = report.read_losses(self.path.parent) if self.path.exists() else []
        kept = [row for row in rows if row["phase"] != self.phase or row["step"] <= self.step]
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept).encode())

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clocks."""
        self.started = time.perf_counter()
        self.loading = self.batches.seconds

    def on_epoch_end(self, epoch, logs=None):
        """Writes the line."""
        done = (epoch + 1) * self.steps_per_epoch
        seconds = time.perf_counter() - self.started
        row = {
            "phase": self.phase,
            "epoch": epoch + 1,
            "step": done,
            "steps": done - self.step,
            "seconds": round(seconds, 2),
            "loading_share": round((self.batches.seconds - self.loading) / seconds, 4),
            **{name: float(f"{float(value):.6g}") for name, value in _terms(logs, self.model)},
        }
        self.step = done
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise InputError(
                f"Cannot write the losses ({error.strerror}). Received: {self.path}"
            ) from error


class RunPage(keras.callbacks.Callback):
    """Makes `losses.csv`, `losses.png` and the run's page again after every epoch.

    They are views of what is kept elsewhere: where they cannot be made, the training goes on.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def on_train_begin(self, logs=None):
        """Makes the page of a training that has just begun, to be opened and reloaded."""
        self._write(report.write_run_page)

    def on_epoch_end(self, epoch, logs=None):
        """Makes all three."""
        self._write(report.write_csv, report.write_curves, report.write_run_page)

    def _write(self, *writers):
        try:
            for write in writers:
                write(self.folder)
        except PortraitError as error:
            print(f"The run's page is not up to date: {error}", file=sys.stderr)


class TensorBoardLog(keras.callbacks.Callback):
    """Writes the losses of every epoch for TensorBoard, whatever the Keras backend.

    The callback of Keras would need TensorFlow for it. A view like the page: where it cannot be
    written, the training goes on.

    Args:
        folder: where its files go.
        steps_per_epoch: int.
    """

    def __init__(self, folder: Path, steps_per_epoch: int):
        super().__init__()
        self.folder = folder
        self.steps_per_epoch = steps_per_epoch

    def on_train_begin(self, logs=None):
        """Opens a file of events beside those of former starts."""
        self.writer = None
        try:
            from tensorboard.summary import Writer

            self.writer = Writer(str(self.folder))
        except Exception as error:  # with TensorFlow installed it raises TensorFlow's own
            self._give_up(error)

    def on_epoch_end(self, epoch, logs=None):
        """Writes one value for each loss."""
        if self.writer is None:
            return
        try:
            for name, value in _terms(logs, self.model):
                self.writer.add_scalar(name, float(value), step=(epoch + 1) * self.steps_per_epoch)
            self.writer.flush()
        except Exception as error:
            self._give_up(error)

    def on_train_end(self, logs=None):
        """Closes the file."""
        if self.writer is not None:
            try:
                self.writer.close()
            except Exception as error:
                self._give_up(error)

    def _give_up(self, error):
        self.writer = None
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(f"No more files for TensorBoard: {reason}", file=sys.stderr)


def _terms(logs, model):
    """The losses of an epoch by name; of several not their sum, which is for Keras's callbacks."""
    several = hasattr(model, "loss_names")
    sums = ("loss", "val_loss") if several else ()
    return [(name, value) for name, value in (logs or {}).items() if name not in sums]
