"""Videos and animated pictures out: OpenCV's encoder, that of ffmpeg, and Pillow's."""

import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import fit_frame
from keras_portrait.inference.video.decoding import silence_opencv

# OpenCV's and ffmpeg's; and Pillow's, each with the milliseconds of its unit of time and the
# shortest time for which browsers show a frame: anything less they take for 100 ms.
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv")
_TIMES = {".gif": (10, 20), ".webp": (1, 11), ".apng": (1, 11)}
ANIMATION_SUFFIXES = tuple(_TIMES)
# Pixels that an animated picture may have in all its frames: they are held until it is written.
MOST_ANIMATED = 300_000_000


class Encoder(Protocol):
    """Takes the frames of a video at a constant rate."""

    def put(self, picture: np.ndarray) -> None:
        """Adds a frame.

        Args:
            picture: uint8 RGB (H, W, 3).

        Raises:
            InputError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Ends the file.

        Raises:
            InputError: it is not there whole.
        """
        ...

    def abandon(self) -> None:
        """Lets go of the file, whatever is in it; may be called after `close`."""
        ...


class OpenCvEncoder:
    """MPEG-4 by what comes with OpenCV; no sound.

    Args:
        path: the file; its suffix says which container.
        rate: frames a second.

    Attributes:
        frames: how many were given.
    """

    def __init__(self, path: Path, rate: float):
        self.frames = 0
        self._path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = 0, 0

    def put(self, picture: np.ndarray) -> None:
        """See `Encoder`; a picture of another size than the first is fitted into it."""
        picture = even_sided(picture)
        if self._writer is None:
            self._size = picture.shape[1], picture.shape[0]
            silence_opencv()
            code = cv2.VideoWriter.fourcc(*"mp4v")
            path = os.fspath(self._path)
            writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, code, self._rate, self._size)
            if not writer.isOpened():
                raise InputError(f"Cannot write a video there. Received: {self._path}")
            self._writer = writer
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = fit_frame(picture, *self._size)
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def close(self) -> None:
        """See `Encoder`. Counts what is in the file: OpenCV does not say what it cannot write."""
        self.abandon()
        video = cv2.VideoCapture(os.fspath(self._path), cv2.CAP_FFMPEG)
        kept = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        video.release()
        if kept < self.frames:
            raise InputError(
                f"The video was not written whole, {max(0, kept)} of {self.frames} frames: is the "
                f"disk full? Received: {self._path}"
            )

    def abandon(self) -> None:
        """See `Encoder`."""
        if self._writer is not None:
            self._writer.release()


def even_sided(picture: np.ndarray) -> np.ndarray:
    """A picture whose sides are even, as video has them: an odd one repeats its last line.

    Args:
        picture: uint8 RGB (H, W, 3).
    """
    height, width = picture.shape[:2]
    if height % 2 == width % 2 == 0:
        return picture
    return cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)


class Film:
    """Writes pictures, each from its time on, as a video of a constant rate.

    Args:
        encoder: takes the frames.
        rate: frames a second.
    """

    def __init__(self, encoder: Encoder, rate: float):
        self._encoder, self._rate, self._count = encoder, rate, 0
        self._held: np.ndarray | None = None

    def add(self, picture: np.ndarray, seconds: float) -> None:
        """Shows a picture.

        Args:
            picture: uint8 RGB (H, W, 3).
            seconds: from when on; not before that of the last one.

        Raises:
            InputError: it cannot be written.
        """
        self._fill(round(seconds * self._rate))
        self._held = picture

    def finish(self, seconds: float) -> None:
        """Ends the file after so many seconds in all.

        Raises:
            InputError: it is not there whole.
        """
        self._fill(max(1, round(seconds * self._rate)))
        self._encoder.close()

    def abandon(self) -> None:
        """Lets go of the file; does nothing after `finish`."""
        self._encoder.abandon()

    def _fill(self, due: int) -> None:
        while self._held is not None and self._count < due:
            self._encoder.put(self._held)
            self._count += 1


class AnimationFile:
    """Writes pictures as an animated GIF, WebP or PNG that begins again at its end.

    Args:
        path: the file, with one of `ANIMATION_SUFFIXES`.
    """

    def __init__(self, path: Path):
        self._path, self._suffix = path, path.suffix.lower()
        self._unit, self._least = _TIMES[self._suffix]
        self._pictures: list[np.ndarray] = []
        self._times: list[int] = []  # milliseconds

    def add(self, picture: np.ndarray, seconds: float) -> None:
        """See `Film`; of frames that come faster than browsers show them the last one counts."""
        if (picture == picture[..., :1]).all():  # a third of the memory, and of the file
            picture = picture[..., 0].copy()
        time = self._rounded(seconds)
        if self._times and time - self._times[-1] < self._least:
            self._pictures[-1] = picture
            return
        self._pictures.append(picture)
        self._times.append(time)

    def finish(self, seconds: float) -> None:
        """See `Film`."""
        end = max(self._rounded(seconds), self._times[-1] + self._least)
        times = [int(step) for step in np.diff([*self._times, end])]
        is_gray = all(picture.ndim == 2 for picture in self._pictures)
        first, *rest = (
            Image.fromarray(picture) if is_gray else Image.fromarray(picture).convert("RGB")
            for picture in self._pictures
        )
        kind = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}[self._suffix]
        # The lines of a drawing would swim in WebP's usual compression.
        options = {"lossless": True} if kind == "WEBP" else {}
        first.save(
            self._path, kind, save_all=True, append_images=rest, duration=times, loop=0, **options
        )

    def abandon(self) -> None:
        """See `Film`."""
        self._pictures, self._times = [], []

    def _rounded(self, seconds: float) -> int:
        return round(1000 * seconds / self._unit) * self._unit
