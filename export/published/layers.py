"""A layer that published networks hold and those of this project do not."""

import keras
import tensorflow as tf


class CornerUpSampling2D(keras.layers.Layer):
    """Bilinear enlargement that keeps the centres of the four corner pixels where they are.

    PyTorch calls it `align_corners=True`; `keras.layers.UpSampling2D` keeps the pixels' edges
    instead.

    Args:
        factor: int, how many times wider and higher the picture becomes.
    """

    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        """Float (N, H, W, C) to (N, factor H, factor W, C)."""
        size = self.factor * tf.shape(inputs)[1:3]
        if None not in inputs.shape[1:3]:
            size = [self.factor * length for length in inputs.shape[1:3]]
        return tf.compat.v1.image.resize_bilinear(inputs, size, align_corners=True)

    def compute_output_shape(self, input_shape):
        """The shape, None where it is open."""
        batch, *plane, channels = input_shape
        return (batch, *(side and self.factor * side for side in plane), channels)

    def get_config(self):
        """The layer's arguments."""
        return {**super().get_config(), "factor": self.factor}
