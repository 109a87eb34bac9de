"""`portrait stylize 0`: a photo that a camera takes."""

import re

import numpy as np
import pytest
from PIL import Image

from conftest import EXAMPLE
from fake_time import Clock
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.video import snapshot, usb_camera
from keras_portrait.inference.video.source import SourceLost
from tiny_preset import write_whole_preset

DARK, WALL = (np.full((512, 512, 3), level, np.uint8) for level in (3, 120))


class FakeCamera:
    """Frames one after the other, the last for ever; a fifth of a second each."""

    frames: list
    opened: list

    def __init__(self, number, width, height):
        self.name, self.skipped, self.size, self.count = f"usb:{number}", 0, (width, height), 0
        self.closed = False
        FakeCamera.opened.append(self)

    def read(self):
        snapshot.time.sleep(0.2)
        self.count += 1
        return self.frames[min(self.count, len(self.frames)) - 1]

    def close(self):
        self.closed = True


@pytest.fixture
def camera(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(snapshot, "time", Clock())
    monkeypatch.setattr(usb_camera, "UsbCamera", FakeCamera)
    monkeypatch.setattr(FakeCamera, "opened", [], raising=False)
    monkeypatch.setattr(FakeCamera, "frames", [DARK] * 3 + [read_image(EXAMPLE)], raising=False)
    return FakeCamera


@pytest.mark.parametrize("name", ["0", "usb:0", "/dev/video0"])
def test_a_camera_takes_one_photo(portrait, camera, tmp_path, name):
    code, out, err = portrait("stylize", name)
    assert (code, err) == (0, "") and re.fullmatch(r"camera-\d{8}-\d{6}\.portrait\.png\n", out)
    assert read_image(tmp_path / out.strip()).shape == (512, 512, 3)
    (used,) = camera.opened
    assert used.name == "usb:0" and used.closed and used.size == (1280, 720)
    assert used.count == 5, "a second for its exposure"


def test_the_drawing_goes_where_the_user_says(portrait, camera, tmp_path):
    code, out, _ = portrait("stylize", "1", "-o", "me.png", "--crop")
    assert (code, out) == (0, "me.png\n") and read_image("me.png").shape == (64, 64, 3)
    assert camera.opened[0].name == "usb:1"
    code, out, _ = portrait("stylize", "0", "-o", "new/")
    assert code == 0 and out.startswith("new/camera-") and (tmp_path / out.strip()).is_file()


def test_it_waits_for_a_face_but_not_for_ever(portrait, camera, tmp_path):
    camera.frames = [WALL]
    code, out, err = portrait("stylize", "0")
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and camera.opened[0].closed
    assert "looks at the camera within 10 seconds. Received: usb:0" in err
    assert camera.opened[0].count == 55 and list(tmp_path.glob("camera*")) == []
    assert portrait("stylize", "0", "--whole", "-o", "wall.png")[0] == 0, "which needs no face"
    preset = write_whole_preset(tmp_path / "pictures")
    assert portrait("stylize", "0", "-o", "wall.png", preset=preset)[0] == 0, "nor does this one"


def test_a_camera_that_is_not_there_is_one_line(portrait, camera, monkeypatch):
    def missing(number, *_):
        raise SourceLost(f"No such camera: /dev/video{number} is not there. Received: usb:{number}")

    monkeypatch.setattr(usb_camera, "UsbCamera", missing)
    code, out, err = portrait("stylize", "7")
    assert (code, out) == (2, "")
    assert err == "portrait: No such camera: /dev/video7 is not there. Received: usb:7\n"


def test_a_mistyped_style_needs_no_camera(portrait, camera):
    assert "bald" in portrait("stylize", "0", "--style", "bald")[2] and camera.opened == []


def test_a_file_or_folder_of_that_name_is_drawn_as_before(portrait, camera, tmp_path):
    Image.open(EXAMPLE).save(tmp_path / "0", "PNG")
    code, out, _ = portrait("stylize", "0", "--whole")
    assert (code, out) == (0, "0.portrait.png\n") and camera.opened == []
    (tmp_path / "1").mkdir()
    assert "No pictures in the folder" in portrait("stylize", "1")[2]
