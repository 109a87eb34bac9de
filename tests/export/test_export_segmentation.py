"""The segmentation's one custom operation becomes a builtin one that computes the same."""

from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.errors import InputError
from keras_portrait.inference import segmentation as segmentation_of_photos
from keras_portrait.inference.litert.runner import Runner
from keras_portrait_export.makers.segmentation import CUSTOM_NAME, with_builtin_operations

SHIPPED = Path(segmentation_of_photos.__file__).with_name("selfie_segmentation.tflite")
SIZE = 3


def tree_of(model):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))


def custom_model(weights, bias):
    """A model of MediaPipe's operation alone: stride 2, padding SAME, one channel in and out."""
    tree = schema.ModelT()
    tree.version, tree.buffers = 3, [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = []

    def tensor(name, shape, values=None):
        item = schema.TensorT()
        item.name, item.shape, item.type = name, list(shape), schema.TensorType.FLOAT32
        item.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
            tree.buffers.append(buffer)
            item.buffer = len(tree.buffers) - 1
        graph.tensors.append(item)

    tensor(b"image", (1, SIZE, SIZE, 1))
    tensor(b"weights", weights.shape, weights)
    tensor(b"bias", bias.shape, bias)
    tensor(b"output", (1, 2 * SIZE, 2 * SIZE, 1))
    code = schema.OperatorCodeT()
    code.customCode, code.builtinCode = CUSTOM_NAME, schema.BuiltinOperator.CUSTOM
    code.deprecatedBuiltinCode, code.version = int(schema.BuiltinOperator.CUSTOM), 1
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    operator.customOptions = np.frombuffer(np.int32([1, 2, 2]).tobytes(), np.uint8)
    graph.inputs, graph.outputs, graph.operators = [0], [3], [operator]
    tree.operatorCodes, tree.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_each_pixel_becomes_a_block_of_the_kernel_plus_the_bias():
    kernel, bias = np.float32([[1, 2], [3, 4]]), np.float32([0.5])
    model = with_builtin_operations(custom_model(kernel.reshape(1, 2, 2, 1), bias))
    image = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
    result = Runner(model)(image.reshape(1, SIZE, SIZE, 1))
    np.testing.assert_allclose(result[0, ..., 0], np.kron(image, kernel) + 0.5, rtol=1e-6)


def test_shipped_segmentation_has_builtin_operations_only():
    codes = tree_of(SHIPPED.read_bytes()).operatorCodes
    assert not any(code.customCode for code in codes)
    assert schema.BuiltinOperator.TRANSPOSE_CONV in {code.builtinCode for code in codes}


def test_rewriting_twice_changes_nothing_more():
    once = with_builtin_operations(custom_model(np.ones((1, 2, 2, 1)), np.zeros(1)))
    assert tree_of(with_builtin_operations(once)).operatorCodes[0].customCode is None
    image = np.ones((1, SIZE, SIZE, 1), np.float32)
    again = Runner(with_builtin_operations(once))(image)
    np.testing.assert_array_equal(again, Runner(once)(image))


def test_other_files_are_refused():
    with pytest.raises(InputError, match="Expected a .tflite model. Received: 9 other bytes"):
        with_builtin_operations(b"no model.")
