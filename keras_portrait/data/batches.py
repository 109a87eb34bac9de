"""Batches that are a function of the seed and the number of the step, for any Keras backend."""

import functools
import itertools
import time
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from keras_portrait.data.manifest import Row
from keras_portrait.data.prefetch import batches_ahead, usable_processes
from keras_portrait.data.shards.reader import ShardRows
from keras_portrait.errors import PortraitError


class Batches:
    """Hands batches to `fit`. A kind of training data says in `batch` what one holds.

    A training that is resumed at a step sees what it would have seen. Plain NumPy: the same
    batches feed either Keras backend.

    Args:
        seed: int.

    Attributes:
        failure: the error that ended `stream`, or None.
        seconds: time spent on making batches.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.failure = None
        self.seconds = 0.0

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step, counted from 0 over all epochs; arrays (N, ...) by name."""
        raise TypeError(f"{type(self).__name__} must say what a batch holds.")

    def part(self, step: int, places: range) -> dict[str, np.ndarray]:
        """What lies at some places of the batch of a step, which follow each other."""
        return {name: array[places.start : places.stop] for name, array in self.batch(step).items()}

    def stream(self, start: int = 0) -> Iterator[tuple[dict[str, np.ndarray]]]:
        """Batches without end, from step `start` on; each in a tuple of one, as `fit` asks."""
        return self._noted(self.batch(step) for step in itertools.count(start))

    def _noted(self, made):
        """Hands batches on, and notes what was waited for them and what went wrong."""
        while True:
            started = time.perf_counter()
            try:
                batch = next(made)
            except PortraitError as error:
                # It is raised in a thread of the backend, which would report it as its own.
                self.failure = error
                raise
            self.seconds += time.perf_counter() - started
            yield (batch,)

    def _parts(self, start, size, places):
        """Parts of `size` pictures of each batch, those at some places among them."""
        parts = [range(place * size, (place + 1) * size) for place in places]
        return self._noted(
            self.part(step, part) for step in itertools.count(start) for part in parts
        )

    def for_fit(self, start: int = 0, places: Sequence[int] = (0,), devices: int = 1):
        """What `fit` of the present Keras backend takes in order, from step `start` on.

        Args:
            start: the step.
            places: which parts of each batch are wanted, one after the other. The default is the
                whole batch.
            devices: in how many equal parts a batch is cut.

        On several devices Keras reads a first batch to build the model and then starts again: a
        dataset starts at the same step again, a generator would have lost that batch.
        """
        if keras.backend.backend() != "tensorflow":
            # TensorFlow is the backend for CPUs; another one has a GPU to feed.
            if (processes := usable_processes()) < 2:
                return self.stream(start)
            return self._noted(batches_ahead(self, start, processes))
        import tensorflow as tf

        batch = self.batch(start)
        size = len(next(iter(batch.values()))) // devices
        signature = {
            name: tf.TensorSpec((size, *array.shape[1:]), array.dtype)
            for name, array in batch.items()
        }
        dataset = tf.data.Dataset.from_generator(
            lambda: self._parts(start, size, places), output_signature=(signature,)
        )
        return dataset.prefetch(tf.data.AUTOTUNE)


def stacked(samples: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Samples, arrays by name, as one batch: each name's arrays stacked along a new first axis."""
    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def shuffled_index(seed: int, count: int, number: int, *purpose: int) -> int:
    """Which of `count` pictures is the `number`-th, where each comes once in every shuffled pass.

    Args:
        seed: of the training.
        count: how many pictures there are.
        number: counted from 0 over all passes.
        purpose: one or more numbers that part this order from others of the seed; the last is not
            0, since NumPy fills seeds up with zeros and (seed, turn, 0) would be a step's own.
    """
    turn, index = divmod(number, count)
    return _order(seed, turn, purpose, count)[index]


def shuffled_row(rows: Sequence[Row], seed: int, number: int, *purpose: int) -> Row:
    """The `number`-th row of a set, where each comes once in every shuffled pass.

    Rows in a list are shuffled all together, samples of shards as `WindowedOrder` says.

    Args:
        rows: one or more.
        seed: of the training.
        number: counted from 0 over all passes.
        purpose: as for `shuffled_index`.
    """
    if isinstance(rows, ShardRows):
        return rows.shuffled(seed, number, *purpose)
    return rows[shuffled_index(seed, len(rows), number, *purpose)]


# A batch lies in one pass of each set, or in two neighbouring ones.
@functools.lru_cache(maxsize=16)
def _order(seed, turn, purpose, count):
    return np.random.default_rng((seed, turn, *purpose)).permutation(count)
