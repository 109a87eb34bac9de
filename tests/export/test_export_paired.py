"""Export of generators that learned from pairs: the plane wave as a constant, 8-bit integers."""

import json

import keras
import numpy as np
import pytest

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import SettingError
from keras_portrait.inference.imaging import write_image
from keras_portrait.inference.presets import load_preset
from keras_portrait.networks import line_generator
from keras_portrait.training.preset_generator import recover_generator
from keras_portrait.training.saved_generator import load_run
from keras_portrait_export import exporter as artefacts
from keras_portrait_export import rebuild, verify
from keras_portrait_export.exporter import ExportOptions, export_generator

# TensorFlow's variables and NumPy 2 disagree on `__array__`; Keras meets it when it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = 64
STYLES = ("ink", "engraving")


def line_net(styles):
    """A small generator that draws every style in its own way, its biases not 0."""
    keras.utils.set_random_seed(0)
    net, rng = line_generator(styles, filters=2, blocks=1), np.random.default_rng(0)
    for layer in net.layers:
        values = layer.get_weights()
        if len(values) == 2:
            layer.set_weights([values[0], values[1] + rng.normal(0, 0.1, values[1].shape)])
    # A drawing in ink and paper, not in grays that are alike.
    last = net.get_layer("half_logit")
    last.set_weights([3.0 * last.get_weights()[0], last.get_weights()[1]])
    return net


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run folder of a generator of two styles."""
    folder = tmp_path_factory.mktemp("runs") / "paired"
    folder.mkdir()
    line_net(2).save(folder / "generator.keras")
    row = {"method": "paired", "styles": STYLES, "recipe": {"data": {"size": SIZE}}}
    (folder / "options.json").write_text(json.dumps(row))
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of drawn faces."""
    folder = tmp_path_factory.mktemp("faces")
    for number in range(5):
        write_image(folder / f"{number}.png", draw_face(number, 2 * SIZE).photo)
    return folder


@pytest.mark.parametrize("styles", [1, 2])
def test_it_is_rebuilt_to_the_same_numbers(styles):
    net = line_net(styles)
    rebuilt = rebuild.rebuild_for_inference(net, SIZE)
    for one in verify.verification_inputs(SIZE, styles):
        given = list(one.values()) if styles > 1 else one["image"]
        expected = net(given, training=False)
        assert np.std(expected) > 0.05
        np.testing.assert_allclose(rebuilt(given), expected, atol=5e-6)


@pytest.mark.parametrize(
    ("mode", "least"), [pytest.param("dynamic", 34, marks=pytest.mark.slow), ("int8", 30)]
)
def test_it_is_one_piece_for_the_fast_kernels(run, faces, tmp_path, monkeypatch, mode, least):
    monkeypatch.setattr(artefacts, "LEAST", 2)
    options = ExportOptions(modes=(mode,), calibration=faces, force=True)
    (artefact,) = export_generator(run, tmp_path / "preset", options)
    assert artefact.fidelity.delegates == 1 and artefact.fidelity.mean_psnr >= least
    metadata = artefact.metadata
    assert (metadata.method, metadata.styles, metadata.mode) == ("paired", STYLES, mode)
    square = draw_face(7, SIZE).photo
    ink, engraving = (
        load_preset(artefact.folder).draw(square, style[None]) for style in np.eye(2, dtype="f")
    )
    assert ink.shape == (SIZE, SIZE, 1) and np.any(ink != engraving)


def test_a_preset_of_it_goes_back_to_keras(run, tmp_path):
    (artefact,) = export_generator(run, tmp_path / "preset", ExportOptions(modes=("fp32",)))
    recovered, trained = recover_generator(artefact.folder).model, load_run(run).model
    photo = np.random.default_rng(0).uniform(-1, 1, (1, SIZE, SIZE, 3)).astype("float32")
    given = [photo, np.float32([[0.3, 0.7]])]
    np.testing.assert_allclose(recovered(given), trained(given), atol=1e-5)


def test_contrast_makes_edges_steeper(run, tmp_path):
    options = [ExportOptions(modes=("fp32",), contrast=factor) for factor in (1.0, 2.0)]
    square, style = draw_face(7, SIZE).photo, np.float32([[1, 0]])
    drawings = []
    for number, one in enumerate(options):
        (artefact,) = export_generator(run, tmp_path / str(number), one)
        drawn = load_preset(artefact.folder).draw(square, style).astype(float) / 127.5 - 1
        drawings.append(np.arctanh(np.clip(drawn, -0.98, 0.98)))
    inner = np.abs(drawings[1]) < 2
    np.testing.assert_allclose(drawings[1][inner], 2 * drawings[0][inner], atol=0.06)


@pytest.mark.parametrize("factor", [0, -1, 11, float("nan")])
def test_contrast_out_of_range(run, tmp_path, factor):
    with pytest.raises(SettingError, match="--contrast: expected 0.1 to 10. Received"):
        export_generator(run, tmp_path / "preset", ExportOptions(contrast=factor))
    assert not (tmp_path / "preset").exists()
