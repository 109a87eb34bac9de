import contextlib
import functools
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import bulk_drawers
from bulk_drawers import PREFIX
from bulk_jobs import OPTIONS, draw, files, make_places, manifest
from conftest import EXAMPLE
from keras_portrait import Stylizer
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.bulk import ray_engine
from keras_portrait.inference.bulk.drawing import drawing_options, open_drawing
from keras_portrait.inference.bulk.errors import JobStopped

# Ray looks at settings of its own that it no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


@pytest.fixture
def places(tmp_path):
    return make_places(tmp_path)


@pytest.fixture(scope="module")
def ray():
    """A real Ray on this machine, with two cores; the tests are left out where there is none."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    with pytest.MonkeyPatch.context() as patch:
        # Its workers import the drawers of these tests.
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield ray
        ray.shutdown()


def test_ray_is_an_extra(places, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r'pip install "keras-portrait\[ray\]"') as error:
        draw(places, engine="ray")
    assert len(str(error.value).splitlines()) == 1 and not places[1].exists()


def test_ray_is_not_imported_before_it_is_wanted():
    code = (
        "import keras_portrait.inference.bulk.job, sys; print({'ray', 'fsspec'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_places_within_this_process_are_refused(places):
    pytest.importorskip("fsspec")
    with pytest.raises(SettingError, match="--engine local"):
        draw((places[0], "memory://out"), engine="ray")


def test_a_cluster_that_cannot_be_reached_is_one_line(places, monkeypatch):
    pytest.importorskip("ray.data")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{free.getsockname()[1]}"
    for address, reason in ((closed, "refused"), ("nonsense", "Invalid address"), ("[::1", "")):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(JobStopped, match="Cannot reach a Ray cluster") as error:
            draw(places, engine="ray")
        text = str(error.value)
        assert reason in text and text.endswith(f"Received: {address}")
    assert not places[1].exists()


@pytest.mark.parametrize(
    "answer, reason", [(b"", "no answer within"), (b"HTTP/1.1 400 Bad Request", "is no Ray")]
)
def test_what_listens_and_is_no_ray_is_one_line(places, monkeypatch, answer, reason):
    pytest.importorskip("ray.data")
    monkeypatch.setattr(ray_engine, "_REACH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = threading.Thread(target=_listen, args=(server, answer))
        listener.start()
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(JobStopped, match=reason) as error:
            draw(places, engine="ray")
        listener.join()
    assert len(str(error.value).splitlines()) == 1 and not places[1].exists()


def _listen(server, answer):
    """Answers one caller, and waits until he hangs up."""
    with server.accept()[0] as caller, contextlib.suppress(ConnectionError):
        caller.sendall(answer)
        while caller.recv(1024):
            pass


def test_a_real_ray_answers_the_greeting(ray):
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    ray_engine._greet(host, int(port))


@pytest.mark.slow
def test_a_real_ray_draws_what_this_process_draws(ray, places, tiny_preset):
    for index in range(9):
        (places[0] / f"{index}.jpg").write_bytes(EXAMPLE.read_bytes() + bytes([index]))
    options = drawing_options(tiny_preset, "bold", crop=True)
    counts, ended = draw(places, options, open_drawing, None, "ray")
    assert counts == {"drawn": 9, "failed": 3}
    assert "Not a picture" in ended["deep/c.jpg"].reason
    expected = Stylizer(tiny_preset)(EXAMPLE.read_bytes(), style="bold", crop=True)
    for index in range(9):
        assert (places[1] / f"{index}.jpg.portrait.png").read_bytes() == expected
    assert len(manifest(places[1])) == 12
    (places[0] / "3.jpg").write_bytes(EXAMPLE.read_bytes() + b"changed")
    counts, _ = draw(places, options, open_drawing, None, "ray")
    assert counts == {"drawn": 1, "skipped": 8, "failed": 3}
    assert ray.is_initialized()


@pytest.mark.slow
def test_photos_that_kill_workers_of_ray(ray, places, tmp_path):
    (places[0] / "kill.jpg").write_bytes(b"kill every worker")
    counts, ended = draw(places, OPTIONS, bulk_drawers.killed_always, 2, "ray")
    assert counts == {"drawn": 3, "failed": 1}
    assert "ended at each of 2 tries" in ended["kill.jpg"].reason
    (places[0] / "kill.jpg").write_bytes(b"kill once")
    make = functools.partial(bulk_drawers.killed_once, str(tmp_path))
    assert draw(places, OPTIONS, make, 2, "ray")[0] == {"drawn": 1, "skipped": 3}
    assert (places[1] / "kill.jpg.portrait.png").read_bytes() == PREFIX + b"kill once"


@pytest.mark.slow
def test_what_stops_a_job_of_ray_is_one_line(ray, places):
    with pytest.raises(InputError, match="No worker process starts") as error:
        draw(places, OPTIONS, bulk_drawers.never_ready, 2, "ray")
    assert len(str(error.value).splitlines()) == 1
    assert not [name for name in files(places[0].parent) if name.startswith("out/")]
