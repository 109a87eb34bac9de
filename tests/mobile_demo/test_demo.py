import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import EXAMPLE
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.alignment import ALIGNMENTS
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.inference.video import snapshot, usb_camera
from keras_portrait_demo import once, show
from keras_portrait_demo.__main__ import _parser, draw_once, main
from tiny_preset import write_tiny_preset
from videos import video_writer


@pytest.fixture
def photo(tmp_path):
    copy = tmp_path / "me.jpg"
    copy.write_bytes(EXAMPLE.read_bytes())
    return copy


def test_draws_beside_the_photo_and_times_each_stage(photo, tiny_preset, capsys):
    assert main(["--once", str(photo), "--preset", str(tiny_preset), "--style", "bold"]) == 0
    *stages, last = capsys.readouterr().out.splitlines()
    out = photo.with_name("me.portrait.png")
    assert last == str(out)
    assert read_image(out).shape == read_image(photo).shape
    assert read_image(out).min() < 128 < read_image(out).max()
    assert len(stages) == 6
    assert all(re.fullmatch(r"[a-z ]+ +\d+ ms", stage) for stage in stages)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("rows", [slice(None), slice(70, 190)], ids=["whole", "cut"])
def test_draws_the_same_as_the_library(photo, alignment, rows, tmp_path):
    from keras_portrait import Stylizer

    preset = write_tiny_preset(tmp_path / "tiny", alignment=alignment)
    write_image(photo, read_image(photo)[rows])
    drawn = read_image(draw_once(photo, tmp_path / "out.png", str(preset)))
    assert (drawn == Stylizer(preset)(read_image(photo))).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--once", "missing.jpg"], "missing.jpg"),
        (["--once", "me.jpg", "-o", "me.jpg"], "overwrite"),
        (["--once", "me.jpg", "--preset", "portrat"], "portrat"),
        (["--once", "me.jpg", "-o", "no/such/folder.png"], "no/such/folder.png"),
        (["--once", "out.png", "--source", "nothing"], "No such source"),
        (["--once", "out.gif", "--source", "me.jpg"], "out.gif"),
        (["--once", "me.jpg", "--source", "me.jpg"], "overwrite"),
        (["--once", "out.png", "--source", "synthetic", "--style", "blod"], "blod"),
        (["--source", "usb:77", "--view", "none"], "usb:77"),
        (["--source", "synthetic", "--layout", "round"], "No such layout"),
        (["--source", "synthetic", "--faces", "0", "--view", "none"], "Received: 0"),
        (["--source", "synthetic", "--threads", "0", "--view", "none"], "Received: 0"),
        (["--source", "me.jpg", "--view", "none", "--record", "me.jpg"], "me.jpg"),
        (["--benchmark", "--source", "me.mp4"], "me.mp4"),
        (["--source", "no.mp4", "--view", "none"], "Not a readable video"),
        (["--view", "none"], "No camera gives a picture"),
        (["--view", "none", "--preset", "altered"], "unaltered preset"),
        (["--once", "me.jpg", "--preset", "altered"], "unaltered preset"),
        (["--view", "none", "--preset", "empty"], "empty"),
    ],
)
def test_errors_are_one_line_and_write_nothing(
    options, text, photo, tiny_preset, monkeypatch, capsys
):
    monkeypatch.chdir(photo.parent)
    monkeypatch.setattr(usb_camera, "DEVICES", photo.parent)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    photo.with_name("no.mp4").write_bytes(b"no video at all")
    photo.with_name("empty").mkdir()
    altered = Path(shutil.copytree(tiny_preset, "altered")) / "tiny.tflite"
    model = bytearray(altered.read_bytes())
    model[100] ^= 1
    altered.write_bytes(model)
    before = sorted(photo.parent.iterdir())
    if "--preset" not in options:
        options = [*options, "--preset", str(tiny_preset)]
    assert main(options) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
    assert sorted(photo.parent.iterdir()) == before


VALUES = {
    "--out": "b.png",
    "--width": "320",
    "--height": "240",
    "--faces": "1",  # even where it is what it would be anyway
    "--layout": "drawing",
    "--frames": "100",
    "--view": "web",
    "--record": "films",
    "--host": "127.0.0.1",
    "--port": "8000",
    "--phone-page": "https://portrait.example/",
    "--token": "a-secret-of-eight",
    "--button": "17",
    "--countdown": "3",
    "--print-command": "lp {}",
}
WAYS = {
    "--once PHOTO": ["--once", "me.jpg"],
    "--once FILE --source PHOTO": ["--once", "out.png", "--source", "me.jpg"],
    "--once FILE --source CAMERA": ["--once", "out.png", "--source", "synthetic"],
    "--benchmark": ["--benchmark"],
    "--view web": ["--source", "synthetic"],
    "--view window": ["--source", "synthetic", "--view", "window"],
    "--view none": ["--source", "synthetic", "--view", "none"],
}
CAMERA, LIVE = {"--width", "--height"}, {"--view", "--record"}
SHOWN = CAMERA | {"--faces", "--layout"}
BOOTH = {"--button", "--countdown", "--print-command"}
HEEDED = {
    "--once PHOTO": {"--out"},
    "--once FILE --source PHOTO": set(),
    "--once FILE --source CAMERA": CAMERA,
    "--benchmark": SHOWN | {"--frames"},
    "--view web": SHOWN | LIVE | BOOTH | {"--host", "--port", "--token", "--phone-page"},
    "--view window": SHOWN | LIVE | BOOTH,
    "--view none": SHOWN | LIVE | BOOTH,
}


