"""The generator and the discriminator of DCGAN, with the extra layers of the anime report."""

import keras
from keras import layers

from keras_portrait.networks.resnet import normal_initializer

# A stack begins or ends at 4 x 4; no layer is wider than this many times the narrowest.
START, WIDEST = 4, 8


def dcgan_generator(
    filters: int = 64, noise: int = 100, size: int = 64, name: str = "generator"
) -> keras.Model:
    """Builds the generator of pictures from noise.

    Args:
        filters: int, channels of the last hidden layer; the first has eight times as many.
        noise: int, length of the noise vector.
        size: int, height and width of the pictures, a power of two from 16 on. 64 is the
            report's; each doubling above it is one more layer of the widest kind.
        name: str, name of the model.

    Returns:
        A model of float (N, noise), standard normal, to pictures float32 (N, size, size, 3) in
        [-1, 1].

    Raises:
        ValueError: if the size is not such a power.

    Reference:
        Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional
        Generative Adversarial Networks", ICLR 2016, with what the report "Generating Anime Avatars
        Using GAN" (2020) changed: LeakyReLU in the generator too, and an extra 3 x 3 convolution
        before the last upsampling. On the channels of that layer the report's text (3) and its
        figure (64) disagree; this is the figure's.
    """
    narrow, *hidden = _widths(filters, size)
    vector = keras.Input((noise,), name="noise")
    x = layers.Reshape((1, 1, noise))(vector)
    x = _normalized(_upsample(x, hidden[-1], strides=1, padding="valid"))
    for width in (*hidden[-2::-1], narrow):
        x = _normalized(_upsample(x, width))
    x = _normalized(_convolve(x, filters, kernel=3))
    x = _upsample(x, 3, use_bias=True)
    return keras.Model(vector, layers.Activation("tanh", dtype="float32")(x), name=name)


def dcgan_discriminator(
    filters: int = 64, size: int = 64, name: str = "discriminator"
) -> keras.Model:
    """Builds the discriminator of pictures, without a fully connected layer.

    Args:
        filters: int, channels after the first convolution; the last hidden layer has eight times
            as many.
        size: int, height and width of the pictures, as for `dcgan_generator`.
        name: str, name of the model.

    Returns:
        A model of pictures float (N, size, size, 3) in [-1, 1] to one unbounded realness score
        each, float32 (N, 1).

    Raises:
        ValueError: if the size is not such a power.

    Reference:
        As `dcgan_generator`; the report adds a convolution that keeps the 4 x 4 x 512 shape.
    """
    narrow, *hidden = _widths(filters, size)
    picture = keras.Input((size, size, 3), name="image")
    x = _leaky(_convolve(picture, narrow, strides=2, use_bias=True))
    for width in hidden:
        x = _normalized(_convolve(x, width, strides=2))
    x = _normalized(_convolve(x, hidden[-1], kernel=3))
    x = _convolve(x, 1, padding="valid", use_bias=True)
    return keras.Model(picture, layers.Reshape((1,), dtype="float32")(x), name=name)


def _widths(filters, size):
    """Channels at `size` / 2, `size` / 4, ... down to `START`."""
    if size < 4 * START or size & (size - 1):
        raise ValueError(f"expected a power of two from {4 * START} on. Received: size={size}")
    doublings = (size // START).bit_length() - 1
    return [filters * min(2**level, WIDEST) for level in range(doublings)]


# Kernel 4 at stride 2 and kernel 3 at stride 1: on even sizes Keras's "same" takes one pixel on
# each side, as PyTorch's padding 1 does. Before a normalization a bias would have no effect.


def _upsample(x, filters, strides=2, padding="same", use_bias=False):
    return layers.Conv2DTranspose(
        filters,
        4,
        strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=normal_initializer(),
    )(x)


def _convolve(x, filters, kernel=4, strides=1, padding="same", use_bias=False):
    return layers.Conv2D(
        filters,
        kernel,
        strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=normal_initializer(),
    )(x)


def _normalized(x):
    """Batch normalization with PyTorch's constants and Radford's gain N(1, 0.02), LeakyReLU."""
    gain = keras.initializers.RandomNormal(mean=1.0, stddev=0.02)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gain)(x)
    return _leaky(x)


def _leaky(x):
    return layers.LeakyReLU(negative_slope=0.2)(x)
