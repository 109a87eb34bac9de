"""Counts what a model file costs: bytes, multiplications, parameters, operators."""

import math
from collections import Counter
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from keras_portrait.errors import InputError
from keras_portrait.inference.litert.graph import PLACES, network_sha256, open_graph

# How the runtime computes an operator. "dynamic": 8-bit weights and float activations, which are
# rounded to 8 bits as they come; "int16": 16-bit activations. 16-bit weights become floats when a
# model is loaded.
ARITHMETICS = ("float", "dynamic", "int8", "int16")

_TRANSPOSED = "TRANSPOSE_CONV"
# Type of the data -> its arithmetic, where it is not float.
_INTEGERS = {
    schema.TensorType.INT8: "int8",
    schema.TensorType.UINT8: "int8",
    schema.TensorType.INT16: "int16",
}


@dataclass(frozen=True)
class ModelStatistics:
    """What a model file holds, and what one call of it computes.

    Counted are convolutions, depthwise convolutions, transposed convolutions and fully connected
    layers: nearly all of the work of a generator. Positions in the padding count as any other.

    Attributes:
        file_bytes: size of the file.
        macs: multiplications that are carried out, each with its addition. A transposed convolution
            multiplies every input position with its whole kernel.
        macs_at_output: the same by the convention of many papers, which counts the kernel of a
            transposed convolution at every output position: at stride 2, four times as many.
        parameters: numbers in the kernels and biases of the counted operators. Batch
            normalization is in them after its folding; scales and offsets of other layers are
            not counted, and a kernel that is used twice counts once.
        operators: name of an operator -> how many there are, the most frequent first.
        macs_by_arithmetic: key of `ARITHMETICS` -> its part of `macs`; only what occurs.
        network_sha256: hash of the model in hexadecimal, its metadata left out.
    """

    file_bytes: int
    macs: int
    macs_at_output: int
    parameters: int
    operators: dict[str, int]
    macs_by_arithmetic: dict[str, int]
    network_sha256: str


def model_statistics(model: bytes) -> ModelStatistics:
    """Counts through the first graph of a model.

    Args:
        model: content of a `.tflite` file, made by this project or not.

    Raises:
        InputError: it is no such file, or a tensor of a counted operator has no fixed size.
    """
    graph = _open(model)
    counted = [(name, operator) for name, operator in graph.operators if name in PLACES]
    macs = Counter()
    at_output = 0
    for name, operator in counted:
        data, kernel = (graph.tensors[operator.inputs[place]] for place in PLACES[name][:2])
        result = graph.tensors[operator.outputs[0]]
        macs[_arithmetic(data, kernel)] += _macs(data if name == _TRANSPOSED else result, kernel)
        at_output += _macs(result, kernel)
    return ModelStatistics(
        file_bytes=len(model),
        macs=macs.total(),
        macs_at_output=at_output,
        parameters=_count_parameters(graph, counted),
        operators=dict(Counter(name for name, _ in graph.operators).most_common()),
        macs_by_arithmetic={kind: macs[kind] for kind in ARITHMETICS if macs[kind]},
        network_sha256=network_sha256(model),
    )


def _open(model):
    try:
        return open_graph(model)
    # Depending on what stands where offsets should, the reader lets nearly anything through.
    except Exception as error:
        raise InputError(f"This is no whole LiteRT model. Received: {len(model)} bytes") from error


def _arithmetic(data, kernel) -> str:
    kind = _INTEGERS.get(data.type, "float")
    return "dynamic" if kind == "float" and kernel.type != schema.TensorType.FLOAT32 else kind


def _macs(places, kernel) -> int:
    """The kernel, whatever the order of its axes, as often as a tensor has positions."""
    return _size(places) // int(places.shape[-1]) * _size(kernel)


def _size(tensor) -> int:
    signature = tensor.shapeSignature
    if signature is not None and min(signature, default=0) < 0:
        raise InputError(
            "Expected a model of fixed size. "
            f"Received: {tensor.name.decode()} {tuple(int(size) for size in signature)}"
        )
    return math.prod(int(size) for size in tensor.shape)


def _count_parameters(graph, counted) -> int:
    computed = {index for _, operator in graph.operators for index in operator.outputs}
    used = set()
    for name, operator in counted:
        places = PLACES[name][1:]
        used |= {operator.inputs[place] for place in places if place < len(operator.inputs)}
    given = set(graph.model.subgraphs[0].inputs)
    constants = {graph.stored(index) for index in used} - computed - given
    return sum(_size(graph.tensors[index]) for index in constants if index >= 0)
