"""A constant pattern that tells a convolution where in the picture it is."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_portrait")
class PlaneWave(keras.layers.Layer):
    """Appends the cosine and the sine of a plane wave to the channels of a picture.

    Their phase in row y and column x is 2 pi (3 y + x) / `period`: the wave of the filter
    `engraving`, whose lines no network could place that sees the photo alone. It repeats after
    `period` pixels in both directions, so crops whose corners are multiples of it see the same.

    Called on float (N, H, W, C) it returns float (N, H, W, C + 2).

    Args:
        period: int, pixels after which the wave repeats; 16 suits squares of 512 pixels.
    """

    def __init__(self, period: int = 16, **kwargs):
        super().__init__(**kwargs)
        self.period = period

    def call(self, inputs):
        batch, height, width, _ = ops.shape(inputs)
        # Whole numbers below the period: the angles are exact, however large the picture is.
        place = (3 * ops.arange(height)[:, None] + ops.arange(width)[None]) % self.period
        angle = ops.cast(place, "float32") * (2.0 * math.pi / self.period)
        wave = ops.cast(ops.stack([ops.cos(angle), ops.sin(angle)], axis=-1), inputs.dtype)
        wave = ops.broadcast_to(wave[None], (batch, height, width, 2))
        return ops.concatenate([inputs, wave], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 2)

    def get_config(self):
        return {**super().get_config(), "period": self.period}
