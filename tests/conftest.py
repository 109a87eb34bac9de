import functools
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keras_portrait
from fake_live import FakeLive
from keras_portrait import cli
from keras_portrait.inference import presets
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.litert.crash_test import try_model
from keras_portrait_demo.web import server
from keras_portrait_demo.web.server import WebView
from tiny_preset import write_tiny_preset
from web_client import Client

EXAMPLE = Path(keras_portrait.__file__).with_name("example.jpg")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keeps the tests that share what their module sets up on one worker: it is set up once."""
    from xdist.scheduler import LoadScopeScheduling

    shares = functools.cache(lambda file: 'scope="module"' in (config.rootpath / file).read_text())

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return file if shares(file) else nodeid

    return Scheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def each_model_is_tried_once():
    """Tries a model that lies in many folders in a child process once, not once for each folder."""
    tried = set()

    def try_once(path, sha256):
        if not try_model.cache_info().currsize:  # a test has cleared it
            tried.clear()
        if sha256 not in tried:
            try_model(path, sha256)
            tried.add(sha256)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(presets, "try_model", try_once)
        yield


@pytest.fixture
def example():
    """The example photo, uint8 RGB, and its five landmarks (5, 2), good to about a pixel."""
    landmarks = [[204, 100], [245, 102], [224, 126], [202, 139], [244, 140]]
    return read_image(EXAMPLE), np.array(landmarks, float)


@pytest.fixture
def tiny_preset(tmp_path):
    """Folder of a preset of 64 px with the styles thin and bold; see `tests/tiny_preset.py`."""
    return write_tiny_preset(tmp_path / "presets" / "tiny")


@pytest.fixture
def portrait(tiny_preset, monkeypatch, capsys):
    """Runs the command in this process; returns exit code, stdout and stderr."""

    def run(*arguments, preset=tiny_preset):
        given = [str(argument) for argument in arguments]
        if given[:1] == ["stylize"] and preset is not None:
            given += ["--preset", str(preset)]
        monkeypatch.setattr(sys, "argv", ["portrait", *given])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return run


@pytest.fixture
def without_readers(monkeypatch):
    """As where only Pillow is installed."""
    for package, kind in (("pillow_heif", "HEIF"), ("pillow_jxl", "JXL")):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(Image.OPEN, kind, raising=False)


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory):
    """A prepared data folder of four invented faces, 64 px, nothing held back."""
    from keras_portrait.data.prepare.prepare import prepare
    from keras_portrait.data.synthetic_faces import write_drawn_faces

    folder = tmp_path_factory.mktemp("drawn")
    write_drawn_faces(folder, 4)
    prepare(folder / "photos", folder / "drawings", folder / "data", size=64, holdout=0.0)
    return folder / "data"


@pytest.fixture
def light(monkeypatch):
    """Stand-ins for the frozen networks, so that nothing large is read or run."""
    from keras_portrait.models.asymmetric_cycle import experiment as portrait
    from keras_portrait.perceptual import PerceptualDistance
    from tiny_training import light_edges

    monkeypatch.setattr(portrait, "EdgeDetector", lambda: light_edges)
    monkeypatch.setattr(portrait, "PerceptualDistance", lambda: PerceptualDistance(load=False))


@pytest.fixture
def eager(light, monkeypatch):
    """Steps without tracing: faster where only a few are taken."""
    from tiny_training import without_tracing

    without_tracing(monkeypatch)


@pytest.fixture
def no_thread_is_left():
    """Sees to it that a test ends every thread that it began."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def live():
    """A stand-in for the demo's `Live` that shows pictures on demand."""
    live = FakeLive()
    yield live
    live.stop()


@pytest.fixture(scope="session", autouse=True)
def views_end_at_once():
    """Lets the web view look more often whether it is stopped."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server, "_LOOK_SECONDS", 0.005)
        yield


@pytest.fixture
def view(live):
    """The web view of `live` on this machine, on a free port; it leaves no thread behind."""
    with WebView(live, "127.0.0.1", 0) as view:
        yield view
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("web")]


@pytest.fixture
def client(view):
    """Plain HTTP to `view`."""
    return Client(view)
