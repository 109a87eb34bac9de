"""Frames without a camera: a video, photos, or a face that moves by itself.

Each frame is fitted into the size asked for, on white, so that it stays the same all along.
"""

import os
import time
from pathlib import Path

import cv2
import numpy as np

import keras_portrait
from keras_portrait.errors import InputError
from keras_portrait.inference.folders import PassedOver, list_images
from keras_portrait.inference.formats import shared_reason
from keras_portrait.inference.imaging import fit_frame, read_image
from keras_portrait.inference.video.decoding import open_video
from keras_portrait.terminal import remark

EXAMPLE = Path(keras_portrait.__file__).with_name("example.jpg")
# Frames a second of what has no speed of its own.
STILL_RATE = 25.0
# Seconds for which each photo of a folder is shown.
PHOTO_SECONDS = 3.0
# No wait for a frame is longer, whatever speed a file claims.
LONGEST_WAIT = 1.0
# Frames a second of a video above which its file is not believed.
_MOST_RATE = 240
# Frames that are skipped at a time to catch up.
MOST_SKIPPED = 2


class Video:
    """A video file.

    Args:
        path: the file.
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        loop: start again at the end.
        paced: give frames at the video's own speed, and leave out those that are late.

    Raises:
        InputError: the file holds no video that OpenCV reads.
    """

    def __init__(self, path: Path, width: int, height: int, loop: bool = False, paced: bool = True):
        self.name, self.skipped = path.name, 0
        self._path = path
        self._begin(self._open(), width, height, loop, paced)

    def _begin(self, capture, width: int, height: int, loop: bool, paced: bool) -> None:
        """Takes an open capture whose first frame is grabbed, and what the class is told."""
        self._capture, self._size, self._loop = capture, (width, height), loop
        self._is_grabbed, self._count = True, 1  # whether the next frame is; frames until it
        rate = capture.get(cv2.CAP_PROP_FPS)
        plausible = 1 <= rate <= _MOST_RATE
        self._pace = _Pace(rate if plausible else STILL_RATE) if paced else None

    def read(self) -> np.ndarray | None:
        """Waits for the next frame; see `source.Source`."""
        late = self._pace.wait() if self._pace else 0
        while late and self._grab():
            self._is_grabbed = False
            self.skipped += 1
            late -= 1
        if not self._grab():
            self._check_end()
            if not self._loop:
                return None
            self.reopen()
        self._is_grabbed = False
        taken, frame = self._capture.retrieve()
        if not taken:
            return None
        return fit_frame(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), *self._size)

    def _grab(self) -> bool:
        if not self._is_grabbed:
            self._is_grabbed = self._capture.grab()
            self._count += self._is_grabbed
        return self._is_grabbed

    def _check_end(self) -> None:
        """Raises `SourceLost` where more was to come."""

    def reopen(self) -> None:
        """Goes back to the first frame; see `source.Source`."""
        self.close()
        self._capture = self._open()
        self._is_grabbed, self._count = True, 1

    def _open(self):
        """A capture whose first frame is grabbed; see `open_video`."""
        return open_video(self._path)

    def close(self) -> None:
        """Closes the file."""
        self._capture.release()


class Photos:
    """One photo for ever, or the photos of a folder in turn.

    Args:
        path: the photo or the folder.
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        paced: `STILL_RATE` frames a second, and each photo for `PHOTO_SECONDS`; otherwise each
            photo for one frame, at once.

    Raises:
        InputError: there is no photo, or none that can be read.
    """

    def __init__(self, path: Path, width: int, height: int, paced: bool = True):
        self.name, self.skipped = path.name or str(path), 0
        self._paths = _photos_of(path) if os.path.isdir(path) else [path]
        if not self._paths:
            raise InputError(f"No photos in the folder. Received: {path}")
        self._size = (width, height)
        self._pace = _Pace(STILL_RATE) if paced else None
        self._next, self._frame, self._until = 0, None, 0.0
        self._told: set[str] = set()
        self._turn()

    def read(self) -> np.ndarray:
        """Waits for the next frame; see `source.Source`."""
        if self._pace:
            self._pace.wait()
        if len(self._paths) > 1 and (self._pace is None or time.monotonic() > self._until):
            self._turn()
        return self._frame

    def _turn(self) -> None:
        """Loads the next photo that can be read; of a folder, broken ones are passed over."""
        for attempt in range(len(self._paths)):
            path = self._paths[(self._next + attempt) % len(self._paths)]
            try:
                self._frame = fit_frame(read_image(path), *self._size)
            except InputError as error:
                self.skipped += 1
                broken = error
                self._tell_once(error)
                continue
            self._next = (self._next + attempt + 1) % len(self._paths)
            self._until = time.monotonic() + PHOTO_SECONDS
            return
        raise broken

    def _tell_once(self, error: InputError) -> None:
        """Names a photo that cannot be read; of those of one closed format, the first."""
        known = shared_reason(str(error)) or str(error)
        if len(self._paths) > 1 and known not in self._told:
            remark(f"portrait-demo: passed over: {error}")
        self._told.add(known)

    def reopen(self) -> None:
        """Photos are never lost; see `source.Source`."""

    def close(self) -> None:
        """Nothing is kept open."""


class Synthetic:
    """The example photo's face, moving, coming near and leaning; no camera is needed.

    Args:
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        paced: `STILL_RATE` frames a second; otherwise at once.
    """

    name = "synthetic"
    skipped = 0

    def __init__(self, width: int, height: int, paced: bool = True):
        self._size = (width, height)
        self._photo = read_image(EXAMPLE)
        self._pace = _Pace(STILL_RATE) if paced else None
        self._count = 0

    def read(self) -> np.ndarray:
        """Waits for the next frame; see `source.Source`."""
        if self._pace:
            self._pace.wait()
        width, height = self._size
        turn = 2 * np.pi * self._count / (8 * STILL_RATE)  # once in 8 seconds
        self._count += 1
        # The face lies at (224, 120) of the photo's 512 pixels.
        scale = height / 480 * (1.7 + 0.3 * np.sin(2 * turn))
        matrix = cv2.getRotationMatrix2D((224, 120), 8 * np.sin(3 * turn), scale)
        matrix[:, 2] += (
            width * (0.5 + 0.12 * np.sin(turn)) - 224,
            height * (0.45 + 0.06 * np.cos(turn)) - 120,
        )
        return cv2.warpAffine(self._photo, matrix, self._size, borderMode=cv2.BORDER_REPLICATE)

    def reopen(self) -> None:
        """It is never lost; see `source.Source`."""

    def close(self) -> None:
        """Nothing is kept open."""


class _Pace:
    """Holds a reader to a number of frames a second."""

    def __init__(self, rate: float):
        self._interval = min(1 / rate, LONGEST_WAIT)
        self._due: float | None = None

    def wait(self) -> int:
        """Sleeps until the next frame is due; returns how many frames are missed already."""
        now = time.monotonic()
        self._due = now if self._due is None else self._due
        late = int(max(0.0, now - self._due) / self._interval)
        self._due += late * self._interval
        # To skip frames takes time too: a decoder that is too slow would skip more and more.
        late = min(late, MOST_SKIPPED)
        if self._due > now:
            time.sleep(self._due - now)
        self._due += self._interval
        return late


def _photos_of(folder: Path) -> list[Path]:
    """The photos of a folder; what is passed over there is said."""
    passed = PassedOver()
    photos = list_images(folder, passed)
    for line in (*map(str, passed.unreadable.values()), passed.told()):
        if line:
            remark(f"portrait-demo: {line}")
    return photos
