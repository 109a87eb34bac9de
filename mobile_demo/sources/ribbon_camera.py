"""The camera on a Raspberry Pi's ribbon cable, through picamera2."""

import contextlib
import threading
import time

import numpy as np

from keras_portrait.errors import MissingExtra
from keras_portrait.inference.video.source import FIRST_SECONDS, READ_SECONDS, SourceLost

_INSTALL_PICAMERA2 = (
    "install it with: sudo apt install python3-picamera2, and make the virtual environment with "
    "--system-site-packages"
)


class PiCamera:
    """The camera on a Raspberry Pi's ribbon cable.

    One stream serves the display and the search for faces: halving a frame of 640 x 480 takes a
    tenth of a millisecond, less than converting a second stream from YUV to RGB would.

    Args:
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        stopping: ends the wait for the first picture when it is set.

    Raises:
        MissingExtra: picamera2 is not installed.
        SourceLost: there is no such camera, it gives no picture, or another program has it.
    """

    name = "picamera2"
    skipped = 0

    def __init__(self, width: int, height: int, stopping: threading.Event | None = None):
        self._size = (width, height)
        self._camera = None
        self._stopping = stopping or threading.Event()
        self.reopen()

    def read(self) -> np.ndarray:
        """Waits for the next frame; see `Source`."""
        try:
            frame = self._camera.capture_array("main", wait=READ_SECONDS)
        except (RuntimeError, OSError, TimeoutError, AttributeError) as error:
            raise SourceLost(
                f"The camera gives no more pictures ({_reason(error)}). Received: picamera2"
            ) from error
        return np.ascontiguousarray(frame)

    def reopen(self) -> None:
        """Opens the camera again; see `Source`."""
        camera_type = _load_picamera2()
        self.close()
        try:
            # libcamera lists USB cameras too; those are OpenCV's.
            found = camera_type.global_camera_info()
        except (RuntimeError, OSError) as error:
            raise SourceLost(
                f"Cannot ask for cameras ({_reason(error)}). Received: picamera2"
            ) from error
        numbers = [number for number, info in enumerate(found) if "/usb" not in info["Id"]]
        if not numbers:
            raise SourceLost(
                "No camera on the ribbon cable: check that it is in firmly and the right way "
                "round. Received: picamera2"
            )
        try:
            self._camera = camera_type(numbers[0])
            # The formats' names count bytes from the last: BGR888 is red, green, blue in memory.
            main = {"size": self._size, "format": "BGR888"}
            self._camera.configure(self._camera.create_preview_configuration(main=main))
            self._camera.start()
            self._await_picture()
        except TimeoutError as error:
            self.close()
            raise SourceLost(
                "The camera gives no picture: check that its ribbon cable is in firmly at both "
                "ends. Received: picamera2"
            ) from error
        except (RuntimeError, OSError) as error:
            self.close()
            raise SourceLost(
                "Cannot start the camera; another program may have it "
                f"({_reason(error)}). Received: picamera2"
            ) from error

    def _await_picture(self) -> None:
        """Waits for the first picture, a little at a time, so that the demo ends in time."""
        end = time.monotonic() + FIRST_SECONDS
        while True:
            try:
                self._camera.capture_array("main", wait=READ_SECONDS)
                return
            except TimeoutError:
                if self._stopping.is_set() or time.monotonic() >= end:
                    raise

    def close(self) -> None:
        """Gives the camera back."""
        camera, self._camera = self._camera, None
        if camera is not None:
            # One that is gone cannot be given back in order, whatever it says to that.
            with contextlib.suppress(Exception):
                camera.close()


def _load_picamera2():
    try:
        from picamera2 import Picamera2
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"The package picamera2 is not installed; {_INSTALL_PICAMERA2}."
        ) from error
    # What was built for another NumPy than this one says so by any of these.
    except (ImportError, AttributeError, RuntimeError, ValueError) as error:
        raise MissingExtra(
            f"The package picamera2 does not fit this NumPy ({_reason(error)}). Expected "
            f'the one of the system: pip install "numpy<2"'
        ) from error
    return Picamera2


def _reason(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
