"""Opens where frames come from: a camera, a stream, or what stands in for them.

`auto` takes the first that gives a picture: the camera on the ribbon cable through picamera2, then
USB cameras through OpenCV in the order of their device files.
"""

import contextlib
import os
import re
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.inference.folders import is_picture
from keras_portrait.inference.video.decoding import silence_opencv
from keras_portrait.storage import is_url
from keras_portrait_demo.sources.ribbon_camera import PiCamera
from keras_portrait_demo.sources.source import FIRST_SECONDS, READ_SECONDS, Source, SourceLost

_DEVICES = Path("/dev")
_DRIVERS = Path("/sys/class/video4linux")
# Pixels of a frame above which USB 2 carries no 30 frames a second unless they are compressed.
_MOST_UNCOMPRESSED = 640 * 480


def open_source(
    text: str,
    width: int = 640,
    height: int = 480,
    loop: bool = False,
    paced: bool = True,
    stopping: threading.Event | None = None,
) -> Source:
    """Opens what a user names.

    Args:
        text: "auto", "picamera2", "synthetic"; "usb:N", "N" or "/dev/videoN" for a USB camera; the
            address of a stream or video, `rtsp://` or `http://`; or the path of a photo, of a
            folder of photos, of an animated picture or of a video. A file called as a number is
            meant by "./N".
        width: columns of a frame in pixels; a camera may choose the nearest that it has.
        height: rows of a frame in pixels.
        loop: start a video again at its end.
        paced: give frames of files at their own speed; otherwise as fast as they are read.
        stopping: ends the wait for the first picture of a camera or stream when it is set.

    Raises:
        SettingError: there is no such source, or the size is not one.
        InputError: a camera, stream or file gives no pictures.
        MissingExtra: picamera2 is asked for and not installed.
    """
    if not (16 <= width <= 4096 and 16 <= height <= 4096):
        raise SettingError(
            f"A frame's sides must be from 16 to 4096 pixels. Received: {width} x {height}"
        )
    if text == "auto":
        return _first_camera(width, height, stopping)
    if text == "picamera2":
        return PiCamera(width, height, stopping)
    if (number := _device_number(text)) is not None:
        return UsbCamera(number, width, height, stopping)
    # Here and below, because they are not needed where there is a camera.
    if is_url(text):
        from keras_portrait_demo.sources.streams import open_address

        return open_address(text, width, height, loop, paced, stopping)
    return _open_path(text, width, height, loop, paced)


def _open_path(text: str, width: int, height: int, loop: bool, paced: bool) -> Source:
    from keras_portrait.inference.video.animation import is_animated
    from keras_portrait_demo.sources.animation import Animation
    from keras_portrait_demo.sources.pictures import Photos, Synthetic, Video

    path = Path(text)
    if text == "synthetic":
        return Synthetic(width, height, paced)
    if is_animated(path):
        return Animation(path, width, height, loop, paced)
    if os.path.isdir(text) or is_picture(path):
        return Photos(path, width, height, paced)
    if not os.path.exists(text):
        raise SettingError(
            "No such source. Expected auto, picamera2, usb:N or N, synthetic, an address such as "
            "rtsp:// or http://, or the path of a photo, a folder of photos or a video. "
            f"Received: {text}"
        )
    return Video(path, width, height, loop, paced)


def _device_number(text: str) -> int | None:
    """N of what a user calls a USB camera: usb:N, N as OpenCV does, or a path to /dev/videoN."""
    if match := re.fullmatch(r"(?:usb:)?(\d{1,4})", text, re.ASCII):
        return int(match[1])
    # Also the links in /dev/v4l/by-id, whose names stay when cameras change places.
    if Path(text).is_relative_to(_DEVICES):
        place = Path(os.path.realpath(text))
        match = re.fullmatch(r"video(\d{1,4})", place.name, re.ASCII)
        if match and place.parent == Path(os.path.realpath(_DEVICES)):
            return int(match[1])
    return None


