import errno
import os
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

from conftest import EXAMPLE
from fake_time import Clock
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.imaging import fit_frame, read_image, write_image
from keras_portrait.inference.video import devices, usb_camera
from keras_portrait.inference.video.source import SourceLost
from keras_portrait_demo.sources import pictures, ribbon_camera
from keras_portrait_demo.sources.camera import open_source
from videos import video_writer

RED, BLUE = (200, 30, 20), (20, 30, 200)


def plain(colour, width=64, height=48):
    return np.full((height, width, 3), colour, np.uint8)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pictures, "time", clock)
    monkeypatch.setattr(usb_camera, "time", clock)
    monkeypatch.setattr(ribbon_camera, "time", clock)
    return clock


class FakeCapture:
    """`cv2.VideoCapture` for cameras: same calls, same answers to a missing or busy camera."""

    plugged = {0}
    busy = set()
    waits = []  # called, one after the other, by the next reads, which then give nothing
    opened = []

    def __init__(self, index, apiPreference=cv2.CAP_ANY):  # noqa: N803
        self.index, self.api, self.properties, self.count = index, apiPreference, {}, 0
        self.released = False
        FakeCapture.opened.append(self)

    def isOpened(self):  # noqa: N802
        return self.index in self.plugged and not self.released

    def set(self, propId, value):  # noqa: N803
        self.properties[propId] = value
        return True

    def read(self, image=None):
        if not self.isOpened() or self.index in self.busy:
            return False, None
        if self.waits:
            self.waits.pop(0)()
            return False, None
        self.count += 1
        return True, plain((255, self.count, self.index))  # blue first, as OpenCV has it

    def release(self):
        self.released = True


def answer_as_driver(descriptor, request, argument):
    """`fcntl.ioctl` for devices of a camera that takes pictures, and of a decoder at 10."""
    number = int(os.readlink(f"/proc/self/fd/{descriptor}")[-2:].lstrip("o"))
    if request == devices._QUERY:
        assert len(argument) == 104
        can = 0x84A00001 if number < 10 else 0x84208000  # as uvcvideo and bcm2835-codec answer
        return devices._CAPABILITY.pack(
            b"", b"A camera" if number < 10 else b"decoder", b"", 0, can, can
        )
    assert request == devices._REQUEST_BUFFERS and len(argument) == 20
    if number in FakeCapture.busy:
        raise OSError(errno.EBUSY, "Device or resource busy")
    return argument


@pytest.fixture
def usb(monkeypatch, tmp_path):
    """Two device files, a camera at the first."""
    for number in (0, 2):
        (tmp_path / f"video{number}").touch()
    monkeypatch.setattr(usb_camera, "DEVICES", tmp_path)
    monkeypatch.setattr(usb_camera, "_DRIVERS", tmp_path / "drivers")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(devices.fcntl, "ioctl", answer_as_driver)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "plugged", {0})
    monkeypatch.setattr(FakeCapture, "busy", set())
    monkeypatch.setattr(FakeCapture, "waits", [])
    monkeypatch.setattr(FakeCapture, "opened", [])
    monkeypatch.setitem(sys.modules, "picamera2", None)
    return FakeCapture


class FakePicamera2:
    """`picamera2.Picamera2` 0.3: the calls that are made, with their real signatures."""

    found = [
        {"Model": "imx708", "Location": 2, "Rotation": 180, "Id": "/base/i2c/imx708@1a", "Num": 0}
    ]
    broken = None
    waits = []  # called, one after the other, by the next captures, which then give nothing
    opened = []

    @staticmethod
    def global_camera_info():
        return FakePicamera2.found

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        if FakePicamera2.broken == "busy":
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.num, self.configuration, self.running, self.closed = camera_num, None, False, False
        FakePicamera2.opened.append(self)

    def create_preview_configuration(self, main={}, lores=None, raw={}, **others):  # noqa: B006
        return {"main": {"format": "XBGR8888", "size": (640, 480)} | main, "lores": lores}

    def configure(self, camera_config="preview"):
        self.configuration = camera_config

    def start(self, config=None, show_preview=False):
        self.running = True

    def capture_array(self, name="main", wait=None, signal_function=None):
        assert self.running and name == "main" and isinstance(wait, int | float)
        if FakePicamera2.broken == "timeout":
            raise TimeoutError
        if FakePicamera2.waits:
            FakePicamera2.waits.pop(0)()
            raise TimeoutError
        assert self.configuration["main"]["format"] == "BGR888"  # red first in memory
        width, height = self.configuration["main"]["size"]
        return plain(RED, width, height)

    def close(self):
        self.closed = True


