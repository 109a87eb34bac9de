"""Animated pictures as videos: GIF, WebP and PNG, each frame for its own time."""

import os
import time
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import read_image
from keras_portrait_demo.sources.pictures import LONGEST_WAIT, MOST_SKIPPED, fit_frame

_SUFFIXES = frozenset({".gif", ".webp", ".png", ".apng"})
_FORMATS = ("GIF", "WEBP", "PNG")
# Frames of 10 ms and less are shown for 100 ms, as browsers do (HTML's `img` in Chromium, Firefox
# and WebKit): old programs wrote 0 where they meant "at a usual speed".
_LEAST_SECONDS, _USUAL_SECONDS = 0.011, 0.1


def is_animated(path: Path) -> bool:
    """Whether a file is an animated picture of more than one frame.

    Raises:
        InputError: a picture that can be one cannot be read; see `read_image`.
    """
    if path.suffix.lower() not in _SUFFIXES or not os.path.isfile(path):
        return False
    read_image(path)  # with its limits, before a decoder takes the whole file into memory
    try:
        with _open(path) as image:
            return getattr(image, "is_animated", False)
    except UnidentifiedImageError:  # another format under this suffix
        return False
    except Exception:  # what its other frames are is told when they are played
        return True


def _open(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata are not the user's
        return Image.open(path, formats=_FORMATS)


class Animation:
    """An animated picture that plays as a video does.

    Args:
        path: the file.
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        loop: start again at the end, however often the file asks for.
        paced: show each frame for its own time, and leave out those that are late.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(self, path: Path, width: int, height: int, loop: bool = False, paced: bool = True):
        self.name, self.skipped = path.name, 0
        self._path, self._size = path, (width, height)
        self._loop, self._paced = loop, paced
        self._image: Image.Image | None = None
        self._frame: np.ndarray | None = None
        self._until = 0.0  # when the frame's time is over
        self.reopen()

    def read(self) -> np.ndarray | None:
        """Waits for the next frame; one that lasts for seconds comes again meanwhile."""
        if self._paced and self._frame is not None:
            left = self._until - time.monotonic()
            time.sleep(min(max(0.0, left), LONGEST_WAIT))
            if left > LONGEST_WAIT:
                return self._frame
        for late in range(MOST_SKIPPED + 1):
            frame = self._step()
            if frame is None:
                return None
            picture, seconds = frame
            now = time.monotonic()
            self._until = (now if self._frame is None else self._until) + seconds
            if not self._paced or self._until > now or late == MOST_SKIPPED:
                break
            self.skipped += 1
        self._until = max(self._until, now)
        self._frame = fit_frame(picture, *self._size)
        return self._frame

    def _step(self) -> tuple[np.ndarray, float] | None:
        """The next frame, and for how many seconds it is shown; None at the end."""
        try:
            self._image.seek(self._next)
            picture = read_image(self._image)
        except EOFError:
            if not self._loop or self._next <= self._first:
                return None
            self._next = self._first
            return self._step()
        except Exception as error:  # decoders raise nearly anything on bytes that are not theirs
            raise self._broken(error) from error
        self._next += 1
        # Some formats know it only now.
        seconds = self._image.info.get("duration", 0) / 1000
        return picture, seconds if seconds >= _LEAST_SECONDS else _USUAL_SECONDS

    def _broken(self, error: Exception) -> InputError:
        reason = str(error).split(" Received:")[0].rstrip(".")
        return InputError(
            f"The animation cannot be played beyond its frame {self._next}: {reason}. "
            f"Received: {self._path}"
        )

    def reopen(self) -> None:
        """Goes back to the first frame; see `source.Source`."""
        self.close()
        self._image = _open(self._path)
        # A PNG may begin with a picture for programs that know no animations.
        self._first = self._next = int(bool(self._image.info.get("default_image")))

    def close(self) -> None:
        """Closes the file."""
        if self._image is not None:
            self._image.close()
