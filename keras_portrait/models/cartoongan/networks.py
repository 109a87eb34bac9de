"""The generator and the discriminator of CartoonGAN."""

import keras
from keras import layers

from keras_portrait.layers import InstanceNormalization, ReflectionPadding2D
from keras_portrait.networks.resnet import (
    convolve,
    enlarge,
    normal_initializer,
    residual_block,
    to_image,
)


def cartoon_generator(
    filters: int = 64, blocks: int = 8, upsampling: str = "transposed", name: str = "generator"
) -> keras.Model:
    """Builds CartoonGAN's generator.

    Two convolutions make each change of size; one normalization and ReLU follow the second.

    Args:
        filters: int, channels after the first convolution.
        blocks: int, number of residual blocks.
        upsampling: `"transposed"`, as published, or `"nearest"`; see `resnet_generator`.
        name: str, name of the model.

    Returns:
        A model of photos float (N, H, W, 3) in [-1, 1], H and W multiples of 4 and at least 8, to
        cartoons of the same shape and range.

    Raises:
        ValueError: `upsampling` is not one of the two.

    Reference:
        Chen, Lai, Liu, "CartoonGAN: Generative Adversarial Networks for Photo Cartoonization",
        CVPR 2018, figure 2. Padding as in the authors' code; instance normalization without
        parameters, as the other generators here have it.
    """
    photo = keras.Input((None, None, 3), name="image")
    x = ReflectionPadding2D(3)(photo)
    x = convolve(x, filters, 7)
    for width in (2 * filters, 4 * filters):
        x = convolve(_padded_convolution(x, width, strides=2), width, 3, zero_padding=1)
    for _ in range(blocks):
        x = residual_block(x, 4 * filters)
    for width in (2 * filters, filters):
        x = convolve(enlarge(x, width, upsampling), width, 3, zero_padding=1)
    return keras.Model(photo, to_image(x, 3), name=name)


def cartoon_discriminator(filters: int = 32, name: str = "discriminator") -> keras.Model:
    """Builds CartoonGAN's discriminator of seven convolutions.

    Args:
        filters: int, channels after the first convolution.
        name: str, name of the model.

    Returns:
        A model of pictures float (N, H, W, 3) in [-1, 1] to unbounded realness scores
        float32 (N, H / 4, W / 4, 1), rounded up; one for each patch.

    Reference:
        Chen, Lai, Liu, CVPR 2018, figure 2.
    """
    picture = keras.Input((None, None, 3), name="image")
    x = _leaky(_padded_convolution(picture, filters))
    for width in (2 * filters, 4 * filters):
        x = _leaky(_padded_convolution(x, width, strides=2))
        x = _normalized(x, 2 * width)
    x = _normalized(x, 8 * filters)
    x = _padded_convolution(x, 1)
    return keras.Model(picture, layers.Activation("linear", dtype="float32")(x), name=name)


def _padded_convolution(x, filters, strides=1):
    x = layers.ZeroPadding2D(1)(x)
    return layers.Conv2D(filters, 3, strides, kernel_initializer=normal_initializer())(x)


def _normalized(x, filters):
    return _leaky(InstanceNormalization()(_padded_convolution(x, filters)))


def _leaky(x):
    return layers.LeakyReLU(negative_slope=0.2)(x)