@pytest.fixture
def ribbon(monkeypatch, usb):
    """picamera2 with one camera, beside the USB camera."""
    module = ModuleType("picamera2")
    module.Picamera2 = FakePicamera2
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.setattr(FakePicamera2, "found", FakePicamera2.found)
    monkeypatch.setattr(FakePicamera2, "broken", None)
    monkeypatch.setattr(FakePicamera2, "waits", [])
    monkeypatch.setattr(FakePicamera2, "opened", [])
    return FakePicamera2


def test_usb_camera_gives_rgb_of_the_size_asked_for(usb):
    source = open_source("usb:0", 320, 240)
    assert source.name == "usb:0"
    assert (source.read()[0, 0] == [0, 2, 255]).all()
    (capture,) = usb.opened
    assert capture.api == cv2.CAP_V4L2
    assert capture.properties == {
        cv2.CAP_PROP_FRAME_WIDTH: 320,
        cv2.CAP_PROP_FRAME_HEIGHT: 240,
        cv2.CAP_PROP_BUFFERSIZE: 1,
    }
    source.close()
    source.close()
    assert capture.released


def test_large_frames_come_compressed(usb):
    open_source("usb:0", 1280, 720)
    first, *_ = usb.opened[0].properties.items()  # cameras take the size after the format
    assert first == (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))


def test_usb_camera_unplugged_and_back(usb, tmp_path):
    source = open_source("usb:0")
    source.read()
    usb.plugged = set()
    (tmp_path / "video0").unlink()
    with pytest.raises(SourceLost, match="unplugged.*usb:0"):
        source.read()
    with pytest.raises(SourceLost, match="video0 is not there"):
        source.reopen()
    with pytest.raises(SourceLost):
        source.read()
    (tmp_path / "video0").touch()
    usb.plugged = {0}
    source.reopen()
    assert source.read() is not None
    assert [capture.released for capture in usb.opened] == [True, False]


def test_usb_camera_that_another_program_has(usb):
    usb.busy = {0}
    with pytest.raises(InputError, match="Another program has the camera. Received: usb:0$"):
        open_source("usb:0")
    assert usb.opened[0].released


@pytest.mark.parametrize("name", ["2", "usb:2", "{}/video2", "{}/by-id/a-camera"])
def test_a_usb_camera_has_several_names(usb, name, tmp_path):
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "a-camera").symlink_to(tmp_path / "video2")
    usb.plugged = {2}
    assert open_source(name.format(tmp_path)).name == "usb:2"
    assert [capture.index for capture in usb.opened] == [2]


@pytest.mark.parametrize("name", ["7", "{}/video7"])
def test_a_usb_camera_that_is_not_there(usb, name, tmp_path):
    with pytest.raises(SourceLost, match="No such camera: .*video7 is not there. Received: usb:7$"):
        open_source(name.format(tmp_path))


def test_a_file_called_as_a_number_is_meant_by_its_path(usb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7").mkdir()
    write_image(tmp_path / "7" / "a.png", plain(RED))
    assert open_source("./7", 64, 48, paced=False).name == "7"


def test_who_has_a_camera_is_named(usb, tmp_path, monkeypatch):
    for number, name in ((12, "cheese"), (13, "bash")):
        (tmp_path / "proc" / str(number) / "fd").mkdir(parents=True)
        (tmp_path / "proc" / str(number) / "comm").write_text(f"{name}\n")
    (tmp_path / "proc" / "12" / "fd" / "3").symlink_to(tmp_path / "video0")
    (tmp_path / "proc" / "14").mkdir()  # it may not be seen
    monkeypatch.setattr(devices, "_PROCESSES", tmp_path / "proc")
    usb.busy = {0}
    with pytest.raises(SourceLost, match="Another program has the camera: cheese, process 12. Rec"):
        open_source("0")


def test_a_device_that_takes_no_pictures(usb, tmp_path):
    (tmp_path / "video10").touch()
    with pytest.raises(SourceLost, match="takes no pictures, it is decoder: try another number"):
        open_source("10")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, r"No permission for .*video0: .* sudo usermod -aG video \$USER"),
        (errno.ENODEV, "video0 is not there, or was just unplugged"),
        (errno.EBUSY, "Another program has the camera"),
        (errno.EIO, r"does not answer \(Input/output error\)"),
    ],
)
def test_each_fault_of_a_camera_has_its_own_line(usb, number, text, monkeypatch):
    def refuse(path, flags):
        raise OSError(number, os.strerror(number))

    usb.plugged = set()
    monkeypatch.setattr(devices, "os", SimpleNamespace(**vars(os) | {"open": refuse}))
    with pytest.raises(SourceLost, match=f"{text}.* Received: usb:0$"):
        open_source("usb:0")


