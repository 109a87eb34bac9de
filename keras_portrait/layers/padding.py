"""Reflection padding."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_portrait")
class ReflectionPadding2D(keras.layers.Layer):
    """Mirrors the border of an image without repeating the edge pixel.

    Args:
        padding: int, rows and columns added on every side; must be smaller than the image.
    """

    def __init__(self, padding: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs):
        sides = (self.padding, self.padding)
        return ops.pad(inputs, ((0, 0), sides, sides, (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        grow = 2 * self.padding
        return (
            batch,
            None if height is None else height + grow,
            None if width is None else width + grow,
            channels,
        )

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}