def _first_camera(width: int, height: int, stopping: threading.Event | None) -> Source:
    tried = []
    cameras = [("picamera2", lambda: PiCamera(width, height, stopping))]
    cameras += [
        (f"usb:{n}", lambda n=n: UsbCamera(n, width, height, stopping)) for n in _device_numbers()
    ]
    for name, camera in cameras:
        try:
            return camera()
        except PortraitError as error:
            tried.append(f"{name} ({str(error).split(' Received:')[0].rstrip('.')})")
    if len(cameras) == 1:
        tried.append(f"USB (no {_DEVICES}/video*: no camera is plugged in)")
    raise InputError(
        f"No camera gives a picture. Tried: {'; '.join(tried)}. --source synthetic needs none. "
        "Received: auto"
    )


def _device_numbers() -> list[int]:
    if sys.platform != "linux":
        return [0]
    names = [re.fullmatch(r"video(\d+)", path.name) for path in _DEVICES.glob("video*")]
    return sorted(int(name[1]) for name in names if name and _may_be_a_camera(name[0]))


def _may_be_a_camera(device: str) -> bool:
    """Whether a device is on USB or made by software.

    A Raspberry Pi has a dozen others, the decoders and scalers of its chip: to wait for a picture
    from each would take a minute.
    """
    driver = os.path.realpath(_DRIVERS / device)
    return not os.path.exists(driver) or "/usb" in driver or "/virtual/" in driver


class UsbCamera:
    """A USB camera, through OpenCV and Video4Linux.

    Args:
        number: N of /dev/videoN.
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        stopping: ends the wait for the first picture when it is set.

    Raises:
        SourceLost: there is no such camera, it may not be used, or another program has it.
    """

    skipped = 0

    def __init__(
        self, number: int, width: int, height: int, stopping: threading.Event | None = None
    ):
        self.name = f"usb:{number}"
        self._number = number
        self._size = (width, height)
        self._capture = None
        self._stopping = stopping or threading.Event()
        self.reopen()

    def read(self) -> np.ndarray:
        """Waits for the next frame; see `Source`."""
        taken, frame = self._capture.read() if self._capture else (False, None)
        if not taken:
            raise SourceLost(
                f"The camera gives no more pictures: is it unplugged? Received: {self.name}"
            )
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def reopen(self) -> None:
        """Opens the camera again; see `Source`."""
        self.close()
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(READ_SECONDS))
        silence_opencv()
        device = _DEVICES / f"video{self._number}"
        backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        if sys.platform == "linux" and not device.exists():
            raise SourceLost(f"No such camera: {device} is not there. Received: {self.name}")
        capture = cv2.VideoCapture(self._number, backend)
        if self._size[0] * self._size[1] > _MOST_UNCOMPRESSED:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # no queue of old frames
        # A camera that another program has opens well and then gives nothing.
        if not self._gives_a_picture(capture):
            capture.release()
            raise SourceLost(f"{_find_fault(device)} Received: {self.name}")
        self._capture = capture

    def _gives_a_picture(self, capture: cv2.VideoCapture) -> bool:
        end = time.monotonic() + FIRST_SECONDS
        while capture.isOpened() and not self._stopping.is_set():
            asked = time.monotonic()
            if capture.read()[0]:
                return True
            # One that says no at once, without a wait for a picture, means it.
            if time.monotonic() >= end or time.monotonic() - asked < READ_SECONDS / 2:
                return False
        return False

    def close(self) -> None:
        """Gives the camera back."""
        capture, self._capture = self._capture, None
        if capture is not None:
            with contextlib.suppress(Exception):  # as for `PiCamera`
                capture.release()


def _find_fault(device: Path) -> str:
    """Why a camera gives no picture, as a sentence."""
    if sys.platform != "linux":
        return "No such camera, no permission for it, or another program has it."
    from keras_portrait_demo.sources.devices import find_fault

    return find_fault(device)
