"""Layers of exported nets: the same numbers out of operations that small runtimes are fast at."""

import math

import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_portrait.layers.norm import plane_mean
from keras_portrait.layers.plane_wave import wave_place, wave_table
from keras_portrait.training.stored_kernels import NEXT_TO_NOTHING

# A concatenation of more inputs than this is not accelerated.
MAX_CONCATENATED = 4

# Kernels of convolutions work on this many output channels at a time: 8 on Arm, 16 on x86.
FULL_WIDTH = 16


class SlicedReflection(layers.Layer):
    """Reflection padding made of single rows and columns, bit for bit the same.

    Args:
        sides: ((top, bottom), (left, right)), rows and columns that are added.
    """

    def __init__(self, sides: tuple[tuple[int, int], tuple[int, int]], **kwargs):
        super().__init__(**kwargs)
        self.sides = sides

    def call(self, inputs):
        """Float (N, H, W, C) to (N, H + top + bottom, W + left + right, C)."""
        columns = self._reflect(inputs, axis=2)
        return self._reflect(columns, axis=1)

    def _reflect(self, x, axis):
        last = x.shape[axis] - 1
        first, second = self.sides[axis - 1]
        before = [_line(x, axis, at) for at in range(first, 0, -1)]
        after = [_line(x, axis, last - at) for at in range(1, second + 1)]
        parts = [concatenate(lines, axis) for lines in (before, [x], after) if lines]
        return concatenate(parts, axis)


