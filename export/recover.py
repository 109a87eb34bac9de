"""From a preset back to Keras: stored weights in the network that `network.json` describes.

The weights of a preset of 8-bit weights are the rounded ones. Exported once more they stay what
they are; a run folder has the exact ones.
"""

import json
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_portrait import layers as registered
from keras_portrait.errors import InputError
from keras_portrait.inference.litert.graph import PLACES, open_graph
from keras_portrait.inference.metadata import NOISE, read_metadata, read_network, split_model
from keras_portrait.inference.presets import find_preset
from keras_portrait.training.saved_generator import TrainedGenerator
from keras_portrait_export.layers import NEXT_TO_NOTHING
from keras_portrait_export.rebuild import leaves_lanes_idle
from keras_portrait_export.transposed import (
    SubpixelForm,
    has_subpixel_form,
    narrow,
    subpixel_form,
)

_NUMBERS = ("FLOAT32", "FLOAT16", "INT8", "INT32", "INT64", "UINT8")
_KINDS = {
    keras.layers.Conv2D: "CONV_2D",
    keras.layers.DepthwiseConv2D: "DEPTHWISE_CONV_2D",
    keras.layers.Conv2DTranspose: "TRANSPOSE_CONV",
}


# Layers between those of `_KINDS` that leave stored weights as they are. The converter multiplies
# others into them, a Rescaling for instance, which must not happen twice.
_BETWEEN = (
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.Concatenate,
    keras.layers.Cropping2D,
    keras.layers.GroupNormalization,
    keras.layers.InputLayer,
    keras.layers.LeakyReLU,
    keras.layers.Multiply,
    keras.layers.ReLU,
    keras.layers.Reshape,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
    *(registered.AppendStyle, registered.DepthToSpace, registered.InstanceNormalization),
    *(registered.PlaneWave, registered.ReflectionPadding2D),
)


def recover_generator(preset: str | Path) -> TrainedGenerator:
    """Loads the generator of a preset into Keras.

    Args:
        preset: as `presets.find_preset` takes it.

    Returns:
        The generator, with the weights as the model file stores them.

    Raises:
        SettingError: there is no such preset.
        InputError: its file does not tell how the network is built, or holds other weights.
    """
    path = find_preset(preset)
    metadata = read_metadata(path)
    file = path / metadata.file if path.is_dir() else path
    text = read_network(file)
    if not text:
        raise InputError(
            "The model file does not tell how its network is built; those that this version "
            "exports do, unless a style is folded in or somebody else's layers are among its. "
            "Expected such a preset or a run folder. "
            f"Received: {file}"
        )
    try:
        described = json.loads(text)
        model = keras.models.model_from_json(json.dumps(described["keras"]))
        styles, order = tuple(described["styles"]), list(described["order"])
    except Exception as error:  # Keras answers a forged description with errors of many kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"Cannot read the network of {file}. Received: {reason}") from error
    _set_weights(model, order, _stored_weights(split_model(file.read_bytes())[0]), file)
    words = {"description": metadata.description, "data_licence": metadata.data_licence}
    return TrainedGenerator(
        model=model,
        file=metadata.file,
        name=metadata.name,
        method=metadata.method,
        size=metadata.size,
        styles=() if metadata.inputs == NOISE else styles,
        kind="preset",
        alignment=metadata.alignment,
        words={key: text for key, text in words.items() if text},
    )


def describe_network(folded: keras.Model, styles: tuple[str, ...], model: bytes) -> str:
    """The text of `network.json`.

    Args:
        folded: from `rebuild.fold`, with its weights.
        styles: names of its styles.
        model: content of the `.tflite` file that was made of it.

    Returns:
        JSON: `styles`; `keras`, how the network is built; `order`, which layer's weights each
        operator with weights has. The converter sorts operators that do not wait for each other
        in a way of its own. Empty where the weights cannot all be found again.
    """
    if not all(isinstance(layer, (*_KINDS, *_BETWEEN)) for layer in folded.layers):
        return ""
    weighted = [layer for layer in folded.layers if layer.weights]
    stored = _stored_weights(model)
    if len(weighted) != len(stored) or any(type(layer) not in _KINDS for layer in weighted):
        return ""
    layers, order = {layer.name: layer.get_weights()[0] for layer in weighted}, []
    for kind, kernel, _ in stored:
        fitting = {
            name: float(np.abs(_plain(kind, kernel, folded.get_layer(name)) - weights).mean())
            for name, weights in layers.items()
            if _fits(kind, kernel, folded.get_layer(name))
        }
        if not fitting:
            return ""
        order.append(min(fitting, key=fitting.get))
        del layers[order[-1]]
    text = {"styles": styles, "order": order, "keras": json.loads(folded.to_json())}
    return json.dumps(text, separators=(",", ":"))


