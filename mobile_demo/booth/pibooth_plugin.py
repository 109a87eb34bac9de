"""A plugin for pibooth: the pictures that the photo booth takes come out as drawings.

pibooth finds it where both are installed; nothing else imports it. A capture is drawn in a thread
of its own from the moment it is taken, while the countdown to the next one runs. The captures that
pibooth stores in its folder `raw` stay photos. Whatever goes wrong, the photo takes the drawing's
place in the final picture, with a line in pibooth's log.
"""

import io
import logging
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pibooth
from PIL import Image

from keras_portrait.errors import PortraitError, SettingError
from keras_portrait_demo import DEFAULT_PRESET

SECTION = "PORTRAIT"
# Seconds that guests wait for the drawings at most once the last capture is taken.
WAIT_SECONDS = 10
# The rest of a Raspberry Pi's four cores keeps the preview of the countdown smooth.
THREADS = 2

_LOGGER = logging.getLogger("pibooth")


@dataclass(frozen=True)
class Settings:
    """What the section `[PORTRAIT]` of pibooth's configuration says.

    Attributes:
        preset: name of a preset in the package, or the path of a folder that is one.
        style: name, index or mix of styles; None for the preset's first.
        seconds: how long the final picture waits for the drawings.
        threads: CPU threads that draw.
    """

    preset: str
    style: str | None
    seconds: float
    threads: int

    @classmethod
    def read(cls, cfg) -> "Settings":
        """Reads pibooth's configuration.

        Args:
            cfg: pibooth's `PiConfigParser`.

        Raises:
            SettingError: seconds or threads is no number.
        """
        # pibooth's menu writes texts in quotes.
        preset, style = (cfg.get(SECTION, name).strip('"') for name in ("preset", "style"))
        try:
            seconds, threads = cfg.getfloat(SECTION, "seconds"), cfg.getint(SECTION, "threads")
        except ValueError:
            given = ", ".join(cfg.get(SECTION, name) for name in ("seconds", "threads"))
            raise SettingError(f"Seconds and threads must be numbers. Received: {given}") from None
        return cls(os.path.expanduser(preset), style or None, seconds, threads)


class CaptureDrawer:
    """Draws the captures of one sequence after the other, one at a time, in a thread of its own."""

    def __init__(self):
        self._worker: ThreadPoolExecutor | None = None
        # Place of a capture in the camera's buffer -> its drawing.
        self._begun: dict[int, Future] = {}
        # The captures of this sequence with what is shown of them.
        self._shown: list[tuple[Image.Image, Image.Image]] = []

    def load(self, settings: Settings) -> None:
        """Loads the preset, so that the first guests do not wait for it."""
        self._submit(_load, settings)

    def begin(self, camera, settings: Settings) -> None:
        """Starts to draw the newest capture, where that does not disturb the camera.

        Args:
            camera: pibooth's camera, an heir of its `BaseCamera`; keeps its captures undeveloped.
            settings: what to draw with.
        """
        place = len(camera._captures) - 1
        if place < 0 or place in self._begun:
            return
        data = _own_copy(camera._captures[place])
        if data is not None:
            self._begun[place] = self._submit(
                lambda: _draw(camera._post_process_capture(data), settings)
            )

    def show(self, captures: tuple[Image.Image, ...], cfg) -> tuple[Image.Image, ...]:
        """What the final picture shows of captures: drawings, or the capture where there is none.

        Args:
            captures: all of a sequence, in order; or again some of those, for the animation.
            cfg: pibooth's `PiConfigParser`.

        Returns:
            As many pictures of the same sizes.

        Raises:
            SettingError: see `Settings.read`; not a second time for the same captures.
        """
        if not self._knows(captures):
            self._shown = [(capture, capture) for capture in captures]
            pictures = self._wait(captures, Settings.read(cfg))
            self._shown = list(zip(captures, pictures, strict=True))
        shown = {id(capture): picture for capture, picture in self._shown}
        return tuple(shown[id(capture)] for capture in captures)

    def _knows(self, captures: tuple[Image.Image, ...]) -> bool:
        return {id(capture) for capture in captures} <= {id(known) for known, _ in self._shown}

    def reset(self) -> None:
        """Forgets the sequence, whether it came to its end or not."""
        for future in self._begun.values():
            future.cancel()
        self._begun, self._shown = {}, []

    def close(self) -> None:
        """Ends the thread, after the drawing that it is at."""
        self.reset()
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)
            self._worker = None

    def _submit(self, work, *arguments) -> Future:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="portrait")
        return self._worker.submit(work, *arguments)

    def _wait(self, captures: tuple[Image.Image, ...], settings: Settings) -> list[Image.Image]:
        started = time.monotonic()
        futures = [
            self._begun.pop(place, None) or self._submit(_draw, capture, settings)
            for place, capture in enumerate(captures)
        ]
        pictures, reasons = [], []
        for capture, future in zip(captures, futures, strict=True):
            try:
                left = started + settings.seconds - time.monotonic()
                pictures.append(future.result(max(0.0, left)))
            except TimeoutError:
                future.cancel()
                pictures.append(capture)
                reasons.append(f"Not drawn within {settings.seconds:g} seconds.")
            except Exception as error:
                pictures.append(capture)
                reasons.append(_text(error))
        if reasons:
            told = " ".join(dict.fromkeys(reasons))
            _warn(f"{len(reasons)} of {len(captures)} pictures stay photos. {told}")
        _LOGGER.info("Portrait: waited %.1f s for the drawings", time.monotonic() - started)
        return pictures


