import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.inference.litert import graph as model_file
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.sampler import Sampler
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.models.dcgan.networks import dcgan_generator
from keras_portrait.training.saved_generator import load_generator, load_run
from keras_portrait_export import convert, rebuild, verify
from keras_portrait_export.__main__ import main
from keras_portrait_export.exporter import ExportOptions, export_generator
from tiny_runs import NOISE, tiny_net, write_run

# TensorFlow's variables and NumPy 2 disagree on `__array__`; Keras meets it when it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

METHODS = ("dcgan", "cyclegan", "cartoongan")


def export(source, folder, *modes, **options):
    """PresetMetadata and fidelity of the only artefact of an export."""
    (artefact,) = export_generator(source, folder, ExportOptions(modes=modes, **options))
    return artefact.metadata, artefact.fidelity


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run folder of each method."""
    folder = tmp_path_factory.mktemp("runs")
    return {method: write_run(folder / f"001-{method}", method) for method in METHODS}


@pytest.fixture(scope="module")
def float_avatars(runs):
    """The converted generator of dcgan: bytes."""
    return convert.convert(load_run(runs["dcgan"]), "fp32")


def operators(model):
    """Names of the operators in a model file, in order."""
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    codes = [model_file.operator_name(code) for code in tree.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in tree.subgraphs[0].operators]


@pytest.mark.parametrize(
    "method", ["dcgan", "cyclegan", pytest.param("cartoongan", marks=pytest.mark.slow)]
)
def test_float_export_holds_to_keras(runs, tmp_path, method):
    metadata, fidelity = export(runs[method], tmp_path / "preset", "fp32")
    assert fidelity.max_error <= 2e-5 and fidelity.delegates == 1
    assert metadata == read_metadata(tmp_path / "preset")
    assert (metadata.method, metadata.channels) == (method, 3)
    assert (metadata.size, metadata.noise, metadata.inputs, metadata.styles) == (
        (64, NOISE, ("noise",), ()) if method == "dcgan" else (32, 0, ("image",), (method,))
    )
    # Against the trained net itself, on what no comparison has seen.
    shape = (1, NOISE) if method == "dcgan" else (1, 32, 32, 3)
    given = np.random.default_rng(9).uniform(-1, 1, shape).astype("float32")
    picture = Runner(tmp_path / "preset" / metadata.file)(given)
    assert picture.std() > 0.05
    assert np.abs(picture - tiny_net(method)(given, training=False)).max() < 1e-5


def test_batch_normalization_is_folded_into_the_weights(float_avatars):
    names = operators(float_avatars)
    assert names.count("LEAKY_RELU") == 5
    # Nothing else, but the places of pixels around transposed convolutions of stride 2.
    expected = {"RESHAPE", "CONV_2D", "LEAKY_RELU", "TANH", "DEPTH_TO_SPACE"}
    assert set(names) == expected | {"PAD", "STRIDED_SLICE"}


def test_16_bit_weights_are_smaller_and_one_delegate(runs, float_avatars, tmp_path):
    metadata, fidelity = export(runs["dcgan"], tmp_path / "preset", "fp16")
    model = (tmp_path / "preset" / metadata.file).read_bytes()
    assert metadata.mode == "fp16" and len(model) < len(float_avatars)
    assert "DEQUANTIZE" in operators(model)
    assert fidelity.delegates == 1 and 0 < fidelity.max_error < 0.05


@pytest.mark.slow
def test_avatars_of_32_filters_fit_in_4_megabytes(tmp_path):
    run = write_run(tmp_path / "run", "dcgan")
    dcgan_generator(32).save(run / "generator.keras")
    metadata, _ = export(run, tmp_path / "preset", "fp16")
    assert (tmp_path / "preset" / metadata.file).stat().st_size < 2_300_000


@pytest.mark.parametrize("mode", ["fp32", pytest.param("fp16", marks=pytest.mark.slow)])
def test_lost_moving_averages_are_noticed(runs, tmp_path, monkeypatch, mode):
    fold = rebuild._folded_weights

    def forget(convolution, normalization):
        normalization.moving_variance.assign(keras.ops.ones_like(normalization.moving_variance))
        return fold(convolution, normalization)

    monkeypatch.setattr(rebuild, "_folded_weights", forget)
    with pytest.raises(PortraitError, match="Received: -?[0-9]"):
        export(runs["dcgan"], tmp_path / "preset", mode)
    assert not (tmp_path / "preset").exists()


@pytest.mark.slow
def test_the_other_direction_of_cyclegan(runs, tmp_path, capsys):
    run, folder = runs["cyclegan"], tmp_path / "preset"
    arguments = [str(run), "-o", str(folder), "--mode", "fp32", "--direction", "b-to-a"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(folder)
    assert "inverse_generator.keras" in read_metadata(folder).origin
    photo = draw_face(0, 96).photo
    exported = Stylizer(folder)(photo, whole=True).astype(int)
    # What Keras draws with each file.
    there, back = (
        Stylizer(load_generator(run / f"{name}.keras"))(photo, whole=True)
        for name in ("generator", "inverse_generator")
    )
    assert np.abs(exported - back).max() <= 1 and (exported != there).mean() > 0.5


def test_directions_that_are_not_there(runs, tmp_path, capsys):
    for given, text in (
        (runs["dcgan"], "holds inverse_generator.keras"),
        (runs["cyclegan"] / "generator.keras", "needs a run folder"),
    ):
        assert main([str(given), "-o", str(tmp_path / "out"), "--direction", "b-to-a"]) == 2
        error = capsys.readouterr().err
        assert text in error and f"Received: {given}" in error and error.count("\n") == 1
    with pytest.raises(SettingError, match='Did you mean "b-to-a"'):
        load_run(runs["cyclegan"], "b-to-aa")
    assert not (tmp_path / "out").exists()


def test_exported_avatars_are_those_of_the_run(runs, tmp_path):
    export(runs["dcgan"], tmp_path / "avatars", "fp32")
    noise = np.random.default_rng(0).standard_normal((3, NOISE))
    exported = Sampler(tmp_path / "avatars")(noise).astype(int)
    assert exported.shape == (3, 64, 64, 3) and exported.std() > 10
    assert np.abs(exported - Sampler(load_generator(runs["dcgan"]))(noise)).max() <= 1


def test_runs_are_drawn_in_float32_whatever_they_were_trained_in(tmp_path):
    run = write_run(tmp_path / "run", "cyclegan")
    tiny_net("cyclegan", policy="mixed_bfloat16").save(run / "generator.keras")
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    drawn = load_generator(run).net(image=image)
    assert np.abs(drawn - tiny_net("cyclegan")(image)).max() < 1e-5


@pytest.mark.parametrize(
    ("method", "of", "size", "text"),
    [
        ("dcgan", "cyclegan", 64, "method dcgan takes .*noise.*Received: .*image"),
        ("cyclegan", "dcgan", 32, "method cyclegan takes .*image.*Received: .*noise"),
        ("dcgan", "dcgan", 32, "32, 32, 3.*Received: .*64, 64, 3"),
        ("asymmetric_cycle", "cyclegan", 32, "None, 1.*Received: .*None, 3"),
        ("cartoongan", "cartoongan", 34, "multiple of 4 from 16 up. Received: 34"),
    ],
)
def test_a_generator_that_is_not_of_its_method(tmp_path, method, of, size, text):
    run = write_run(tmp_path / "run", of, size)
    options = (
        (run / "options.json").read_text().replace(f'"method": "{of}"', f'"method": "{method}"')
    )
    (run / "options.json").write_text(options.replace("{", '{"styles": ["pen"], ', 1))
    with pytest.raises(InputError, match=text):
        load_run(run)


def test_noise_of_the_comparison():
    inputs = verify.verification_noise(100)
    vectors = np.concatenate([one["noise"] for one in inputs])
    assert vectors.shape == (6, 100) and vectors.dtype == np.float32
    assert not vectors[-1].any() and 0.9 < vectors[:-1].std() < 1.1