def test_a_file_is_no_camera(usb, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    usb.plugged = set()
    monkeypatch.setattr(devices.fcntl, "ioctl", refuse)
    with pytest.raises(SourceLost, match="video0 is no device of Video4Linux that takes pictures"):
        open_source("usb:0")


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="no Unix")
def test_a_device_that_is_no_camera():
    assert devices.find_fault(Path("/dev/null")).startswith("No camera: /dev/null is no device")


def a_second(clock):
    return lambda: clock.sleep(usb_camera.READ_SECONDS)


def test_usb_camera_has_five_seconds_for_its_first_picture(usb, clock):
    usb.waits = [a_second(clock)] * 4
    source = open_source("usb:0")
    assert clock.now - 100 == 4 and len(usb.opened) == 1
    usb.waits = [a_second(clock)]
    with pytest.raises(SourceLost, match="no more pictures"):  # one second from then on
        source.read()
    assert clock.now - 100 == 5
    usb.waits = [a_second(clock)] * 9
    with pytest.raises(SourceLost, match="gives no picture"):
        source.reopen()
    assert clock.now - 105 == usb_camera.FIRST_SECONDS and usb.opened[-1].released


def test_the_wait_for_a_first_picture_ends_when_asked(usb, clock):
    stopping = threading.Event()
    last = a_second(clock)
    usb.waits = [last, lambda: (stopping.set(), last()), *[last] * 9]
    with pytest.raises(InputError):
        open_source("auto", stopping=stopping)
    assert clock.now - 100 == 2 and all(capture.released for capture in usb.opened)


def test_auto_waits_for_no_chip_of_the_board(usb, tmp_path):
    for number, place in ((0, "soc/isp"), (2, "soc/usb1/1-2"), (3, "virtual"), (4, "soc/codec")):
        device = tmp_path / "devices" / place / "video4linux" / f"video{number}"
        device.mkdir(parents=True)
        (tmp_path / "drivers").mkdir(exist_ok=True)
        (tmp_path / "drivers" / device.name).symlink_to(device)
        (tmp_path / device.name).touch()
    usb.plugged = {3}
    assert open_source("auto").name == "usb:3"
    assert [capture.index for capture in usb.opened] == [2, 3]
    usb.plugged = {0}
    assert open_source("usb:0").name == "usb:0"  # who names one gets it


def test_a_usb_camera_that_cannot_be_given_back(usb, monkeypatch):
    def refuse(self):
        raise cv2.error("The device is gone")

    source = open_source("usb:0")
    monkeypatch.setattr(FakeCapture, "release", refuse)
    source.close()
    source.reopen()
    assert source.read() is not None and len(usb.opened) == 2


def test_picamera2_gives_rgb_of_the_size_asked_for(ribbon):
    source = open_source("picamera2", 320, 240)
    frame = source.read()
    assert frame.shape == (240, 320, 3) and tuple(frame[0, 0]) == RED
    source.close()
    source.close()
    assert ribbon.opened[0].closed


def test_picamera2_leaves_usb_cameras_to_opencv(ribbon):
    ribbon.found = [{"Model": "C270", "Id": "/base/scb/pcie/usb-1.2:1.0-046d:0825", "Num": 0}]
    with pytest.raises(SourceLost, match="ribbon cable"):
        open_source("picamera2")
    assert not ribbon.opened
    ribbon.found = [*ribbon.found, {"Model": "imx708", "Id": "/base/i2c/imx708@1a", "Num": 1}]
    open_source("picamera2")
    assert ribbon.opened[0].num == 1


def test_picamera2_that_stands_still_is_lost_and_comes_back(ribbon):
    source = open_source("picamera2")
    ribbon.broken = "timeout"
    with pytest.raises(SourceLost, match="no more pictures .TimeoutError.*picamera2"):
        source.read()
    ribbon.broken = "busy"
    with pytest.raises(SourceLost, match="another program may have it"):
        source.reopen()
    with pytest.raises(SourceLost):  # what is not open gives nothing
        source.read()
    ribbon.broken = None
    source.reopen()
    assert source.read() is not None
    assert ribbon.opened[0].closed


