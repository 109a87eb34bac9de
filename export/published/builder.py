"""Puts published weights, of PyTorch's layout, into Keras layers while a network is built."""

import keras
import numpy as np
from keras import layers

from keras_portrait.layers import InstanceNormalization, ReflectionPadding2D

# PyTorch's default, in all its normalizations.
EPSILON = 1e-5
# What scale and shift of a normalization are called.
_SCALE_AND_SHIFT = (("weight", "bias"), ("scale", "shift"))


class Builder:
    """Builds a network layer by layer; widths are those of the weights.

    Args:
        weights: arrays by their published names, in PyTorch's layout: convolutions (out, in, H,
            W), transposed ones (in, out, H, W), depthwise ones (C, 1, H, W).

    Attributes:
        placed: names of the tensors that have found their place so far.
    """

    def __init__(self, weights: dict[str, np.ndarray]):
        self._weights = dict(weights)
        self.placed: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return name in self._weights

    def ndim(self, name: str) -> int:
        """Number of axes of a tensor, 0 where there is none."""
        return self._weights[name].ndim if self.has(name) else 0

    def take(self, name: str) -> np.ndarray:
        """A tensor, float32.

        Raises:
            KeyError: there is none of this name.
        """
        values = self._weights[name].astype(np.float32)
        self.placed.add(name)
        return values

    def reverse(self, name: str, axis: int) -> None:
        """Turns the order of a tensor's channels round.

        Raises:
            KeyError: there is none of this name.
        """
        self._weights[name] = np.flip(self._weights[name], axis)

    def convolve(self, x, name: str, stride: int = 1, reflect=0, zeros: int = 0):
        """A convolution.

        Args:
            x: float (N, H, W, C), symbolic.
            name: of its tensors, without `.weight` and `.bias`; it has a bias where there is one.
            stride: int.
            reflect: pixels that are mirrored around before it, as `ReflectionPadding2D` takes them.
            zeros: int, pixels of zeros around before it.
        """
        kernel, bias = self.take(f"{name}.weight"), self._bias(name)
        if reflect:
            x = ReflectionPadding2D(reflect)(x)
        if zeros:
            x = layers.ZeroPadding2D(zeros)(x)
        count, channels, side, other = kernel.shape
        settings = {"kernel_size": (side, other), "strides": stride, "use_bias": bool(bias)}
        depthwise = channels == 1 and count == x.shape[-1] > 1
        if depthwise:
            layer, order = layers.DepthwiseConv2D(**settings), (2, 3, 0, 1)
        else:
            layer, order = layers.Conv2D(count, **settings), (2, 3, 1, 0)
        x = layer(x)
        layer.set_weights([kernel.transpose(order), *bias])
        return x

    def enlarge(self, x, name: str):
        """A transposed convolution of stride 2, padding 1 and output padding 1: twice the size."""
        kernel, bias = self.take(f"{name}.weight"), self._bias(name)
        layer = layers.Conv2DTranspose(kernel.shape[1], kernel.shape[2:], 2, use_bias=bool(bias))
        x = layer(x)
        layer.set_weights([kernel.transpose(2, 3, 1, 0), *bias])
        # That padding keeps all but the first row and column.
        return layers.Cropping2D(((1, 0), (1, 0)))(x)

    def normalize(self, x, name: str = "", epsilon: float = EPSILON):
        """Instance normalization, with scale and shift where `name` has any.

        Args:
            x: float (N, H, W, C), symbolic.
            name: of its tensors.
            epsilon: float, added to the variance.
        """
        parts = next((pair for pair in _SCALE_AND_SHIFT if self.has(f"{name}.{pair[0]}")), ())
        layer = InstanceNormalization(epsilon, affine=bool(parts))
        x = layer(x)
        layer.set_weights([self.take(f"{name}.{part}") for part in parts])
        return x

    def normalize_batch(self, x, name: str):
        """Batch normalization with its running statistics."""
        layer = layers.BatchNormalization(epsilon=EPSILON)
        x = layer(x)
        parts = ("weight", "bias", "running_mean", "running_var")
        layer.set_weights([self.take(f"{name}.{part}") for part in parts])
        return x

    def normalize_picture(self, x, name: str):
        """Group normalization of one group: by mean and variance of the whole picture."""
        layer = layers.GroupNormalization(groups=1, epsilon=EPSILON)
        x = layer(x)
        layer.set_weights([self.take(f"{name}.weight"), self.take(f"{name}.bias")])
        return x

    def _bias(self, name: str) -> list[np.ndarray]:
        return [self.take(f"{name}.bias")] if self.has(f"{name}.bias") else []


def picture_input(channels: int = 3):
    """The input of a network of pictures, of any size: float (N, H, W, channels)."""
    return keras.Input((None, None, channels), name="image")
