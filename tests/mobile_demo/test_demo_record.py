"""Recordings: what is in the file is what is told of it."""

import re
import resource
import threading

import cv2
import numpy as np
import pytest

from fake_live import FakeLive
from keras_portrait.errors import InputError
from keras_portrait_demo import show
from keras_portrait_demo.__main__ import main
from keras_portrait_demo.record import Recorder
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture
def live():
    live = FakeLive()
    live.show()
    yield live
    live.stop()


def frames_in(path) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    frames = []
    while (taken := video.read())[0]:
        frames.append(taken[1])
    video.release()
    return frames


def test_every_frame_that_is_told_is_in_the_file(live, tmp_path):
    live.play()
    with Recorder(live, tmp_path / "films") as recorder:
        wait_until(lambda: recorder.frames > 5)
    assert recorder.failure is None and len(frames_in(recorder.path)) == recorder.frames


def test_one_picture_is_enough_and_the_last_one_is_always_there(tmp_path):
    live = FakeLive()
    live.show()
    with Recorder(live, tmp_path) as recorder:
        pass  # it is stopped before it has begun
    assert recorder.failure is None and len(frames_in(recorder.path)) == recorder.frames >= 1
    with Recorder(live, tmp_path) as recorder:
        wait_until(lambda: recorder.frames)
        live.choose(style="<b>bold</b>")
        live.show()
    (*_, last) = frames_in(recorder.path)
    assert abs(float(np.median(last)) - 200) < 8


def test_without_a_picture_there_is_no_file(tmp_path):
    live = FakeLive()
    live.wait_newer = lambda number, timeout: None
    with Recorder(live, tmp_path) as recorder:
        pass
    assert recorder.frames == 0 and list(tmp_path.iterdir()) == []
    assert show._summary(recorder) == "nothing recorded: no picture came"


def test_latency_is_measured_to_the_video_where_it_is_the_view(live, tmp_path):
    with Recorder(live, tmp_path, is_view=True) as recorder:
        wait_until(lambda: recorder.frames)
    assert set(live.displays) == {0}


def test_a_full_disk_is_told(live, tmp_path):
    live.play()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with Recorder(live, tmp_path) as recorder:
            wait_until(lambda: recorder.frames)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
            wait_until(lambda: recorder.frames > 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    text = rf"not written whole, \d+ of {recorder.frames} frames: is the disk full"
    assert isinstance(recorder.failure, InputError) and re.search(text, str(recorder.failure))


def test_recording_is_told_when_it_has_begun(tmp_path, tiny_preset, monkeypatch, capsys):
    said, taken = [], threading.Event()

    class Camera:
        name, skipped = "camera", 0

        def read(self):
            assert taken.wait(10)
            return np.full((48, 64, 3), 90, np.uint8)

        def close(self):
            pass

    def is_over(self, ask=show._Watch.is_over):
        over = ask(self)
        said.append(capsys.readouterr().out)
        if not "".join(said[:-1]) and len(said) == 3:
            assert "".join(said) == "", "nothing has come yet"
            taken.set()
        return over or "recording" in "".join(said)

    monkeypatch.setattr(show, "open_source", lambda *_, **__: Camera())
    monkeypatch.setattr(show._Watch, "is_over", is_over)
    options = ["--view", "none", "--preset", str(tiny_preset), "--record", str(tmp_path / "out")]
    assert main(options) == 0
    (path,) = (tmp_path / "out").iterdir()
    assert "".join(said) == f"recording {path}\n"
    last = capsys.readouterr().out.splitlines()
    count = len(frames_in(path))
    assert last[0] == f"recorded {path}: {count} frames, {count / 25:.1f} s"
