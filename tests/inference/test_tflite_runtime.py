"""Exported models and the runner in tflite-runtime 2.14, the runtime of 32-bit Raspberry Pi OS.

It needs Python 3.11 or older and NumPy 1, so it runs in a virtual environment of its own, in
`.venv/tflite-2.14`, which pip fills once. Where that cannot be had, these tests are skipped.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from keras import layers
from PIL import Image

from interpreter_snippet import snippet
from keras_portrait.errors import PortraitError
from keras_portrait.inference.litert import runner as runtime
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.presets import find_preset, list_presets
from keras_portrait.models.cartoongan.networks import cartoon_generator
from keras_portrait.models.dcgan.networks import dcgan_generator
from keras_portrait.networks import resnet_generator
from keras_portrait.training.saved_generator import load_run
from keras_portrait_export.convert import convert
from keras_portrait_export.targets import NEWEST_VERSIONS, check_target, separate_scales

# The lock; where it is not to be had the runtime's wheel is not either.
fcntl = pytest.importorskip("fcntl")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv" / "tflite-2.14"
PACKAGES = ("tflite-runtime==2.14.0", "numpy<2", "pillow")
# The shim is written for Python 3.10 and newer; the runtime has no wheel for 3.12.
PYTHONS = ((3, 10), (3, 11))

# Runs in the old runtime: every model of a folder, on the arrays beside it. Only the shim of the
# ground floor is needed, and nothing else may be loaded.
RUN_MODELS = """
import sys
from pathlib import Path
import numpy as np
from keras_portrait.errors import InputError
from keras_portrait.inference.litert.runner import Runner
for path in sorted(Path(sys.argv[1]).glob("*.tflite")):
    try:
        results = [Runner(path)(**dict(np.load(given)))
                   for given in sorted(path.parent.glob("given-*.npz"))]
    except InputError as error:
        path.with_suffix(".error").write_text(str(error))
    else:
        np.save(path.with_suffix(".npy"), np.stack(results))
import tflite_runtime
loaded = {"ai_edge_litert", "tensorflow", "cv2", "PIL"} & set(sys.modules)
assert tflite_runtime.__version__ == "2.14.0" and np.__version__ < "2" and not loaded, loaded
"""

# Runs in the old runtime: says which models name an operator that it does not have.
FIND_OPERATORS = """
import json, sys
from pathlib import Path
from tflite_runtime.interpreter import Interpreter
answers = {}
for path in Path(sys.argv[1]).glob("*.tflite"):
    try:
        Interpreter(str(path))
        answers[path.stem] = True
    except ValueError as error:
        answers[path.stem] = "Didn't find op" not in str(error)
