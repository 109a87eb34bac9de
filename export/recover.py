"""From a preset back to Keras: stored weights in the network that `network.json` describes.

The weights of a preset of 8-bit weights are the rounded ones. Exported once more they stay what
they are; a run folder has the exact ones.
"""

import json
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_portrait import layers as registered  # noqa: F401  for the layers that the text names
from keras_portrait.contract import NOISE, read_contract, read_network, split_model
from keras_portrait.errors import InputError
from keras_portrait.presets import find_preset
from keras_portrait.trained_generator import TrainedGenerator

from .layers import BlockConv2D
from .lint import operator_name
from .rebuild import rebuild_for_inference

# Operators with weights, and the place of kernel and bias among their inputs.
_PLACES = {"CONV_2D": (1, 2), "DEPTHWISE_CONV_2D": (1, 2), "TRANSPOSE_CONV": (1, 3)}
_NUMBERS = ("FLOAT32", "FLOAT16", "INT8", "INT32", "INT64", "UINT8")
_KINDS = {
    keras.layers.Conv2D: "CONV_2D",
    keras.layers.DepthwiseConv2D: "DEPTHWISE_CONV_2D",
    keras.layers.Conv2DTranspose: "TRANSPOSE_CONV",
}


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
    contract = read_contract(path)
    file = path / contract.file if path.is_dir() else path
    text = read_network(file)
    if not text:
        raise InputError(
            "The model file does not tell how its network is built; presets exported by this "
            f"version do. Expected such a preset or a run folder. Received: {file}"
        )
    try:
        described = json.loads(text)
        model = keras.models.model_from_json(json.dumps(described["keras"]))
        styles = tuple(described["styles"])
    except (KeyError, TypeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"Cannot read the network of {file}. Received: {reason}") from error
    stored = _stored_weights(split_model(file.read_bytes())[0])
    rebuilt = rebuild_for_inference(model, contract.size)
    for name, weights in _matched(rebuilt, stored, file).items():
        model.get_layer(name).set_weights(weights)
    words = {"description": contract.description, "data_licence": contract.data_licence}
    return TrainedGenerator(
        model=model,
        file=contract.file,
        name=contract.name,
        method=contract.method,
        size=contract.size,
        styles=() if contract.inputs == NOISE else styles,
        kind="preset",
        words={key: text for key, text in words.items() if text},
    )


def _matched(rebuilt: keras.Model, stored: dict, file: Path) -> dict[str, list[np.ndarray]]:
    """Weights by layer. Within each shape of kernel, layers and operators have the same order."""
    matched = {}
    for layer in rebuilt.layers:
        convolution = layer.convolution if isinstance(layer, BlockConv2D) else layer
        kind = _KINDS.get(type(convolution))
        if kind is None:
            if layer.weights:
                raise InputError(
                    f"Only convolutions can be taken back out of a model file. "
                    f"Received: {layer.name} in {file}"
                )
            continue
        shapes = [tuple(weight.shape) for weight in convolution.weights]
        waiting = stored[kind, shapes[0]]
        if not waiting:
            raise InputError(
                f"The weights do not fit the network: nothing of shape {shapes[0]} is left for "
                f"{layer.name}. Received: {file}"
            )
        weights = waiting.pop(0)[: len(shapes)]
        if isinstance(layer, BlockConv2D):
            weights = layer.plain_weights(weights)
        matched[layer.name] = weights
    left = [shape for (_, shape), waiting in stored.items() if waiting]
    if left:
        raise InputError(
            f"The weights do not fit the network: no layer takes {left[0]}. Received: {file}"
        )
    return matched


def _stored_weights(model: bytes) -> dict[tuple[str, tuple], list[list[np.ndarray]]]:
    """Kernels, in the shape that Keras gives them, and biases, in the order of the operators."""
    model = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = model.subgraphs[0]
    names = [operator_name(code) for code in model.operatorCodes]
    # 16-bit weights become 32 again through an operator of their own.
    widened = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if names[operator.opcodeIndex] == "DEQUANTIZE"
    }
    stored = defaultdict(list)
    for operator in graph.operators:
        name = names[operator.opcodeIndex]
        if name not in _PLACES:
            continue
        at_kernel, at_bias = _PLACES[name]
        places = [operator.inputs[at_kernel]]
        if at_bias < len(operator.inputs) and operator.inputs[at_bias] >= 0:
            places.append(operator.inputs[at_bias])
        kernel, *bias = (_real_values(model, graph, widened.get(at, at)) for at in places)
        # (out, k, k, in), of a depthwise convolution (1, k, k, out). In Keras a transposed
        # convolution has (k, k, out, in), the others have the first axis last.
        kernel = np.moveaxis(kernel, 0, 2 if name == "TRANSPOSE_CONV" else 3)
        outputs = kernel.shape[3 if name == "CONV_2D" else 2]
        stored[name, kernel.shape].append([kernel, *(bias or [np.zeros(outputs, np.float32)])])
    return stored


def _real_values(model, graph, at: int) -> np.ndarray:
    """A constant as float32, whatever it is stored as."""
    tensor = graph.tensors[at]
    kinds = {getattr(schema.TensorType, name): name.lower() for name in _NUMBERS}
    data = np.frombuffer(bytes(model.buffers[tensor.buffer].data), kinds[tensor.type])
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