@pytest.mark.parametrize("way", WAYS)
def test_an_option_that_would_do_nothing_is_refused_in_one_line(way, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr("keras_portrait_demo.__main__._run", lambda *_: ran.append(1))
    for flag, value in VALUES.items():
        ran.clear()
        given = [] if flag == "--view" and "--view" in WAYS[way] else [flag, value]
        if flag in HEEDED[way]:
            assert main([*WAYS[way], *given]) == 0 and ran
        else:
            assert main([*WAYS[way], *given]) == 2 and not ran
            error = capsys.readouterr().err
            assert error.startswith(f"portrait-demo: {flag} goes with --")
            assert error.endswith(f"Received: {flag} with {way}\n") and error.count("\n") == 1
    for given in (["--style", "ink"], ["--threads", "2"], ["--model", "a.tflite"], ["--debug"]):
        assert main([*WAYS[way], *given]) == 0


def test_each_option_is_known_to_go_with_some_ways_or_with_all():
    flags = {"--" + name.replace("_", "-") for name in vars(_parser().parse_args([]))}
    everywhere = {"--source", "--preset", "--style", "--threads", "--debug"}
    assert flags == set(VALUES) | everywhere | {"--once", "--benchmark"}


NO_TENSORFLOW = """
import sys
from keras_portrait_demo.__main__ import main

WAYS = (
    ["--once", "me.jpg"],
    ["--benchmark", "--frames", "2"],
    ["--source", "me.avi", "--view", "none"],
)
for way in WAYS:
    assert main([*way, "--preset", sys.argv[1]]) == 0, way
    assert not {"tensorflow", "keras"} & set(sys.modules), way
"""


def test_never_loads_tensorflow(photo, tiny_preset):
    write_video(photo.with_name("me.avi"), 5)
    subprocess.run(
        [sys.executable, "-c", NO_TENSORFLOW, str(tiny_preset)],
        check=True,
        capture_output=True,
        cwd=photo.parent,
    )


def write_video(path, frames):
    """A video of the example photo, 25 frames a second."""
    picture = cv2.cvtColor(read_image(EXAMPLE), cv2.COLOR_RGB2BGR)
    writer = video_writer(path, 25.0, (512, 512))
    for _ in range(frames):
        writer.write(picture)
    writer.release()


@pytest.mark.parametrize("source", ["me.jpg", "synthetic", "me.avi"])
def test_once_with_a_source_takes_the_photo_there(source, photo, tiny_preset, monkeypatch, capsys):
    monkeypatch.chdir(photo.parent)
    write_video(photo.with_name("me.avi"), 3)
    options = ["--source", source, "--once", "out.png", "--preset", str(tiny_preset)]
    assert main(options) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "out.png"
    drawn = read_image(photo.with_name("out.png"))
    assert drawn.min() < 128
    if source == "me.jpg":
        from keras_portrait import Stylizer

        assert (drawn == Stylizer(tiny_preset)(read_image(photo))).all()


def test_once_waits_for_a_face_but_not_for_ever(tmp_path, tiny_preset, monkeypatch, capsys):
    monkeypatch.setattr(snapshot, "FACE_SECONDS", 0.2)
    write_image(tmp_path / "a.png", np.full((90, 90, 3), 128, np.uint8))
    write_image(tmp_path / "b.png", np.full((90, 90, 3), 99, np.uint8))
    out = tmp_path / "drawings" / "out.png"
    out.parent.mkdir()
    options = ["--source", str(tmp_path), "--once", str(out), "--preset", str(tiny_preset)]
    assert main(options) == 2
    assert "No face found" in capsys.readouterr().err and not out.exists()
    write_image(tmp_path / "c.png", read_image(EXAMPLE))
    monkeypatch.setattr(snapshot, "FACE_SECONDS", 10)
    assert main(options) == 0 and out.exists()


def test_once_says_in_how_many_pictures_of_a_source_there_is_no_face(tmp_path, tiny_preset):
    writer = video_writer(tmp_path / "wall.avi", 25.0, (96, 96))
    for level in (128, 99, 70):
        writer.write(np.full((96, 96, 3), level, np.uint8))
    writer.release()
    out = tmp_path / "out.png"
    with pytest.raises(InputError, match="No face found in 3 pictures, all that the source has"):
        once.draw_from_source(str(tmp_path / "wall.avi"), out, str(tiny_preset))
    assert not out.exists()


def test_names_that_raspberry_pi_users_know():
    options = _parser().parse_args(
        ["--numThreads", "3", "--cameraId", "1", "--frameWidth", "320", "--frameHeight", "240"]
    )
    assert (options.threads, options.source) == (3, "usb:1")
    assert (options.width, options.height) == (320, 240)
    assert _parser().parse_args(["--model", "a.tflite"]).preset == "a.tflite"


@pytest.mark.parametrize(
    "options",
    [
        ["--cameraId", "x"],
        ["--cameraId", "1", "--source", "auto"],
        ["--port", "x"],
        ["--view", "tv"],
    ],
)
def test_options_that_cannot_be(options):
    with pytest.raises(SystemExit) as ended:
        _parser().parse_args(options)
    assert ended.value.code == 2


def test_a_model_file_alone_is_enough(photo, tiny_preset, tmp_path):
    model = tmp_path / "alone.tflite"
    model.write_bytes((tiny_preset / "tiny.tflite").read_bytes())
    assert main(["--once", str(photo), "--model", str(model)]) == 0


def test_debug_shows_where_an_error_comes_from():
    with pytest.raises(SettingError, match="portrat"):
        main(["--preset", "portrat", "--view", "none", "--debug"])


def test_a_video_is_drawn_to_its_end_and_recorded(tmp_path, tiny_preset, capsys):
    write_video(tmp_path / "me.avi", 20)
    options = ["--source", tmp_path / "me.avi", "--view", "none", "--record", tmp_path / "out"]
    options += ["--preset", tiny_preset, "--layout", "side-by-side"]
    before = set(threading.enumerate())
    assert main([str(option) for option in options]) == 0
    assert set(threading.enumerate()) <= before
    *_, recorded, last = capsys.readouterr().out.splitlines()
    drawn, dropped = map(int, re.fullmatch(r"(\d+) frames drawn, (\d+) dropped", last).groups())
    # A video leaves out what is late, too; on a busy machine that is nearly all of it.
    assert drawn >= 1 and drawn + dropped == 20
    (path,) = (tmp_path / "out").iterdir()
    told = re.fullmatch(rf"recorded {path}: (\d+) frames, (\d+\.\d) s", recorded)
    video = cv2.VideoCapture(str(path))
    size = video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)
    assert size == (1280, 480)
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == int(told[1]) >= 1
    assert float(told[2]) == pytest.approx(int(told[1]) / 25, abs=0.06)
    _, frame = video.read()
    assert frame[:, :640].std() > 20 and frame[100:200, 640:].min() < 128


