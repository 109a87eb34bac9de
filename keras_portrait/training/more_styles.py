"""Generators with one style more than they were trained with: weights that no other style reads."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from keras_portrait.errors import SettingError
from keras_portrait.training.initial_weights import sees_style, with_styles


def style_layers(generator: keras.Model) -> list[layers.Conv2D]:
    """The convolutions that see the style vector, in order.

    The last channels that they see are those of the styles, so a style has weights of its own in
    their kernels: `kernel[:, :, k - K]` for style k of K.
    """
    return [layer for layer in generator.layers if sees_style(layer)]


def require_styles(generator: keras.Model, name: str) -> None:
    """Refuses a generator to which no style can be added.

    Args:
        generator: a functional model.
        name: what it is called, for the text of the error.

    Raises:
        SettingError: it takes no style, or has no weights of its own for each style.
    """
    if len(generator.inputs) < 2 or not style_layers(generator):
        raise SettingError(
            "Expected a generator of two styles or more, to which another can be added, such as "
            f"the preset portrait. Received: {name}, which takes no style"
        )


def with_one_more_style(generator: keras.Model, mix: Sequence[float]) -> keras.Model:
    """Builds the same generator with another style behind its own.

    Args:
        generator: a model of `[image, style]`, style float (N, K).
        mix: K shares of its styles that the new one begins as.

    Returns:
        A model of `[image, style]`, style float (N, K + 1), computing in float32.
    """
    count = generator.inputs[1].shape[-1]
    config = generator.get_config()
    for layer in config["layers"]:
        layer.pop("build_config", None)  # shapes for the former number of styles
        _widen(layer, count)
        _in_float32(layer)
    wider = type(generator).from_config(config)
    shares = np.vstack([np.eye(count), mix]).astype(np.float32)
    for layer in generator.layers:
        weights = layer.get_weights()
        if weights:
            weights = with_styles(weights, shares) if sees_style(layer) else weights
            wider.get_layer(layer.name).set_weights(weights)
    return wider


def begin_as(generator: keras.Model, mix: Sequence[float]) -> None:
    """Gives the last style of a generator the weights of a mix of the others.

    Args:
        generator: from `with_one_more_style`, changed in place.
        mix: K shares of the other styles.
    """
    for layer in style_layers(generator):
        kernel, *bias = layer.get_weights()
        others = kernel[:, :, -len(mix) - 1 : -1]
        kernel[:, :, -1] = np.einsum("k,hwko->hwo", np.float32(mix), others)
        layer.set_weights([kernel, *bias])


def _widen(layer, count):
    """Changes the configuration of what hands the style vector on."""
    config = layer["config"]
    if layer["class_name"] == "InputLayer" and layer["name"] == "style":
        config["batch_shape"] = (None, count + 1)
    elif layer["class_name"] == "Reshape" and tuple(config["target_shape"]) == (1, 1, count):
        config["target_shape"] = (1, 1, count + 1)


def _in_float32(layer):
    if "dtype" in layer["config"]:
        layer["config"]["dtype"] = "float32"
