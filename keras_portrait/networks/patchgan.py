"""PatchGAN discriminators: plain, with a head that classifies styles, and of pairs."""

import keras
from keras import layers

from keras_portrait.layers import (
    AppendStyle,
    Convolution2D,
    InstanceNormalization,
    SpectralConv2D,
)
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
    x = Convolution2D(styles, size // 32, kernel_initializer=normal_initializer())(x)
    style_logits = layers.Reshape((styles,), dtype="float32")(x)
    return keras.Model(image, [scores, style_logits], name=name)


def pair_discriminator(
    styles: int = 1, filters: int = 32, name: str = "discriminator"
) -> keras.Model:
    """Builds a discriminator of drawings that sees the photo and the wanted style, too.

    Four convolutions of `filters` to four times as many channels, and the scores; all with spectral
    normalization, so that no statistics of a crop stand between it and its score.

    Args:
        styles: int, length of the style vector. 1 means no style input.
        filters: int, channels after the first convolution.
        name: str, name of the model.

    Returns:
        A model of `[photo, drawing, style]`, photo in gray and drawing float (N, H, W, 1) in
        [-1, 1], style (N, styles), or of the first two, to a list: features (N, h, w, C) of the
        four convolutions, then unbounded scores float32 (N, H / 8 - 2, W / 8 - 2, 1), one for each
        patch of 70 x 70 pixels.

    Reference:
        Isola et al., CVPR 2017, sec. 3.2 and appendix 6.1.2; Miyato et al., ICLR 2018, for the
        normalization.
    """
    photo = keras.Input((None, None, 1), name="photo")
    drawing = keras.Input((None, None, 1), name="drawing")
    inputs = [photo, drawing]
    x = layers.Concatenate()([photo, drawing])
    if styles > 1:
        inputs.append(keras.Input((styles,), name="style"))
        x = AppendStyle()([x, inputs[-1]])
    features = []
    for width, strides in ((1, 2), (2, 2), (4, 2), (4, 1)):
        x = SpectralConv2D(width * filters, 4, strides, padding=1)(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
        features.append(x)
    x = SpectralConv2D(1, 4, padding=1)(x)
    scores = layers.Activation("linear", dtype="float32")(x)
    return keras.Model(inputs, [*features, scores], name=name)


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
    return Convolution2D(filters, 4, strides, kernel_initializer=normal_initializer())(x)
