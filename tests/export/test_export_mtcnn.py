import contextlib
import importlib.util
import io
import sys

import numpy as np
import pytest

from keras_portrait.errors import MissingExtra
from keras_portrait.inference.faces.mtcnn import NETS as PACKAGED
from keras_portrait.inference.litert.runner import Runner
from keras_portrait_export.makers import mtcnn

SHAPES = {"pnet": (1, 40, 33, 3), "rnet": (1, 24, 24, 3), "onet": (1, 48, 48, 3)}

# What the runtimes of small machines have had for long.
PLAIN = {
    "CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "PRELU",
    "RESHAPE",
    "SOFTMAX",
    "TRANSPOSE",
    "DELEGATE",
}


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """(Folder that the command has filled, what it printed)."""
    folder = tmp_path_factory.mktemp("nets") / "new"
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr(sys, "argv", ["mtcnn", str(folder)])
        mtcnn.main()
    return folder, out.getvalue()


@pytest.fixture
def exported(command):
    return {path.stem: path for path in command[0].iterdir()}


@pytest.fixture(params=SHAPES)
def name(request):
    return request.param


def patches(name):
    return np.random.default_rng(0).uniform(-1, 1, SHAPES[name]).astype(np.float32)


def run(path, image):
    runner = Runner(path)
    runner.resize("image", image.shape)
    return runner(image)


def test_a_net_computes_what_the_package_computes(name):
    from mtcnn import stages

    stage = getattr(stages, f"Stage{name[0].upper()}Net")()
    image = patches(name)
    ours = mtcnn.load_net(name)(image)
    theirs = stage.model(image)
    for head, expected in zip([h for h in mtcnn.HEADS if h in ours], theirs, strict=True):
        np.testing.assert_allclose(ours[head], expected, atol=1e-5)


def test_the_file_computes_what_keras_computes(name, exported):
    image = patches(name)
    expected = mtcnn.load_net(name)(image)
    results = run(exported[name], image)
    assert results.keys() == expected.keys()
    for head, array in results.items():
        np.testing.assert_allclose(array, expected[head], atol=1e-5)


def test_the_packaged_net_is_this_export(name, exported):
    image = patches(name)
    fresh, packaged = run(exported[name], image), run(PACKAGED / f"{name}.tflite", image)
    assert fresh.keys() == packaged.keys()
    for head, array in fresh.items():
        np.testing.assert_allclose(array, packaged[head], atol=1e-6)


def test_the_file_has_plain_operations_and_fixed_batches(name, exported):
    runner = Runner(exported[name])
    (image,) = runner.inputs
    shape = SHAPES[name]
    assert image.name == "image" and image.shape == ((1, -1, -1, 3) if name == "pnet" else shape)
    runner.resize("image", shape)
    operations = {op["op_name"] for op in runner._interpreter._get_ops_details()}
    assert operations <= PLAIN


@pytest.mark.parametrize("missing", ["mtcnn", "joblib"])
def test_a_missing_package_is_named(missing, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find(name)
    )
    with pytest.raises(MissingExtra, match=r'pip install "mtcnn==1\.0\.0"'):
        mtcnn.load_net("pnet")


def test_the_command_says_what_it_wrote(command, exported):
    assert exported.keys() == SHAPES.keys()
    lines = [f"{exported[name]} ({exported[name].stat().st_size} bytes)" for name in SHAPES]
    assert command[1].splitlines() == lines
