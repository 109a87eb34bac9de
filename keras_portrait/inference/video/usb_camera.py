"""USB cameras, through OpenCV."""

import contextlib
import os
import re
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.inference.video.decoding import silence_opencv
from keras_portrait.inference.video.source import FIRST_SECONDS, READ_SECONDS, SourceLost

DEVICES = Path("/dev")
_DRIVERS = Path("/sys/class/video4linux")
# Pixels of a frame above which USB 2 carries no 30 frames a second unless they are compressed.
_MOST_UNCOMPRESSED = 640 * 480


def device_number(text: str) -> int | None:
    """N of what a user calls a USB camera: usb:N, N as OpenCV does, or a path to /dev/videoN."""
    if match := re.fullmatch(r"(?:usb:)?(\d{1,4})", text, re.ASCII):
        return int(match[1])
    # Also the links in /dev/v4l/by-id, whose names stay when cameras change places.
    if Path(text).is_relative_to(DEVICES):
        place = Path(os.path.realpath(text))
        match = re.fullmatch(r"video(\d{1,4})", place.name, re.ASCII)
        if match and place.parent == Path(os.path.realpath(DEVICES)):
            return int(match[1])
    return None


def device_numbers() -> list[int]:
    """N of each device that may be a USB camera."""
    if sys.platform != "linux":
        return [0]
    names = [re.fullmatch(r"video(\d+)", path.name) for path in DEVICES.glob("video*")]
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
        """Waits for the next frame; see `source.Source`."""
        taken, frame = self._capture.read() if self._capture else (False, None)
        if not taken:
            raise SourceLost(
                f"The camera gives no more pictures: is it unplugged? Received: {self.name}"
            )
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def reopen(self) -> None:
        """Opens the camera again; see `source.Source`."""
        self.close()
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(READ_SECONDS))
        silence_opencv()
        device = DEVICES / f"video{self._number}"
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
            # One that is gone cannot be given back in order, whatever it says to that.
            with contextlib.suppress(Exception):
                capture.release()


def _find_fault(device: Path) -> str:
    """Why a camera gives no picture, as a sentence."""
    if sys.platform != "linux":
        return "No such camera, no permission for it, or another program has it."
    from keras_portrait.inference.video.devices import find_fault

    return find_fault(device)
