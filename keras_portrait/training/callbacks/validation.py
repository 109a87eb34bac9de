"""Pictures that were held back, scored after every epoch: which epoch was the best?"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_portrait.files import write_whole
from keras_portrait.training.callbacks.state import save_network


class Validation(keras.callbacks.Callback):
    """Scores every epoch, and keeps the generator of the best one.

    The scores are added to the losses of the epoch, by names that begin with `val_`.

    Args:
        folder: run folder; the best generator becomes its `best.keras`, the scores `best.json`.
        scorer: one of `training.scorers`; the least value of its `best_by` is the best.
    """

    def __init__(self, folder: Path, scorer: Callable[[keras.Model], dict[str, float]]):
        super().__init__()
        self.folder = folder
        self.scorer = scorer
        self.best_by = f"val_{scorer.best_by}"
        self.best = np.inf

    def on_train_begin(self, logs=None):
        """Reads the best score so far."""
        self.best = np.inf
        # Without a readable one the next epoch is the best so far.
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            self.best = float(json.loads((self.folder / "best.json").read_bytes())[self.best_by])

    def on_epoch_end(self, epoch, logs=None):
        """Scores, and keeps the generator if it is the best so far."""
        values = {f"val_{name}": value for name, value in self.scorer(self.model).items()}
        logs.update(values)
        if values[self.best_by] < self.best:
            self.best = values[self.best_by]
            save_network(self.model.averaged_generator, self.folder / "best.keras")
            text = json.dumps({"epoch": epoch + 1, **values}, indent=1)
            write_whole(self.folder / "best.json", text.encode())
