"""Encoder, residual blocks, decoder: CycleGAN's generator and those that were made of it.

Sources: Zhu, Park, Isola, Efros, ICCV 2017, appendix 7.2, and the names of the tensors of
`junyanz/pytorch-CycleGAN-and-pix2pix`; Yi, Liu, Lai, Rosin, CVPR 2020, sec. 3.2, and those of
`yiranran/Unpaired-Portrait-Drawing`; Chan, Durand, Isola, "Learning to generate line drawings that
convey geometry and semantics", CVPR 2022, and those of `carolineec/informative-drawings`; Johnson,
Alahi, Fei-Fei, ECCV 2016, and those of `pytorch/examples`, fast_neural_style.
"""

import keras
from keras import layers

from keras_portrait.layers import AppendStyle
from keras_portrait_export.published.builder import Builder, picture_input


def cyclegan(build: Builder) -> keras.Model:
    """CycleGAN's, of 6 or 9 blocks, instance or batch norm; also the paper's inverse generator.

    Args:
        build: holds `model.1.weight` and so on.

    Returns:
        A model of pictures in [-1, 1].
    """
    image = picture_input(build.take("model.1.weight").shape[1])
    x = _unit(build, image, "model.1", reflect=3)
    x = _unit(build, x, "model.4", stride=2, zeros=1)
    x = _unit(build, x, "model.7", stride=2, zeros=1)
    at = 10
    while build.has(f"model.{at}.conv_block.1.weight"):
        x = _block(build, x, f"model.{at}.conv_block")
        at += 1
    for _ in range(2):
        x = build.enlarge(x, f"model.{at}")
        x = layers.ReLU()(_normalize(build, x, f"model.{at + 1}"))
        at += 3
    return _ended(build, image, x, f"model.{at + 1}", "tanh")


def styled(build: Builder) -> keras.Model:
    """The paper's generator of several styles.

    Args:
        build: holds `model0.1.weight`, `model.0.weight` and so on. The style map, which is the
            same at every pixel, is a vector here.

    Returns:
        A model of a picture in [-1, 1] and a style vector.
    """
    merging = build.take("model.0.weight").shape[1]
    image = picture_input(build.take("model0.1.weight").shape[1])
    x = _unit(build, image, "model0.1", reflect=3)
    x = _unit(build, x, "model0.4", stride=2, zeros=1)
    x = _unit(build, x, "model0.7", stride=2, zeros=1)
    style = keras.Input((merging - x.shape[-1],), name="style")
    x = _unit(build, AppendStyle()([x, style]), "model.0", zeros=1)
    at = 3
    while build.has(f"model.{at}.conv_block.1.weight"):
        x = _block(build, x, f"model.{at}.conv_block")
        at += 1
    for _ in range(2):
        x = layers.ReLU()(build.normalize(build.enlarge(x, f"model.{at}")))
        at += 3
    return _ended(build, [image, style], x, f"model.{at + 1}", "tanh")


def informative(build: Builder) -> keras.Model:
    """That of informative drawings.

    Args:
        build: holds `model0.1.weight` to `model4.1.weight`.

    Returns:
        A model of a photo in [0, 1] that returns a drawing in [0, 1].
    """
    image = picture_input(build.take("model0.1.weight").shape[1])
    x = _unit(build, image, "model0.1", reflect=3)
    for at in (0, 3):
        x = _unit(build, x, f"model1.{at}", stride=2, zeros=1)
    at = 0
    while build.has(f"model2.{at}.conv_block.1.weight"):
        x = _block(build, x, f"model2.{at}.conv_block")
        at += 1
    for at in (0, 3):
        x = layers.ReLU()(build.normalize(build.enlarge(x, f"model3.{at}")))
    return _ended(build, image, x, "model4.1", "sigmoid")


def fast_style(build: Builder) -> keras.Model:
    """Johnson's net of one style, for real-time style transfer.

    Args:
        build: holds `conv1.conv2d.weight`, `in1.weight`, `res1.conv1.conv2d.weight` and so on.

    Returns:
        A model of a photo in [0, 255] that returns a picture of about that range.
    """
    image = picture_input(3)
    x = image
    for at, stride in enumerate((1, 2, 2), 1):
        name = f"conv{at}.conv2d"
        x = build.convolve(x, name, stride, reflect=_half(build, name))
        x = layers.ReLU()(build.normalize(x, f"in{at}"))
    at = 1
    while build.has(f"res{at}.conv1.conv2d.weight"):
        y = build.convolve(x, f"res{at}.conv1.conv2d", reflect=1)
        y = layers.ReLU()(build.normalize(y, f"res{at}.in1"))
        y = build.convolve(y, f"res{at}.conv2.conv2d", reflect=1)
        x = layers.Add()([x, build.normalize(y, f"res{at}.in2")])
        at += 1
    for at in (1, 2):
        name = f"deconv{at}.conv2d"
        x = layers.UpSampling2D(2, interpolation="nearest")(x)
        x = build.convolve(x, name, reflect=_half(build, name))
        x = layers.ReLU()(build.normalize(x, f"in{at + 3}"))
    x = build.convolve(x, "deconv3.conv2d", reflect=_half(build, "deconv3.conv2d"))
    return keras.Model(image, x, name="fast_style")


def _half(build: Builder, name: str) -> int:
    return build.take(f"{name}.weight").shape[2] // 2


def _unit(build: Builder, x, name: str, **settings):
    """Convolution, then the next of the list that it is of, normalization, and ReLU."""
    folder, number = name.rsplit(".", 1)
    x = build.convolve(x, name, **settings)
    return layers.ReLU()(_normalize(build, x, f"{folder}.{int(number) + 1}"))


def _block(build: Builder, x, name: str):
    """Two convolutions, added to what came in."""
    # Dropout between them, off here, takes a number of the list.
    second = 6 if build.ndim(f"{name}.6.weight") == 4 else 5
    y = build.convolve(x, f"{name}.1", reflect=1)
    y = layers.ReLU()(_normalize(build, y, f"{name}.2"))
    y = build.convolve(y, f"{name}.{second}", reflect=1)
    return layers.Add()([x, _normalize(build, y, f"{name}.{second + 1}")])


def _normalize(build: Builder, x, name: str):
    """Batch normalization where it has a scale: old files hold statistics of the other, too."""
    return build.normalize_batch(x, name) if build.has(f"{name}.weight") else build.normalize(x)


def _ended(build: Builder, inputs, x, name: str, activation: str) -> keras.Model:
    x = build.convolve(x, name, reflect=3)
    return keras.Model(inputs, layers.Activation(activation, name="picture")(x))
