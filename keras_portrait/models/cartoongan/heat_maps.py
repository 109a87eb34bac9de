"""The network that finds landmarks in photos, and how its heat maps are read."""

import keras
from keras import layers, ops

from keras_portrait.networks.resnet import convolve, enlarge, normal_initializer


def landmark_network(points: int = 5, filters: int = 16, name: str = "landmarks") -> keras.Model:
    """Builds a small U-Net from photos to heat maps of landmarks.

    Args:
        points: int, number of landmarks.
        filters: int, channels at full size; twice and four times as many at a half and a quarter.
        name: str, name of the model.

    Returns:
        A model of photos float (N, H, W, 3) in [-1, 1], H and W multiples of 4, to heat maps
        float32 (N, H, W, points) in [0, 1]. Apart from the normalizations, a value depends on a
        window of about 130 pixels around it.

    Reference:
        Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image
        Segmentation", MICCAI 2015; that such a network supplies the landmark loss is Wu et al.,
        2019 (arXiv 1907.01424).
    """
    photo = keras.Input((None, None, 3), name="image")
    full = convolve(photo, filters, 3, zero_padding=1)
    half = convolve(full, 2 * filters, 3, strides=2, zero_padding=1)
    x = convolve(half, 4 * filters, 3, strides=2, zero_padding=1)
    # Which eye is which takes a look at the whole face: dilated, at a quarter of the size.
    for dilation in (1, 2, 4, 8):
        x = layers.Add()([x, _dilated(x, 4 * filters, dilation)])
    for width, skip in ((2 * filters, half), (filters, full)):
        x = layers.Concatenate()([enlarge(x, width, "nearest"), skip])
        x = convolve(x, width, 3, zero_padding=1)
    # Nearly all of a heat map is dark: at first all of this one is.
    x = layers.Conv2D(
        points,
        1,
        kernel_initializer=normal_initializer(),
        bias_initializer=keras.initializers.Constant(-3.0),
    )(x)
    return keras.Model(photo, layers.Activation("sigmoid", dtype="float32")(x), name=name)


def _dilated(x, filters, dilation):
    return layers.Conv2D(
        filters,
        3,
        dilation_rate=dilation,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
    )(x)


def peaks(heat_maps):
    """Where heat maps are brightest.

    Args:
        heat_maps: float (N, H, W, P).

    Returns:
        float32 (N, P, 2): x and y in pixels, centre of the first pixel at (0, 0); the first in
        reading order where several are equal.
    """
    batch, height, width, points = ops.shape(heat_maps)
    flat = ops.reshape(heat_maps, (batch, height * width, points))
    index = ops.cast(ops.argmax(flat, axis=1), "int32")
    return ops.cast(ops.stack([index % width, index // width], axis=-1), "float32")
