"""The second engine: recipes of the package `litert-quantizer`."""

import importlib.util
import json
import sys
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from keras import layers

from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.litert.runner import Runner
from keras_portrait_export.quantizer import quantize_with_recipe

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("litert_quantizer") is None,
    reason='litert-quantizer is not installed (pip install "keras-portrait[quantizer]")',
)

WEIGHTS_IN_8_BITS = {
    "weight_tensor_config": {
        "num_bits": 8,
        "symmetric": True,
        "granularity": "CHANNELWISE",
        "dtype": "INT",
    },
    "compute_precision": "INTEGER",
    "explicit_dequantize": False,
}
RULE = {
    "regex": ".*",
    "operation": "CONV_2D",
    "algorithm_key": "min_max_uniform_quantize",
    "op_config": WEIGHTS_IN_8_BITS,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A float model of two convolutions, image (1, 16, 16, 3) to (1, 12, 12, 2): bytes."""
    keras.utils.set_random_seed(0)
    image = keras.Input(batch_shape=(1, 16, 16, 3), name="image")
    x = layers.Conv2D(16, 3, activation="relu", name="first")(image)
    net = keras.Model(image, layers.Conv2D(2, 3, activation="tanh", name="second")(x))
    path = tmp_path_factory.mktemp("model") / "float.tflite"
    net.export(
        str(path),
        format="litert",
        verbose=False,
        input_signature=[tf.TensorSpec(image.shape, tf.float32, name="image")],
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )
    return path.read_bytes()


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    shape = (10, 1, 16, 16, 3)
    return [{"image": image} for image in rng.uniform(-1, 1, shape).astype(np.float32)]


def write(folder, content):
    path = folder / "recipe.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def weights_in_8_bits(model):
    """Shapes of the int8 tensors of a model."""
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    tensors = tree.subgraphs[0].tensors
    return {tuple(t.shape) for t in tensors if t.type == schema.TensorType.INT8}


def signal_to_noise(model, other, images):
    run, other = Runner(model), Runner(other)
    error = np.concatenate([run(**one) - other(**one) for one in images])
    assert error.any()
    return 10 * np.log10(2**2 / np.mean(error**2))


FIRST, SECOND = (16, 3, 3, 3), (2, 3, 3, 16)


@needs_package
@pytest.mark.parametrize("name", ["dynamic_wi8_afp32", "weight_only_wi8_afp32"])
def test_ready_recipes(name, model, images):
    quantized = quantize_with_recipe(model, name)
    assert weights_in_8_bits(quantized) == {FIRST, SECOND}
    assert signal_to_noise(model, quantized, images) > 36
    tensor = Runner(quantized).inputs[0]
    assert (tensor.name, tensor.dtype) == ("image", np.float32)


@needs_package
def test_a_file_picks_operators_by_name(model, images, tmp_path):
    path = write(tmp_path, [{**RULE, "regex": "second"}])
    for recipe in (path, str(path)):
        quantized = quantize_with_recipe(model, recipe)
        assert weights_in_8_bits(quantized) == {SECOND}
    assert signal_to_noise(model, quantized, images) > 36


@needs_package
def test_integers_throughout_are_calibrated(model, images):
    quantized = quantize_with_recipe(model, "static_wi8_ai8", iter(images))
    runner = Runner(quantized)
    # As the metadata of a preset has them, whatever is between.
    assert {tensor.dtype for tensor in (*runner.inputs, *runner.outputs)} == {np.dtype("f4")}
    operators = Counter(op["op_name"] for op in runner._interpreter._get_ops_details())
    assert operators["QUANTIZE"] == operators["DEQUANTIZE"] == 1
    assert signal_to_noise(model, quantized, images) > 36


@needs_package
@pytest.mark.parametrize("calibration", [None, [], iter(())])
def test_calibration_that_is_missing_is_told(model, calibration):
    with pytest.raises(SettingError, match="needs calibration.*Received: static_wi8_ai8"):
        quantize_with_recipe(model, "static_wi8_ai8", calibration)


@needs_package
@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("not json", r"in JSON \(Expecting value"),
        ({"rules": []}, "a list of rules"),
        ([], "a list of rules"),
        (["CONV_2D"], "a list of rules"),
        ([{"regex": ".*"}], "it lacks 'operation'"),
        ([{**RULE, "op_config": {}}], "it lacks 'weight_tensor_config'"),
        ([{**RULE, "operation": "CONV_3D_OF_MINE"}], "CONV_3D_OF_MINE"),
        ([{**RULE, "algorithm_key": "best"}], "best"),
        ([{**RULE, "regex": "("}], "unterminated subpattern"),
        ([{**RULE, "regex": "third"}], "changes nothing"),
        ([{**RULE, "algorithm_key": "no_quantize"}], "changes nothing"),
    ],
)
def test_broken_recipes_are_one_line(model, tmp_path, content, text):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=text) as raised:
        quantize_with_recipe(model, path)
    assert str(raised.value).endswith(f"Received: {path}") and "\n" not in str(raised.value)


@needs_package
def test_recipes_that_are_not_there(model, tmp_path):
    with pytest.raises(SettingError, match='Did you mean "dynamic_wi8_afp32"'):
        quantize_with_recipe(model, "dynamic_wi8_afp23")
    for path in (tmp_path / "gone.json", str(tmp_path / "gone.json"), tmp_path):
        with pytest.raises(InputError, match="Expected a recipe file"):
            quantize_with_recipe(model, path)


@needs_package
def test_2_bit_weights_are_refused(model):
    with pytest.raises(InputError, match="2-bit weights.*Received: dynamic_wi2c_afp32"):
        quantize_with_recipe(model, "dynamic_wi2c_afp32")


@needs_package
def test_recipes_of_language_models_are_refused(model):
    with pytest.raises(InputError, match="a list of rules.*Received: gemma4_mixed48"):
        quantize_with_recipe(model, "gemma4_mixed48")


def test_without_the_package_the_pip_line_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "litert_quantizer", None)
    with pytest.raises(MissingExtra, match=r'pip install "keras-portrait\[quantizer\]"'):
        quantize_with_recipe(model, "dynamic_wi8_afp32")
