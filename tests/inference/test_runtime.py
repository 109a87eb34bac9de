import os
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest

from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.faces.mtcnn import NETS
from keras_portrait.inference.litert import runner as runtime
from keras_portrait.inference.litert.runner import Runner

RNET = NETS / "rnet.tflite"


class FakeInterpreter:
    """Stands for a runtime: one input x (1, 2), one output y that is twice x; no signature."""

    def __init__(self, model_path=None, model_content=None, num_threads=None):
        self.num_threads = num_threads

    def detail(self, name, index):
        quantization = {"scales": np.empty(0), "zero_points": np.empty(0, int)}
        shape = np.array([1, 2])
        return {
            "name": name,
            "index": index,
            "shape": shape,
            "dtype": np.float32,
            "quantization_parameters": quantization,
        }

    def get_signature_list(self):
        return {}

    def get_input_details(self):
        return [self.detail("x:0", 7)]

    def get_output_details(self):
        return [self.detail("y:0", 9)]

    def allocate_tensors(self):
        pass

    def set_tensor(self, index, value):
        assert index == 7
        self.value = value

    def invoke(self):
        self.result = 2 * self.value

    def get_tensor(self, index):
        assert index == 9
        return self.result


def install_fake(monkeypatch, name):
    """Puts a fake runtime in place of a module; returns its interpreter class."""
    fake = type("Interpreter", (FakeInterpreter,), {})
    module = types.ModuleType(name)
    module.Interpreter = fake
    module.lite = types.SimpleNamespace(Interpreter=fake)
    monkeypatch.setitem(sys.modules, name, module)
    return fake


