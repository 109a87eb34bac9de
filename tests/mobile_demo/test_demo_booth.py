"""The demo as a photo booth: its rounds, its options, its window."""

import os
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import fake_live
from fake_live import FakeLive
from keras_portrait.errors import SettingError
from keras_portrait.inference.imaging import read_image
from keras_portrait_demo import show
from keras_portrait_demo.__main__ import main
from keras_portrait_demo.booth import booth as booth_module
from keras_portrait_demo.booth import kept_files
from keras_portrait_demo.booth.booth import Booth
from keras_portrait_demo.booth.printing import Printer
from keras_portrait_demo.record import Recorder
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class Clock:
    """Time that goes on when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(booth_module, "monotonic", clock)
    monkeypatch.setattr(fake_live, "time", SimpleNamespace(monotonic=clock))
    return clock


def state(booth: Booth, *names: str) -> tuple:
    status = booth.status()
    return tuple(status[name] for name in names)


# ---- rounds ----


def test_the_picture_is_the_first_frame_after_the_countdown(live, tmp_path, clock, capsys):
    folder = tmp_path / "new" / "pictures"
    with Booth(live, folder) as booth:
        assert state(booth, "state", "left", "taken") == ("ready", None, 0)
        assert booth.press()
        seen = []
        for clock.now in (100.0, 100.9, 101.2, 102.5, 102.99):
            seen.append(booth.status()["left"])
            live.show()  # too early
        assert seen == [3, 3, 2, 1, 1]
        time.sleep(0.15)
        assert state(booth, "state", "taken") == ("counting", 0)
        clock.now = 103.0
        wait_until(lambda: state(booth, "state", "left") == ("taking", None))
        time.sleep(0.1)
        assert booth.picture is None, "an old frame was taken"
        clock.now = 103.1
        live.show()
        wait_until(lambda: booth.status()["state"] == "ready")
        assert state(booth, "taken", "notice") == (1, None)
    [path] = folder.iterdir()
    assert re.fullmatch(r"portrait-\d{8}-\d{6}\.png", path.name)
    assert (booth.picture.path, booth.picture.drawing) == (path, path.read_bytes())
    assert (read_image(path) == live.latest().drawing).all()
    assert booth.picture.photo is live.latest().photo
    assert capsys.readouterr().out == f"picture {path}\n"


def test_presses_during_a_round_are_ignored_and_counted(live, tmp_path, clock):
    with Booth(live, tmp_path, countdown=1) as booth:
        assert [booth.press() for _ in range(3)] == [True, False, False]
        clock.now += 1
        wait_until(lambda: booth.status()["state"] == "taking")
        assert not booth.press()
        live.show()
        wait_until(lambda: booth.status()["state"] == "ready")
        assert state(booth, "taken", "ignored") == (1, 3)
        assert booth.press()


def test_pictures_of_one_second_do_not_overwrite_each_other(live, tmp_path, monkeypatch):
    class Noon(kept_files.datetime):
        @classmethod
        def now(cls):
            return cls(2030, 1, 2, 12, 0, 0)

    monkeypatch.setattr(kept_files, "datetime", Noon)
    live.play()
    with Booth(live, tmp_path, countdown=0) as booth:
        for count in (1, 2, 3):
            assert booth.press()
            wait_until(lambda count=count: state(booth, "state", "taken") == ("ready", count))
    names = ["", "-2", "-3"]
    expected = {f"portrait-20300102-120000{name}.png" for name in names}
    assert {path.name for path in tmp_path.iterdir()} == expected
    (tmp_path / "portrait-20300102-120000.mp4").touch()
    assert Recorder(live, tmp_path).path.name == "portrait-20300102-120000-2.mp4"


@pytest.mark.parametrize("faces", [0, 1], ids=["nobody", "a face that was missed just now"])
def test_where_nobody_is_found_there_is_no_picture(faces, tmp_path, monkeypatch, capsys):
    class Nobody(FakeLive):
        def wait_newer(self, number, timeout):
            result = super().wait_newer(number, timeout)
            if result is not None:
                result.faces, result.found = faces, 0
            return result

    monkeypatch.setattr(booth_module, "FACE_SECONDS", 0.3)
    live = Nobody()
    live.play()
    with Booth(live, tmp_path, countdown=0) as booth:
        booth.press()
        notice = wait_until(lambda: booth.status()["notice"])
        assert notice.startswith("No picture: no face was seen within 0.3 seconds.")
        wait_until(lambda: booth.status()["state"] == "ready")
        assert booth.status()["taken"] == 0 and booth.press(), "it does not go on"
        assert booth.status()["notice"] is None, "the notice of the round before is shown"
    live.stop()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.splitlines()[0] == f"portrait-demo: {notice}"


class Broken:
    """A stream that nobody reads any more."""

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ValueError("closed file")])
def test_a_round_needs_nobody_who_reads_what_is_said(error, live, tmp_path, monkeypatch):
    live.play()
    printed = []
    printer = SimpleNamespace(start=lambda say: None, stop=lambda: None, put=printed.append)
    printer.waiting = 0
    monkeypatch.setattr(sys, "stdout", Broken(error))
    monkeypatch.setattr(sys, "stderr", Broken(error))
    with Booth(live, tmp_path, countdown=0, printer=printer) as booth:
        booth.press()
        wait_until(lambda: state(booth, "state", "taken") == ("ready", 1))
        assert printed == list(tmp_path.iterdir()) and booth.status()["notice"] is None
        booth._say("Something.")
        assert booth.status()["notice"] == "Something."


def test_a_round_that_fails_in_an_unforeseen_way_is_told_and_survived(
    live, tmp_path, monkeypatch, capsys
):
    def fail(image):
        raise MemoryError("no room\nat all")

    live.play()
    with Booth(live, tmp_path, countdown=0) as booth:
        with monkeypatch.context() as patched:
            patched.setattr(booth_module, "encode_image", fail)
            booth.press()
            notice = wait_until(lambda: booth.status()["notice"])
            assert notice == "No picture: MemoryError: no room"
            wait_until(lambda: booth.status()["state"] == "ready")
        assert booth.press()
        wait_until(lambda: state(booth, "state", "taken") == ("ready", 1))
    assert capsys.readouterr().err == f"portrait-demo: {notice}\n"


def test_what_a_power_cut_left_half_written_goes(live, tmp_path):
    left = tmp_path / ".part-7-portrait-20300102-120000.png"
    others = [
        tmp_path / name
        for name in (".part-7-state.keras", "portrait-20300102-120000.png", "sub/" + left.name)
    ]
    (tmp_path / "sub").mkdir()
    for path in (left, *others):
        path.touch()
    with Booth(live, tmp_path):
        assert not left.exists() and all(path.exists() for path in others)


def test_a_notice_goes_away(live, tmp_path, clock):
    with Booth(live, tmp_path) as booth:
        booth._say("Something.")
        clock.now += booth_module.NOTICE_SECONDS - 1
        assert booth.status()["notice"] == "Something."
        clock.now += 1
        assert booth.status()["notice"] is None


def test_a_folder_that_cannot_be_made_is_told_and_survived(live, tmp_path):
    (tmp_path / "file").write_text("")
    live.play()
    with Booth(live, tmp_path / "file" / "pictures", countdown=0) as booth:
        booth.press()
        notice = wait_until(lambda: booth.status()["notice"])
        assert notice.startswith("Cannot make the folder") and "Received: " in notice
        wait_until(lambda: booth.status()["state"] == "ready")
        assert booth.press()


def test_a_round_ends_with_the_demo(live, tmp_path):
    with Booth(live, tmp_path, countdown=60) as booth:
        booth.press()
        started = time.monotonic()
    assert time.monotonic() - started < 0.5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("countdown", [-1, 61, float("nan")])
def test_countdowns_that_cannot_be(live, countdown):
    with pytest.raises(SettingError, match=f"0 to 60 seconds. Received: {countdown:g}$"):
        Booth(live, countdown=countdown)


def test_a_failed_print_shows_in_the_status_and_stops_nothing(live, tmp_path, capsys):
    live.play()
    printer = Printer("false")
    with Booth(live, tmp_path / "pictures", countdown=0, printer=printer) as booth:
        booth.press()
        notice = wait_until(lambda: booth.status()["notice"])
        assert "ended with code 1" in notice
        wait_until(lambda: booth.status()["state"] == "ready")
        booth.press()
        wait_until(lambda: booth.status()["taken"] == 2)
    assert f"portrait-demo: {notice}\n" in capsys.readouterr().err


# ---- the command ----


def test_a_folder_that_cannot_be_made_is_told_at_the_start(
    tiny_preset, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("pictures").write_text("")
    options = ["--source", "synthetic", "--port", "0", "--preset", str(tiny_preset)]
    assert main([*options, "--countdown", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("portrait-demo: Cannot make the folder") and error.count("\n") == 1


@pytest.mark.parametrize("option", [["--countdown", "1"], ["--record", "pictures"]])
def test_a_folder_that_cannot_be_written_is_told_at_the_start(
    option, tiny_preset, tmp_path, monkeypatch, capsys
):
    def access(path, mode):  # root may write everywhere
        assert mode == os.W_OK | os.X_OK
        return path != Path("pictures")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kept_files.os, "access", access)
    options = ["--source", "synthetic", "--view", "window", "--preset", str(tiny_preset)]
    assert main([*options, *option]) == 2
    error = capsys.readouterr().err
    assert error == (
        "portrait-demo: Cannot write into the folder (no permission). Received: pictures\n"
    )


def test_without_a_view_only_the_button_begins_a_round(capsys):
    assert main(["--source", "synthetic", "--view", "none", "--print-command", "true"]) == 2
    assert capsys.readouterr().err.endswith("needs --button. Received: --view none\n")


def test_booth_options_go_with_the_live_demo(capsys):
    for option in (["--button", "17"], ["--countdown", "1"], ["--print-command", "true"]):
        assert main(["--once", "me.jpg", *option]) == 2
        assert f"Received: {option[0]} with --once PHOTO" in capsys.readouterr().err


def test_the_space_bar_takes_a_picture(tiny_preset, tmp_path, monkeypatch):
    shown, written, texts = [], [], []
    keys = iter([ord(" ")])
    put_text = cv2.putText

    def write(picture, text, *how):
        texts.append(text)
        return put_text(picture, text, *how)

    def imshow(winname, mat):
        shown.append(mat)
        written.append(list(texts))
        texts.clear()

    def key(delay=0):
        kept = list(tmp_path.glob("pictures/*.png"))
        return ord("q") if kept else next(keys, -1) if shown else -1

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(booth_module, "COUNTDOWN", 0.5)
    monkeypatch.setattr(cv2, "namedWindow", lambda winname, flags=0: None)
    monkeypatch.setattr(cv2, "getWindowImageRect", lambda winname: (0, 0, 64, 48))
    monkeypatch.setattr(cv2, "imshow", imshow)
    monkeypatch.setattr(cv2, "putText", write)
    monkeypatch.setattr(cv2, "waitKey", key)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda winname, prop_id: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    show.show_live("synthetic", "window", preset=str(tiny_preset))
    assert len(list(tmp_path.glob("pictures/*.png"))) == 1
    rates = [text for texts in written for text in texts if "FPS" in text]
    assert all(re.fullmatch(r"\d+\.\d FPS", text) for text in rates), "none before it is measured"
    counts = [texts.count("1") for texts in written]
    assert counts[0] == 0 and max(counts) == 1 and sum(counts) >= 3


@pytest.mark.parametrize("shape", [(480, 640), (640, 240), (120, 160)])
def test_the_number_is_large_and_in_the_middle(shape):
    picture = np.full((*shape, 3), 200, np.uint8)
    show._write_count(picture, 3)
    white = np.argwhere((picture == 255).all(-1))
    (top, left), (bottom, right) = white.min(0), white.max(0)
    assert 0.25 < (bottom - top + 1) / min(shape) < 0.6
    assert abs(top + bottom + 1 - shape[0]) <= 2 and abs(left + right + 1 - shape[1]) <= 2
    assert (picture[0] == 200).all() and (picture[shape[0] // 2, shape[1] // 2] != 200).any()


def test_a_lost_standard_output_costs_no_picture(capsys, monkeypatch):
    from keras_portrait.terminal import OutputLost
    from keras_portrait_demo.booth import booth

    class Lost:
        def write(self, text):
            raise OutputLost from BrokenPipeError()

    booth._write("taken", Lost())