def test_picamera2_has_five_seconds_for_its_first_picture(ribbon, clock):
    ribbon.waits = [a_second(clock)] * 4
    source = open_source("picamera2")
    assert clock.now - 100 == 4 and len(ribbon.opened) == 1
    ribbon.waits = [a_second(clock)]
    with pytest.raises(SourceLost, match="no more pictures"):  # one second from then on
        source.read()
    ribbon.waits = [a_second(clock)] * 9
    with pytest.raises(SourceLost, match="gives no picture: .* ribbon cable .*picamera2$"):
        source.reopen()
    assert clock.now - 105 == ribbon_camera.FIRST_SECONDS and ribbon.opened[-1].closed


def test_the_wait_for_picamera2_ends_when_asked(ribbon, usb, clock):
    stopping = threading.Event()
    last = a_second(clock)
    ribbon.waits = [last, lambda: (stopping.set(), last()), *[last] * 9]
    with pytest.raises(InputError):
        open_source("auto", stopping=stopping)
    assert clock.now - 100 == 2 and ribbon.opened[0].closed


def test_auto_passes_over_a_ribbon_cable_without_a_picture(ribbon, clock):
    ribbon.waits = [a_second(clock)] * 9
    assert open_source("auto").name == "usb:0"


@pytest.mark.parametrize("error", [RuntimeError("gone"), TimeoutError(), AttributeError("_cm")])
def test_picamera2_that_cannot_be_given_back(ribbon, monkeypatch, error):
    def refuse(self):
        raise error

    source = open_source("picamera2")
    monkeypatch.setattr(FakePicamera2, "close", refuse)
    source.close()
    source.reopen()
    assert source.read() is not None and len(ribbon.opened) == 2


def test_picamera2_that_is_not_installed(usb):
    with pytest.raises(MissingExtra, match="apt install python3-picamera2"):
        open_source("picamera2")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("numpy.dtype size changed, may indicate binary incompatibility."),
        RuntimeError("module compiled against ABI version 0x1000009\nbut this is 0x2000000"),
        ImportError("numpy.core.multiarray failed to import"),
        AttributeError("_ARRAY_API not found"),
    ],
)
def test_picamera2_built_for_another_numpy_says_what_to_do(usb, tmp_path, monkeypatch, error):
    (tmp_path / "picamera2.py").write_text(f"raise {error!r}")
    monkeypatch.delitem(sys.modules, "picamera2")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra) as raised:
        open_source("picamera2")
    text = str(raised.value)
    assert str(error).split("\n")[0] in text and text.endswith('pip install "numpy<2"')
    assert "\n" not in text
    assert open_source("auto").name == "usb:0"


def test_auto_prefers_the_ribbon_cable(ribbon):
    assert open_source("auto").name == "picamera2"


def test_auto_takes_the_first_usb_camera_that_gives_a_picture(ribbon):
    ribbon.found = []
    assert open_source("auto").name == "usb:0"
    FakeCapture.busy, FakeCapture.plugged = {0}, {0, 2}
    assert open_source("auto").name == "usb:2"


def test_auto_says_what_it_tried(usb, tmp_path):
    usb.busy, usb.plugged = {0}, {0}
    text = (
        r"Tried: picamera2 \(.*apt install.*\); usb:0 \(Another program has the camera\); usb:2 \("
    )
    with pytest.raises(InputError, match=text) as raised:
        open_source("auto")
    assert "\n" not in str(raised.value)
    for path in tmp_path.glob("video*"):
        path.unlink()
    with pytest.raises(InputError, match=r"USB \(no .*no camera is plugged in\)"):
        open_source("auto")


@pytest.fixture
def video(tmp_path):
    """Eight frames at 20 a second that grow brighter."""
    path = tmp_path / "clip.avi"
    writer = video_writer(path, 20.0, (64, 48))
    for level in range(8):
        writer.write(plain((30 * level, 0, 0)))  # blue first: OpenCV's order
    writer.release()
    return path


def test_video_ends_or_starts_again(video):
    source = open_source(str(video), 64, 48, paced=False)
    levels = []
    while (frame := source.read()) is not None:
        levels.append(int(frame[..., 2].mean()))
        assert frame[..., 0].mean() < 20
    assert np.abs(np.array(levels) - 30 * np.arange(8)).max() < 8
    source.close()
    source = open_source(str(video), 64, 48, loop=True, paced=False)
    again = [int(source.read()[..., 2].mean()) for _ in range(10)]
    assert again == levels + levels[:2]
    source.close()


