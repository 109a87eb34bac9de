"""The generator that learns line drawings from pairs: no normalization, and a sense of place."""

import keras
from keras import layers

from keras_portrait.layers import PlaneWave
from keras_portrait.networks.resnet import modulate

# Name of the layer before the tanh; tanh(x / 2) = 2 sigmoid(x) - 1.
HALF_LOGIT = "half_logit"
# The second convolution of a residual block and the last one begin this much smaller than He's
# initialization says: blocks begin as what came in, and drawings as gray, where cross-entropy
# is steep in both directions.
SMALL = 0.1


def line_generator(
    styles: int = 1,
    filters: int = 8,
    blocks: int = 6,
    period: int = 16,
    name: str = "generator",
) -> keras.Model:
    """Builds an encoder, residual blocks at a quarter of the size, and a decoder with skips.

    There is no normalization, so a pixel depends on what is around it alone: crops teach what
    whole squares need, and the network can run in 8-bit integers as it is, its features bounded by
    ReLU6. The plane wave enters twice, beside the photo and before the last two convolutions.

    Args:
        styles: int, length of the style vector. 1 means no style input. The vector scales and
            shifts what the convolutions behind the encoder find.
        filters: int; three times as many channels at the full size, five times as many at half of
            it, eight times as many at a quarter.
        blocks: int, number of residual blocks.
        period: int, pixels after which the plane wave repeats, see `layers.PlaneWave`.
        name: str, name of the model.

    Returns:
        A model of image float (N, H, W, 3) in [-1, 1], H and W multiples of 4, or of
        `[image, style]` with style float (N, styles); the output is float32 (N, H, W, 1) in
        [-1, 1]: the tanh of half a logit, so that (output + 1) / 2 is the probability of paper.

    Reference:
        Zhu et al., ICCV 2017, appendix 7.2, for the shape of the whole; Perez et al., "FiLM: Visual
        Reasoning with a General Conditioning Layer", AAAI 2018, for the style.
    """
    image = keras.Input((None, None, 3), name="image")
    style = keras.Input((styles,), name="style") if styles > 1 else None
    vector = None if style is None else layers.Reshape((1, 1, styles))(style)
    full = _bounded(_convolve(PlaneWave(period)(image), 3 * filters, 5))
    # On even sizes a kernel of 4 takes one pixel on each side, so that nothing is shifted.
    half = _bounded(_convolve(full, 5 * filters, 4, strides=2))
    quarter = x = _bounded(_convolve(half, 8 * filters, 4, strides=2))
    for _ in range(blocks):
        x = _residual_block(x, vector)
    x = layers.Add()([x, quarter])
    x = layers.Add()([_enlarge(x, 5 * filters, vector), half])
    x = layers.Add()([_enlarge(x, 3 * filters, vector), full])
    x = _convolve(PlaneWave(period)(x), 3 * filters)
    x = _bounded(modulate(x, vector))
    x = _convolve(x, 1, 5, scale=SMALL, name=HALF_LOGIT)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(image if style is None else [image, style], x, name=name)


def logits_of(generator: keras.Model) -> keras.Model:
    """A line generator without its tanh, of the same weights.

    Args:
        generator: made by `line_generator`.

    Returns:
        A model of the same inputs to float32 (N, H, W, 1), unbounded: the logit of paper.
    """
    half = generator.get_layer(HALF_LOGIT).output
    return keras.Model(generator.input, layers.Rescaling(2.0, dtype="float32")(half), name="logits")


def _residual_block(x, vector):
    """Two convolutions, added to what came in; the sum is bounded again."""
    filters = x.shape[-1]
    y = _bounded(modulate(_convolve(x, filters), vector))
    y = modulate(_convolve(y, filters, scale=SMALL), vector)
    return _bounded(layers.Add()([x, y]))


def _enlarge(x, filters, vector):
    """Twice the height and width."""
    x = layers.UpSampling2D(2, interpolation="nearest")(x)
    return _bounded(modulate(_convolve(x, filters), vector))


def _convolve(x, filters, kernel=3, strides=1, scale=1.0, name=None):
    # He et al. 2015: variance 2 / inputs, and `scale` times the deviation.
    spread = keras.initializers.VarianceScaling(2.0 * scale**2)
    convolution = layers.Conv2D(
        filters, kernel, strides, "same", kernel_initializer=spread, name=name
    )
    return convolution(x)


def _bounded(x):
    # As in the student: wide outliers would leave few of the 256 steps of an 8-bit number.
    return layers.ReLU(max_value=6)(x)
