"""The generator and the discriminator of DCGAN, with the extra layers of the anime report."""

import keras
from keras import layers

from keras_portrait.models.dcgan.config import DCGAN_SIZE
from keras_portrait.networks.resnet import normal_initializer


def dcgan_generator(filters: int = 64, noise: int = 100, name: str = "generator") -> keras.Model:
    """Builds the generator of 64 x 64 pictures from noise.

    Args:
        filters: int, channels of the last hidden layer; the first has eight times as many.
        noise: int, length of the noise vector.
        name: str, name of the model.

    Returns:
        A model of float (N, noise), standard normal, to pictures float32 (N, 64, 64, 3) in
        [-1, 1].

    Reference:
        Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional
        Generative Adversarial Networks", ICLR 2016, with what the report "Generating Anime Avatars
        Using GAN" (2020) changed: LeakyReLU in the generator too, and an extra 3 x 3 convolution
        before the last upsampling. On the channels of that layer the report's text (3) and its
        figure (64) disagree; this is the figure's.
    """
    vector = keras.Input((noise,), name="noise")
    x = layers.Reshape((1, 1, noise))(vector)
    x = _normalized(_upsample(x, 8 * filters, strides=1, padding="valid"))
    for width in (4 * filters, 2 * filters, filters):
        x = _normalized(_upsample(x, width))
    x = _normalized(_convolve(x, filters, kernel=3))
    x = _upsample(x, 3, use_bias=True)
    return keras.Model(vector, layers.Activation("tanh", dtype="float32")(x), name=name)


def dcgan_discriminator(filters: int = 64, name: str = "discriminator") -> keras.Model:
    """Builds the discriminator of 64 x 64 pictures, without a fully connected layer.

    Args:
        filters: int, channels after the first convolution; the last hidden layer has eight times
            as many.
        name: str, name of the model.

    Returns:
        A model of pictures float (N, 64, 64, 3) in [-1, 1] to one unbounded realness score each,
        float32 (N, 1).

    Reference:
        As `dcgan_generator`; the report adds a convolution that keeps the 4 x 4 x 512 shape.
    """
    picture = keras.Input((DCGAN_SIZE, DCGAN_SIZE, 3), name="image")
    x = _leaky(_convolve(picture, filters, strides=2, use_bias=True))
    for width in (2 * filters, 4 * filters, 8 * filters):
        x = _normalized(_convolve(x, width, strides=2))
    x = _normalized(_convolve(x, 8 * filters, kernel=3))
    x = _convolve(x, 1, padding="valid", use_bias=True)
    return keras.Model(picture, layers.Reshape((1,), dtype="float32")(x), name=name)


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
