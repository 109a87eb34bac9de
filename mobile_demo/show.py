"""The live demo with what it is looked at in, from its start to Ctrl-C or SIGTERM."""

import signal
import textwrap
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import cv2
import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.terminal import remark, tell
from keras_portrait_demo import DEFAULT_PRESET
from keras_portrait_demo.booth.booth import FOLDER, Booth
from keras_portrait_demo.booth.button import push_button
from keras_portrait_demo.booth.kept_files import make_writable_folder
from keras_portrait_demo.booth.printing import Printer
from keras_portrait_demo.drawer import Drawer
from keras_portrait_demo.live import Live
from keras_portrait_demo.sources.camera import open_source

_TITLE = "portrait"
_ESCAPE = 27
# Seconds in which the same line is not said again: a bad plug comes and goes all day.
_SAID_SECONDS = 10.0


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
    phone_page: str | None = None,
    record: Path | None = None,
    button: str | None = None,
    countdown: float | None = None,
    print_command: str | None = None,
) -> None:
    """Draws live until it is stopped by a signal, its window is closed, or its file has ended.

    Args:
        source: as `open_source` takes it. Videos start again at their end, but for view
            "none".
        view: "web", "window" or "none".
        preset: as `Drawer` takes it.
        style: as `Drawer` takes it.
        threads: CPU threads to use; None for up to four.
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        faces: how many are drawn at most, the largest first.
        layout: what is shown; see `layout.lay_out`.
        host: name or address that the web view listens on.
        port: port that the web view listens on.
        token: what a visitor of the web view must bring; see `WebView`.
        phone_page: address of the page that visitors draw with on their own phone; see `WebView`.
        record: folder that gets a video of what is shown.
        button: pin of a push button that takes pictures; see `push_button`.
        countdown: seconds before a picture is taken; None for those of `Booth`.
        print_command: prints the pictures; see `Printer`.

    Raises:
        PortraitError: a setting, preset or source cannot be used.
    """
    asked = any(wish is not None for wish in (button, countdown, print_command))
    if asked and view == "none" and button is None:
        raise SettingError("A booth without a view needs --button. Received: --view none")
    printer = None if print_command is None else Printer(print_command)
    with stop_signals() as stopping, ExitStack() as stack:
        drawer = Drawer(preset, style, threads)
        try:
            opened = open_source(source, width, height, loop=view != "none", stopping=stopping)
        except InputError:
            if stopping.is_set():  # which ended the wait for the camera
                return
            raise
        stack.callback(opened.close)
        live = Live(opened, drawer, faces=faces, layout=layout)
        stack.pop_all()  # from here on `live` closes the source
        stack.enter_context(live)
        recorder = None
        if record is not None:
            from keras_portrait_demo.record import Recorder

            recorder = stack.enter_context(Recorder(live, record, is_view=view == "none"))
        booth = None
        if asked or view == "window":
            booth = stack.enter_context(Booth(live, record or FOLDER, countdown, printer))
        if asked:  # who has to know now where no pictures can be kept
            make_writable_folder(record or FOLDER)
        if button is not None:
            stack.enter_context(push_button(button, booth.press))
        if view == "web":
            from keras_portrait_demo.web.server import WebView

            url = stack.enter_context(WebView(live, host, port, token, booth, phone_page)).url
            tell(f"open {url} (Ctrl-C ends)")
        watch = _Watch(live, stopping, recorder)
        if view == "window":
            _show_window(live, watch, booth)
        else:
            while not watch.is_over():
                stopping.wait(0.1)
        stopping.set()  # also where a window was closed: nothing waits for a camera now
        status = live.status()
    if live.failure is not None:
        raise live.failure
    if recorder is not None and recorder.failure is not None:
        raise recorder.failure
    if recorder is not None:
        tell(_summary(recorder))
    tell(f"{status['frames']} frames drawn, {status['dropped']} dropped")


def _summary(recorder) -> str:
    if not recorder.frames:
        return "nothing recorded: no picture came"
    seconds = recorder.frames / recorder.rate
    return f"recorded {recorder.path}: {recorder.frames} frames, {seconds:.1f} s"


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


