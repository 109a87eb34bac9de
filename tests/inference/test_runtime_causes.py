"""What is said when a runtime cannot run a model: a text for each cause."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.errors import InputError
from keras_portrait.inference.faces.mtcnn import NETS
from keras_portrait.inference.litert.causes import cannot_run
from keras_portrait.inference.litert.runner import Runner

CUSTOM = 32  # BuiltinOperator.CUSTOM


def forged(change):
    """The bytes of a small net after a change."""
    model = schema.ModelT.InitFromPackedBuf((NETS / "rnet.tflite").read_bytes(), 0)
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def newer_operator(model):
    model.operatorCodes[0].version = 99


def unknown_operator(model):
    model.operatorCodes[0].builtinCode, model.operatorCodes[0].deprecatedBuiltinCode = 250, 127


def newer_format(model):
    model.version = 9


def custom(name):
    def change(model):
        code = model.operatorCodes[0]
        code.customCode, code.builtinCode, code.deprecatedBuiltinCode = name, CUSTOM, CUSTOM

    return change


def misfit(model):
    """A kernel of as many numbers, for another number of channels."""
    graph = model.subgraphs[0]
    convolution = graph.operators[0]
    kernel = graph.tensors[convolution.inputs[1]]
    kernel.shape = kernel.shape[::-1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (newer_operator, r"too old for this model: it lacks \w+ of version 99.*Received: Didn't"),
        (unknown_operator, "does not know operator 250.*Received: Op builtin_code"),
        (newer_format, "has format 9, and the installed runtime reads 3.*Received: Model"),
        (custom(b"MyOp"), "custom operator that is not installed, MyOp.*Received: Encountered"),
        (custom(b"FlexErf"), "operator of TensorFlow itself, Erf.*portrait-export.*Received: "),
        (misfit, "tensors of the model do not fit each other.*Received: "),
    ],
)
def test_each_cause_has_its_text(change, text):
    with pytest.raises(InputError, match=text) as refused:
        Runner(forged(change))
    assert "\n" not in str(refused.value)


def test_a_picture_of_a_size_that_cannot_be(tmp_path):
    runner = Runner(NETS / "pnet.tflite")
    with pytest.raises(InputError, match="Received: "):
        runner.resize("image", (1, 200_000, 200_000, 3))
    runner.resize("image", (1, 16, 16, 3))
    assert np.isfinite(runner(np.zeros((1, 16, 16, 3), np.float32))["scores"]).all()


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("There is at least 1 reference to internal data", "still holds its arrays"),
        ("failed to allocate memory for tensors", "not enough memory"),
        ("std::bad_alloc", "not enough memory"),
        ("A thing that nobody knows\nand more", "cannot run this model. Received: A thing .* know"),
        ("", "cannot run this model. Received: RuntimeError"),
    ],
)
def test_causes_that_a_file_cannot_show(said, text):
    assert InputError is type(cannot_run(RuntimeError(said)))
    with pytest.raises(InputError, match=text):
        raise cannot_run(RuntimeError(said))
