"""The ResNet generators of CycleGAN and of the asymmetric cycle mapping, and their pieces."""

import keras
from keras import layers

from keras_portrait.layers import (
    AppendStyle,
    Convolution2D,
    InstanceNormalization,
    ReflectionPadding2D,
)
from keras_portrait.recipe import STYLE_INPUTS, UPSAMPLINGS

# Standard deviation of the weights that turn a style into scales and shifts: styles differ from
# the first step on.
STYLE_SPREAD = 0.2


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
    up_filters: tuple[int, int] | None = None,
    style_input: str = "appended",
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
        up_filters: channels after the first and the second upsampling; None mirrors the encoder:
            `(2 * filters, filters)`.
        style_input: how the style vector enters: `"appended"` to the encoder's output, as
            published, or `"modulated"`: it scales and shifts normalized features in every
            residual block and on the way up (conditional instance normalization). What is
            appended is the same at every pixel, so the instance normalization behind the
            merging convolution takes it out again, but for the border.

    Returns:
        A model of image float (N, H, W, in_channels) in [-1, 1], H and W multiples of 4, or of
        `[image, style]` with style float (N, styles); the output is float (N, H, W, out_channels)
        in [-1, 1].

    Raises:
        ValueError: `upsampling` or `style_input` is not one of the two.

    Reference:
        Yi et al., CVPR 2020, sec. 3.2; Zhu et al., "Unpaired Image-to-Image Translation using
        Cycle-Consistent Adversarial Networks", ICCV 2017, appendix 7.2; Dumoulin, Shlens, Kudlur,
        "A Learned Representation For Artistic Style", ICLR 2017, for the conditional normalization.
    """
    if style_input not in STYLE_INPUTS:
        raise ValueError(f"style_input must be one of {STYLE_INPUTS}. Received: {style_input!r}")
    image = keras.Input((None, None, in_channels), name="image")
    inputs, vector = image, None
    x = ReflectionPadding2D(3)(image)
    x = convolve(x, filters, 7)
    x = convolve(x, 2 * filters, 3, strides=2, zero_padding=1)
    x = convolve(x, 4 * filters, 3, strides=2, zero_padding=1)
    if styles > 1:
        style = keras.Input((styles,), name="style")
        inputs = [image, style]
        if style_input == "appended":
            x = AppendStyle()([x, style])
            x = convolve(x, 4 * filters, 3, zero_padding=1)
        else:
            vector = layers.Reshape((1, 1, styles))(style)
    for _ in range(blocks):
        x = residual_block(x, 4 * filters, vector)
    for width in up_filters or (2 * filters, filters):
        x = enlarge(x, width, upsampling)
        x = modulate(InstanceNormalization()(x), vector)
        x = layers.ReLU()(x)
    return keras.Model(inputs, to_image(x, out_channels), name=name)


def modulate(x, vector):
    """Scales and shifts the channels of normalized features by what the style says.

    Args:
        x: float (N, H, W, C), symbolic.
        vector: float (N, 1, 1, K), the style vector; None leaves the features as they are.

    Returns:
        float (N, H, W, C).
    """
    if vector is None:
        return x

    def from_style(bias):
        # An initializer of its own each time: Keras repeats the numbers of one that is shared.
        spread = keras.initializers.RandomNormal(stddev=STYLE_SPREAD)
        return layers.Conv2D(x.shape[-1], 1, kernel_initializer=spread, bias_initializer=bias)

    scale, shift = from_style("ones")(vector), from_style("zeros")(vector)
    return layers.Add()([layers.Multiply()([x, scale]), shift])


def convolve(x, filters: int, kernel: int, strides: int = 1, zero_padding: int = 0, vector=None):
    """Convolution, instance normalization, ReLU.

    Args:
        x: float (N, H, W, C), symbolic.
        filters: int, channels of the result.
        kernel: int, height and width of the kernel.
        strides: int, of the convolution.
        zero_padding: int, rows and columns of zeros added on every side before it, one less at the
            bottom and on the right where `strides` is 2: H and W are even.
        vector: the style vector, as in `modulate`.

    Returns:
        float (N, h, w, filters); without padding and strides h is H + 1 - kernel.
    """
    # TensorFlow's "same" pads strided convolutions on the bottom and right only; the published
    # weights and numbers need the symmetric padding of PyTorch. Of that, steps of 2 over an even
    # length never reach the last row and column, and some kernels are many times slower with them.
    if zero_padding:
        after = zero_padding - (strides - 1)
        x = layers.ZeroPadding2D(((zero_padding, after),) * 2)(x)
    x = layers.Conv2D(filters, kernel, strides, kernel_initializer=normal_initializer())(x)
    x = modulate(InstanceNormalization()(x), vector)
    return layers.ReLU()(x)


def residual_block(x, filters: int, vector=None):
    """Two 3 x 3 convolutions with reflection padding, added to what came in; no ReLU after that.

    Args:
        x: float (N, H, W, filters), symbolic.
        filters: int, channels.
        vector: the style vector, as in `modulate`.

    Returns:
        float (N, H, W, filters).
    """
    y = ReflectionPadding2D(1)(x)
    y = convolve(y, filters, 3, vector=vector)
    y = ReflectionPadding2D(1)(y)
    y = layers.Conv2D(filters, 3, kernel_initializer=normal_initializer())(y)
    y = InstanceNormalization()(y)
    return layers.Add()([x, y])


def enlarge(x, filters: int, upsampling: str = "transposed"):
    """Doubles height and width, with one 3 x 3 convolution and nothing after it.

    Args:
        x: float (N, H, W, C), symbolic.
        filters: int, channels of the result.
        upsampling: `"transposed"` or `"nearest"`, as in `resnet_generator`.

    Returns:
        float (N, 2H, 2W, filters).

    Raises:
        ValueError: `upsampling` is not one of the two.
    """
    if upsampling not in UPSAMPLINGS:
        raise ValueError(f"upsampling must be one of {UPSAMPLINGS}. Received: {upsampling!r}")
    if upsampling == "nearest":
        x = layers.UpSampling2D(2, interpolation="nearest")(x)
        x = ReflectionPadding2D(1)(x)
        return layers.Conv2D(filters, 3, kernel_initializer=normal_initializer())(x)
    x = layers.Conv2DTranspose(filters, 3, 2, kernel_initializer=normal_initializer())(x)
    # PyTorch's padding 1 with output padding 1 keeps all but the first row and column.
    return layers.Cropping2D(((1, 0), (1, 0)))(x)


def to_image(x, channels: int):
    """The last layer of a generator: a 7 x 7 convolution with reflection padding, then tanh.

    Args:
        x: float (N, H, W, C), symbolic.
        channels: int, channels of the image.

    Returns:
        float32 (N, H, W, channels) in [-1, 1].
    """
    x = ReflectionPadding2D(3)(x)
    x = Convolution2D(channels, 7, kernel_initializer=normal_initializer())(x)
    return layers.Activation("tanh", dtype="float32")(x)
