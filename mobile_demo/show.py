"""The live demo with what it is looked at in, from its start to Ctrl-C or SIGTERM."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2

from keras_portrait.errors import SettingError

from . import DEFAULT_PRESET
from .camera import open_source
from .drawer import Drawer
from .live import Live

VIEWS = ("web", "window", "none")
_TITLE = "portrait"
_ESCAPE = 27


def show_live(
    source: str,
    view: str = "web",
    preset: str = DEFAULT_PRESET,
    style: str | None = None,
    threads: int | None = None,
    width: int = 640,
    height: int = 480,
    faces: int = 1,
    layout: str = "drawing",
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    record: Path | None = None,
) -> None:
    """Draws live until it is stopped by a signal, its window is closed, or its file has ended.

    Args:
        source: as `camera.open_source` takes it. Videos start again at their end, but for view
            "none".
        view: "web", "window" or "none".
        preset: as `Drawer` takes it.
        style: as `Drawer` takes it.
        threads: CPU threads to use; None for up to four.
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        faces: how many are drawn at most, the largest first.
        layout: what is shown; see `paper.lay_out`.
        host: name or address that the web view listens on.
        port: port that the web view listens on.
        token: what a visitor of the web view must bring; see `WebView`.
        record: folder that gets a video of what is shown.

    Raises:
        PortraitError: a setting, preset or source cannot be used.
    """
    with stop_signals() as stopping, ExitStack() as stack:
        drawer = Drawer(preset, style, threads)
        opened = open_source(source, width, height, loop=view != "none")
        stack.callback(opened.close)
        live = Live(opened, drawer, faces=faces, layout=layout)
        stack.pop_all()  # from here on `live` closes the source
        stack.enter_context(live)
        recorder = None
        if record is not None:
            from .record import Recorder

            recorder = stack.enter_context(Recorder(live, record))
            print(f"recording {recorder.path}", flush=True)
        if view == "web":
            from .web import WebView

            url = stack.enter_context(WebView(live, host, port, token)).url
            print(f"open {url} (Ctrl-C ends)", flush=True)
        if view == "window":
            _show_window(live, stopping)
        else:
            _wait(live, stopping, recorder)
        status = live.status()
    if live.failure is not None:
        raise live.failure
    if recorder is not None and recorder.failure is not None:
        raise recorder.failure
    print(f"{status['frames']} frames drawn, {status['dropped']} dropped")


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, the first time; a second one ends the process."""
    stopping = threading.Event()
    before = {}

    def stop(number, frame):
        stopping.set()
        signal.signal(number, before[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(live: Live, stopping: threading.Event, recorder) -> None:
    while not (stopping.wait(0.1) or live.finished.is_set()):
        if recorder is not None and recorder.failure is not None:
            return


def _show_window(live: Live, stopping: threading.Event) -> None:
    """Shows each result in a window; Escape, q or its closing ends."""
    try:
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise SettingError(
            "This OpenCV opens no windows: there is no display, or it is opencv-python-headless. "
            "Expected --view web or none. Received: --view window"
        ) from error
    number = -1
    while not (stopping.is_set() or live.finished.is_set()):
        result = live.wait_newer(number, 0.05)
        if result is not None:
            number = result.number
            picture = cv2.cvtColor(result.view, cv2.COLOR_RGB2BGR)
            text = f"{live.status()['fps']:.1f} FPS"
            cv2.putText(picture, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (160, 90, 0), 1)
            cv2.imshow(_TITLE, picture)
        if cv2.waitKey(1) & 0xFF in (_ESCAPE, ord("q")):
            break
        if number >= 0 and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            break
    cv2.destroyAllWindows()