def remove(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """(Keras model, file with 8-bit inputs and outputs) of a small network."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3), name="image")
    style = keras.Input((3,), name="style")
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(5, activation="tanh")(keras.layers.Concatenate()([x, style]))
    model = keras.Model({"image": image, "style": style}, {"drawing": x})
    random = np.random.default_rng(1)

    def examples():
        for _ in range(50):
            yield {
                "image": random.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32),
                "style": random.uniform(0, 1, (1, 3)).astype(np.float32),
            }

    path = tmp_path_factory.mktemp("quantized") / "small.tflite"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter is deprecated")
        export_in_8_bits(model, path, examples)
    return model, path


def export_in_8_bits(model, path, examples):
    import tensorflow as tf

    model.export(
        str(path),
        format="litert",
        verbose=False,
        input_signature=[
            {
                "image": tf.TensorSpec((1, 8, 8, 3), tf.float32, name="image"),
                "style": tf.TensorSpec((1, 3), tf.float32, name="style"),
            }
        ],
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=examples,
        inference_input_type=tf.uint8,
        inference_output_type=tf.uint8,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
    )


def test_several_outputs_come_by_the_names_of_the_signature():
    runner = Runner(RNET)
    assert [(t.name, t.shape, t.dtype) for t in runner.inputs] == [
        ("image", (1, 24, 24, 3), np.float32)
    ]
    results = runner(image=np.zeros((1, 24, 24, 3), np.float32))
    assert {name: array.shape for name, array in results.items()} == {
        "offsets": (1, 4),
        "scores": (1, 2),
    }
    np.testing.assert_allclose(results["scores"].sum(axis=1), 1, atol=1e-6)


def test_path_text_and_bytes_give_the_same_model():
    patches = np.random.default_rng(0).uniform(-1, 1, (1, 24, 24, 3)).astype(np.float32)
    first, *others = (Runner(m)(patches)["scores"] for m in (RNET, str(RNET), RNET.read_bytes()))
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_threads_do_not_change_the_result():
    patches = np.random.default_rng(0).uniform(-1, 1, (1, 24, 24, 3)).astype(np.float32)
    one, two = Runner(RNET, threads=1)(patches), Runner(RNET, threads=2)(patches)
    np.testing.assert_allclose(one["offsets"], two["offsets"], atol=1e-6)


def test_double_precision_is_narrowed():
    patches = np.random.default_rng(0).uniform(-1, 1, (1, 24, 24, 3))
    runner = Runner(RNET)
    wide, narrow = runner(patches), runner(patches.astype(np.float32))
    np.testing.assert_array_equal(wide["scores"], narrow["scores"])


def test_an_open_shape_is_set_by_resize():
    runner = Runner(NETS / "pnet.tflite")
    assert runner.inputs[0].shape == (1, -1, -1, 3)
    with pytest.raises(InputError, match=r"image is \(1, -1, -1, 3\)\. Received: \(1, 12, 14, 3\)"):
        runner(np.zeros((1, 12, 14, 3), np.float32))
    for height, width in ((12, 14), (22, 12)):
        runner.resize("image", (1, height, width, 3))
        scores = runner(np.zeros((1, height, width, 3), np.float32))["scores"]
        assert scores.shape == (1, height // 2 - 5, width // 2 - 5, 2)


@pytest.mark.parametrize("shape", [(2, 12, 12, 3), (1, 12, 12), (1, 12, 12, 4)])
def test_resize_refuses_other_shapes(shape):
    with pytest.raises(InputError, match="Received: "):
        Runner(NETS / "pnet.tflite").resize("image", shape)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda run: run(np.zeros((2, 24, 24, 3), np.float32)), "(1, 24, 24, 3). Received: (2, 24"),
        (lambda run: run(np.zeros((1, 24, 24, 3), np.uint8)), "is float32. Received: uint8"),
        (lambda run: run(), "inputs are: image. Received: nothing"),
        (lambda run: run(picture=np.zeros(1)), "inputs are: image. Received: picture"),
        (lambda run: run(np.zeros(1), np.zeros(1)), "inputs are: image. Received: 2 arrays"),
        (lambda run: run(np.zeros(1), image=np.zeros(1)), "image was given twice"),
        (lambda run: run.resize("picture", (1,)), "inputs are: image. Received: picture"),
    ],
)
def test_wrong_calls_are_told_in_one_line(call, text):
    with pytest.raises(InputError) as raised:
        call(Runner(RNET))
    assert text in str(raised.value) and "\n" not in str(raised.value)


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(InputError, match="does not exist. Received: .*gone.tflite"):
        Runner(tmp_path / "gone.tflite")
    for content in (b"", b"not a model, but long enough to hold a header"):
        (tmp_path / "bad.tflite").write_bytes(content)
        with pytest.raises(InputError, match="not a LiteRT model .*bad.tflite"):
            Runner(tmp_path / "bad.tflite")
    with pytest.raises(InputError, match="not a LiteRT model .*Received: 9 bytes"):
        Runner(b"not model")


@pytest.mark.parametrize("threads", [0, -1, 1.5, None])
def test_threads_must_be_a_positive_number(threads):
    with pytest.raises(SettingError, match="threads .* Received: "):
        Runner(RNET, threads=threads)


def test_floats_are_quantized_at_the_border(quantized):
    model, path = quantized
    runner = Runner(path)
    assert {t.dtype for t in (*runner.inputs, *runner.outputs)} == {np.dtype(np.uint8)}
    random = np.random.default_rng(2)
    image = random.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)
    style = random.uniform(0, 1, (1, 3)).astype(np.float32)
    drawing = runner(image=image, style=style)
    assert drawing.dtype == np.float32
    expected = model({"image": image, "style": style})["drawing"].numpy()
    # tanh leaves in steps of 1/128; the rest is what 8 bits cost inside.
    np.testing.assert_allclose(drawing, expected, atol=0.04)
    far = runner(image=image * 100, style=style)  # clipped, not wrapped around
    edge = runner(image=np.sign(image), style=style)
    np.testing.assert_allclose(far, edge, atol=0.02)


def test_integers_pass_through_a_quantized_model(quantized):
    runner = Runner(quantized[1])
    random = np.random.default_rng(3)
    raw = {t.name: random.integers(0, 256, t.shape, dtype=np.uint8) for t in runner.inputs}
    real = {
        t.name: ((raw[t.name].astype(np.float32) - t.zero_point) * np.float32(t.scale))
        for t in runner.inputs
    }
    integers, floats = runner(**raw), runner(**real)
    assert integers.dtype == np.uint8
    output = runner.outputs[0]
    restored = (integers.astype(np.float32) - output.zero_point) * np.float32(output.scale)
    np.testing.assert_allclose(restored, floats, atol=1e-6)


def test_runtimes_are_tried_in_order(monkeypatch):
    fakes = {name: install_fake(monkeypatch, name) for name in runtime.RUNTIMES}
    assert [name.split(".")[0] for name in fakes] == [
        "ai_edge_litert",
        "tflite_runtime",
        "tensorflow",
    ]
    for name, fake in fakes.items():
        runner = Runner(RNET, threads=3)
        assert type(runner._interpreter) is fake
        assert runner._interpreter.num_threads == 3
        remove(monkeypatch, name)
    with pytest.raises(MissingExtra, match='pip install "ai-edge-litert"'):
        Runner(RNET)


def test_without_a_signature_tensors_go_by_their_own_names(monkeypatch):
    install_fake(monkeypatch, "ai_edge_litert.interpreter")
    runner = Runner(RNET)
    assert runner.inputs[0].name == "x:0" and runner.outputs[0].name == "y:0"
    value = np.array([[1, 2]], np.float32)
    np.testing.assert_array_equal(runner(value), [[2, 4]])
    np.testing.assert_array_equal(runner(**{"x:0": value}), [[2, 4]])


def test_a_runtime_that_does_not_fit_numpy_is_named(monkeypatch):
    fake = install_fake(monkeypatch, "ai_edge_litert.interpreter")

    def fail(self, **settings):
        raise SystemError("returned a result with an exception set")

    monkeypatch.setattr(fake, "__init__", fail)
    with pytest.raises(MissingExtra, match='NumPy.*pip install "ai-edge-litert"'):
        Runner(RNET)


def test_tensorflow_alone_is_enough(monkeypatch):
    patches = np.random.default_rng(0).uniform(-1, 1, (1, 24, 24, 3)).astype(np.float32)
    expected = Runner(RNET)(patches)
    remove(monkeypatch, "ai_edge_litert.interpreter", "tflite_runtime.interpreter")
    runner = Runner(RNET)
    assert type(runner._interpreter).__module__.startswith("tensorflow")
    for name, array in runner(patches).items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5)


def test_a_fresh_process_starts_late_and_silently():
    code = (
        "import sys\n"
        "from keras_portrait.inference.litert.runner import Runner\n"
        "assert not any(name.startswith(('ai_edge', 'tensorflow')) for name in sys.modules)\n"
        f"Runner({str(RNET)!r})\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_only_notices_are_dropped_from_stderr(capfd):
    with runtime._without_notices():
        os.write(2, b"INFO: Created a delegate.\nERROR: something else\n")
    assert capfd.readouterr().err == "ERROR: something else\n"
