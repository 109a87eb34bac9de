"""Writes what is shown into a video: `portrait-demo --record`."""

import threading
import time
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.inference.video.encoding import OpenCvEncoder
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
        encoder = OpenCvEncoder(self.path, RATE)
        try:
            try:
                self._record(encoder, first)
            finally:
                encoder.abandon()
            encoder.close()
        except InputError as error:
            self.failure = error

    def _record(self, encoder: OpenCvEncoder, result: Result) -> None:
        begun, done = time.monotonic(), 0

        def write(least: int) -> None:
            nonlocal done
            due = int((time.monotonic() - begun) * RATE) + 1
            # A writer that cannot keep up makes a shorter video, not ever longer pauses.
            for _ in range(max(least, min(due - done, RATE))):
                encoder.put(result.view)
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