print(json.dumps(answers))
"""


def find_python():
    """A Python that the runtime's wheel fits; None where there is none."""
    for name in (sys.executable, "python3.11", "python3.10", "python3"):
        path = shutil.which(name)
        code = "import sys, venv; print(sys.version_info[:2])"
        if path is None:
            continue
        done = subprocess.run([path, "-c", code], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip() in map(str, PYTHONS):
            return path
    return None


def make_environment():
    """Makes `ENVIRONMENT` unless it is there; returns what went wrong, or None."""
    ready = ENVIRONMENT / "ready"
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with open(ENVIRONMENT.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may come at the same time
        if ready.is_file() and ready.read_text() == str(PACKAGES):
            return None
        python = find_python()
        if python is None:
            return "no Python 3.10 or 3.11 with venv is found"
        command = [python, "-m", "venv", "--clear", "--without-pip", str(ENVIRONMENT)]
        subprocess.run(command, check=True, capture_output=True)
        command = [sys.executable, "-m", "pip", "--python", python_of(ENVIRONMENT), "install"]
        command += ["-q", "--disable-pip-version-check", "--retries", "0"]
        command += ["--only-binary", ":all:", *PACKAGES]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            return "pip does not bring tflite-runtime 2.14 within two minutes"
        if done.returncode:
            return f"pip does not bring tflite-runtime 2.14: {done.stderr.strip()[-300:]}"
        ready.write_text(str(PACKAGES))
    return None


def python_of(environment):
    return str(environment / "bin" / "python")


@pytest.fixture(scope="module")
def old_runtime():
    """Runs code in the old runtime, with a folder as its argument; returns what it prints."""
    fault = make_environment()
    if fault:
        pytest.skip(fault)

    def run(code, folder):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [python_of(ENVIRONMENT), "-c", code, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def with_random_weights(net):
    """The net with weights that make pictures neither flat nor saturated."""
    rng = np.random.default_rng(0)
    for layer in net.layers:
        values = [rng.normal(0, 0.1, weight.shape) for weight in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = values
            values = [1 + gamma, beta, mean, 0.2 + np.abs(variance)]
        layer.set_weights(values)
    return net


# 16 filters: the converter leaves weights of fewer than 1,024 numbers as they are.
# One of each kind of generator: noise, a full one, a student.
QUICK = ("avatars", "portrait", "fast")
PRESETS = [
    pytest.param(preset, marks=[pytest.mark.slow] * (preset not in QUICK))
    for preset in list_presets()
]
GENERATORS = {
    "asymmetric_cycle": lambda: resnet_generator(
        3, 1, styles=3, filters=16, blocks=1, upsampling="nearest"
    ),
    "cyclegan": lambda: resnet_generator(3, 3, filters=16, blocks=1, up_filters=(24, 16)),
    "cartoongan": lambda: cartoon_generator(16, 1),
    "dcgan": lambda: dcgan_generator(16, 5),
}


def trained(method, folder):
    """The generator of a method, as `load_run` returns it."""
    with_random_weights(GENERATORS[method]()).save(folder / "generator.keras")
    options = {
        "method": method,
        "styles": ["pen", "ink", "chalk"],
        "recipe": {"data": {"size": 64 if method == "dcgan" else 32}},
    }
    (folder / "options.json").write_text(json.dumps(options))
    return load_run(folder)


def write_inputs(model, folder):
    """Writes two sets of inputs of a model as `given-0.npz` and `given-1.npz`; returns them."""
    rng = np.random.default_rng(1)
    given = []
    for number in range(2):
        arrays = {}
        for tensor in Runner(model).inputs:
            if tensor.dtype == np.uint8:
                arrays[tensor.name] = rng.integers(0, 256, tensor.shape, dtype=np.uint8)
            else:
                arrays[tensor.name] = rng.uniform(-1, 1, tensor.shape).astype(np.float32)
        np.savez(folder / f"given-{number}.npz", **arrays)
        given.append(arrays)
    return given


def draw(model, given, monkeypatch, delegates=True):
    """What ai-edge-litert draws, with or without its fast kernels: (2, 1, H, W, C)."""
    if not delegates:
        # XNNPACK rounds otherwise than the plain kernels, which both runtimes have in common.
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

        def interpreter(**settings):
            return Interpreter(experimental_op_resolver_type=plain, **settings)

        monkeypatch.setattr(runtime, "_interpreter_class", lambda: interpreter)
    runner = Runner(model)
    return np.stack([runner(**arrays) for arrays in given])


def signal_to_noise(drawn, expected, peak):
    error = drawn.astype(np.float64) - expected.astype(np.float64)
    return 10 * np.log10(peak**2 / np.mean(error**2))


@pytest.mark.parametrize(
    "method", [pytest.param(x, marks=[pytest.mark.slow] * (x != "dcgan")) for x in GENERATORS]
)
def test_generators_draw_as_in_the_current_runtime(method, old_runtime, tmp_path, monkeypatch):
    generator = trained(method, tmp_path)
    modes = ("fp32", "fp16", "dynamic")
    models = {mode: convert(generator, mode) for mode in modes}
    given = write_inputs(models["fp32"], tmp_path)
    for mode, model in models.items():
        (tmp_path / f"{mode}.tflite").write_bytes(model)
    old_runtime(RUN_MODELS, tmp_path)
    for mode in ("fp32", "fp16"):
        check_target(models[mode], "tflite-2.14", mode)
        expected = draw(models[mode], given, monkeypatch)
        assert expected.std() > 0.2
        np.testing.assert_allclose(np.load(tmp_path / f"{mode}.npy"), expected, atol=1e-4)
    check_target(models["dynamic"], "tflite-2.14", "dynamic")
    drawn = np.load(tmp_path / "dynamic.npy")
    # A difference in the last bit moves an activation to the next of 256 steps here and there.
    assert signal_to_noise(drawn, draw(models["dynamic"], given, monkeypatch), peak=2) > 36


def small_student():
    """What a generator for 8-bit integers is made of, style included."""
    image = keras.Input(batch_shape=(1, 32, 32, 3), name="image")
    style = keras.Input(batch_shape=(1, 3), name="style")

    def normalized(x):
        return layers.ReLU()(layers.BatchNormalization()(x))

    half = normalized(layers.Conv2D(16, 4, 2, padding="same", use_bias=False)(image))
    x = normalized(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(half))
    x = layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(x))
    shift = layers.Conv2D(16, 1, use_bias=False)(layers.Reshape((1, 1, 3))(style))
    x = layers.Add()([half, layers.ReLU()(layers.Add()([x, shift]))])
    x = normalized(layers.Conv2D(32, 3, padding="same", use_bias=False)(x))
    x = layers.Lambda(lambda x: tf.nn.depth_to_space(x, 2))(x)
    x = layers.Conv2D(1, 3, padding="same", activation="tanh")(x)
    return with_random_weights(keras.Model([image, style], x))


def one_convolution(channels, filters):
    image = keras.Input(batch_shape=(1, 8, 8, channels), name="image")
    return keras.Model(image, layers.Conv2D(filters, 3)(image))


def export(net, path, **settings):
    """Converts a net as it is; returns the bytes."""
    signature = keras.tree.map_structure(
        lambda x: tf.TensorSpec(x.shape, tf.float32, name=x.name), net.input
    )
    settings = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}, **settings}
    net.export(str(path), format="litert", verbose=False, input_signature=[signature], **settings)
    return path.read_bytes()


def in_integers(net, path):
    """Converts a net of image and style to 8-bit integers, uint8 at the border; returns bytes."""
    rng = np.random.default_rng(2)

    def examples():
        for number in range(20):
            image = rng.uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
            yield {"image": image, "style": np.eye(3, dtype=np.float32)[number % 3][None]}

    return export(
        net,
        path,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=examples,
        inference_input_type=tf.uint8,
        inference_output_type=tf.uint8,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
    )


@pytest.mark.filterwarnings(r"ignore:(?s).*tf\.lite\.Interpreter is deprecated")
def test_integers_are_the_same_integers(old_runtime, tmp_path, monkeypatch):
    model = in_integers(small_student(), tmp_path / "int8.tflite")
    check_target(model, "tflite-2.14", "int8")
    given = write_inputs(model, tmp_path)
    old_runtime(RUN_MODELS, tmp_path)
    drawn = np.load(tmp_path / "int8.npy")
    assert drawn.dtype == np.uint8 and drawn.std() > 20
    assert signal_to_noise(drawn, draw(model, given, monkeypatch), peak=255) > 40
    plain = draw(model, given, monkeypatch, delegates=False)
    np.testing.assert_array_equal(drawn, plain)


def test_equal_scales_are_why_one_bit_is_changed(old_runtime, tmp_path, monkeypatch):
    net = one_convolution(16, 8)
    kernel = np.random.default_rng(0).normal(0, 0.1, (3, 3, 16, 1))
    net.set_weights([np.repeat(kernel, 8, axis=3), np.full(8, 0.5)])
    model = export(net, tmp_path / "equal.tflite", optimizations=[tf.lite.Optimize.DEFAULT])
    with pytest.raises(PortraitError, match="equal scales"):
        check_target(model, "tflite-2.14", "dynamic")
    mended = separate_scales(model)
    (tmp_path / "mended.tflite").write_bytes(mended)
    given = write_inputs(model, tmp_path)
    old_runtime(RUN_MODELS, tmp_path)
    expected = draw(mended, given, monkeypatch)
    # All that is left of the wrong one is the bias.
    np.testing.assert_allclose(np.load(tmp_path / "equal.npy"), 0.5, atol=1e-6)
    assert expected.std() > 0.3
    assert signal_to_noise(np.load(tmp_path / "mended.npy"), expected, peak=2) > 36


@pytest.mark.parametrize("preset", PRESETS)
def test_shipped_presets_draw_as_in_the_current_runtime(preset, old_runtime, tmp_path, monkeypatch):
    folder = find_preset(preset)
    metadata = read_metadata(folder)
    model = (folder / metadata.file).read_bytes()
    check_target(model, "tflite-2.14", metadata.mode)
    (tmp_path / "preset.tflite").write_bytes(model)
    given = write_inputs(model, tmp_path)
    old_runtime(RUN_MODELS, tmp_path)
    assert not (tmp_path / "preset.error").exists()
    drawn, expected = np.load(tmp_path / "preset.npy"), draw(model, given, monkeypatch)
    assert expected.std() > 0.05 and drawn.dtype == expected.dtype
    peak = 255 if drawn.dtype == np.uint8 else 2
    # Random pixels are the hard case: what is between black and white falls either way.
    assert signal_to_noise(drawn, expected, peak) > 26


@pytest.mark.parametrize("preset", PRESETS)
def test_the_plain_interpreter_of_the_readme_draws(preset, old_runtime, tmp_path):
    folder = find_preset(preset)
    metadata = read_metadata(folder)
    shutil.copy(folder / metadata.file, tmp_path / "generator.tflite")
    size = metadata.size
    square = np.random.default_rng(1).integers(0, 256, (size, size, 3), np.uint8)
    Image.fromarray(square).save(tmp_path / "face.png")
    drawings = []
    for module in ("tflite_runtime.interpreter", "ai_edge_litert.interpreter"):
        code = snippet().replace("ai_edge_litert.interpreter", module)
        if module.startswith("tflite"):
            old_runtime(f"import os, sys\nos.chdir(sys.argv[1])\n{code}", tmp_path)
        else:
            with contextlib.chdir(tmp_path):
                exec(compile(code, "README.md", "exec"), {})
        drawings.append(np.asarray(Image.open(tmp_path / "drawing.png")))
    assert drawings[1].std() > 5
    # Random pixels are the hard case.
    assert signal_to_noise(*drawings, peak=255) > 26


def test_an_archive_behind_the_model_does_not_disturb(old_runtime, tmp_path, monkeypatch):
    path = tmp_path / "model.tflite"
    model = export(one_convolution(3, 2), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("portrait.json", "{}")
    assert path.read_bytes().startswith(model) and zipfile.is_zipfile(path)
    given = write_inputs(model, tmp_path)
    old_runtime(RUN_MODELS, tmp_path)
    expected = draw(model, given, monkeypatch)
    np.testing.assert_allclose(np.load(tmp_path / "model.npy"), expected, atol=1e-5)


def test_newest_versions_are_those_of_the_runtime(old_runtime, tmp_path):
    for name, newest in NEWEST_VERSIONS.items():
        for version in (newest, newest + 1):
            path = tmp_path / f"{name}-{version}.tflite"
            path.write_bytes(single_operator(name, version))
    answers = json.loads(old_runtime(FIND_OPERATORS, tmp_path))
    found = {name for name, there in answers.items() if there}
    assert found == {f"{name}-{newest}" for name, newest in NEWEST_VERSIONS.items()}
    assert len(answers) == 2 * len(NEWEST_VERSIONS)


def single_operator(name, version):
    """A model of one operator, well enough formed to be looked up."""
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)  # newer ones do not fit
    code.version = version
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0], [1]
    graph = schema.SubGraphT()
    graph.tensors = [schema.TensorT(), schema.TensorT()]
    for tensor in graph.tensors:
        tensor.name, tensor.shape = "tensor", [1]
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [1]
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_without_a_fitting_python_the_reason_is_told(tmp_path, monkeypatch):
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / "new" / "tflite-2.14")
    monkeypatch.setattr(module, "find_python", lambda: None)
    assert "no Python" in make_environment()


def test_without_network_the_reason_is_told(tmp_path, monkeypatch):
    if find_python() is None:
        pytest.skip("no Python 3.10 or 3.11 with venv is found")
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / "new" / "tflite-2.14")
    for name in ("PIP_NO_INDEX", "PIP_NO_CACHE_DIR"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert "pip does not bring tflite-runtime 2.14: " in make_environment()
    assert not (tmp_path / "new" / "tflite-2.14" / "ready").exists()
