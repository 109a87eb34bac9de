"""Stands in for the demo's `Live`: pictures on demand, choices written down."""

import threading
import time
from types import SimpleNamespace

import numpy as np

from keras_portrait.errors import SettingError

HEIGHT, WIDTH = 48, 64
STYLES = {"pen-and-ink": 40, "soft": 120, "<b>bold</b>": 200}


class FakeLive:
    """`show()` makes the next frame; `play()` makes one every 40 ms until `stop()`.

    The photo is orange; the drawing is a gray that tells the style, with a black bar that moves
    with the frame's number. What it is told lies in `choices` and `displays`; `facts` are told
    instead of those in `status`.
    """

    def __init__(self, height: int = HEIGHT, width: int = WIDTH):
        self.choices, self.displays = [], []
        self.facts = {}
        self.error = None
        self.ended = False
        self._size = height, width
        self._style, self._preset, self._layout = "soft", "portrait", "drawing"
        self._result = None
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread = None

    def show(self) -> int:
        number = 0 if self._result is None else self._result.number + 1
        height, width = self._size
        photo = np.full((height, width, 3), (255, 128, 0), np.uint8)
        drawing = np.full((height, width, 3), STYLES[self._style], np.uint8)
        drawing[:, number % width] = 0
        both = np.hstack([photo, drawing])
        view = both if self._layout == "side-by-side" else drawing
        result = SimpleNamespace(
            number=number,
            captured=time.monotonic(),
            photo=photo,
            drawing=drawing,
            view=view,
            faces=1,
            found=1,
            stages={"stylize": 12.5},
        )
        with self._changed:
            self._result = result
            self._changed.notify_all()
        return number

    def play(self) -> None:
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _play(self) -> None:
        while not self._ended.wait(0.04):
            self.show()

    def latest(self):
        return self._result

    def wait_newer(self, number: int, timeout: float):
        with self._changed:
            self._changed.wait_for(
                lambda: self._result is not None and self._result.number > number, timeout
            )
            newer = self._result
        return newer if newer is not None and newer.number > number else None

    def displayed(self, number: int) -> None:
        self.displays.append(number)

    def choose(self, style=None, preset=None, layout=None) -> None:
        if style is not None and style not in STYLES:
            raise SettingError(f"There is no such style. Received: {style}")
        self.choices.append({"style": style, "preset": preset, "layout": layout})
        self._style = style or self._style
        self._preset = preset or self._preset
        self._layout = layout or self._layout

    def status(self) -> dict:
        return {
            "fps": 24.96,
            "latency_ms": {"p50": 41.2, "p95": 55.0},
            "latency_to": "display",
            "stages": {
                "detect": {"p50": 3.1, "p95": 4.0},
                "align": {"p50": 0.4, "p95": 0.6},
                "stylize": {"p50": 12.5, "p95": 15.25},
                "paste": {"p50": 1.2, "p95": None},
            },
            "frames": 0 if self._result is None else self._result.number + 1,
            "dropped": 3,
            "faces": 1,
            "found": 1,
            "source": "usb:0 640x480",
            "preset": self._preset,
            "presets": ["portrait", "avatars"],
            "style": self._style,
            "styles": list(STYLES),
            "layout": self._layout,
            "layouts": ["drawing", "side-by-side", "overlay"],
            "error": self.error,
            "ended": self.ended,
            "runtime": "ai-edge-litert 2.1",
            "threads": 2,
            **self.facts,
        }
