"""Transposed convolutions as convolutions: what older runtimes have, and as fast or faster.

tflite-runtime 2.14 has no TRANSPOSE_CONV with 8-bit weights on float data, but CONV_2D of that
kind. The generator of the preset `avatars` takes as long as before with 8-bit weights, and 1.3
instead of 3.2 ms in float.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers


class SubpixelForm(NamedTuple):
    """How the kernel of a transposed convolution lies in that of a plain one.

    Attributes:
        square: int, side of the square of result pixels that one place of the plain kernel makes.
        taps: int, height and width of the plain kernel.
        shift: int, pixels that the kernel stands from the first of the `taps * square`.
        before: int, pixels that padding takes from the beginning of the whole result.
    """

    square: int
    taps: int
    shift: int
    before: int


def subpixel_form(side: int, stride: int, padding: str, one_pixel: bool = False) -> SubpixelForm:
    """Chooses the form that wastes least.

    Args:
        side: height and width of the kernel.
        stride: at most `side`.
        padding: `"valid"` or `"same"`.
        one_pixel: whether the picture given is one pixel; the result is the kernel then.
    """
    if one_pixel and padding == "valid":
        return SubpixelForm(side, 1, 0, 0)
    taps = -(-side // stride)
    before = (side - stride) // 2 if padding == "same" else 0
    # Squares that begin where the result does need nothing cut off, if the kernel has room.
    shift = -before % stride
    return SubpixelForm(stride, taps, shift if side + shift <= taps * stride else 0, before)


def widen(kernel: np.ndarray, form: SubpixelForm) -> np.ndarray:
    """The kernel (taps, taps, C, square^2 filters) of one (side, side, filters, C)."""
    square, taps, shift, _ = form
    side, _, filters, channels = kernel.shape
    placed = np.zeros((taps * square, taps * square, filters, channels), kernel.dtype)
    placed[shift : shift + side, shift : shift + side] = kernel
    # The given pixel nearest to the result's end takes the kernel's beginning.
    placed = placed.reshape(taps, square, taps, square, filters, channels)[::-1, :, ::-1]
    return placed.transpose(0, 2, 5, 1, 3, 4).reshape(taps, taps, channels, square**2 * filters)


def narrow(wide: np.ndarray, form: SubpixelForm, side: int) -> np.ndarray:
    """The kernel (side, side, filters, C) that `widen` made into one."""
    square, taps, shift, _ = form
    channels = wide.shape[2]
    placed = wide.reshape(taps, taps, channels, square, square, -1)[::-1, ::-1]
    placed = placed.transpose(0, 3, 1, 4, 5, 2).reshape(taps * square, taps * square, -1, channels)
    return placed[shift : shift + side, shift : shift + side]


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


def has_subpixel_form(layer: keras.Layer) -> bool:
    """Whether a layer is a transposed convolution that `SubpixelConv2DTranspose` can stand for."""
    if type(layer) is not layers.Conv2DTranspose:
        return False
    side, stride = layer.kernel_size[0], layer.strides[0]
    return (
        layer.kernel_size == (side, side)
        and layer.strides == (stride, stride)
        and {*layer.dilation_rate} == {1}
        and layer.output_padding is None
        and layer.data_format == "channels_last"
        and side >= stride
    )
