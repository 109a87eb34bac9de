"""The shapes of other projects' networks that draw from photos, with random weights.

Rebuilt from what was published about them, to be timed and counted: they draw nothing. None of
their code and none of their weights are here.
"""

import keras
from keras import layers

# Stages of U2-Net: height of the U-block, None for the dilated one; channels within it, and of what
# it returns. On the way up a stage also takes what its counterpart on the way down returned.
_DOWN = ((7, 32, 64), (6, 32, 128), (5, 64, 256), (4, 128, 512), (None, 256, 512))
_BOTTOM = (None, 256, 512)
_UP = ((None, 256, 512), (4, 128, 256), (5, 64, 128), (6, 32, 64), (7, 16, 64))

# Slope of the leaky rectifiers of white-box cartoonization: TensorFlow's default.
_SLOPE = 0.2


def u2net(narrower: int = 1) -> keras.Model:
    """U2-Net at its full size, which Qin et al. also trained to draw portraits.

    Args:
        narrower: every number of channels is divided by it, for tests.

    Returns:
        A model of photos float (N, H, W, 3) in [-1, 1], H and W multiples of 32, to drawings float
        (N, H, W, 1) in [0, 1]. With `narrower` 1 it has 44,009,869 trained parameters, 176 MB in
        float32, as published; 512 pixels was the size of the portraits.

    Reference:
        Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection",
        Pattern Recognition 106 (2020), figures 2 and 5 and table 1.
    """
    photo = x = keras.Input((None, None, 3), name="image")
    kept = []
    for stage in _DOWN:
        x = _nested(x, stage, narrower)
        kept.append(x)
        x = layers.MaxPooling2D()(x)
    x = _nested(x, _BOTTOM, narrower)
    sides = [x]
    for stage in _UP:
        x = layers.Concatenate()([_doubled(x), kept.pop()])
        x = _nested(x, stage, narrower)
        sides.append(x)
    maps = [layers.Conv2D(1, 3, padding="same")(side) for side in sides]
    times = [2 ** (len(_UP) - at) for at in range(len(maps))]
    maps = [one if by == 1 else _doubled(one, by) for one, by in zip(maps, times, strict=True)]
    fused = layers.Conv2D(1, 1)(layers.Concatenate()(maps))
    return keras.Model(photo, layers.Activation("sigmoid")(fused), name="u2net")


def _nested(x, stage, narrower):
    """A residual U-block (RSU): a small U-Net, added to what its first convolution makes."""
    height, within, behind = stage
    within, behind = within // narrower, behind // narrower
    first = _unit(x, behind)
    if height is None:
        x = _dilated(first, within, behind)
    else:
        x = _pooled(first, height, within, behind)
    return layers.Add()([x, first])


def _pooled(x, height, within, behind):
    """RSU-7 to RSU-4: each step down halves the sides, the last one is dilated instead."""
    kept = [_unit(x, within)]
    for _ in range(height - 2):
        kept.append(_unit(layers.MaxPooling2D()(kept[-1]), within))
    x = _unit(kept[-1], within, 2)
    while len(kept) > 1:
        x = _doubled(_unit(layers.Concatenate()([x, kept.pop()]), within))
    return _unit(layers.Concatenate()([x, kept.pop()]), behind)


def _dilated(x, within, behind):
    """RSU-4F: dilation instead of pooling."""
    kept = [_unit(x, within)]
    for dilation in (2, 4):
        kept.append(_unit(kept[-1], within, dilation))
    x = _unit(kept[-1], within, 8)
    for dilation, filters in ((4, within), (2, within), (1, behind)):
        x = _unit(layers.Concatenate()([x, kept.pop()]), filters, dilation)
    return x


def _unit(x, filters, dilation=1):
    x = layers.Conv2D(filters, 3, padding="same", dilation_rate=dilation)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def _doubled(x, times=2):
    return layers.UpSampling2D(times, interpolation="bilinear")(x)


def whitebox(filters: int = 32, blocks: int = 4) -> keras.Model:
    """The generator of white-box cartoonization, without the guided filter behind it.

    Args:
        filters: channels after the first convolution.
        blocks: residual blocks.

    Returns:
        A model of photos float (N, H, W, 3) in [-1, 1], H and W multiples of 4, to cartoons of the
        same shape, unbounded; 1,467,075 parameters with the defaults, some 1.5 million as
        published.

    Reference:
        Wang, Yu, "Learning to Cartoonize Using White-box Cartoon Representations", CVPR 2020,
        supplementary material.
    """
    photo = keras.Input((None, None, 3), name="image")
    full = _leaky(photo, filters, 7)
    half = _leaky(_leaky(full, filters, strides=2), 2 * filters)
    x = _leaky(_leaky(half, 2 * filters, strides=2), 4 * filters)
    for _ in range(blocks):
        inner = layers.Conv2D(4 * filters, 3, padding="same")(_leaky(x, 4 * filters))
        x = layers.Add()([x, inner])
    x = _doubled(_leaky(x, 2 * filters))
    x = _leaky(_leaky(layers.Add()([x, half]), 2 * filters), filters)
    x = _leaky(layers.Add()([_doubled(x), full]), filters)
    return keras.Model(photo, layers.Conv2D(3, 7, padding="same")(x), name="whitebox")


def _leaky(x, filters, kernel=3, strides=1):
    x = layers.Conv2D(filters, kernel, strides, padding="same")(x)
    return layers.LeakyReLU(negative_slope=_SLOPE)(x)
