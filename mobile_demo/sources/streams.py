"""Pictures from an address: RTSP, MJPEG and others over HTTP, and videos on a web server."""

import queue
import threading
import time
from concurrent.futures import Future, wait
from urllib.parse import urlsplit

import cv2
import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import MAX_PIXELS, resize
from keras_portrait.inference.video.decoding import silence_opencv
from keras_portrait.inference.video.source import READ_SECONDS, Source, SourceLost
from keras_portrait.storage import public_name
from keras_portrait_demo.sources.address_faults import find_fault
from keras_portrait_demo.sources.pictures import Video

SCHEMES = ("rtsp", "rtsps", "http", "https")
# Seconds in which an address must answer with a first picture, and in which each further one comes.
OPEN_SECONDS, STALL_SECONDS = 10, 5
# Seconds between two looks whether the demo ends.
_LOOK_SECONDS = 0.1
# A video on a server has ended, and not broken off, where no more than this part or so many
# seconds of it are missing: its length is an estimate.
_MISSING_PART, _MISSING_SECONDS = 0.02, 1.0


def open_address(
    url: str,
    width: int,
    height: int,
    loop: bool = False,
    paced: bool = True,
    stopping: threading.Event | None = None,
) -> Source:
    """Opens a stream, or a video that lies on a web server.

    Args:
        url: its address, with name and password where they are needed.
        width: most columns of a frame in pixels.
        height: most rows of a frame in pixels.
        loop: as for `Video`; a stream has no end.
        paced: as for `Video`; a stream has its own pace.
        stopping: ends every wait when it is set.

    Raises:
        SettingError: it is no such address.
        SourceLost: nothing answers there, or nothing that can be played.
    """
    _check(url)
    stopping = stopping or threading.Event()
    capture = _connect(url, stopping)
    # FFmpeg tells a length of what has an end.
    if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        return WebVideo(url, capture, width, height, loop, paced, stopping)
    return Stream(url, capture, width, height, stopping)


def name_of(url: str) -> str:
    """How an address is called: without what is, or may be, a password in it."""
    scheme, _, rest = public_name(url).partition("://")
    # A password with a / that is not written as %2F looks like a path.
    _, at, after = rest.rpartition("@")
    return f"{scheme}://...@{after}" if at else f"{scheme}://{rest}"


def _check(url: str) -> None:
    """Refuses what is no address; never shows what may be a part of a password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        if not all(letter.isprintable() and letter != " " for letter in url):
            raise ValueError
    except ValueError:
        raise SettingError(
            "Not an address. Expected such as rtsp://NAME:PASSWORD@HOST:554/stream, in which a "
            "password's / is written as %2F, ? as %3F, # as %23, @ as %40, a space as %20. "
            "Received: one without a valid host and port, or with spaces"
        ) from None
    if parts.scheme.lower() not in SCHEMES or not host:
        raise SettingError(
            f"Expected an address that begins with {', '.join(f'{each}://' for each in SCHEMES)} "
            f"and names a host. Received: {name_of(url)}"
        )


def _connect(url: str, stopping: threading.Event) -> "PatientCapture":
    """A capture whose first frame is grabbed; raises `SourceLost` where there is none."""
    asked = time.monotonic()
    capture = PatientCapture(url, stopping)
    try:
        if not capture.isOpened():
            waited = time.monotonic() - asked >= OPEN_SECONDS
            fault = capture.ask(lambda _: find_fault(url, OPEN_SECONDS, waited))
            raise SourceLost(f"{fault} Received: {name_of(url)}")
        if not capture.grab():
            raise SourceLost(
                f"The address answers, but sends no picture within {STALL_SECONDS:g} seconds. "
                f"Received: {name_of(url)}"
            )
        width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
        height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if width * height > MAX_PIXELS:
            raise SourceLost(
                f"The pictures are too large. Expected at most {MAX_PIXELS // 1_000_000} million "
                f"pixels. Received: {width:.0f} x {height:.0f}, {name_of(url)}"
            )
    except BaseException:
        capture.release()
        raise
    return capture


class Stream:
    """A stream without an end, from a network camera for example.

    Args:
        url: its address.
        capture: it, open, with its first frame grabbed.
        width: most columns of a frame in pixels; a larger picture is made smaller.
        height: most rows of a frame in pixels.
        stopping: ends every wait when it is set.
    """

    skipped = 0

    def __init__(
        self,
        url: str,
        capture: "PatientCapture",
        width: int,
        height: int,
        stopping: threading.Event,
    ):
        self.name = name_of(url)
        self._url, self._size, self._stopping = url, (width, height), stopping
        self._capture: PatientCapture | None = capture
        self._is_grabbed = True

    def read(self) -> np.ndarray:
        """Waits for the next frame; see `source.Source`."""
        if self._capture is None:
            raise SourceLost(f"The stream is not open. Received: {self.name}")
        asked = time.monotonic()
        is_there = self._is_grabbed or self._capture.grab()
        self._is_grabbed = False
        taken, frame = self._capture.retrieve() if is_there else (False, None)
        if not taken:
            stands_still = time.monotonic() - asked >= STALL_SECONDS
            what = "sends no more pictures" if stands_still else "broke off"
            raise SourceLost(f"The stream {what}. Received: {self.name}")
        ratio = min(self._size[0] / frame.shape[1], self._size[1] / frame.shape[0])
        if ratio < 1:
            height, width = (max(1, round(side * ratio)) for side in frame.shape[:2])
            frame = resize(frame, width, height)
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def reopen(self) -> None:
        """Connects again; see `source.Source`."""
        self.close()
        self._capture, self._is_grabbed = _connect(self._url, self._stopping), True

    def close(self) -> None:
        """Hangs up."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()