class PictureNormalization(layers.Layer):
    """`GroupNormalization` of one group, by means that small runtimes are fast at.

    Args:
        epsilon: float, added to the variance.
    """

    def __init__(self, epsilon: float, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        """Makes scale and offset of each channel."""
        channels = (input_shape[-1],)
        self.gamma = self.add_weight(shape=channels, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta")
        self.built = True

    def call(self, inputs):
        """Float (N, H, W, C), of the same shape."""
        centered = inputs - self._mean(inputs)
        variance = self._mean(centered * centered)
        return centered * ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta

    def _mean(self, x):
        # Pixels as `layers.norm.plane_mean`, and channels last.
        return ops.mean(plane_mean(x), axis=3, keepdims=True)


class NativeDepthToSpace(layers.Layer):
    """`DepthToSpace` as one operation.

    Args:
        factor: int, how many times wider and higher the image becomes.
    """

    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        """Float (N, H, W, factor^2 C) to (N, factor H, factor W, C)."""
        return tf.nn.depth_to_space(inputs, self.factor)


class DepthToSpaceUpSampling(NativeDepthToSpace):
    """Nearest-neighbour upsampling as a rearrangement of repeated channels, bit for bit the same.

    Args:
        factor: int, how many times wider and higher the image becomes.
    """

    def call(self, inputs):
        """Float (N, H, W, C) to (N, factor H, factor W, C)."""
        return super().call(repeat(inputs, self.factor**2, axis=3))


class ConcatenatedStyle(layers.Layer):
    """Appends a style vector to every pixel of the features, bit for bit as `AppendStyle`."""

    def call(self, inputs):
        """Float (1, H, W, C) and (1, K) to (1, H, W, C + K)."""
        features, style = inputs
        _, height, width, _ = features.shape
        pixel = ops.reshape(style, (1, 1, 1, style.shape[-1]))
        style_map = repeat(repeat(pixel, width, axis=2), height, axis=1)
        return concatenate([features, style_map], axis=3)


class ConstantWave(layers.Layer):
    """`PlaneWave` of one size of picture.

    A constant as large as the picture would be four times as large a file as the network. The wave
    repeats, so one period is the offset of a convolution that sees a pixel of each square, and its
    channels become that square. The kernel is next to nothing: 8-bit zeros would have no scale.

    Args:
        period: int, pixels of the picture after which the wave repeats.
        step: int, pixels of the picture from one of the features to the next.
    """

    def __init__(self, period: int, step: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.period = period
        self.step = step

    def call(self, inputs):
        """Float (1, H, W, C) to (1, H, W, C + 2)."""
        height, width, channels = inputs.shape[1:]
        side = self.period // math.gcd(self.period, self.step)
        if height % side or width % side:
            wave = ops.convert_to_tensor(self._table(height, width)[None])
        else:
            tile = self._table(side, side).reshape(-1)
            kernel = np.zeros((1, 1, channels, len(tile)), np.float32)
            kernel[..., 0, :] = NEXT_TO_NOTHING
            wave = ops.conv(inputs, kernel, side, "valid", "channels_last") + tile
            wave = tf.nn.depth_to_space(wave, side) if side > 1 else wave
        return ops.concatenate([inputs, wave], axis=-1)

    def _table(self, height, width):
        place = wave_place(np.arange(height), np.arange(width), self.period, self.step)
        return wave_table(self.period)[place]


class ConstantStyle(layers.Layer):
    """A style vector that never changes.

    Args:
        style: float32 (1, K).
    """

    def __init__(self, style: np.ndarray, **kwargs):
        super().__init__(**kwargs)
        self.style = np.asarray(style, np.float32)

    def call(self, inputs):
        """Anything to float32 (1, K)."""
        return ops.convert_to_tensor(self.style)


class BlockConv2D(layers.Layer):
    """A convolution to few channels that computes squares of neighbouring pixels as channels.

    One output channel leaves 15 of the 16 lanes of a kernel idle: the last convolution of a
    generator of drawings, 2 % of its multiplications, took a third of its time. Here the kernel
    stands at each place of a square of pixels within a larger one, with zeros around it: twice the
    multiplications, in a fraction of the time.

    Args:
        filters: int, channels of the result.
        side: int, height and width of the kernel; the stride is 1.
        padding: `"valid"` or, where `side` is odd, `"same"`.
    """

    def __init__(self, filters: int, side: int, padding: str = "valid", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.side = side
        self.padding = padding

    def build(self, input_shape):
        """Chooses the largest squares that divide the result and fill `FULL_WIDTH` channels."""
        lost = self.side - 1 if self.padding == "valid" else 0
        plane = [length - lost for length in input_shape[1:3]]
        self.block = next(
            block
            for block in (4, 2, 1)
            if block**2 * self.filters <= FULL_WIDTH and not any(side % block for side in plane)
        )
        side = self.side + self.block - 1
        # "same" pads as much around the wide kernel as around the plain one.
        self.convolution = layers.Conv2D(
            self.block**2 * self.filters, side, self.block, self.padding
        )
        self.convolution.build(input_shape)
        self.built = True

    def set_weights(self, weights):
        """Takes the weights of the plain convolution, (side, side, C, filters) and (filters,)."""
        kernel, bias = weights
        wide = np.zeros(self.convolution.kernel.shape, np.float32)
        for place in range(self.block**2):
            row, column = divmod(place, self.block)
            channels = slice(place * self.filters, (place + 1) * self.filters)
            wide[row : row + self.side, column : column + self.side, :, channels] = kernel
        self.convolution.set_weights([wide, np.tile(bias, self.block**2)])

    def call(self, inputs):
        """Float (1, H, W, C) to (1, h, w, filters), of the size that the padding leaves."""
        x = self.convolution(inputs)
        return x if self.block == 1 else tf.nn.depth_to_space(x, self.block)


def repeat(x, times: int, axis: int):
    """Repeats the whole of x along an axis, `times` times, in a few concatenations."""
    parts = []
    while times:
        # The digits of `times` to the base of the widest concatenation.
        times, digit = divmod(times, MAX_CONCATENATED)
        parts += [x] * digit
        if times:
            x = concatenate([x] * MAX_CONCATENATED, axis)
    return concatenate(parts, axis)


def concatenate(parts: list, axis: int):
    """Concatenates in groups, and groups of groups, of at most `MAX_CONCATENATED`."""
    while len(parts) > 1:
        groups = [parts[i : i + MAX_CONCATENATED] for i in range(0, len(parts), MAX_CONCATENATED)]
        parts = [group[0] if len(group) == 1 else ops.concatenate(group, axis) for group in groups]
    return parts[0]


def _line(x, axis, at):
    return x[:, at : at + 1] if axis == 1 else x[:, :, at : at + 1]
