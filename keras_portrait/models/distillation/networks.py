"""The small generator that learns from a trained one and runs in 8-bit integers throughout."""

import keras
from keras import layers

from keras_portrait.layers import DepthToSpace


def student_generator(
    styles: int = 1,
    filters: int = 8,
    blocks: int = 5,
    name: str = "generator",
) -> keras.Model:
    """Builds an encoder, residual blocks at a quarter of the size, and a decoder with skips.

    Made of what XNNPACK computes in 8-bit integers as one piece: convolutions with zero padding,
    batch normalization that folds into them, ReLU6, additions, depth-to-space, tanh. What costs
    time on small machines is the full size, not the multiplications: there are only two layers
    there, the last convolution and tanh. Convolutions that halve have a kernel of 4: on even sizes
    Keras's "same" then takes one pixel on each side, and needs no padding of its own.

    Args:
        styles: int, length of the style vector. 1 means no style input. The vector becomes a bias
            of every residual block, so that one file serves every style.
        filters: int, even; half as many channels at the full size, twice as many at half of it,
            four times as many at a quarter.
        blocks: int, number of residual blocks.
        name: str, name of the model.

    Returns:
        A model of image float (N, H, W, 3) in [-1, 1], H and W multiples of 4, or of
        `[image, style]` with style float (N, styles); the output is float32 (N, H, W, 1) in
        [-1, 1].

    Reference:
        Zhu et al., ICCV 2017, appendix 7.2, for the shape of the whole; Shi et al., CVPR 2016, for
        the upsampling. Dense convolutions of few channels, not the separable ones of MobileNet:
        at the same multiplications those took twice the time in 8-bit integers, and lost 10 dB.
    """
    image = keras.Input((None, None, 3), name="image")
    style = keras.Input((styles,), name="style") if styles > 1 else None
    vector = None if style is None else layers.Reshape((1, 1, styles))(style)
    half = _convolve(image, 2 * filters, kernel=4, strides=2)
    quarter = x = _convolve(half, 4 * filters, kernel=4, strides=2)
    for _ in range(blocks):
        x = _residual_block(x, vector)
    x = layers.Add()([x, quarter])
    x = DepthToSpace(2)(_convolve(x, 4 * 2 * filters))
    x = layers.Add()([x, half])
    x = _convolve(x, 2 * filters)
    x = DepthToSpace(2)(_convolve(x, 4 * filters // 2))
    x = _dense(x, 1, use_bias=True)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(image if style is None else [image, style], x, name=name)


def _residual_block(x, vector):
    """Two convolutions, added to what came in; the style shifts what the first one finds.

    The sum is bounded again, so that errors of rounding do not grow from block to block.
    """
    filters = x.shape[-1]
    y = _convolve(x, filters, activated=False)
    if vector is not None:
        y = layers.Add()([y, layers.Conv2D(filters, 1, use_bias=False)(vector)])
    y = _convolve(_bounded(y), filters, activated=False)
    return _bounded(layers.Add()([x, y]))


def _convolve(x, filters, kernel=3, strides=1, activated=True):
    return _normalized(_dense(x, filters, kernel, strides), activated)


def _dense(x, filters, kernel=3, strides=1, use_bias=False):
    return layers.Conv2D(
        filters,
        kernel,
        strides,
        padding="same",
        use_bias=use_bias,
        kernel_initializer="he_normal",
    )(x)


def _normalized(x, activated=True):
    """Batch normalization; its offset stands in for the convolution's bias."""
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-3)(x)
    return _bounded(x) if activated else x


def _bounded(x):
    # Lines on paper make features that lie 20 standard deviations out. Without a bound they stretch
    # the 256 steps of an 8-bit number until the others are lost in one.
    return layers.ReLU(max_value=6)(x)