def test_a_port_that_is_taken(tiny_preset, capsys):
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ["--source", "synthetic", "--port", port, "--preset", str(tiny_preset)]
        assert main(options) == 2
    error = capsys.readouterr().err
    assert port in error and error.count("\n") == 1
    assert set(threading.enumerate()) <= before


def test_a_window_that_cannot_be_opened(tiny_preset, monkeypatch, capsys):
    def refuse(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    before = set(threading.enumerate())
    options = ["--source", "synthetic", "--view", "window", "--preset", str(tiny_preset)]
    assert main(options) == 2
    error = capsys.readouterr().err
    assert "opencv-python-headless" in error and error.count("\n") == 1
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((100, 50, 1920, 1080), (720, 1920, 3)),  # a full screen
        ((0, 0, 640, 480), (480, 1280, 3)),  # a smaller one, which the window itself reduces to
        ((-1, -1, -1, -1), (480, 1280, 3)),  # not known
    ],
)
def test_a_window_shows_until_a_key_is_pressed(tiny_preset, monkeypatch, window, expected):
    shown = []
    monkeypatch.setattr(cv2, "getWindowImageRect", lambda winname: window)
    monkeypatch.setattr(cv2, "namedWindow", lambda winname, flags=0: None)
    monkeypatch.setattr(cv2, "imshow", lambda winname, mat: shown.append(mat))
    monkeypatch.setattr(cv2, "waitKey", lambda delay=0: ord("q") if len(shown) > 2 else -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda winname, prop_id: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    show.show_live("synthetic", "window", preset=str(tiny_preset), layout="side-by-side")
    assert [picture.shape for picture in shown] == [expected] * 3


def test_signals_end_it_cleanly_and_in_time():
    command = [sys.executable, "-m", "keras_portrait_demo", "--source", "synthetic"]
    # Both at once: a start takes the longest.
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, "--preset", "fast", "--port", "0", "--threads", "1"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                )
            )
            for _ in range(2)
        ]
        for process, number in zip(processes, (signal.SIGTERM, signal.SIGINT), strict=True):
            ends_cleanly_and_in_time(process, number)


def ends_cleanly_and_in_time(process, number):
    try:
        url = re.search(r"http://\S+", process.stdout.readline())[0]
        end = time.monotonic() + 20
        while True:
            with urllib.request.urlopen(url + "status.json", timeout=5) as answer:
                status = json.load(answer)
            if status["frames"] > 3:
                break
            assert time.monotonic() < end
        assert status["faces"] == status["found"] == 1 and status["source"] == "synthetic"
        started = time.monotonic()
        process.send_signal(number)
        out, error = process.communicate(timeout=10)
        assert time.monotonic() - started < 2
    finally:
        process.kill()
    assert process.returncode == 0 and error == ""
    assert re.search(r"^\d+ frames drawn, \d+ dropped$", out, re.MULTILINE)
