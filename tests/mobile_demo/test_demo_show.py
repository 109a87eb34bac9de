"""What the live demo says while it runs, what it measures, and how it ends, in each view."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from types import SimpleNamespace
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from keras_portrait.errors import InputError
from keras_portrait.inference.video import source
from keras_portrait.inference.video.source import SourceLost
from keras_portrait_demo import VIEWS, show, timing
from keras_portrait_demo.live import Live
from waiting import wait_until


class Camera:
    """Stands in for a camera that can be unplugged."""

    name, skipped = "camera", 0

    def __init__(self):
        self.unplugged, self.taken, self.reopened = False, 0, 0

    def read(self):
        time.sleep(0.02)
        if self.unplugged:
            raise SourceLost("The camera gives no more pictures. Received: camera")
        self.taken += 1
        return np.full((48, 64, 3), 200, np.uint8)

    def reopen(self):
        self.reopened += 1
        if self.unplugged:
            raise SourceLost("No such camera. Received: camera")

    def close(self):
        pass


@pytest.fixture
def window(monkeypatch):
    """Pictures that a window was given; there is no display here."""
    shown = []
    monkeypatch.setattr(cv2, "namedWindow", lambda winname, flags=0: None)
    monkeypatch.setattr(cv2, "getWindowImageRect", lambda winname: (0, 0, 64, 48))
    monkeypatch.setattr(cv2, "imshow", lambda winname, mat: shown.append(mat))
    monkeypatch.setattr(cv2, "waitKey", lambda delay=0: -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda winname, prop_id: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    return shown


@pytest.fixture
def camera(monkeypatch):
    camera = Camera()
    monkeypatch.setattr(show, "open_source", lambda *_, **__: camera)
    return camera


pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def show_until_ctrl_c(view, preset, work, **settings) -> float:
    """Shows until `work` is done in a thread beside it; seconds from Ctrl-C to the end."""
    failures, pressed = [], []

    def watch():
        try:
            work()
        except BaseException as error:
            failures.append(error)
        finally:
            pressed.append(time.monotonic())
            signal.raise_signal(signal.SIGINT)

    watcher = threading.Thread(target=watch)
    watcher.start()
    show.show_live("auto", view, preset=str(preset), threads=1, port=0, **settings)
    watcher.join()
    assert not failures, failures
    return time.monotonic() - pressed[0]


@pytest.mark.parametrize("view", VIEWS)
def test_a_lost_camera_and_its_return_are_told_in_a_line_each(
    view, camera, window, tiny_preset, capsys
):
    said = ""

    def is_said(text) -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return text in said

    def unplug_and_plug_in_again():
        wait_until(lambda: camera.taken > 3)
        camera.unplugged = True
        wait_until(lambda: is_said("No such camera"))
        camera.unplugged = False
        wait_until(lambda: is_said("Working"))

    assert show_until_ctrl_c(view, tiny_preset, unplug_and_plug_in_again) < 2
    *first, second, last = (said + capsys.readouterr().err).splitlines()
    assert second == "portrait-demo: Reconnecting. No such camera. Received: camera"
    assert last == "portrait-demo: Working again."
    # What stands for a quarter of a second only may be passed over on a busy machine.
    text = "portrait-demo: Reconnecting. The camera gives no more pictures. Received: camera"
    assert first in ([text], [])


def test_a_plug_that_comes_and_goes_writes_few_lines_and_a_true_last_one(monkeypatch, capsys):
    now = 50.0
    monkeypatch.setattr(show, "monotonic", lambda: now)
    live = SimpleNamespace(error=None, failure=None, finished=threading.Event())
    watch = show._Watch(live, threading.Event(), None)

    def said(error) -> list[str]:
        live.error = error
        assert not watch.is_over()
        return capsys.readouterr().err.splitlines()

    lost, well = "portrait-demo: Lost.", "portrait-demo: Working again."
    assert said(None) == []
    assert said("Lost.") == [lost] and said("Lost.") == []
    assert said(None) == [well]
    for now in range(51, 60):
        assert said("Lost.") == [] and said(None) == [], f"again at {now} s"
    assert said("Broken.") == ["portrait-demo: Broken."], "something new is said at once"
    assert said("Lost.") == []
    now = 60.0
    assert said("Lost.") == [lost], "what still holds is never said"
    assert said(None) == [well]


@pytest.mark.parametrize("view", VIEWS)
def test_ctrl_c_ends_it_in_time_while_the_camera_is_lost(view, camera, window, tiny_preset):
    def unplug():
        wait_until(lambda: camera.taken > 3)
        camera.unplugged = True
        wait_until(lambda: camera.reopened >= 1)

    assert show_until_ctrl_c(view, tiny_preset, unplug) < 2


@pytest.mark.parametrize("view", VIEWS)
def test_a_video_that_cannot_be_written_ends_it_in_every_view(
    view, camera, window, tiny_preset, tmp_path, monkeypatch
):
    class Refusing:
        def __init__(self, *_):
            pass

        def isOpened(self):  # noqa: N802
            return False

    monkeypatch.setattr(cv2, "VideoWriter", Refusing)
    Refusing.fourcc = staticmethod(lambda *_: 0)
    with pytest.raises(InputError, match="Cannot write a video there. Received: .*mp4$"):
        show.show_live(
            "auto", view, preset=str(tiny_preset), threads=1, port=0, record=tmp_path / "out"
        )


@pytest.mark.parametrize(
    ("view", "recorded", "displays"),
    [
        ("window", False, True),
        ("none", True, True),
        ("none", False, False),
        ("web", True, False),  # nobody looks, and a video is no display beside a view
    ],
)
def test_what_counts_as_displayed(
    view, recorded, displays, camera, window, tiny_preset, tmp_path, monkeypatch
):
    states, shown = [], []
    status, displayed = Live.status, Live.displayed
    monkeypatch.setattr(Live, "status", lambda self: states.append(status(self)) or states[-1])
    monkeypatch.setattr(
        Live, "displayed", lambda self, number: displayed(self, number) or shown.append(number)
    )
    record = tmp_path / "out" if recorded else None

    def look():
        wait_until(lambda: camera.taken > 5)
        if displays:
            wait_until(lambda: len(shown) > 3)

    show_until_ctrl_c(view, tiny_preset, look, record=record)
    assert bool(shown) == displays
    assert len(states) == 1, "each picture in the window costs a whole status"
    assert states[-1]["frames"] >= 1
    assert states[-1]["latency_to"] == ("display" if displays else "drawing")
    assert states[-1]["latency_ms"]["p50"] > 0


def test_a_window_tells_that_its_picture_stands_still(camera, window, tiny_preset, monkeypatch):
    written, put_text = [], cv2.putText
    monkeypatch.setattr(cv2, "putText", lambda *given: written.append(given[1]) or put_text(*given))
    monkeypatch.setattr(timing, "STILL_SECONDS", 0.2)

    def unplug():
        wait_until(lambda: any(re.fullmatch(r"[1-9]\d*\.\d FPS", text) for text in written))
        camera.unplugged = True
        wait_until(lambda: "0.0 FPS" in written)
        assert "Reconn" in written  # "Reconnecting", in lines as narrow as the picture

    show_until_ctrl_c("window", tiny_preset, unplug)


# Runs the command on a camera that gives so many pictures and then makes a reader wait as long as
# OpenCV does for one that stands still, or so many seconds; says when it begins to wait for a first
# picture, and at the end which threads are left.
COMMAND = """
import pathlib, sys, threading, time
import cv2, numpy as np
from keras_portrait.inference.video import usb_camera
from keras_portrait_demo.__main__ import main

