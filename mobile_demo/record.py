"""Writes what is shown into a video: `portrait-demo --record`."""

import threading
import time
from pathlib import Path

import cv2

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import fit_frame
from keras_portrait.inference.video.decoding import silence_opencv
from keras_portrait_demo.booth.kept_files import fresh_path, make_writable_folder
from keras_portrait_demo.frame import Result
from keras_portrait_demo.live import Live

# Frames a second of the video. A picture stays for as many of them as it was shown, so that the
# video runs as fast as what it shows.
RATE = 25


class Recorder:
    """Records the view of a `Live` until it is stopped.

    Args:
        live: what is recorded; its first result sets the size, and begins the file.
        folder: gets a file of its own for each run, named by date and time.
        is_view: whether nothing else shows the results, so that latency is measured to here.

    Attributes:
        path: the video's file.
        frames: how many frames it was given; 0 while there is no file.
        rate: of them, a second.
        failure: why no video, or no whole one, could be written; None where nothing is wrong.

    Raises:
        InputError: the folder cannot be made or not be written.
    """

    rate = RATE

    def __init__(self, live: Live, folder: Path, is_view: bool = False):
        make_writable_folder(folder)
        self.path, self.frames = fresh_path(folder, ".mp4"), 0
        self.failure: InputError | None = None
        self._live, self._is_view = live, is_view
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="portrait recorder", daemon=True)

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        while (first := self._live.wait_newer(-1, 0.2)) is None:
            if self._stopping.is_set():
                return
        height, width = first.view.shape[:2]
        silence_opencv()
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, code, RATE, (width, height))
        if not writer.isOpened():
            self.failure = InputError(f"Cannot write a video there. Received: {self.path}")
            return
        try:
            self._record(writer, first, width, height)
        finally:
            writer.release()
        self._check()

    def _record(self, writer: cv2.VideoWriter, result: Result, width: int, height: int) -> None:
        begun, done = time.monotonic(), 0

        def write(least: int) -> None:
            nonlocal done
            due = int((time.monotonic() - begun) * RATE) + 1
            frame = cv2.cvtColor(fit_frame(result.view, width, height), cv2.COLOR_RGB2BGR)
            # A writer that cannot keep up makes a shorter video, not ever longer pauses.
            for _ in range(max(least, min(due - done, RATE))):
                writer.write(frame)
                self.frames += 1
                if self._is_view:
                    self._live.displayed(result.number)
            done = max(done, due)

        while not self._stopping.is_set():
            newer = self._live.wait_newer(result.number, 1 / RATE)
            write(least=0)
            result = newer or result
        result = self._live.latest()
        write(least=1)  # the last picture is always there

    def _check(self) -> None:
        """Counts the frames that are in the file: OpenCV does not say when it cannot write one."""
        video = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        kept = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        video.release()
        if kept < self.frames:
            self.failure = InputError(
                f"The video was not written whole, {max(0, kept)} of {self.frames} frames: is the "
                f"disk full? Received: {self.path}"
            )
