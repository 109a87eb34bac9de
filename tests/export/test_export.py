import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.layers import (
    AppendStyle,
    InstanceNormalization,
    ReflectionPadding2D,
    SpectralConv2D,
)
from keras_portrait.networks import resnet_generator
from keras_portrait.training import saved_generator as trained_generator
from keras_portrait_export import check as lint
from keras_portrait_export import convert, layers, rebuild, verify
from keras_portrait_export import exporter as artefacts
from keras_portrait_export.__main__ import DIRECTIONS, MODES, TARGETS, main
from keras_portrait_export.exporter import ExportOptions, export_generator
from keras_portrait_export.targets import TARGETS as KNOWN_TARGETS

# TensorFlow's variables and NumPy 2 disagree on `__array__`; Keras meets it when it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = 64
STYLES = ("pen", "brush", "chalk")


def tiny_generator(
    styles=1, upsampling="nearest", policy="float32", seed=0, style_input="appended"
):
    """A generator of 4 filters and 1 block whose drawings are neither flat nor saturated."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(policy)
    try:
        net = resnet_generator(
            *(3, 1, styles), filters=4, blocks=1, upsampling=upsampling, style_input=style_input
        )
    finally:
        keras.config.set_dtype_policy("float32")
    rng = np.random.default_rng(seed)
    # Biases too: an export that lost them must not pass.
    net.set_weights([rng.normal(0, 0.1, w.shape) for w in net.get_weights()])
    return net


def write_run(folder, net=None, styles=STYLES[:1], size=SIZE):
    folder.mkdir(parents=True, exist_ok=True)
    (net or tiny_generator(len(styles))).save(folder / "generator.keras")
    options = {
        "method": "asymmetric_cycle",
        "styles": list(styles),
        "recipe": {"data": {"size": size}},
    }
    (folder / "options.json").write_text(json.dumps(options))
    return folder


def export(source, folder, *modes, **options):
    """The only artefact of an export."""
    (artefact,) = export_generator(source, folder, ExportOptions(modes=modes, **options))
    return artefact


def naive_export(net, shape, path):
    """What Keras makes of a net as it was trained; returns the bytes."""
    net.export(
        str(path),
        format="litert",
        verbose=False,
        input_signature=[tf.TensorSpec(shape, tf.float32, name="image")],
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )
    return path.read_bytes()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "001-portrait")


@pytest.fixture(scope="module")
def three_styles(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "002-styles", styles=STYLES)


@pytest.fixture(scope="module")
def float_model(run):
    """The converted generator of `run`: bytes."""
    return convert.convert(trained_generator.load_run(run), "fp32")


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(0, 3, (1, 12, 20, 5)).astype("float32")


@pytest.mark.parametrize("padding", [1, 3, 6, ((0, 1), (2, 0))])
def test_sliced_reflection_is_exact(features, padding):
    padded = ReflectionPadding2D(padding)
    assert np.array_equal(layers.SlicedReflection(padded.sides)(features), padded(features))


@pytest.mark.parametrize("factor", [2, 3])
def test_depth_to_space_upsampling_is_exact(features, factor):
    expected = keras.layers.UpSampling2D(factor, interpolation="nearest")(features)
    assert np.array_equal(layers.DepthToSpaceUpSampling(factor)(features), expected)


def test_concatenated_style_is_exact(features):
    style = np.array([[0.25, -1.5, 1e-20]], "float32")
    expected = AppendStyle()([features, style])
    assert np.array_equal(layers.ConcatenatedStyle()([features, style]), expected)


@pytest.mark.parametrize("times", [1, 2, 3, 4, 5, 7, 16, 63, 64])
def test_repeat_stays_within_the_widest_concatenation(monkeypatch, times):
    widths = []

    def concatenate(parts, axis):
        widths.append(len(parts))
        return np.concatenate(parts, axis)

    monkeypatch.setattr(layers.ops, "concatenate", concatenate)
    x = np.arange(6.0).reshape(1, 3, 2)
    assert np.array_equal(layers.repeat(x, times, axis=1), np.tile(x, (1, times, 1)))
    assert all(2 <= width <= layers.MAX_CONCATENATED for width in widths)
    assert len(widths) <= 2 * max(1, np.log2(times))


@pytest.mark.parametrize("styles", [1, 3])
@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
def test_rebuilt_net_computes_the_same(upsampling, styles):
    net = tiny_generator(styles, upsampling)
    rebuilt = rebuild.rebuild_for_inference(net, SIZE)
    for one in verify.verification_inputs(SIZE, styles):
        given = list(one.values()) if styles > 1 else one["image"]
        # Convolutions in blocks and among pixels add in another order.
        np.testing.assert_allclose(rebuilt(given), net(given), atol=1e-5)
    assert [tensor.shape[0] for tensor in rebuilt.inputs] == [1] * len(rebuilt.inputs)


def test_unknown_layer_is_refused():
    image = keras.Input((None, None, 3), name="image")
    x = SpectralConv2D(4, 3, name="odd_one")(image)
    net = keras.Model(image, keras.layers.Conv2D(1, 1)(x))
    with pytest.raises(InputError, match="odd_one, a SpectralConv2D layer"):
        rebuild.rebuild_for_inference(net, SIZE)


@pytest.mark.parametrize(
    ("upsampling", "styles", "policy", "style_input"),
    [
        ("nearest", STYLES[:1], "float32", "appended"),
        pytest.param("transposed", STYLES, "mixed_bfloat16", "appended", marks=pytest.mark.slow),
        ("nearest", STYLES, "float32", "modulated"),
    ],
)
def test_float_export_holds_to_keras(tmp_path, upsampling, styles, policy, style_input):
    net = tiny_generator(len(styles), upsampling, policy, style_input=style_input)
    net.trainable = False  # as the averaged generator of a training
    run = write_run(tmp_path / "run", net, styles)
    artefact = export(run, tmp_path / "preset", "fp32")
    metadata, fidelity = artefact.metadata, artefact.fidelity
    assert fidelity.max_error <= 1e-5
    assert fidelity.delegates == 1
    assert metadata == read_metadata(tmp_path / "preset")
    assert (metadata.mode, metadata.size, metadata.styles) == ("fp32", SIZE, styles)
    # Against the trained net itself, in its own precision: bfloat16 has 8 bits.
    one = verify.verification_inputs(SIZE, len(styles))[1]
    given = list(one.values()) if len(styles) > 1 else one["image"]
    drawing = Runner(tmp_path / "preset" / metadata.file)(**one)
    assert drawing.std() > 0.05
    assert np.abs(drawing - net(given)).max() < (1e-5 if policy == "float32" else 0.3)


def test_command_writes_a_preset_that_draws(three_styles, tmp_path, capsys):
    folder = tmp_path / "presets" / "mine"
    assert main([str(three_styles), "-o", str(folder)]) == 0
    first, heads, row, last = capsys.readouterr().out.splitlines()
    assert last == str(folder)
    assert heads.split() == "mode size file kB max error worst dB mean dB CPU ms delegates".split()
    assert row.split()[:2] == ["dynamic", str(SIZE)]
    assert row.split()[-1] == "1"
    assert sorted(path.name for path in folder.iterdir()) == ["generator.tflite", "portrait.json"]
    metadata = read_metadata(folder)
    assert (metadata.name, metadata.mode, metadata.styles) == ("mine", "dynamic", STYLES)
    assert "002-styles" in metadata.origin
    drawing = Stylizer(folder)(draw_face(0, 96).photo, style="chalk", whole=True)
    assert drawing.shape == (96, 96, 3)
    # 8-bit weights were asked for.
    graph = schema.ModelT.InitFromPackedBuf((folder / metadata.file).read_bytes()).subgraphs[0]
    assert any(tensor.type == schema.TensorType.INT8 for tensor in graph.tensors)


def test_export_keeps_what_a_person_wrote(run, float_model, tmp_path, monkeypatch):
    monkeypatch.setattr(artefacts, "convert", lambda *arguments: float_model)
    folder = tmp_path / "preset"
    folder.mkdir()
    (folder / "README.md").write_text("The model card.\n")
    by_hand = {"description": "fine lines", "data_licence": "CC0", "name": "old", "format": 0}
    (folder / "portrait.json").write_text(json.dumps(by_hand))
    metadata = export(run / "generator.keras", folder, "fp32", name="new").metadata
    assert (metadata.name, metadata.description, metadata.data_licence) == (
        *("new", "fine lines", "CC0"),
    )
    assert (folder / "README.md").read_text() == "The model card.\n"
    said = export(run / "generator.keras", folder, "fp32", data_licence="MIT").metadata
    assert (said.description, said.data_licence) == ("fine lines", "MIT")
    with pytest.raises(SettingError, match="--description: expected one line of text"):
        export(run / "generator.keras", folder, "fp32", description="two\nlines")


@pytest.mark.parametrize(
    ("mode", "figures"),
    [
        ("fp32", r"Received: \d"),
        ("fp16", r"Received: -?\d.* dB, -?\d.* dB"),
        ("dynamic", r"Received: -?\d.* dB, -?\d.* dB"),
    ],
)
def test_failed_verification_says_the_figures_and_writes_nothing(
    float_model, tmp_path, monkeypatch, mode, figures
):
    monkeypatch.setattr(artefacts, "convert", lambda *arguments: float_model)
    strayed = write_run(tmp_path / "run", tiny_generator(seed=1))
    with pytest.raises(PortraitError, match=figures):
        export(strayed, tmp_path / "presets" / "mine", mode)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("mode", ["fp32", *verify.LEAST_PSNR])
def test_a_drawing_that_is_not_a_number_is_refused(mode):
    nothing = verify.Fidelity(np.nan, np.nan, np.nan, 1.0, 1)
    with pytest.raises(PortraitError, match="Received: nan"):
        verify.require(nothing, mode)


def test_limits_of_the_modes():
    verify.require(verify.Fidelity(1e-4, 90, 90, 1.0, 1), "fp32")
    verify.require(verify.Fidelity(0.5, 30, 36, 1.0, 1), "dynamic")
    verify.require(verify.Fidelity(0.5, 50, 59, 1.0, 1), "fp16")
    with pytest.raises(PortraitError, match="16-bit.*fp32 does not.*58.9 dB, 58.0 dB"):
        verify.require(verify.Fidelity(0.5, 58, 58.9, 1.0, 1), "fp16")
    verify.require(verify.Fidelity(0.5, 30, 34, 1.0, 1), "int8")
    with pytest.raises(PortraitError, match="33.9 dB, 33.0 dB"):
        verify.require(verify.Fidelity(0.5, 33, 33.9, 1.0, 1), "int8")
    with pytest.raises(PortraitError, match="Expected 1 delegate. Received: 3"):
        verify.require(verify.Fidelity(0, 90, 90, 1.0, 3), "fp32")
    with pytest.raises(PortraitError, match="35.9 dB, 35.0 dB"):
        verify.require(verify.Fidelity(0.5, 35, 35.9, 1.0, 1), "dynamic")
    with pytest.raises(PortraitError, match="40.0 dB, 29.9 dB"):
        verify.require(verify.Fidelity(0.5, 29.9, 40, 1.0, 1), "dynamic")


def test_lint_refuses_reflection_as_keras_exports_it(tmp_path):
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = ReflectionPadding2D(3, name="first")(image)
    net = keras.Model(image, keras.layers.Conv2D(1, 3)(x))
    model = naive_export(net, (1, SIZE, SIZE, 3), tmp_path / "naive.tflite")
    with pytest.raises(PortraitError, match=r"Received: MIRROR_PAD \(in .*first"):
        lint.check_model(model)


def test_lint_refuses_open_sizes(tmp_path):
    image = keras.Input((None, None, 3), name="image")
    net = keras.Model(image, keras.layers.Conv2D(1, 3)(image))
    model = naive_export(net, (1, None, None, 3), tmp_path / "open.tflite")
    with pytest.raises(PortraitError, match=r"fixed size. Received: .*image.*\(1, -1, -1, 3\)"):
        lint.check_model(model)


def test_choices_of_command_and_converter_agree():
    assert tuple(convert.MODES) == MODES
    assert tuple(trained_generator.DIRECTIONS) == DIRECTIONS
    assert KNOWN_TARGETS == TARGETS


def test_unknown_mode(run, tmp_path):
    with pytest.raises(SettingError, match='Did you mean "dynamic"'):
        export(run, tmp_path / "out", "dynamics")


def test_norm_layer_with_scale_is_kept():
    layer = InstanceNormalization(affine=True)
    assert rebuild._inference_layer(layer).affine


def broken_runs(folder):
    """Rows of (what to give the command, what its error must say)."""
    generator = tiny_generator()
    empty = folder / "empty"
    empty.mkdir()
    alone = folder / "alone"
    alone.mkdir()
    generator.save(alone / "generator.keras")
    broken = write_run(folder / "broken", generator)
    (broken / "generator.keras").write_bytes(b"no zip")
    foreign = write_run(folder / "foreign", generator)
    with zipfile.ZipFile(foreign / "generator.keras", "w") as file:
        file.writestr("notes.txt", "no model")
    no_json = write_run(folder / "no_json", generator)
    (no_json / "options.json").write_text("{")
    no_size = write_run(folder / "no_size", generator)
    (no_size / "options.json").write_text('{"method": "m", "styles": [], "recipe": {}}')
    yield folder / "missing", "There is no such file or folder. Expected a run folder that holds"
    yield empty, "Expected a run folder that holds generator.keras"
    yield alone, "Expected the run's options.json beside its generator (No such file"
    yield broken, "Expected a whole model file saved by Keras"
    yield foreign, "Cannot load the generator"
    yield no_json, "Expected a JSON file"
    yield no_size, "Expected method, styles and recipe.data.size"
    yield (
        write_run(folder / "styles", generator, STYLES),
        "of method asymmetric_cycle takes",
    )
    yield write_run(folder / "odd", generator, size=66), "multiple of 4 from 16 up. Received: 66"


def test_unusable_runs_are_one_line_and_exit_code_2(tmp_path, capsys):
    for given, message in broken_runs(tmp_path):
        assert main([str(given), "-o", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert message in error
        assert f"{given}" in error
    assert not (tmp_path / "out").exists()


def test_destination_that_is_a_file(run, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "preset"):
        assert main([str(run), "-o", str(out)]) == 2
        assert "Expected a folder that can be written to" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_without_tensorflow_the_pip_line_is_named(run, tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from keras_portrait_export.__main__ import main\n"
        f"sys.exit(main([{str(run)!r}, '-o', 'out']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert 'pip install "keras-portrait[train]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_from_the_checkout_without_chatter(run, tmp_path):
    root = Path(__file__).resolve().parents[2]
    out = tmp_path / "preset"
    done = subprocess.run(
        [sys.executable, "-m", "export", str(run), "-o", str(out), "--mode", "fp32"],
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 4
    assert read_metadata(out).mode == "fp32"
