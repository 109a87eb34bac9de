"""Transposed convolutions as convolutions: what older runtimes have, and as fast or faster.

tflite-runtime 2.14 has no TRANSPOSE_CONV with 8-bit weights on float data, but CONV_2D of that
kind. The generator of the preset `avatars` takes as long as before with 8-bit weights, and 1.3
instead of 3.2 ms in float.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_portrait.training.stored_kernels import subpixel_form, widen


class SubpixelConv2DTranspose(layers.Layer):
    """A transposed convolution as a convolution whose channels become the pixels between.

    A pixel of the result sees few of the given ones; which ones depends on its place in a square of
    `stride` pixels. Each place is a channel of its own, and DEPTH_TO_SPACE puts it there.

    Args:
        filters: int, channels of the result.
        side: int, height and width of the kernel.
        stride: int, at most `side`.
        padding: `"valid"` or `"same"`.
        activation: as Keras takes it.
    """

    def __init__(self, filters, side, stride, padding, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.side = side
        self.stride = stride
        self.padding = padding
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        """Chooses the form, what is added around the picture, and what is cut off the result."""
        height, width, channels = input_shape[1:]
        one_pixel = height == width == 1
        self.form = subpixel_form(self.side, self.stride, self.padding, one_pixel)
        square, taps, shift, before = self.form
        lost = self.side - square if self.padding == "same" else 0
        skipped, first = divmod(before + shift, square)
        around, cut = [], []
        for length in (height, width):
            made = (length - 1) * square + self.side - lost
            squares = -(-(first + made) // square)
            around.append((taps - 1 - skipped, squares - length + skipped))
            cut.append((first, squares * square - first - made))
        self.pad = layers.ZeroPadding2D(around) if np.any(around) else None
        self.crop = layers.Cropping2D(cut) if np.any(cut) else None
        self.convolution = layers.Conv2D(square**2 * self.filters, taps)
        self.convolution.build((1, None, None, channels))
        self.built = True

    def set_weights(self, weights):
        """Takes those of the transposed convolution, (side, side, filters, C) and (filters,)."""
        kernel, *bias = weights
        bias = bias[0] if bias else np.zeros(self.filters, np.float32)
        wide = widen(kernel, self.form)
        self.convolution.set_weights([wide, np.tile(bias, self.form.square**2)])

    def call(self, inputs):
        """Float (1, H, W, C) to (1, h, w, filters), of the size of the transposed convolution."""
        x = self.convolution(inputs if self.pad is None else self.pad(inputs))
        if self.form.square > 1:
            x = tf.nn.depth_to_space(x, self.form.square)
        return self.activation(x if self.crop is None else self.crop(x))
