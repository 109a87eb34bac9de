"""The live picture: one thread takes frames, one draws the newest of them."""

import threading
import time

import numpy as np

from keras_portrait.errors import InputError, PortraitError
from keras_portrait.inference.faces.tracking import Tracker
from keras_portrait.inference.style import check_choice
from keras_portrait.inference.video.source import Source, SourceLost
from keras_portrait_demo.drawer import Drawer
from keras_portrait_demo.frame import Result, draw_frame
from keras_portrait_demo.layout import LAYOUTS, Drawing, lay_out, placeholder
from keras_portrait_demo.machine import runtime_version
from keras_portrait_demo.timing import History

# Seconds between two tries to get a lost source back: they grow from the first to the last, and on
# from where they were for one that was back for no longer than the last.
FIRST_WAIT, LONGEST_WAIT = 0.25, 4.0


class Live:
    """Draws what a source gives, always its newest frame, until it is stopped.

    Frames that come while one is drawn are dropped, all but the newest. A lost camera or stream
    shows in `status` and is tried again and again.

    Args:
        source: what gives frames; it is closed when this stops.
        drawer: what draws them.
        detect_every: faces are looked for in one of so many frames.
        faces: how many are drawn at most, the largest first.
        layout: what is shown at first; see `layout.lay_out`.

    Attributes:
        finished: set when the source has ended and its last frame is drawn, or on a failure.
        failure: what neither a camera nor a user can mend; None where nothing is wrong.

    Raises:
        SettingError: a number is not from 1 up, or there is no such layout.
    """

    def __init__(
        self,
        source: Source,
        drawer: Drawer,
        detect_every: int = 5,
        faces: int = 1,
        layout: str = "drawing",
    ):
        check_choice("layout", layout, LAYOUTS)
        self.finished = threading.Event()
        self.failure: Exception | None = None
        self._source, self._drawer, self._layout = source, drawer, layout
        self._tracker = Tracker(detect_every, faces, drawer.threads)
        self._history = History()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        # Guarded by `_changed`:
        self._frame: tuple[int, float, np.ndarray] | None = None  # taken, and not drawn yet
        self._captured, self._drawn, self._dropped, self._ended = 0, 0, 0, False
        self._latest: Result | None = None
        self._lost: str | None = None  # what is wrong with the source
        # Of the capturing thread alone: the next wait for a lost source, and when it came back.
        self._wait, self._back = FIRST_WAIT, 0.0
        self._error: str | None = None  # what was wrong with the last drawing

    def start(self) -> None:
        """Starts both threads."""
        for work in (self._capture, self._draw):
            thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
            thread.name = f"portrait{work.__name__}"
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Ends both threads and closes the source; may be called twice.

        Args:
            timeout: seconds to wait for them at most.
        """
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if not self._threads:
            self._source.close()

    def __enter__(self) -> "Live":
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def latest(self) -> Result | None:
        """The newest result; None before the first."""
        with self._changed:
            return self._latest

    def wait_newer(self, number: int, timeout: float) -> Result | None:
        """Waits for a result of a later frame.

        Args:
            number: of the last result that was seen; -1 for none.
            timeout: seconds to wait at most.

        Returns:
            The newest result, or None when there was none in time.
        """

        def newer() -> bool:
            return self._latest is not None and self._latest.number > number

        with self._changed:
            self._changed.wait_for(lambda: newer() or self._stopping.is_set(), timeout)
            return self._latest if newer() else None

    def choose(
        self, style: str | None = None, preset: str | None = None, layout: str | None = None
    ) -> None:
        """Changes what the next frame is drawn with.

        Args:
            style: name, index or mix of styles.
            preset: one of `status()["presets"]`.
            layout: one of `layout.LAYOUTS`.

        Raises:
            SettingError: there is no such thing; nothing is changed.
        """
        if layout is not None:
            check_choice("layout", layout, LAYOUTS)
        if style is not None or preset is not None:
            self._drawer.choose(preset, style)
        if layout is not None:
            self._layout = layout

    def displayed(self, number: int) -> None:
        """Says that a view has just handed over the result of this number."""
        self._history.displayed(number)

    @property
    def error(self) -> str | None:
        """What is wrong just now, in one line; None where nothing is wrong."""
        with self._changed:
            return self._lost or self._error

    @property
    def fps(self) -> float | None:
        """Drawings a second of late; None before there are two."""
        return self._history.fps

    def status(self) -> dict:
        """How it goes, ready for JSON: rates, times in milliseconds, choices and errors.

        `latency_ms` is measured from a frame's capture to the moment that the first view handed
        it over: the web view wrote it to a viewer, the window showed it, or, without a view, the
        video got it. While nobody looks it ends when the frame is drawn. `latency_to` says which:
        "display" or "drawing". What is not measured yet is None.

        `frames` were drawn; `dropped` came and were not, here or in the source. Of the newest
        picture, `faces` were drawn, and the last search saw `found` of them. `ended` is told when
        the last frame is drawn.
        """
        with self._changed:
            latest, error = self._latest, self._lost or self._error
            frames, dropped = self._drawn, self._dropped + self._source.skipped
            ended = self._ended and self.finished.is_set()
        drawer = self._drawer
        return {
            **self._history.summary(),
            "frames": frames,
            "dropped": dropped,
            "faces": latest.faces if latest else None,
            "found": latest.found if latest else None,
            "source": self._source.name,
            "preset": drawer.preset,
            "presets": list(drawer.presets),
            "style": drawer.style,
            "styles": list(drawer.styles),
            "layout": self._layout,
            "layouts": list(LAYOUTS),
            "error": error,
            "ended": ended,
            "runtime": runtime_version(),
            "threads": drawer.threads,
        }

    def _guarded(self, work) -> None:
        """Runs a thread's work; what it does not expect ends the whole, and is kept."""
        try:
            work()
        except Exception as error:
            self.failure = error
            with self._changed:
                kind = "" if isinstance(error, PortraitError) else f"{type(error).__name__}: "
                self._error = f"{kind}{error}".splitlines()[0]
            self._stopping.set()
        finally:
            with self._changed:
                self._changed.notify_all()
            if self.failure or work == self._draw:
                self.finished.set()

    def _capture(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    photo = self._source.read()
                except SourceLost as error:
                    self._recover(error)
                    continue
                with self._changed:
                    self._lost = None  # not before: a camera that was opened may give nothing
                    if photo is None:
                        self._ended = True
                    else:
                        self._dropped += self._frame is not None
                        self._frame = self._captured, time.monotonic(), photo
                        self._captured += 1
                    self._changed.notify_all()
                if photo is None:
                    return
        finally:
            self._source.close()

    def _recover(self, error: InputError) -> None:
        """Tries to get the source back, in growing waits, until it is there or this stops."""
        self._show_lost()
        if time.monotonic() - self._back > LONGEST_WAIT:
            self._wait = FIRST_WAIT
        while True:
            with self._changed:
                self._lost = f"Reconnecting. {error}"
            if self._stopping.wait(self._wait):
                return
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            try:
                self._source.reopen()
            except InputError as again:
                error = again
            else:
                self._back = time.monotonic()
                return

    def _show_lost(self) -> None:
        """Puts an empty sheet in the place of the last picture, which is stale."""
        with self._changed:
            self._dropped += self._frame is not None
            self._frame = None
            if self._latest is not None:
                blank = placeholder(*self._latest.photo.shape[:2])
                view = lay_out(self._layout, blank, Drawing(blank, ()))
                # As old as what was captured last: no new picture has come.
                captured = self._latest.captured
                self._latest = Result(self._captured, captured, blank, blank, view, 0, 0, {})
                self._captured += 1
                self._changed.notify_all()

    def _draw(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._frame is not None or self._ended or self._stopping.is_set()
                )
                if self._stopping.is_set() or self._frame is None:
                    return
                (number, captured, photo), self._frame = self._frame, None
            try:
                result = draw_frame(
                    number, captured, photo, self._tracker, self._drawer, self._layout
                )
            except PortraitError as error:
                with self._changed:
                    self._error = str(error)
                    self._dropped += 1
                continue
            self._publish(result)

    def _publish(self, result: Result) -> None:
        with self._changed:
            if self._latest is not None and self._latest.number > result.number:
                self._dropped += 1  # the camera was lost meanwhile
                return
            self._latest, self._error = result, None
            self._drawn += 1
            self._history.drawn(result.number, result.captured, result.stages)
            self._changed.notify_all()