def test_video_keeps_its_own_pace_and_leaves_out_what_is_late(video, clock):
    source = open_source(str(video), 64, 48)
    clock.now += 7  # what comes before the first frame does not count
    started = clock.now
    levels = [source.read()[..., 2].mean() for _ in range(4)]
    assert clock.now - started == pytest.approx(3 / 20)
    assert np.abs(np.array(levels) - [0, 30, 60, 90]).max() < 8
    clock.now += 0.11  # the next frame's time, and the one's after it, have passed
    assert abs(source.read()[..., 2].mean() - 150) < 8
    assert source.skipped == 1
    clock.now += 10
    assert source.read() is None
    assert source.skipped == 3, "five of eight frames were shown"
    source.close()


def test_a_file_that_is_no_video(tmp_path, capfd):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video at all")
    with pytest.raises(InputError, match="Not a readable video.*clip.mp4"):
        open_source(str(path))
    path.write_bytes(b"")
    with pytest.raises(InputError, match="The file is empty.*clip.mp4"):
        open_source(str(path))
    assert capfd.readouterr() == ("", "")


def test_a_video_of_a_codec_that_is_not_known(video, capfd):
    video.write_bytes(video.read_bytes().replace(b"MJPG", b"ZZZZ"))
    text = r"cannot decode the video's codec \(ZZZZ\). Convert it, .*ffmpeg.*Received: .*clip.avi$"
    with pytest.raises(InputError, match=text):
        open_source(str(video))
    assert capfd.readouterr() == ("", "")


def test_a_video_without_a_whole_picture(video):
    data = video.read_bytes()
    first = data.index(b"\xff\xd8")
    video.write_bytes(data[: first + 20])
    with pytest.raises(InputError, match="holds no whole picture: it is damaged or was cut short"):
        open_source(str(video))


def test_photos_take_turns_and_broken_ones_are_passed_over(tmp_path):
    write_image(tmp_path / "a.png", plain(RED, 100, 100))
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    write_image(tmp_path / "c.png", plain(BLUE, 40, 20))
    source = open_source(str(tmp_path), 64, 48, paced=False)
    frames = [source.read() for _ in range(4)]
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    assert [tuple(frame[24, 32]) for frame in frames] == [BLUE, RED, BLUE, RED]
    assert source.skipped == 2, "each time that its turn came"
    assert (frames[0][0] == 255).all() and (frames[1][:, 0] == 255).all()  # fitted on white


def test_photos_stay_for_their_time(tmp_path, clock):
    write_image(tmp_path / "a.png", plain(RED))
    write_image(tmp_path / "b.png", plain(BLUE))
    source = open_source(str(tmp_path), 64, 48)
    seen = [(tuple(source.read()[0, 0]), clock.now - 100) for _ in range(130)]
    for colour, moment in seen:
        if moment % 3 > 0.05:  # a frame of one twenty-fifth of a second may be the last
            assert colour == (RED if moment % 6 < 3 else BLUE)


def test_a_photo_stays_for_ever():
    source = open_source(str(EXAMPLE), 64, 64, paced=False)
    first = source.read()
    assert np.abs(first.astype(int) - fit_frame(read_image(EXAMPLE), 64, 64)).max() == 0
    assert all(source.read() is first for _ in range(3))


def test_synthetic_face_moves_and_is_found():
    from keras_portrait.inference.faces import find_detector

    source = open_source("synthetic", 640, 480, paced=False)
    frames = [source.read() for _ in range(80)]
    detector = find_detector(80)
    eyes = [detector.detect(frames[index])[0].landmarks[:2] for index in (0, 40, 79)]
    assert np.ptp([points.mean(axis=0) for points in eyes], axis=0).max() > 40
    assert np.ptp([np.hypot(*(points[1] - points[0])) for points in eyes]) > 10


@pytest.mark.parametrize(
    ("text", "size", "error"),
    [
        ("usb", (640, 480), "No such source.*usb:N"),
        ("nowhere.mp4", (640, 480), "No such source.*nowhere.mp4"),
        ("synthetic", (0, 480), "16 to 4096 pixels. Received: 0 x 480"),
    ],
)
def test_what_is_no_source(text, size, error):
    with pytest.raises(SettingError, match=error):
        open_source(text, *size)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="No photos in the folder"):
        open_source(str(tmp_path))
