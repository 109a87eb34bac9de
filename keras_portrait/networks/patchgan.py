"""PatchGAN discriminators, plain and with a head that classifies styles."""

import keras
from keras import layers

from keras_portrait.layers import InstanceNormalization
from keras_portrait.networks.resnet import normal_initializer


def patch_discriminator(
    in_channels: int, filters: int = 64, name: str = "discriminator"
) -> keras.Model:
    """Builds the 70 x 70 PatchGAN.

    Args:
        in_channels: int, channels of the input image.
        filters: int, channels after the first convolution.
        name: str, name of the model.

    Returns:
        A model of float (N, H, W, in_channels) to unbounded realness scores
        float (N, H / 8 - 2, W / 8 - 2, 1), one for each patch.

    Reference:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks",
        CVPR 2017, appendix 6.1.2; Yi et al., CVPR 2020, sec. 3.2.
    """
    image = keras.Input((None, None, in_channels), name="image")
    trunk = _trunk(image, filters)
    return keras.Model(image, _patch_head(trunk, filters), name=name)


def style_discriminator(
    in_channels: int, styles: int, size: int, filters: int = 64, name: str = "discriminator"
) -> keras.Model:
    """Builds the discriminator of drawings: a patch head and a style head on one trunk.

    Args:
        in_channels: int, channels of the input image.
        styles: int, number of styles.
        size: int, height and width of the input in pixels, a multiple of 32. The style head ends
            in one convolution of kernel `size / 32`; the paper's is 16, for 512 pixels.
        filters: int, channels after the first convolution.
        name: str, name of the model.

    Returns:
        A model of float (N, size, size, in_channels) to `[scores, style_logits]`: scores as in
        `patch_discriminator`, style_logits float (N, styles).

    Raises:
        ValueError: `size` is not a multiple of 32.

    Reference:
        Yi et al., CVPR 2020, sec. 3.2 (discriminator D of drawings).
    """
    if size % 32:
        raise ValueError(f"size must be a multiple of 32. Received: {size}")
    image = keras.Input((size, size, in_channels), name="image")
    trunk = _trunk(image, filters)
    scores = _patch_head(trunk, filters)
    x = _normalized(trunk, 8 * filters, strides=2)
    x = _normalized(x, 8 * filters, strides=2)
    x = layers.Conv2D(styles, size // 32, kernel_initializer=normal_initializer())(x)
    style_logits = layers.Reshape((styles,), dtype="float32")(x)
    return keras.Model(image, [scores, style_logits], name=name)


def _trunk(image, filters):
    x = _padded_convolution(image, filters, strides=2)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = _normalized(x, 2 * filters, strides=2)
    return _normalized(x, 4 * filters, strides=2)


def _patch_head(trunk, filters):
    x = _normalized(trunk, 8 * filters, strides=1)
    x = _padded_convolution(x, 1, strides=1)
    return layers.Activation("linear", dtype="float32")(x)


def _normalized(x, filters, strides):
    x = _padded_convolution(x, filters, strides)
    x = InstanceNormalization()(x)
    return layers.LeakyReLU(negative_slope=0.2)(x)


def _padded_convolution(x, filters, strides):
    x = layers.ZeroPadding2D(1)(x)
    return layers.Conv2D(filters, 4, strides, kernel_initializer=normal_initializer())(x)
