"""The ResNet generators of CycleGAN and of the asymmetric cycle mapping."""

import keras
from keras import layers

from keras_portrait.layers import AppendStyle, InstanceNormalization, ReflectionPadding2D
from keras_portrait.settings import UPSAMPLINGS


def normal_initializer():
    """N(0, 0.02), the initializer of every convolution in the paper's code."""
    return keras.initializers.RandomNormal(stddev=0.02)


def resnet_generator(
    in_channels: int,
    out_channels: int,
    styles: int = 1,
    filters: int = 64,
    blocks: int = 9,
    upsampling: str = "transposed",
    name: str = "generator",
) -> keras.Model:
    """Builds an encoder, residual blocks and a decoder with instance normalization.

    With the defaults and 3 styles this is the paper's generator G (11,968,897 parameters);
    with one style the style map and its merging layer are left out, which is the paper's inverse
    generator F and CycleGAN's generator (11,371,907 parameters from 1 to 3 channels).

    Args:
        in_channels: int, channels of the input image.
        out_channels: int, channels of the output image.
        styles: int, length of the style vector. 1 means no style input.
        filters: int, channels after the first convolution.
        blocks: int, number of residual blocks.
        upsampling: `"transposed"` (3 x 3 transposed convolutions, as published) or `"nearest"`
            (nearest-neighbour upsampling, then a 3 x 3 convolution; no checkerboard).
        name: str, name of the model.

    Returns:
        A model of image float (N, H, W, in_channels) in [-1, 1], H and W multiples of 4, or of
        `[image, style]` with style float (N, styles); the output is float (N, H, W, out_channels)
        in [-1, 1].

    Raises:
        ValueError: `upsampling` is not one of the two.

    Reference:
        Yi et al., CVPR 2020, sec. 3.2; Zhu et al., "Unpaired Image-to-Image Translation using
        Cycle-Consistent Adversarial Networks", ICCV 2017, appendix 7.2.
    """
    if upsampling not in UPSAMPLINGS:
        raise ValueError(f"upsampling must be one of {UPSAMPLINGS}. Received: {upsampling!r}")
    image = keras.Input((None, None, in_channels), name="image")
    inputs = image
    x = ReflectionPadding2D(3)(image)
    x = _convolve(x, filters, 7)
    x = _convolve(x, 2 * filters, 3, strides=2, zero_padding=1)
    x = _convolve(x, 4 * filters, 3, strides=2, zero_padding=1)
    if styles > 1:
        style = keras.Input((styles,), name="style")
        inputs = [image, style]
        x = AppendStyle()([x, style])
        x = _convolve(x, 4 * filters, 3, zero_padding=1)
    for _ in range(blocks):
        x = _residual_block(x, 4 * filters)
    x = _upsample(x, 2 * filters, upsampling)
    x = _upsample(x, filters, upsampling)
    x = ReflectionPadding2D(3)(x)
    x = layers.Conv2D(out_channels, 7, kernel_initializer=normal_initializer())(x)
    output = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, output, name=name)


def _convolve(x, filters, kernel, strides=1, zero_padding=0):
    # TensorFlow's "same" pads strided convolutions on the bottom and right only; the published
    # weights and numbers need the symmetric padding of PyTorch.
    if zero_padding:
        x = layers.ZeroPadding2D(zero_padding)(x)
    x = layers.Conv2D(filters, kernel, strides, kernel_initializer=normal_initializer())(x)
    x = InstanceNormalization()(x)
    return layers.ReLU()(x)


def _residual_block(x, filters):
    y = ReflectionPadding2D(1)(x)
    y = _convolve(y, filters, 3)
    y = ReflectionPadding2D(1)(y)
    y = layers.Conv2D(filters, 3, kernel_initializer=normal_initializer())(y)
    y = InstanceNormalization()(y)
    return layers.Add()([x, y])


def _upsample(x, filters, upsampling):
    if upsampling == "nearest":
        x = layers.UpSampling2D(2, interpolation="nearest")(x)
        x = ReflectionPadding2D(1)(x)
        return _convolve(x, filters, 3)
    x = layers.Conv2DTranspose(filters, 3, 2, kernel_initializer=normal_initializer())(x)
    # PyTorch's padding 1 with output padding 1 keeps all but the first row and column.
    x = layers.Cropping2D(((1, 0), (1, 0)))(x)
    x = InstanceNormalization()(x)
    return layers.ReLU()(x)