def _fits(kind, kernel, layer) -> bool:
    """Whether a stored kernel may be that of a layer: plain, in blocks or among pixels."""
    shape = tuple(layer.kernel.shape)
    if kind != _KINDS[type(layer)]:
        return kind == "CONV_2D" and _form_of(kernel, layer) is not None
    in_blocks = leaves_lanes_idle(layer) and kernel.shape[2] == shape[2]
    return kernel.shape == shape or (in_blocks and kernel.shape > shape)


def _plain(kind: str, kernel: np.ndarray, layer: keras.Layer) -> np.ndarray:
    """The kernel of a layer out of the stored one that fits it."""
    if kind != _KINDS[type(layer)]:
        return narrow(kernel, _form_of(kernel, layer), layer.kernel_size[0])
    return kernel[tuple(slice(length) for length in layer.kernel.shape)]


def _form_of(kernel: np.ndarray, layer: keras.Layer) -> SubpixelForm | None:
    """How a transposed convolution was written as this plain one; None where it was not."""
    if not has_subpixel_form(layer):
        return None
    side, stride = layer.kernel_size[0], layer.strides[0]
    for one_pixel in (False, True):
        form = subpixel_form(side, stride, layer.padding, one_pixel)
        outputs = form.square**2 * layer.filters
        if kernel.shape == (form.taps, form.taps, layer.kernel.shape[3], outputs):
            return form
    return None


def _set_weights(model: keras.Model, order: list[str], stored: list, file: Path) -> None:
    """Puts what a file stores into the layers."""
    if len(order) != len(stored):
        raise InputError(
            f"The weights do not fit the network: expected {len(order)} kernels. "
            f"Received: {len(stored)} in {file}"
        )
    for name, (kind, kernel, bias) in zip(order, stored, strict=True):
        layer = model.get_layer(name)
        if not _fits(kind, kernel, layer):
            raise InputError(
                f"The weights do not fit the network: {name} takes a kernel of "
                f"{tuple(layer.kernel.shape)}. Received: {kernel.shape} in {file}"
            )
        kernel = _plain(kind, kernel, layer)
        weights = [kernel, bias[: layer.bias.shape[0]]] if layer.use_bias else [kernel]
        layer.set_weights(weights)


def _stored_weights(model: bytes) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Operator, kernel in the shape that Keras gives it, and bias, in the order of the file."""
    graph, stored = open_graph(model), []
    for name, operator in graph.operators:
        if name not in _KINDS.values():
            continue
        at_kernel, at_bias = PLACES[name][1:]
        places = [operator.inputs[at_kernel]]
        if at_bias < len(operator.inputs) and operator.inputs[at_bias] >= 0:
            places.append(operator.inputs[at_bias])
        kernel, *bias = (_real_values(graph, graph.stored(index)) for index in places)
        if np.abs(kernel).max() <= 2 * NEXT_TO_NOTHING:  # a plane wave, which is no layer's weight
            continue
        # (out, k, k, in), of a depthwise convolution (1, k, k, out). In Keras a transposed
        # convolution has (k, k, out, in), the others have the first axis last.
        kernel = np.moveaxis(kernel, 0, 2 if name == "TRANSPOSE_CONV" else 3)
        outputs = kernel.shape[3 if name == "CONV_2D" else 2]
        stored.append((name, kernel, bias[0] if bias else np.zeros(outputs, np.float32)))
    return stored


def _real_values(graph, index: int) -> np.ndarray:
    """A constant as float32, whatever it is stored as."""
    tensor = graph.tensors[index]
    kinds = {getattr(schema.TensorType, name): name.lower() for name in _NUMBERS}
    data = np.frombuffer(bytes(graph.model.buffers[tensor.buffer].data), kinds[tensor.type])
    values = data.reshape(tensor.shape).astype(np.float64)
    quantization = tensor.quantization
    if quantization is not None and quantization.scale is not None and len(quantization.scale):
        scale, zero = np.asarray(quantization.scale), np.asarray(quantization.zeroPoint)
        if len(scale) > 1:
            shape = [1] * values.ndim
            shape[quantization.quantizedDimension] = len(scale)
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        values = (values - zero) * scale
    return values.astype(np.float32)