class WebVideo(Video):
    """A video on a web server: played as a file is, and opened again where it breaks off.

    Args:
        url: its address.
        capture: it, open, with its first frame grabbed.
        width: as for `Video`.
        height: as for `Video`.
        loop: as for `Video`.
        paced: as for `Video`.
        stopping: ends every wait when it is set.
    """

    def __init__(
        self,
        url: str,
        capture: "PatientCapture",
        width: int,
        height: int,
        loop: bool,
        paced: bool,
        stopping: threading.Event,
    ):
        self.name, self.skipped = name_of(url), 0
        self._url, self._stopping = url, stopping
        self._broke_at = -1
        self._begin(capture, width, height, loop, paced)

    def _open(self) -> "PatientCapture":
        return _connect(self._url, self._stopping)

    def _check_end(self) -> None:
        length, rate = (
            self._capture.get(what) for what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS)
        )
        if length - self._count <= max(_MISSING_PART * length, _MISSING_SECONDS * rate):
            return
        if self._count == self._broke_at:
            raise InputError(
                f"The video breaks off after frame {self._count} of {length:.0f} each time. "
                f"Received: {self.name}"
            )
        self._broke_at = self._count
        raise SourceLost(
            f"The video broke off after frame {self._count} of {length:.0f}; it begins again. "
            f"Received: {self.name}"
        )


class PatientCapture:
    """A `cv2.VideoCapture` of an address, in a thread of its own.

    FFmpeg waits for a network for seconds and cannot be interrupted; who waits for it here can be.

    Args:
        url: the address.
        stopping: when it is set every wait ends in `SourceLost`.
    """

    def __init__(self, url: str, stopping: threading.Event):
        self._url, self._stopping = url, stopping
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="portrait stream", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        silence_opencv()
        milliseconds = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * OPEN_SECONDS)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1000 * STALL_SECONDS)),
        ]
        capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, milliseconds)
        while (job := self._jobs.get()) is not None:
            answer, work = job
            try:
                answer.set_result(work(capture))
            except Exception as error:
                answer.set_exception(error)
        capture.release()

    def ask(self, work):
        """What a function of the capture returns, run in its thread.

        Raises:
            SourceLost: the demo ends.
        """
        answer: Future = Future()
        self._jobs.put((answer, work))
        while not wait([answer], _LOOK_SECONDS).done:
            if self._stopping.is_set():
                raise SourceLost(f"The demo ends. Received: {name_of(self._url)}")
        return answer.result()

    def isOpened(self) -> bool:  # noqa: N802
        """As `cv2.VideoCapture.isOpened`."""
        return self.ask(lambda capture: capture.isOpened())

    def grab(self) -> bool:
        """As `cv2.VideoCapture.grab`; False also where no picture came for `STALL_SECONDS`."""
        return self.ask(lambda capture: capture.grab())

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        """As `cv2.VideoCapture.retrieve`."""
        return self.ask(lambda capture: capture.retrieve())

    def get(self, what: int) -> float:
        """As `cv2.VideoCapture.get`."""
        return self.ask(lambda capture: capture.get(what))

    def release(self) -> None:
        """As `cv2.VideoCapture.release`; a wait that cannot be interrupted ends by itself later."""
        self._jobs.put(None)
        self._thread.join(READ_SECONDS)
