"""The style classifier: what tells the hand of a drawing, from the texture of its lines."""

import keras
import numpy as np
from keras import layers, ops

# Added to variances: features that hardly vary must not be blown up.
EPSILON = 1e-4


def texture_statistics(maps):
    """Pools feature maps into what they say about texture, wherever in the picture it is.

    Args:
        maps: list of float tensors (N, H, W, C), not negative; sizes and channels may differ.

    Returns:
        float32 (N, F), F twice the sum of all C: the logarithm of 1 plus the mean, and of 1 plus
        the standard deviation, of each channel over the picture.
    """
    statistics = []
    for features in maps:
        features = ops.cast(features, "float32")
        mean = ops.mean(features, axis=(1, 2))
        deviation = ops.std(features, axis=(1, 2))
        statistics += [ops.log1p(mean), ops.log1p(deviation)]
    return ops.concatenate(statistics, axis=-1)


def style_classifier(
    styles: int,
    features: int,
    hidden: int = 64,
    dropout: float = 0.5,
    seed: int = 0,
    name: str = "style_classifier",
) -> keras.Model:
    """Builds the head that tells styles from texture statistics.

    Args:
        styles: int, number of styles, at least 1.
        features: int, length of the statistics, see `texture_statistics`.
        hidden: int, units of the hidden layer; 0 leaves it out.
        dropout: float in [0, 1), share of features and hidden units that a step leaves out.
        seed: int, of the dropout.
        name: str, name of the model.

    Returns:
        A model of float (N, features) to unbounded logits float32 (N, styles), whose softmax are
        the shares. See `standardize` for its first layer.

    Raises:
        ValueError: fewer than one style.

    Reference:
        The style classifier of Yi et al., CVPR 2020, whose journal version (TPAMI, sec. 7.1)
        says what it is: VGG19, trained on tagged drawings. Here the trunk stays frozen.
    """
    if styles < 1:
        raise ValueError(f"styles must be at least 1. Received: {styles}")
    statistics = keras.Input((features,), name="statistics")
    x = layers.BatchNormalization(
        epsilon=EPSILON, center=False, scale=False, trainable=False, name="standardize"
    )(statistics)
    x = layers.Dropout(dropout, seed=seed)(x)
    if hidden:
        x = layers.Dense(hidden, activation="relu")(x)
        x = layers.Dropout(dropout, seed=seed)(x)
    return keras.Model(statistics, layers.Dense(styles, name="logits")(x), name=name)


def standardize(model: keras.Model, statistics: np.ndarray) -> None:
    """Sets the mean and the variance that `style_classifier` takes off its input.

    Args:
        model: from `style_classifier`.
        statistics: float (N, features), those of the training drawings.
    """
    layer = model.get_layer("standardize")
    layer.moving_mean.assign(statistics.mean(axis=0))
    layer.moving_variance.assign(statistics.var(axis=0))
