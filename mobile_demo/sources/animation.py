"""Animated pictures as videos: GIF, WebP and PNG, each frame for its own time."""

import time
from pathlib import Path

import numpy as np

from keras_portrait.inference.imaging import fit_frame
from keras_portrait.inference.video.animation import AnimatedPicture
from keras_portrait_demo.sources.pictures import LONGEST_WAIT, MOST_SKIPPED


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
        self._picture: AnimatedPicture | None = None
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
        frame = self._picture.step()
        if frame is None and self._loop and self._picture.rewind():
            return self._picture.step()
        return frame

    def reopen(self) -> None:
        """Goes back to the first frame; see `source.Source`."""
        self.close()
        self._picture = AnimatedPicture(self._path)

    def close(self) -> None:
        """Closes the file."""
        if self._picture is not None:
            self._picture.close()
