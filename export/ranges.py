"""Which numbers the pictures of anybody's model have: told, found in its layers, or measured."""

from collections.abc import Iterable

import keras
import numpy as np
from keras import layers

from keras_portrait.errors import SettingError

Range = tuple[float, float]

# As generators of this project have it.
SIGNED: Range = (-1.0, 1.0)
UNIT: Range = (0.0, 1.0)
PIXELS: Range = (0.0, 255.0)
# Numbers beyond these parts of all count as strays.
_LEAST, _MOST = 0.001, 0.999
# How far a linear layer may overshoot a range, as a share of its width.
_SLACK = 0.25
# Below this a picture has negative numbers on purpose.
_NEGATIVE = -0.1
# At most so many pictures are measured: more find the same.
MOST_MEASURED = 20


def check_range(option: str, span: "tuple[float, ...] | None") -> Range | None:
    """A range that somebody gave.

    Raises:
        SettingError: it is none.
    """
    if span is None:
        return None
    low, high = (float(value) for value in span)
    if not (np.isfinite([low, high]).all() and low < high):
        raise SettingError(
            f"{option}: expected the least and the largest number. Received: {low:g} {high:g}"
        )
    return low, high


def rescaling(source: Range, target: Range, name: str) -> layers.Rescaling:
    """The layer that brings numbers of one range into another."""
    scale = (target[1] - target[0]) / (source[1] - source[0])
    return layers.Rescaling(scale, target[0] - scale * source[0], name=name)


def rescaled(numbers: np.ndarray, source: Range, target: Range) -> np.ndarray:
    """Numbers of one range in those of another, as `rescaling`."""
    layer = rescaling(source, target, "rescaled")
    return numbers * np.float32(layer.scale) + np.float32(layer.offset)


def input_range_of(model: keras.Model, tensor) -> tuple[Range, str]:
    """Which numbers a model takes.

    Args:
        model: functional.
        tensor: its input.

    Returns:
        The range, and why.
    """
    if not tensor.dtype.startswith(("float", "bfloat")):
        return PIXELS, f"since it takes {tensor.dtype}"
    for layer in _users(model, tensor):
        if isinstance(layer, layers.Rescaling) and np.ndim(layer.scale) == 0 and layer.scale < 0.1:
            return PIXELS, f"since it begins with {layer.name}, a Rescaling by {layer.scale:.3g}"
        if isinstance(layer, layers.Normalization) and np.max(layer.mean) > 2:
            mean = float(np.max(layer.mean))
            return PIXELS, f"since it begins with {layer.name}, a Normalization around {mean:.3g}"
    return SIGNED, "which nothing in it tells; --input-range says otherwise"


def _users(model: keras.Model, tensor) -> list:
    """Layers that take a tensor first, those of nested models too."""
    found = []
    for layer in model.layers:
        for node in layer._inbound_nodes:
            if not any(one is tensor for one in node.input_tensors):
                continue
            if isinstance(layer, keras.Model):
                inner = layer.inputs[[one is tensor for one in node.input_tensors].index(True)]
                found += _users(keras.Model(list(layer.inputs), list(layer.outputs)), inner)
            else:
                found.append(layer)
    return found


def measure_output(model: keras.Model, inputs: Iterable[dict[str, np.ndarray]]) -> Range:
    """Between which numbers nearly all pixels lie that a model makes.

    Args:
        model: functional, of `image`, `image` and `style`, or `noise`.
        inputs: float32 arrays by name.
    """
    made = []
    for one in inputs:
        given = keras.tree.map_structure(lambda tensor, one=one: one[tensor.name], model.input)
        made.append(keras.ops.convert_to_numpy(model(given, training=False)).astype(np.float32))
    low, high = np.quantile(np.stack(made), (_LEAST, _MOST))
    return float(low), float(high)


def choose_range(measured: Range, model: keras.Model) -> Range:
    """Which range a model's pictures have.

    Args:
        measured: by `measure_output`.
        model: its last layer tells where it is a tanh or a sigmoid.

    Returns:
        `SIGNED`, `UNIT` or `PIXELS`.

    Raises:
        SettingError: the numbers fit none.
    """
    low, high = measured
    activation = getattr(model.layers[-1], "activation", None)
    if activation is keras.activations.tanh:
        return SIGNED
    if activation is keras.activations.sigmoid:
        return UNIT
    if high > 2:
        span = PIXELS
    else:
        span = SIGNED if low < _NEGATIVE else UNIT
    slack = _SLACK * (span[1] - span[0])
    # Written so that what is not a number fits none.
    if low < high and low >= span[0] - slack and high <= span[1] + slack:
        return span
    raise SettingError(
        "The model's pictures have numbers of none of the ranges -1..1, 0..1 and 0..255. Expected "
        "those of black and of white with --output-range. Received: pictures from "
        f"{low:.3g} to {high:.3g}"
    )
