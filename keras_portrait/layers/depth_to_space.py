"""Channels that become pixels: upsampling without a transposed convolution."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_portrait")
class DepthToSpace(keras.layers.Layer):
    """Lays the channels of each pixel out as a square of `factor` x `factor` pixels.

    Channel `(i * factor + j) * C + c` becomes channel `c` of the pixel in row `i` and column `j` of
    that square, the order of `tf.nn.depth_to_space`.

    Called on float (N, H, W, factor^2 C) it returns float (N, factor H, factor W, C).

    Args:
        factor: int, how many times wider and higher the image becomes.

    Reference:
        Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
        Convolutional Neural Network", CVPR 2016.
    """

    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        if input_shape[-1] % self.factor**2:
            raise ValueError(
                f"Expected a number of channels that {self.factor**2} divides. "
                f"Received: {input_shape[-1]}"
            )
        self.built = True

    def call(self, inputs):
        factor = self.factor
        batch, height, width, channels = ops.shape(inputs)
        channels //= factor**2
        x = ops.reshape(inputs, (batch, height, width, factor, factor, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (batch, height * factor, width * factor, channels))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (
            batch,
            None if height is None else height * self.factor,
            None if width is None else width * self.factor,
            channels // self.factor**2,
        )

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
