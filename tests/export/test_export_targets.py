"""What the target tflite-2.14 refuses, on models put together by hand."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.errors import PortraitError, SettingError
from keras_portrait_export import check as lint
from keras_portrait_export.targets import NEWEST_VERSIONS, TARGETS, check_target, separate_scales
from tiny_preset import tiny_model

FLOAT, INT8, INT4 = (getattr(schema.TensorType, name) for name in ("FLOAT32", "INT8", "INT4"))


def changed(change, offsets=(0.0,)):
    """`tiny_model` (CONV_2D; with two offsets FULLY_CONNECTED and ADD too) after `change(tree)`."""
    tree = schema.ModelT.InitFromPackedBuf(tiny_model(16, offsets), 0)
    change(tree)
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def set_type(tree, name, kind):
    next(t for t in tree.subgraphs[0].tensors if t.name == name.encode()).type = kind


def set_version(version):
    def change(tree):
        tree.operatorCodes[0].version = version

    return change


def set_scales(*scales):
    def change(tree):
        set_type(tree, "kernel", INT8)
        kernel = next(t for t in tree.subgraphs[0].tensors if t.name == b"kernel")
        kernel.quantization = schema.QuantizationParametersT()
        kernel.quantization.scale = np.array(scales, np.float32)

    return change


def scales_of(model):
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    kernel = next(t for t in tree.subgraphs[0].tensors if t.name == b"kernel")
    return kernel.quantization.scale


def to_transposed(tree, kind):
    """Makes the convolution a transposed one, whose inputs are output shape, weights, data."""
    code = tree.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.TRANSPOSE_CONV
    image, kernel, bias = tree.subgraphs[0].operators[0].inputs
    tree.subgraphs[0].operators[0].inputs = np.array([bias, kernel, image], np.int32)
    set_type(tree, "kernel", kind)


def test_every_operator_of_the_exporter_has_a_version():
    assert set(lint.ALLOWED) <= set(NEWEST_VERSIONS)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("offsets", [(0.0,), (0.0, 1.0)])
def test_plain_models_pass(target, offsets):
    check_target(tiny_model(16, offsets), target, "fp32")


@pytest.mark.parametrize("version", [1, NEWEST_VERSIONS["CONV_2D"]])
def test_versions_up_to_the_newest_pass(version):
    check_target(changed(set_version(version)), "tflite-2.14", "fp32")


@pytest.mark.parametrize(
    ("change", "offsets", "mode", "text"),
    [
        (set_version(8), (0.0,), "dynamic", r"fp16.*mode dynamic with CONV_2D version 8 \(.*7\)$"),
        (
            set_version(8),
            (0.0,),
            "fp32",
            r"--target litert does\. Received: mode fp32 with C",
        ),
        (
            lambda tree: to_transposed(tree, INT8),
            (0.0,),
            "dynamic",
            "--mode fp16 .*TRANSPOSE_CONV with 8-bit weights on float data$",
        ),
        (
            lambda tree: set_type(tree, "weights", INT8),
            (0.0, 1.0),
            "dynamic",
            "FULLY_CONNECTED with 8-bit weights on float data$",
        ),
        (
            lambda tree: set_type(tree, "kernel", INT4),
            (0.0,),
            "recipe",
            "with weights of INT4$",
        ),
        (set_scales(0.1, 0.1), (0.0,), "dynamic", "CONV_2D with equal scales in 8-bit weights"),
    ],
)
def test_what_the_old_runtime_lacks_is_refused_in_one_line(change, offsets, mode, text):
    model = changed(change, offsets)
    check_target(model, "litert", mode)
    with pytest.raises(PortraitError, match=text) as raised:
        check_target(model, "tflite-2.14", mode)
    assert "\n" not in str(raised.value)


def test_an_unknown_operator_is_refused():
    def to_unknown(tree):
        code = tree.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.GATHER_ND

    with pytest.raises(PortraitError, match=r"GATHER_ND version 1 \(it is not known to have it\)$"):
        check_target(changed(to_unknown), "tflite-2.14", "fp32")


def test_8_bit_weights_that_the_old_runtime_takes():
    # Dynamic convolutions, and transposed ones of which the data is 8-bit too.
    check_target(changed(lambda tree: set_type(tree, "kernel", INT8)), "tflite-2.14", "dynamic")

    def whole(tree):
        to_transposed(tree, INT8)
        set_type(tree, "image", INT8)

    check_target(changed(whole), "tflite-2.14", "int8")


def test_equal_scales_are_told_apart_by_one_bit():
    model = changed(set_scales(0.1, 0.1, 0.1))
    mended = separate_scales(model)
    check_target(mended, "tflite-2.14", "dynamic")
    first, *others = scales_of(mended)
    assert first == np.nextafter(np.float32(0.1), np.float32(1)) and set(others) == {
        np.float32(0.1)
    }
    assert sum(a != b for a, b in zip(model, mended, strict=True)) == 1


@pytest.mark.parametrize("change", [set_scales(0.1, 0.2), set_scales(0.1), set_version(1)])
def test_other_models_stay_as_they_are(change):
    model = changed(change)
    assert separate_scales(model) == model
    check_target(model, "tflite-2.14", "dynamic")


def test_unknown_target():
    with pytest.raises(SettingError, match='Did you mean "tflite-2.14".*Received: tflite-2.15'):
        check_target(tiny_model(16, (0.0,)), "tflite-2.15", "fp32")
