"""Animated pictures, GIF, WebP and PNG, frame by frame."""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import read_image

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
    except Exception:  # what its other frames are is told when they are read
        return True


def _open(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata are not the user's
        return Image.open(path, formats=_FORMATS)


class AnimatedPicture:
    """The frames of an animated picture, in turn.

    Args:
        path: the file.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(self, path: Path):
        self._path = path
        self._image = _open(path)
        # A PNG may begin with a picture for programs that know no animations.
        self._first = self._next = int(bool(self._image.info.get("default_image")))

    def step(self) -> tuple[np.ndarray, float] | None:
        """Goes to the next frame.

        Returns:
            It, uint8 RGB (H, W, 3), and for how many seconds it is shown; None after the last.

        Raises:
            InputError: the frame is broken.
        """
        try:
            self._image.seek(self._next)
            picture = read_image(self._image)
        except EOFError:
            return None
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

    def rewind(self) -> bool:
        """Goes back to before the first frame; False where there is none but that."""
        has_frames, self._next = self._next > self._first, self._first
        return has_frames

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._image.close()