class _Watch:
    """Says on stderr what goes wrong and that it is well again, and that a recording began."""

    def __init__(self, live: Live, stopping: threading.Event, recorder):
        self._live, self._stopping, self._recorder = live, stopping, recorder
        self._is_recording = False  # whether that was said
        self._last: str | None = None  # what was said last
        self._said: dict[str | None, float] = {}  # what was said of late, and when

    def is_over(self) -> bool:
        """Whether the view has to end: asked to, at the end of the source, or on a failure."""
        error, now = self._live.error, monotonic()
        if self._live.failure is not None:  # which the command says at its end
            return True
        self._said = {line: at for line, at in self._said.items() if now - at < _SAID_SECONDS}
        # What may not be said yet is said later, where it still holds: the last line is true.
        if error != self._last and error not in self._said:
            remark(f"portrait-demo: {error or 'Working again.'}")
            self._last, self._said[error] = error, now
        if self._recorder is not None and self._recorder.frames and not self._is_recording:
            tell(f"recording {self._recorder.path}")
            self._is_recording = True
        if self._recorder is not None and self._recorder.failure is not None:
            return True
        return self._stopping.is_set() or self._live.finished.is_set()


def _show_window(live: Live, watch: _Watch, booth: Booth) -> None:
    """Shows each result in a window; Escape, q or its closing ends, the space bar takes one."""
    try:
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise SettingError(
            "This OpenCV opens no windows: there is no display, or it is opencv-python-headless. "
            "Expected --view web or none. Received: --view window"
        ) from error
    number, view, told = -1, None, None
    while not watch.is_over():
        result = live.wait_newer(number, 0.05)
        if result is not None:
            number, view = result.number, result.view
        count, notice = (booth.status()[name] for name in ("left", "notice"))
        # A picture that stands still must not go on telling how fast it was.
        now = count, notice or live.error or "", live.fps
        if view is not None and (result is not None or now != told):
            count, notice, fps = told = now
            picture = cv2.cvtColor(view, cv2.COLOR_RGB2BGR)
            if fps is not None:
                _write(picture, f"{fps:.1f} FPS", (8, 24))
            lines = textwrap.wrap(notice, picture.shape[1] // 10)
            for row, line in enumerate(reversed(lines)):
                _write(picture, line, (8, picture.shape[0] - 12 - 24 * row))
            if count is not None:
                _write_count(picture, count)
            cv2.imshow(_TITLE, _as_large_as_window(picture))
        key = cv2.waitKey(1) & 0xFF  # the window is painted meanwhile
        if result is not None:
            live.displayed(number)
        if key == ord(" "):
            booth.press()
        if key in (_ESCAPE, ord("q")):
            break
        if number >= 0 and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            break
    cv2.destroyAllWindows()


def _as_large_as_window(picture: np.ndarray) -> np.ndarray:
    """Enlarges a picture to the window, smoothly: the window itself repeats pixels."""
    try:
        _, _, width, height = cv2.getWindowImageRect(_TITLE)
    except cv2.error:  # closed meanwhile
        return picture
    scale = min(width / picture.shape[1], height / picture.shape[0])
    if scale <= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _write(picture: np.ndarray, text: str, corner: tuple[int, int]) -> None:
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (160, 90, 0), 1, cv2.LINE_AA)


def _write_count(picture: np.ndarray, count: int) -> None:
    """Writes a number on a dark disc into the middle of a picture, half as high."""
    height, width = picture.shape[:2]
    side, middle = min(height, width), (width // 2, height // 2)
    dark = cv2.circle(picture.copy(), middle, int(0.36 * side), (0, 0, 0), -1, cv2.LINE_AA)
    cv2.addWeighted(dark, 0.55, picture, 0.45, 0, picture)
    # OpenCV 4 and 5 write in different fonts and measure differently: the ink itself is centred.
    ink = np.zeros((height, width), np.uint8)
    size, stroke = side / 60, max(1, side // 30)
    corner = stroke, height - 2 * stroke
    cv2.putText(ink, str(count), corner, cv2.FONT_HERSHEY_SIMPLEX, size, 255, stroke)
    x, y, across, up = cv2.boundingRect(ink)
    left, top = middle[0] - across // 2, middle[1] - up // 2
    place = picture[top : top + up, left : left + across]
    np.maximum(place, ink[y : y + up, x : x + across, None], out=place)
