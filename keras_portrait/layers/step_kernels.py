"""Faster ways through the planes of a training step on x86 CPUs; the same mathematics.

What TensorFlow's own kernels, or oneDNN's, do badly with few channels and large planes is put into
other operations. Only while a step is differentiated: what draws and what is exported keeps the
plain ones, for which other programs have kernels. Numbers differ by rounding alone.
"""

import contextlib
import functools
import os
import platform
from contextvars import ContextVar

import keras

_in_step = ContextVar("in_step", default=False)


@contextlib.contextmanager
def training_step():
    """A context in which layers are called to be differentiated, and nothing else."""
    token = _in_step.set(True)
    try:
        yield
    finally:
        _in_step.reset(token)


def in_use() -> bool:
    """Whether these kernels serve the present call of a layer."""
    return _in_step.get() and keras.backend.backend() == "tensorflow" and _has_onednn()


@functools.cache
def _has_onednn() -> bool:
    """Whether TensorFlow computes by oneDNN on an x86 CPU, and has no GPU."""
    import tensorflow as tf

    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    switched_off = os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0"
    return is_x86 and not switched_off and not tf.config.list_physical_devices("GPU")


def normalize(x, epsilon: float, gamma=None, beta=None):
    """Instance normalization as batch normalization of each picture alone: one operation for ten.

    Args:
        x: float32 or bfloat16 (N, H, W, C), N known.
        epsilon: float, added to the variance.
        gamma: float (C,), scale; None for 1.
        beta: float (C,), offset; None for 0.

    Returns:
        The same shape and type; statistics are float32.
    """
    import tensorflow as tf

    channels, none = x.shape[-1], tf.zeros([0])
    scale = tf.ones([channels]) if gamma is None else tf.cast(gamma, "float32")
    offset = tf.zeros([channels]) if beta is None else tf.cast(beta, "float32")

    def one(picture):
        return tf.raw_ops.FusedBatchNormV3(
            x=picture,
            scale=scale,
            offset=offset,
            mean=none,
            variance=none,
            epsilon=epsilon,
            is_training=True,
        ).y

    if x.shape[0] == 1:
        return one(x)
    return tf.concat([one(picture) for picture in tf.split(x, x.shape[0])], axis=0)


def reflect(x, sides: tuple[tuple[int, int], tuple[int, int]]):
    """Reflection padding by copying rows and columns; TensorFlow's kernel looks each value up.

    Args:
        x: float (N, H, W, C).
        sides: ((top, bottom), (left, right)) in pixels, less than H and W.

    Returns:
        float (N, H + top + bottom, W + left + right, C).
    """
    import tensorflow as tf

    pairs = [(0, 0), *sides, (0, 0)]

    @tf.custom_gradient
    def padded(x):
        y = x
        for axis, (before, after) in enumerate(sides, start=1):
            size = tf.shape(y)[axis] if y.shape[axis] is None else y.shape[axis]
            borders = _part(y, axis, 1, before), _part(y, axis, size - 1 - after, after)
            if max(before, after) > 1:
                borders = (tf.reverse(border, [axis]) for border in borders)
            first, last = borders
            y = tf.concat([first, y, last], axis)

        def gradient(dy):
            return tf.raw_ops.MirrorPadGrad(input=dy, paddings=pairs, mode="REFLECT")

        return y, gradient

    return padded(x)


def _part(x, axis, start, length):
    import tensorflow as tf

    begin, size = [0] * 4, [-1] * 4
    begin[axis], size[axis] = start, length
    return tf.slice(x, begin, size)


def halving_convolution(x, kernel):
    """A convolution of stride 2 as one of stride 1 over squares of two by two pixels.

    oneDNN takes some ten times as long for the gradient of planes wider than about 350 pixels.

    Args:
        x: float (N, H, W, C), H and W even.
        kernel: float (K, K, C, F), K even.

    Returns:
        float (N, (H - K) / 2 + 1, (W - K) / 2 + 1, F), without padding.
    """
    import tensorflow as tf

    side, _, channels, filters = kernel.shape
    half = side // 2
    squares = tf.reshape(kernel, (half, 2, half, 2, channels, filters))
    squares = tf.reshape(
        tf.transpose(squares, (0, 2, 1, 3, 4, 5)), (half, half, 4 * channels, filters)
    )
    return tf.nn.conv2d(tf.nn.space_to_depth(x, 2), squares, 1, "VALID")


def narrowing_convolution(x, kernel):
    """A convolution to very few channels, none of whose kernels fills a vector.

    To one channel each row of the kernel is a convolution of its own, whose results are added; the
    kernel's gradient is that of the transposed convolution, input and output having changed places.

    Args:
        x: float (N, H, W, C).
        kernel: float (K, K, C, F), F small.

    Returns:
        float (N, H - K + 1, W - K + 1, F), without padding.
    """
    import tensorflow as tf

    side, _, channels, filters = kernel.shape

    @tf.custom_gradient
    def convolved(x, kernel):
        if filters == 1:
            rows = tf.reshape(tf.transpose(kernel, (1, 2, 0, 3)), (1, side, channels, side))
            found = tf.split(tf.nn.conv2d(x, rows, 1, "VALID"), side, axis=-1)
            # bfloat16 would be rounded at each of the sums.
            found = [tf.cast(one, "float32") for one in found]
            height = x.shape[1] - side + 1
            y = tf.cast(tf.add_n([f[:, i : i + height] for i, f in enumerate(found)]), x.dtype)
        else:
            y = tf.nn.conv2d(x, kernel, 1, "VALID")

        def gradient(dy):
            to_x = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=kernel,
                out_backprop=dy,
                strides=[1, 1, 1, 1],
                padding="VALID",
            )
            edge = (side - 1, side - 1)
            turned = tf.raw_ops.Conv2DBackpropFilter(
                input=tf.pad(dy, ((0, 0), edge, edge, (0, 0))),
                filter_sizes=(side, side, filters, channels),
                out_backprop=x,
                strides=[1, 1, 1, 1],
                padding="VALID",
            )
            return to_x, tf.transpose(tf.reverse(turned, [0, 1]), (0, 1, 3, 2))

        return y, gradient

    return convolved(x, kernel)
