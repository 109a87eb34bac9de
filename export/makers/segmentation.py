"""Makes the person segmentation run on every TensorFlow Lite runtime.

    python -m keras_portrait_export.makers.segmentation PUBLISHED OUT

MediaPipe's file uses one operation of its own, a transposed convolution with a bias. Newer
runtimes know it; `tflite-runtime` 2.14 does not. The builtin TRANSPOSE_CONV computes the same, so
only the operation's name and options change; weights and results do not.
"""

import sys
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError

CUSTOM_NAME = b"Convolution2DTransposeBias"
# TRANSPOSE_CONV takes a bias from this version on.
BUILTIN_VERSION = 3
# In MediaPipe's options, as in TensorFlow Lite's own (TfLitePadding).
PADDING_SAME = 1


def with_builtin_operations(model: bytes) -> bytes:
    """Replaces MediaPipe's transposed convolutions by TensorFlow Lite's.

    Args:
        model: content of a `.tflite` file.

    Returns:
        The rewritten file; a model without such an operation comes back with the same graph.

    Raises:
        InputError: the bytes are no TensorFlow Lite model.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    if model[4:8] != b"TFL3":
        raise InputError(f"Expected a .tflite model. Received: {len(model)} other bytes")
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    custom = {
        index for index, code in enumerate(tree.operatorCodes) if code.customCode == CUSTOM_NAME
    }
    for index in custom:
        tree.operatorCodes[index] = _builtin_code(schema)
    for graph in tree.subgraphs:
        for operator in graph.operators:
            if operator.opcodeIndex in custom:
                _rewrite(schema, tree, graph, operator)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _builtin_code(schema):
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.TRANSPOSE_CONV
    code.deprecatedBuiltinCode = int(schema.BuiltinOperator.TRANSPOSE_CONV)
    code.version = BUILTIN_VERSION
    return code


def _rewrite(schema, tree, graph, operator):
    """Turns (image, weights, bias) into (output shape, weights, image, bias)."""
    image, weights, bias = operator.inputs
    padding, stride_width, stride_height = np.frombuffer(bytes(operator.customOptions), np.int32)
    shape = np.asarray(graph.tensors[operator.outputs[0]].shape, np.int32)
    operator.inputs = [_constant(schema, tree, graph, shape), weights, image, bias]
    options = schema.TransposeConvOptionsT()
    same = padding == PADDING_SAME
    options.padding = schema.Padding.SAME if same else schema.Padding.VALID
    options.strideW, options.strideH = int(stride_width), int(stride_height)
    operator.builtinOptionsType = schema.BuiltinOptions.TransposeConvOptions
    operator.builtinOptions = options
    operator.customOptions = None


def _constant(schema, tree, graph, values):
    """Adds an int32 constant to the graph and returns the index of its tensor."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    tree.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.name, tensor.shape = b"output_shape", [len(values)]
    tensor.type, tensor.buffer = schema.TensorType.INT32, len(tree.buffers) - 1
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    Path(sys.argv[2]).write_bytes(with_builtin_operations(Path(sys.argv[1]).read_bytes()))
