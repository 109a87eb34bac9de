"""Takes pictures as a photo booth does: a press, a countdown, a picture, a print."""

import contextlib
import math
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import make_folder, whole_file
from keras_portrait.inference.imaging import encode_image
from keras_portrait.terminal import OutputLost
from keras_portrait_demo.booth.kept_files import fresh_path, remove_unfinished
from keras_portrait_demo.booth.printing import Printer

FOLDER = Path("pictures")
COUNTDOWN, LONGEST_COUNTDOWN = 3.0, 60.0
# After the countdown a face must come in so many seconds.
FACE_SECONDS = 5.0
# Seconds for which a notice stays in the status.
NOTICE_SECONDS = 15.0
_SUFFIX = ".png"
# A number on the screen is late by so many seconds at most, and so is an end of the demo.
_TICK_SECONDS = 0.05


@dataclass(frozen=True)
class Picture:
    """A picture that was taken and kept.

    Attributes:
        path: its file.
        drawing: the bytes of that PNG file.
        photo: uint8 RGB (H, W, 3), what was drawn.
    """

    path: Path
    drawing: bytes
    photo: np.ndarray


class Booth:
    """Takes one picture after the other, each begun by a press.

    Each is a round: the countdown, then the first drawing with a face in it of a frame that was
    captured after that, and that was seen by the last search for faces. The drawing is kept as a
    PNG file, and printed where there is a printer.

    Args:
        live: has `wait_newer`; see `mobile_demo/live.py`.
        folder: gets the drawings; it is made with the first.
        countdown: seconds from the press to the picture; None for 3.
        printer: prints every drawing; None for none.

    Attributes:
        picture: the `Picture` of the last round that took one; None before.

    Raises:
        SettingError: the countdown is not from 0 to 60 seconds.
    """

    def __init__(
        self,
        live,
        folder: Path = FOLDER,
        countdown: float | None = None,
        printer: Printer | None = None,
    ):
        countdown = COUNTDOWN if countdown is None else countdown
        if not 0 <= countdown <= LONGEST_COUNTDOWN:
            raise SettingError(
                f"A countdown has from 0 to {LONGEST_COUNTDOWN:g} seconds. Received: {countdown:g}"
            )
        self.picture: Picture | None = None
        self._live, self._folder, self._countdown = live, folder.absolute(), countdown
        self._printer = printer
        self._thread = threading.Thread(target=self._work, name="portrait booth", daemon=True)
        self._stopping = threading.Event()
        self._pressed = threading.Event()
        self._lock = threading.Lock()
        # When the countdown ends. Only a press that begins a round sets it, and none does while a
        # round runs, so that the round may read it as it is.
        self._ends = 0.0
        # Guarded by `_lock`:
        self._state = "ready"
        self._taken = self._ignored = 0
        self._notice, self._notice_ends = "", 0.0

    def start(self) -> None:
        """Begins to answer presses."""
        remove_unfinished(self._folder, _SUFFIX)
        if self._printer is not None:
            self._printer.start(self._say)
        self._thread.start()

    def stop(self) -> None:
        """Breaks off a round and a print."""
        self._stopping.set()
        self._pressed.set()
        self._thread.join()
        if self._printer is not None:
            self._printer.stop()

    def __enter__(self) -> "Booth":
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def press(self) -> bool:
        """Begins a round, from any thread.

        Returns:
            Whether one was begun; while one runs, a press is only counted.
        """
        with self._lock:
            if self._state != "ready":
                self._ignored += 1
                return False
            self._state, self._ends, self._notice = "counting", monotonic() + self._countdown, ""
        self._pressed.set()
        return True

    def status(self) -> dict:
        """How it goes, ready for JSON.

        Returns:
            `state`: "ready", "counting" or "taking"; `countdown`: its length in seconds; `left`:
            the number to show, seconds of the countdown rounded up, None while there is none;
            `taken`, `ignored`: pictures and presses so far; `printing`: pictures that are not
            printed yet; `notice`: what went wrong just now, or None.
        """
        with self._lock:
            now = monotonic()
            counting = self._state == "counting"
            return {
                "state": self._state,
                "countdown": self._countdown,
                "left": max(1, math.ceil(self._ends - now)) if counting else None,
                "taken": self._taken,
                "ignored": self._ignored,
                "printing": self._printer.waiting if self._printer is not None else 0,
                "notice": self._notice if self._notice and now < self._notice_ends else None,
            }

    def _work(self) -> None:
        while True:
            self._pressed.wait()
            self._pressed.clear()
            if self._stopping.is_set():
                return
            try:
                self._round()
            except InputError as error:
                self._say(str(error))
            except Exception as error:  # a booth goes on, whatever happens in one round
                self._say(f"No picture: {type(error).__name__}: {error}".splitlines()[0])
            finally:
                with self._lock:
                    self._state = "ready"

    def _round(self) -> None:
        while (left := self._ends - monotonic()) > 0:
            if self._stopping.wait(min(left, _TICK_SECONDS)):
                return
        with self._lock:
            self._state = "taking"
        result = self._take()
        if result is None:
            if not self._stopping.is_set():
                self._say(
                    f"No picture: no face was seen within {FACE_SECONDS:g} seconds. Look into the "
                    "camera and try again."
                )
            return
        picture = self._keep(result)
        with self._lock:
            self.picture = picture
            self._taken += 1
        if self._printer is not None:
            self._printer.put(picture.path)
        _write(f"picture {picture.path}", sys.stdout)

    def _take(self):
        """The `Result` of the round, or None."""
        number = -1
        while monotonic() < self._ends + FACE_SECONDS and not self._stopping.is_set():
            result = self._live.wait_newer(number, _TICK_SECONDS)
            if result is not None:
                number = result.number
                if result.captured >= self._ends and result.found:
                    return result
        return None

    def _keep(self, result) -> Picture:
        make_folder(self._folder)
        path, drawing = fresh_path(self._folder, _SUFFIX), encode_image(result.drawing)
        # Booths are switched off at the wall.
        with whole_file(path, durable=True) as part:
            part.write_bytes(drawing)
        return Picture(path, drawing, result.photo)

    def _say(self, text: str) -> None:
        with self._lock:
            self._notice, self._notice_ends = text, monotonic() + NOTICE_SECONDS
        _write(f"portrait-demo: {text}", sys.stderr)


def _write(line: str, stream) -> None:
    """Writes a line, unless nobody is there any more to read it."""
    # A closed stream raises ValueError, that of a command OutputLost.
    with contextlib.suppress(OSError, ValueError, OutputLost):
        print(line, file=stream, flush=True)
