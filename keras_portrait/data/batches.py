"""Batches that are a function of the seed and the number of the step, for any Keras backend."""

import functools
import time
from collections.abc import Iterator

import keras
import numpy as np

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

    def stream(self, start: int = 0) -> Iterator[tuple[dict[str, np.ndarray]]]:
        """Batches without end, from step `start` on; each in a tuple of one, as `fit` asks."""
        step = start
        while True:
            started = time.perf_counter()
            try:
                batch = self.batch(step)
            except PortraitError as error:
                # It is raised in a thread of the backend, which would report it as its own.
                self.failure = error
                raise
            self.seconds += time.perf_counter() - started
            yield (batch,)
            step += 1

    def for_fit(self, start: int = 0):
        """What `fit` of the present Keras backend takes in order, from step `start` on.

        On several devices Keras reads a first batch to build the model and then starts again: a
        dataset starts at the same step again, a generator would have lost that batch.
        """
        if keras.backend.backend() != "tensorflow":
            return self.stream(start)
        import tensorflow as tf

        signature = {
            name: tf.TensorSpec((None, *array.shape[1:]), array.dtype)
            for name, array in self.batch(start).items()
        }
        dataset = tf.data.Dataset.from_generator(
            lambda: self.stream(start), output_signature=(signature,)
        )
        return dataset.prefetch(tf.data.AUTOTUNE)


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


# A batch lies in one pass of each set, or in two neighbouring ones.
@functools.lru_cache(maxsize=16)
def _order(seed, turn, purpose, count):
    return np.random.default_rng((seed, turn, *purpose)).permutation(count)
