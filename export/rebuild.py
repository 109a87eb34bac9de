"""Rebuilds a trained generator from the operations that small runtimes are fast at.

The rebuilt net computes the same numbers. Its batch is 1, its size is fixed, it computes in
float32 whatever it was trained in, and three layers are written differently:

| trained layer            | in the exported net              | because                          |
| ------------------------ | -------------------------------- | -------------------------------- |
| `ReflectionPadding2D`    | slices and concatenations        | MIRROR_PAD is not accelerated    |
| `UpSampling2D` (nearest) | concatenation, DEPTH_TO_SPACE    | TILE and RESIZE_NEAREST are not  |
| `AppendStyle`            | reshape and concatenations       | BROADCAST_TO is not              |

`InstanceNormalization` stays as it is. Its moments are accelerated, and taking each mean in two
steps matters here too: one MEAN over height and width is off by 3e-5 in XNNPACK, which nineteen
layers later has become 3e-3. `BatchNormalization` stays too: its numbers are constant after the
training, and the converter multiplies them into the convolution before it.

"Accelerated" means: taken over by XNNPACK, the CPU kernels of the runtime. Whatever it does not
take cuts the net into pieces and runs in slow reference kernels.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from keras_portrait.errors import InputError
from keras_portrait.layers import AppendStyle, InstanceNormalization, ReflectionPadding2D
from keras_portrait.trained_generator import copy_layers, float32_config

# A concatenation of more inputs than this is not accelerated.
MAX_CONCATENATED = 4

# Layers that are exported as they are.
KEPT = (
    layers.Activation,
    layers.Add,
    layers.BatchNormalization,
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.Cropping2D,
    layers.LeakyReLU,
    layers.ReLU,
    layers.Reshape,
    layers.ZeroPadding2D,
    InstanceNormalization,
)


class SlicedReflection(layers.Layer):
    """Reflection padding made of single rows and columns, bit for bit the same.

    Args:
        padding: int, rows and columns added on every side.
    """

    def __init__(self, padding: int, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs):
        """Float (N, H, W, C) to (N, H + 2 padding, W + 2 padding, C)."""
        columns = self._reflect(inputs, axis=2)
        return self._reflect(columns, axis=1)

    def _reflect(self, x, axis):
        last = x.shape[axis] - 1
        before = [_line(x, axis, at) for at in range(self.padding, 0, -1)]
        after = [_line(x, axis, last - at) for at in range(1, self.padding + 1)]
        return concatenate([concatenate(before, axis), x, concatenate(after, axis)], axis)


class DepthToSpaceUpSampling(layers.Layer):
    """Nearest-neighbour upsampling as a rearrangement of repeated channels, bit for bit the same.

    Args:
        factor: int, how many times wider and higher the image becomes.
    """

    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        """Float (N, H, W, C) to (N, factor H, factor W, C)."""
        return tf.nn.depth_to_space(repeat(inputs, self.factor**2, axis=3), self.factor)


class ConcatenatedStyle(layers.Layer):
    """Appends a style vector to every pixel of the features, bit for bit as `AppendStyle`."""

    def call(self, inputs):
        """Float (1, H, W, C) and (1, K) to (1, H, W, C + K)."""
        features, style = inputs
        _, height, width, _ = features.shape
        pixel = ops.reshape(style, (1, 1, 1, style.shape[-1]))
        style_map = repeat(repeat(pixel, width, axis=2), height, axis=1)
        return concatenate([features, style_map], axis=3)


def rebuild_for_inference(generator: keras.Model, size: int) -> keras.Model:
    """Makes the net that is exported.

    Args:
        generator: functional model of a generator of `networks`, of any precision.
        size: height and width of pictures in pixels, a multiple of 4.

    Returns:
        A float32 model of image (1, size, size, 3), and style (1, K) where the generator has
        one, or of noise (1, Z), with the generator's weights.

    Raises:
        InputError: a layer for which no exported form is known.
    """

    def fixed(tensor):
        plane = (size, size) if len(tensor.shape) == 4 else ()
        shape = (1, *plane, tensor.shape[-1])
        return keras.Input(batch_shape=shape, name=tensor.name, dtype="float32")

    inputs = keras.tree.map_structure(fixed, generator.input)
    return copy_layers(generator, _inference_layer, inputs)


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


def _inference_layer(layer):
    named = {"name": layer.name, "dtype": "float32"}
    if isinstance(layer, ReflectionPadding2D):
        return SlicedReflection(layer.padding, **named)
    if isinstance(layer, AppendStyle):
        return ConcatenatedStyle(**named)
    if isinstance(layer, layers.UpSampling2D):
        factor = layer.size[0]
        if layer.interpolation == "nearest" and layer.size == (factor, factor):
            return DepthToSpaceUpSampling(factor, **named)
    elif isinstance(layer, KEPT):
        return layer.__class__.from_config(float32_config(layer))
    raise InputError(
        "The exporter knows the layers of keras_portrait's generators. "
        f"Received: {layer.name}, a {layer.__class__.__name__} layer that it does not know"
    )
