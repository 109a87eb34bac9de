"""AnimeGANv2's and CartoonGAN's generators.

Sources: Chen, Liu, Chen, "AnimeGAN", ISICA 2019, and the names of the tensors of
`bryandlee/animegan2-pytorch`; Chen, Lai, Liu, CVPR 2018, and those of
`mnicnc404/CartoonGan-tensorflow`.
"""

import keras
from keras import layers

from keras_portrait_export.published.builder import Builder, picture_input
from keras_portrait_export.published.layers import CornerUpSampling2D

# Pixels below and to the right alone, before a convolution of stride 2.
_DOWN = ((0, 1), (0, 1))
_SLOPE = 0.2
_CARTOON_BLOCKS = range(4, 12)
# Theirs is added to the deviation, not to the variance: next to nothing either way.
_CARTOON_EPSILON = 1e-9


def animegan2(build: Builder) -> keras.Model:
    """AnimeGANv2's generator of inverted residuals.

    Args:
        build: holds `block_a.0.1.weight` to `out_layer.0.weight`.

    Returns:
        A model of pictures in [-1, 1], of sides that are multiples of 4.
    """
    image = picture_input(3)
    x = _unit(build, image, "block_a.0", 3)
    x = _unit(build, x, "block_a.1", _DOWN, stride=2)
    x = _unit(build, x, "block_a.2", 1)
    x = _unit(build, x, "block_b.0", _DOWN, stride=2)
    x = _unit(build, x, "block_b.1", 1)
    x = _unit(build, x, "block_c.0", 1)
    at = 1
    while build.has(f"block_c.{at}.layers.0.1.weight"):
        x = _inverted_residual(build, x, f"block_c.{at}.layers")
        at += 1
    x = CornerUpSampling2D()(_unit(build, x, f"block_c.{at}", 1))
    x = _unit(build, _unit(build, x, "block_d.0", 1), "block_d.1", 1)
    x = CornerUpSampling2D()(x)
    x = _unit(build, _unit(build, x, "block_e.0", 1), "block_e.1", 1)
    x = _unit(build, x, "block_e.2", 3)
    x = build.convolve(x, "out_layer.0")
    return keras.Model(image, layers.Activation("tanh", name="picture")(x))


def _unit(build: Builder, x, name: str, reflect=0, stride: int = 1):
    x = build.convolve(x, f"{name}.1", stride, reflect=reflect)
    return layers.LeakyReLU(_SLOPE)(build.normalize_picture(x, f"{name}.2"))


def _inverted_residual(build: Builder, x, name: str):
    y = _unit(build, x, f"{name}.0")
    y = _unit(build, y, f"{name}.1", 1)
    y = build.normalize_picture(build.convolve(y, f"{name}.2"), f"{name}.3")
    return layers.Add()([x, y]) if x.shape[-1] == y.shape[-1] else y


def cartoongan(build: Builder) -> keras.Model:
    """CartoonGAN's generator.

    Args:
        build: holds `conv01_1.weight`, `in01_1.scale` and so on.

    Returns:
        A model of pictures in [-1, 1] in the order red, green, blue; the weights are for the other.
    """
    # Red comes first here, in and out.
    build.reverse("conv01_1.weight", axis=1)
    for name in ("deconv03_1.weight", "deconv03_1.bias"):
        build.reverse(name, axis=0)
    image = picture_input(3)
    x = _cartoon_unit(build, build.convolve(image, "conv01_1", reflect=3), "in01_1")
    for at in ("02", "03"):
        x = build.convolve(x, f"conv{at}_1", 2, reflect=1)
        x = _cartoon_unit(build, build.convolve(x, f"conv{at}_2", reflect=1), f"in{at}_1")
    for at in (f"{number:02}" for number in _CARTOON_BLOCKS):
        y = _cartoon_unit(build, build.convolve(x, f"conv{at}_1", reflect=1), f"in{at}_1")
        y = build.convolve(y, f"conv{at}_2", reflect=1)
        x = layers.Add()([x, _cartoon_normalize(build, y, f"in{at}_2")])
    for at, normalized in (("01", "in12_1"), ("02", "in13_1")):
        x = build.enlarge(x, f"deconv{at}_1")
        x = _cartoon_unit(build, build.convolve(x, f"deconv{at}_2", reflect=1), normalized)
    x = build.convolve(x, "deconv03_1", reflect=3)
    return keras.Model(image, layers.Activation("tanh", name="picture")(x))


def _cartoon_unit(build: Builder, x, name: str):
    return layers.ReLU()(_cartoon_normalize(build, x, name))


def _cartoon_normalize(build: Builder, x, name: str):
    return build.normalize(x, name, _CARTOON_EPSILON)
