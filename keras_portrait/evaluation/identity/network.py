"""The network that turns a face into 128 numbers: near each other for one person, apart for two.

dlib's `dlib_face_recognition_resnet_model_v1`: He, Zhang, Ren and Sun, "Deep Residual Learning for
Image Recognition", CVPR 2016, the 34 layers less a few and half as wide; trained by D. King on
about 3 million faces of 7,485 people, so that faces of one person are within 0.6 of each other.
"""

import keras
import numpy as np
from keras import layers, ops

# Side in pixels of the face that the network looks at, and the numbers that it makes of it.
SIDE, LENGTH = 150, 128
# The training's mean colour, RGB, and what is left is divided by 256 (dlib's `input_rgb_image`).
MEAN_RGB, DIVISOR = (122.782, 117.001, 104.298), 256.0
# Blocks by name, their filters, and whether they halve the sides.
BLOCKS = (
    *((f"conv32_{number}", 32, False) for number in (1, 2, 3)),
    ("conv64_down", 64, True),
    *((f"conv64_{number}", 64, False) for number in (1, 2, 3)),
    ("conv128_down", 128, True),
    *((f"conv128_{number}", 128, False) for number in (1, 2)),
    ("conv256_down", 256, True),
    *((f"conv256_{number}", 256, False) for number in (1, 2)),
    ("conv256_down_out", 256, True),
)
_STEM = "conv32_down"


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of the weights by name, as `build_network` takes them."""
    shapes, channels = _convolution_shapes(_STEM, 7, 3, 32), 32
    for name, filters, _ in BLOCKS:
        shapes |= _convolution_shapes(f"{name}/conv1", 3, channels, filters)
        shapes |= _convolution_shapes(f"{name}/conv2", 3, filters, filters)
        channels = filters
    return shapes | {"fc": (channels, LENGTH)}


def build_network(weights: dict[str, np.ndarray]) -> keras.Model:
    """The network with its weights.

    Args:
        weights: float32 arrays by the names of `weight_shapes`. Of each convolution: kernel and
            bias, and weights and biases of the scale behind it, which is what inference leaves of
            a batch normalization.

    Returns:
        Frozen model from RGB pictures float (N, 150, 150, 3) in 0 to 255 to descriptors float32
        (N, 128), which are compared by their Euclidean distance.
    """
    picture = keras.Input((SIDE, SIDE, 3), name="picture")
    x = layers.Rescaling(1 / DIVISOR, [-mean / DIVISOR for mean in MEAN_RGB])(picture)
    # No picture is padded where it shrinks: its last row and column may be left out.
    x = _convolution(x, weights, _STEM, strides=2, activation="relu")
    x = layers.MaxPooling2D(3, 2)(x)
    for name, _, halves in BLOCKS:
        x = _block(x, weights, name, halves)
    x = layers.GlobalAveragePooling2D()(x)
    dense = layers.Dense(LENGTH, use_bias=False, name="fc")
    x = dense(x)
    dense.set_weights([weights["fc"]])
    network = keras.Model(picture, x, name="face_descriptor")
    network.trainable = False
    return network


def _block(x, weights, name, halves):
    """Two convolutions, and what came in added to what they make."""
    y = _convolution(x, weights, f"{name}/conv1", strides=2 if halves else 1, activation="relu")
    y = _convolution(y, weights, f"{name}/conv2")
    if halves:
        x = layers.AveragePooling2D(2)(x)
        # The average of four pixels has room for one more than a convolution without padding.
        rows, columns = (x.shape[axis] - y.shape[axis] for axis in (1, 2))
        y = layers.ZeroPadding2D(((0, rows), (0, columns)))(y)
        if y.shape[-1] > x.shape[-1]:
            x = layers.Concatenate()([x, ops.zeros_like(x)])
    return layers.ReLU()(layers.Add()([x, y]))


def _convolution(x, weights, name, strides=1, activation=None):
    """A convolution with the scale behind it drawn into its kernel and bias."""
    kernel, scale = weights[f"{name}/conv/filters"], weights[f"{name}/scale/weights"]
    layer = layers.Conv2D(
        kernel.shape[-1],
        kernel.shape[0],
        strides,
        padding="valid" if strides > 1 else "same",
        activation=activation,
        name=name.replace("/", "_"),
    )
    y = layer(x)
    bias = weights[f"{name}/conv/bias"] * scale + weights[f"{name}/scale/biases"]
    layer.set_weights([kernel * scale, bias])
    return y


def _convolution_shapes(name, size, channels, filters):
    return {
        f"{name}/conv/filters": (size, size, channels, filters),
        f"{name}/conv/bias": (filters,),
        f"{name}/scale/weights": (filters,),
        f"{name}/scale/biases": (filters,),
    }
