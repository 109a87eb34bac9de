"""The small generator that learns from a trained one and runs in 8-bit integers throughout."""

import keras
from keras import layers

from keras_portrait.layers import DepthToSpace, PlaneWave
from keras_portrait.networks.line_generator import HALF_LOGIT, SMALL


def student_generator(
    styles: int = 1,
    filters: int = 8,
    blocks: int = 4,
    period: int = 16,
    name: str = "generator",
) -> keras.Model:
    """Builds a U-Net whose residual blocks work at an eighth of the size.

    Made of what XNNPACK computes in 8-bit integers as one piece: convolutions with zero padding,
    ReLU6, additions, concatenations, depth-to-space, tanh. What costs time on small machines are
    large planes, not multiplications: at the full size there is tanh alone, and most channels are
    where planes are smallest. There is no normalization, so that a pixel depends on what is around
    it alone, and crops teach what whole squares need. Convolutions that halve have a kernel of 4:
    on even sizes Keras's "same" then takes one pixel on each side, and needs no padding of its own.

    Args:
        styles: int, length of the style vector. 1 means no style input. The vector becomes a bias
            of every residual block, so that one file serves every style.
        filters: int; twice as many channels at half of the size, four times as many at a quarter,
            eight times as many at an eighth.
        blocks: int, number of residual blocks at an eighth of the size; there is one at a quarter
            before them, and one after them.
        period: int, pixels after which the plane wave repeats, see `layers.PlaneWave`: it is seen
            at half of the size on the way down, at a quarter and at half on the way up.
        name: str, name of the model.

    Returns:
        A model of image float (N, H, W, 3) in [-1, 1], H and W multiples of 8, or of
        `[image, style]` with style float (N, styles); the output is float32 (N, H, W, 1) in
        [-1, 1]: the tanh of half a logit, so that (output + 1) / 2 is the probability of paper.

    Reference:
        Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, for the shape of the whole, with sums for
        its concatenations; Shi et al., CVPR 2016, for the upsampling. Dense convolutions of few
        channels, not the separable ones of MobileNet: at the same multiplications those took twice
        the time in 8-bit integers, and lost 10 dB.
    """
    image = keras.Input((None, None, 3), name="image")
    style = keras.Input((styles,), name="style") if styles > 1 else None
    vector = None if style is None else layers.Reshape((1, 1, styles))(style)
    half = _bounded(_convolve(image, 2 * filters, 4, 2))
    x = _bounded(_convolve(PlaneWave(period, 2)(half), 4 * filters, 4, 2))
    quarter = _residual_block(x, vector)
    x = _bounded(_convolve(quarter, 8 * filters, 4, 2))
    for _ in range(blocks):
        x = _residual_block(x, vector)
    x = layers.Add()([_enlarge(x, 4 * filters), quarter])
    x = PlaneWave(period, 4)(_residual_block(x, vector))
    x = layers.Add()([_enlarge(x, 2 * filters), half])
    x = _bounded(_convolve(PlaneWave(period, 2)(x), 2 * filters))
    # A small last convolution begins with gray, where cross-entropy is steep in both directions.
    x = DepthToSpace(2, name=HALF_LOGIT)(_convolve(x, 4, scale=SMALL))
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(image if style is None else [image, style], x, name=name)


def _residual_block(x, vector):
    """Two convolutions, added to what came in; the style shifts what the first one finds.

    The sum is bounded again, so that errors of rounding do not grow from block to block.
    """
    filters = x.shape[-1]
    y = _convolve(x, filters)
    if vector is not None:
        y = layers.Add()([y, layers.Conv2D(filters, 1, use_bias=False)(vector)])
    y = _convolve(_bounded(y), filters, scale=SMALL)
    return _bounded(layers.Add()([x, y]))


def _enlarge(x, filters):
    """Twice the height and width."""
    return DepthToSpace(2)(_bounded(_convolve(x, 4 * filters)))


def _convolve(x, filters, kernel=3, strides=1, scale=1.0):
    # He et al. 2015: variance 2 / inputs, and `scale` times the deviation.
    spread = keras.initializers.VarianceScaling(2.0 * scale**2)
    return layers.Conv2D(filters, kernel, strides, "same", kernel_initializer=spread)(x)


def _bounded(x):
    # Lines on paper make features that lie 20 standard deviations out. Without a bound they stretch
    # the 256 steps of an 8-bit number until the others are lost in one.
    return layers.ReLU(max_value=6)(x)
