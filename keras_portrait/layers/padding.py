"""Reflection padding."""

import keras
from keras import ops

from keras_portrait.layers import step_kernels


@keras.saving.register_keras_serializable(package="keras_portrait")
class ReflectionPadding2D(keras.layers.Layer):
    """Mirrors the border of an image without repeating the edge pixel.

    Args:
        padding: int, rows and columns added on every side, or ((top, bottom), (left, right)); must
            be smaller than the image.
    """

    def __init__(self, padding: "int | tuple[tuple[int, int], tuple[int, int]]" = 1, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    @property
    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((top, bottom), (left, right)) in pixels."""
        if isinstance(self.padding, int):
            return ((self.padding,) * 2,) * 2
        return tuple(tuple(pair) for pair in self.padding)

    def call(self, inputs):
        if step_kernels.in_use():
            return step_kernels.reflect(inputs, self.sides)
        return ops.pad(inputs, ((0, 0), *self.sides, (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape):
        batch, *plane, channels = input_shape
        grown = (
            None if length is None else length + sum(pair)
            for length, pair in zip(plane, self.sides, strict=True)
        )
        return (batch, *grown, channels)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}