def _own_copy(capture: tuple) -> tuple | None:
    """What a camera keeps of a capture, in a form that two threads may develop at once.

    None where that would talk to the camera (gphoto2), which is busy with the next preview.
    """
    data, effect = capture
    if isinstance(data, io.BytesIO):
        return io.BytesIO(data.getvalue()), effect
    return capture if isinstance(data, np.ndarray) else None


@lru_cache(maxsize=1)
def _stylizer(preset: str, threads: int):
    # Here, not above, so that pibooth starts even where no runtime is installed.
    from keras_portrait.inference.stylizer import Stylizer

    return Stylizer(preset, threads)


def _draw(capture: Image.Image, settings: Settings) -> Image.Image:
    """Every face of a capture on white paper as large as the capture; runs in the thread."""
    from keras_portrait.inference.imaging import fit_frame

    # As pibooth shows it: it does not turn captures by their EXIF orientation.
    photo = np.asarray(capture.convert("RGB"))
    stylizer = _stylizer(settings.preset, settings.threads)
    drawing = stylizer(photo, style=settings.style, faces="all")
    # Pictures in colour come as a row of squares.
    return Image.fromarray(fit_frame(drawing, photo.shape[1], photo.shape[0]))


def _load(settings: Settings) -> None:
    from keras_portrait.inference.style import style_vector

    try:
        stylizer = _stylizer(settings.preset, settings.threads)
        style_vector(settings.style, stylizer.metadata.styles)
    except Exception as error:
        _warn(_text(error))


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, PortraitError) else f"{type(error).__name__}: {error}"


def _warn(text: str) -> None:
    _LOGGER.warning("Portrait: %s", text.replace("\n", " "))


_drawer = CaptureDrawer()


@pibooth.hookimpl
def pibooth_configure(cfg):
    """Adds the section `[PORTRAIT]` to the configuration and its menu."""
    cfg.add_option(
        SECTION,
        "preset",
        DEFAULT_PRESET,
        "What draws: the name of a preset, or the path of a folder that is one",
        "Preset",
        "",
    )
    cfg.add_option(SECTION, "style", "", "Style of the preset (empty for its first)", "Style", "")
    cfg.add_option(
        SECTION,
        "seconds",
        WAIT_SECONDS,
        "How long to wait for the drawings in seconds; photos are shown instead of those that miss",
        "Longest wait",
        [str(seconds) for seconds in (2, 5, 10, 20, 30, 60)],
    )
    cfg.add_option(
        SECTION,
        "threads",
        THREADS,
        "Processor cores that draw",
        "Processor cores",
        ["1", "2", "3", "4"],
    )


@pibooth.hookimpl
def pibooth_startup(cfg):
    """Loads the preset while the booth starts."""
    try:
        _drawer.load(Settings.read(cfg))
    except Exception as error:
        _warn(_text(error))


@pibooth.hookimpl
def state_wait_enter():
    """Starts over: the sequence before is over, or was broken off."""
    _drawer.reset()


@pibooth.hookimpl
def state_failsafe_enter():
    """Starts over: pibooth drops its captures."""
    _drawer.reset()


@pibooth.hookimpl
def state_capture_exit(cfg, app):
    """Starts to draw the capture just taken."""
    try:
        _drawer.begin(app.camera, Settings.read(cfg))
    except Exception as error:
        # It is tried again, and the reason told, when the final picture is made.
        _LOGGER.debug("Portrait: %s", _text(error))


@pibooth.hookimpl(tryfirst=True)
def pibooth_setup_picture_factory(cfg, factory):
    """Lets the final picture show the drawings.

    The factory itself is changed and none returned, so that other plugins have their turn.
    """
    try:
        factory._images = _drawer.show(factory._images, cfg)
    except Exception as error:
        _warn(_text(error))


@pibooth.hookimpl
def pibooth_cleanup():
    """Ends the thread."""
    _drawer.close()