class Capture:
    left, seconds = int(sys.argv[2]), float(sys.argv[3])
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)

    def __init__(self, *_):
        self.is_new = True
        print("opening", flush=True)

    def isOpened(self):
        return True

    def set(self, *_):
        return True

    def read(self):
        is_new, self.is_new = self.is_new, False
        if Capture.left <= 0:
            if is_new:
                print("waiting", flush=True)
            time.sleep(Capture.seconds)
            return False, None
        time.sleep(0.02)
        Capture.left -= 1
        return True, self.noise.copy()

    def release(self):
        pass

usb_camera.DEVICES = pathlib.Path(sys.argv[1])
usb_camera.FIRST_SECONDS = 60
cv2.VideoCapture = Capture
code = main(["--source", "usb:0", "--port", "0", *sys.argv[4:]])
print("left:", *[thread.name for thread in threading.enumerate()])
sys.exit(code)
"""


@pytest.fixture
def command(tmp_path):
    """Starts the command with a camera of so many pictures."""
    (tmp_path / "video0").touch()
    started = []

    def start(pictures, seconds=source.READ_SECONDS):
        options = [
            tmp_path,
            pictures,
            seconds,
            "--preset",
            "fast",
            "--threads",
            1,
        ]  # not tried first
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "opening\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ends_cleanly(process, number) -> str:
    """Sends a signal; what the process, which must end in time, wrote to stderr.

    A second on an idle machine. What must not be waited for lasts for 5 seconds (a viewer that does
    not read) or for 60 (a camera's first picture).
    """
    process.send_signal(number)
    out, error = process.communicate(timeout=4.5)
    assert process.returncode == 0 and out.splitlines()[-1] == "left: MainThread"
    return error


def address_of(process) -> str:
    return re.search(r"http://\S+", process.stdout.readline())[0]


def frames_of(address) -> int:
    with urllib.request.urlopen(address + "status.json", timeout=5) as answer:
        return json.load(answer)["frames"]


def test_ctrl_c_ends_it_in_time_while_a_camera_is_awaited_again(command):
    process = command(pictures=5, seconds=0.6)
    assert "waiting\n" in iter(process.stdout.readline, "")
    error = ends_cleanly(process, signal.SIGINT)
    assert error.startswith("portrait-demo: Reconnecting. ") and error.count("\n") <= 2


def test_sigterm_ends_it_in_time_before_the_first_picture(command):
    process = command(pictures=0)
    assert process.stdout.readline() == "waiting\n"
    assert ends_cleanly(process, signal.SIGTERM) == ""


def test_sigterm_ends_it_in_time_while_a_viewer_does_not_read(command):
    process = command(pictures=10**9)
    address = address_of(process)
    port = urlsplit(address).port
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /stream.mjpg?picture=pair HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.recv(20).startswith(b"HTTP/1.0 200")
        # A few pictures of noise, 400 kB each, are more than is taken unread.
        frames = frames_of(address)
        wait_until(lambda: frames_of(address) > frames + 8)
        assert ends_cleanly(process, signal.SIGTERM) == ""
