"""Writes what is shown into a video: `portrait-demo --record`."""

import threading
import time
from pathlib import Path

import cv2

from keras_portrait.errors import InputError
from keras_portrait_demo.booth.kept_files import fresh_path, make_writable_folder
from keras_portrait_demo.live import Live
from keras_portrait_demo.sources.camera import silence_opencv
from keras_portrait_demo.sources.pictures import fit_frame

# Frames a second of the video. A picture stays for as many of them as it was shown, so that the
# video runs as fast as what it shows.
RATE = 25


class Recorder:
    """Records the view of a `Live` until it is stopped.

    Args:
        live: what is recorded; its first result sets the size.
        folder: gets a file of its own for each run, named by date and time.
        is_view: whether nothing else shows the results, so that latency is measured to here.

    Attributes:
        path: the video's file.
        failure: why no video could be written; None where all is well.

    Raises:
        InputError: the folder cannot be made or not be written.
    """

    def __init__(self, live: Live, folder: Path, is_view: bool = False):
        make_writable_folder(folder)
        self.path = fresh_path(folder, ".mp4")
        self.failure: InputError | None = None
        self._live, self._is_view = live, is_view
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write, name="portrait recorder", daemon=True)

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._stopping.set()
        self._thread.join()

    def _write(self) -> None:
        result = None
        while result is None:
            if self._stopping.is_set():
                return
            result = self._live.wait_newer(-1, 0.2)
        height, width = result.view.shape[:2]
        silence_opencv()
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, code, RATE, (width, height))
        if not writer.isOpened():
            self.failure = InputError(f"Cannot write a video there. Received: {self.path}")
            return
        begun, written = time.monotonic(), 0
        try:
            while not self._stopping.is_set():
                newer = self._live.wait_newer(result.number, 1 / RATE)
                due = int((time.monotonic() - begun) * RATE) + 1
                frame = cv2.cvtColor(fit_frame(result.view, width, height), cv2.COLOR_RGB2BGR)
                # A writer that cannot keep up makes a shorter video, not ever longer pauses.
                for _ in range(min(due - written, RATE)):
                    if self._stopping.is_set():
                        break
                    writer.write(frame)
                    if self._is_view:
                        self._live.displayed(result.number)
                written, result = max(written, due), newer or result
        finally:
            writer.release()
