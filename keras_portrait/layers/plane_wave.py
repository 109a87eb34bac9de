"""A constant pattern that tells a convolution where in the picture it is."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="keras_portrait")
class PlaneWave(keras.layers.Layer):
    """Appends the cosine and the sine of a plane wave to the channels of a picture.

    Their phase in row y and column x is 2 pi (3 y + x) / `period`: the wave of the filter
    `engraving`, whose lines no network could place that sees the photo alone. It repeats after
    `period` pixels in both directions, so crops whose corners are multiples of it see the same.

    Called on float (N, H, W, C) it returns float (N, H, W, C + 2).

    Args:
        period: int, pixels of the picture after which the wave repeats; 16 suits squares of 512
            pixels.
        step: int, pixels of the picture from one of the features to the next: 2 where they are at
            half of its size. Each sees the wave at the first of its pixels.
    """

    def __init__(self, period: int = 16, step: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.period = period
        self.step = step

    def call(self, inputs):
        batch, height, width, _ = ops.shape(inputs)
        place = wave_place(ops.arange(height), ops.arange(width), self.period, self.step)
        wave = ops.take(ops.convert_to_tensor(wave_table(self.period)), place, axis=0)
        wave = ops.broadcast_to(ops.cast(wave, inputs.dtype)[None], (batch, height, width, 2))
        return ops.concatenate([inputs, wave], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 2)

    def get_config(self):
        return {**super().get_config(), "period": self.period, "step": self.step}


def wave_place(rows, columns, period: int, step: int = 1):
    """Where in its period the plane wave is, for whole rows (H,) and columns (W,): (H, W)."""
    return step * (3 * rows[:, None] + columns[None]) % period


def wave_table(period: int) -> np.ndarray:
    """Cosine and sine of the plane wave at each place of its period, float32 (period, 2)."""
    angle = 2 * np.pi * np.arange(period) / period
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)
