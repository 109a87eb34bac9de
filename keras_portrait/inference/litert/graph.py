"""What a model file is made of: operators by name, and where their weights stand."""

import hashlib
from dataclasses import dataclass

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

# Name of the metadata of TensorFlow Lite in a model, which holds words for people among others.
METADATA_NAME = "TFLITE_METADATA"
# Operator with weights -> places of its data, its kernel and its bias among its inputs.
PLACES = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}

_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


@dataclass(frozen=True)
class Graph:
    """The first graph of a model.

    Attributes:
        model: the whole, as the schema has it.
        tensors: of the graph.
        operators: name and operator, in the order in which they run.
    """

    model: schema.ModelT
    tensors: list
    operators: list[tuple[str, schema.OperatorT]]

    def stored(self, index: int) -> int:
        """The tensor that is stored in place of one: 16-bit weights are widened when loaded."""
        for name, operator in self.operators:
            if name == "DEQUANTIZE" and operator.outputs[0] == index:
                return operator.inputs[0]
        return index


def open_graph(model: bytes) -> Graph:
    """Reads a model.

    Args:
        model: content of a `.tflite` file; what is appended to it does not matter.
    """
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    codes = [operator_name(code) for code in tree.operatorCodes]
    graph = tree.subgraphs[0]
    operators = [(codes[operator.opcodeIndex], operator) for operator in graph.operators]
    return Graph(tree, graph.tensors, operators)


def network_sha256(model: bytes) -> str:
    """SHA-256, in hexadecimal, of what a model computes: all of it but its metadata.

    It stays the same where name, description or licence in the file are changed.

    Args:
        model: content of a `.tflite` file; what is appended to it does not matter.
    """
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    for row in tree.metadata or ():
        if row.name.decode() == METADATA_NAME:
            tree.buffers[row.buffer].data = None
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder))
    return hashlib.sha256(builder.Output()).hexdigest()


def operator_name(code: schema.OperatorCodeT) -> str:
    """Name of an operator code of the schema, such as "CONV_2D"; a custom one has its own."""
    if code.customCode:
        return code.customCode.decode()
    # Operators below 127 stand in the older field too; the larger of the two is the true one.
    return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
