"""Clips, videos and animated pictures alike: frames, each with its time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import MAX_PIXELS, fit_frame
from keras_portrait.inference.video.animation import AnimatedPicture, is_animated
from keras_portrait.inference.video.decoding import open_video

# Frames a second of a video whose file tells none, and above which a file is not believed.
_USUAL_RATE, MOST_RATE = 25.0, 240.0
# Seconds from one frame to the next above which a time is not believed that lies beyond what frames
# and rate make of the clip: files tell the rate of unevenly spaced frames as an estimate.
_LONGEST_STEP = 10.0
# Seconds that frames and rate are believed at most to make of it: a day.
_LONGEST = 24 * 3600.0
# A video was cut short, and has not just ended, where more than this part of it and so many
# seconds are missing: files tell their length as an estimate.
_MISSING_PART, _MISSING_SECONDS = 0.02, 1.0


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    Attributes:
        picture: uint8 RGB (H, W, 3), upright; each frame of a clip has the same size.
        seconds: from the begin of the clip until it is shown; grows from frame to frame.
        lasts: for how many seconds it is shown where it is the last one.
    """

    picture: np.ndarray
    seconds: float
    lasts: float


class Clip:
    """A video, or an animated picture, whose frames may be gone through more than once.

    Args:
        path: the file.

    Attributes:
        path: the file.
        expected: how many frames its file tells of; None where it tells nothing.
        has_sound: whether there may be a sound track.

    Raises:
        InputError: the file is missing, holds no video that OpenCV reads, or too large pictures.
    """

    def __init__(self, path: Path):
        self.path = path
        self.has_sound = not is_animated(path)
        self.expected: int | None = None
        if self.has_sound:
            capture = open_video(path)
            count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            sides = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
            width, height = (int(capture.get(side)) for side in sides)
            capture.release()
            self.expected = int(count) if count > 0 else None
            if width * height > MAX_PIXELS:
                raise InputError(
                    "The pictures of the video are too large. Expected at most "
                    f"{MAX_PIXELS // 1_000_000} million pixels. "
                    f"Received: {width} x {height}, {path}"
                )

    def frames(self) -> Iterator[Frame]:
        """All frames from the first.

        Raises:
            InputError: a frame of an animated picture is broken, or the file has gone.
        """
        frames, size = self._video() if self.has_sound else self._animation(), None
        try:
            for frame in frames:
                size = size or frame.picture.shape[:2]
                yield Frame(_fitted(frame.picture, *size), frame.seconds, frame.lasts)
        finally:
            frames.close()

    def missing(self, frames: int, seconds: float) -> int:
        """How many frames a file that was cut short has lost.

        Args:
            frames: that were there.
            seconds: how long they last.
        """
        lost = (self.expected or 0) - frames
        each = seconds / max(frames, 1)
        is_cut = lost > max(
            _MISSING_PART * (self.expected or 0), _MISSING_SECONDS / max(each, 1e-6)
        )
        return lost if is_cut else 0

    def _animation(self) -> Iterator[Frame]:
        animation, seconds = AnimatedPicture(self.path), 0.0
        try:
            while (step := animation.step()) is not None:
                yield Frame(step[0], seconds, step[1])
                seconds += step[1]
        finally:
            animation.close()

    def _video(self) -> Iterator[Frame]:
        capture = open_video(self.path)
        try:
            rate = capture.get(cv2.CAP_PROP_FPS)
            interval = 1 / (rate if 1 <= rate <= MOST_RATE else _USUAL_RATE)
            end = min((self.expected or 0) * interval, _LONGEST)
            first, before, is_grabbed = None, -interval, True
            while is_grabbed:
                taken, picture = capture.retrieve()
                if not taken:
                    return
                told = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                first = told if first is None else first
                seconds = told - first
                if not before < seconds <= max(end, before + _LONGEST_STEP):
                    seconds = before + interval
                yield Frame(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), seconds, interval)
                before, is_grabbed = seconds, capture.grab()
        finally:
            capture.release()


def _fitted(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    same = picture.shape[:2] == (height, width)
    return picture if same else fit_frame(picture, width, height)
