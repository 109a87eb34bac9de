"""Where drawings are made: so many at once, so many waiting, each within its time."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from keras_portrait.errors import SettingError, nearest
from keras_portrait.inference.filter_presets import is_filter, load_filter
from keras_portrait.inference.filters import FILTERS
from keras_portrait.inference.metadata import NOISE, PresetMetadata, read_metadata
from keras_portrait.inference.presets import find_preset, list_presets
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.serve.metrics import Metrics
from keras_portrait.serve.refusals import QueueFull, Refusal, shortened
from keras_portrait.serve.settings import Settings
from keras_portrait.terminal import picture_warnings

_DEFAULT = "portrait"


class Studio:
    """Draws for requests.

    Args:
        settings: how many at once, and what there is to draw with.
        metrics: counts.
        open_stylizer: makes the stylizer of a preset, given its place and a number of threads.

    Raises:
        SettingError: there is no such preset, two have one name, or one takes noise.
        InputError: a file of a preset is missing or altered.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        open_stylizer: Callable[..., Stylizer] = Stylizer,
    ):
        self.presets = offered_presets(settings.presets)
        self.default = next(iter(self.presets))
        self._settings, self._metrics, self._open = settings, metrics, open_stylizer
        self._places_taken, self._places = 0, settings.at_once + settings.queue
        self._slots = asyncio.Semaphore(settings.at_once)
        self._pool = ThreadPoolExecutor(settings.at_once, "drawing")
        self._stylizers: dict[str, Stylizer] = {}
        self._lock, self._told = threading.Lock(), threading.local()

    def metadata(self, preset: str | None) -> PresetMetadata:
        """What a preset says about itself; the default one's for None.

        Raises:
            Refusal: there is none of that name.
        """
        name = self.default if preset is None else preset
        try:
            return self.presets[name][1]
        except KeyError:
            near = nearest(shortened(name), self.presets)
            raise Refusal(404, f"No such preset. {near}Received: {shortened(name)}") from None

    def stylizer(self, preset: str | None) -> Stylizer:
        """The one stylizer of a preset, which is loaded when it is first asked for."""
        name = self.default if preset is None else preset
        with self._lock:
            if name not in self._stylizers:
                place, _ = self.presets[name]
                self._stylizers[name] = self._open(place, threads=self._settings.threads)
            return self._stylizers[name]

    def load(self) -> None:
        """Loads the presets that were asked for by name, or the default one.

        Raises:
            InputError: a model is not what its preset says, or crashes the runtime.
            MissingExtra: no LiteRT runtime is installed.
        """
        for name in self.presets if self._settings.presets else [self.default]:
            self.stylizer(name)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place among those who send, wait or are drawn.

        Raises:
            QueueFull: all are taken.
        """
        if self._places_taken >= self._places:
            raise QueueFull(self._places)
        self._places_taken += 1
        try:
            yield
        finally:
            self._places_taken -= 1

    async def draw(
        self, make: Callable[[], bytes], is_gone: Callable[[], Awaitable[bool]]
    ) -> tuple[bytes, list[str]]:
        """Runs a function in a thread when it is its turn.

        A thread cannot be stopped: what takes too long is answered, and its slot is free once it
        has ended.

        Args:
            make: what is run.
            is_gone: whether nobody waits for it any more when its turn has come.

        Returns:
            What the function returned, and what was said about the picture meanwhile.

        Raises:
            Refusal: it took too long, or nobody waits for it.
        """
        begun, loop = perf_counter(), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.timeout):
                with self._metrics.waiting.track_inprogress():
                    await self._slots.acquire()
                if await is_gone():
                    self._slots.release()
                    raise Refusal(400, "The client is gone.")
                self._metrics.drawing.inc()
                future = loop.run_in_executor(self._pool, self._listened_to, make)
                future.add_done_callback(self._end_drawing)
                return await asyncio.shield(future)
        except TimeoutError:
            seconds = f"{self._settings.timeout:g}"
            raise Refusal(
                504, f"The drawing took too long. Expected {seconds} s at most."
            ) from None
        finally:
            self._metrics.seconds.observe(perf_counter() - begun)

    def _end_drawing(self, _) -> None:
        self._slots.release()
        self._metrics.drawing.dec()

    def _listened_to(self, make: Callable[[], bytes]) -> tuple[bytes, list[str]]:
        self._told.lines = []
        return make(), self._told.lines

    def _hear(self, text: str) -> None:
        getattr(self._told, "lines", []).append(text)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Loads presets, then hears what is said about pictures, until all is drawn."""
        self.load()
        with picture_warnings(self._hear):
            try:
                yield
            finally:
                self._pool.shutdown()


def offered_presets(given: tuple[str, ...]) -> dict[str, tuple[str, PresetMetadata]]:
    """What requests may name: place and metadata of each preset, by name, the default first.

    Raises:
        SettingError: there is no such preset, two have one name, or one takes noise.
        InputError: a file of a preset is missing or altered.
    """
    filters = tuple(f"filter:{name}" for name in FILTERS)
    offered: dict[str, tuple[str, PresetMetadata]] = {}
    for place in given or (_DEFAULT, *list_presets(), *filters):
        is_ours = is_filter(place)
        metadata = load_filter(place).metadata if is_ours else read_metadata(find_preset(place))
        name = place if is_ours or place in list_presets() else metadata.name
        if metadata.inputs == NOISE:
            if given:
                raise SettingError(
                    "The preset makes pictures out of noise, not of photos. "
                    f"Received: --preset {place}"
                )
            continue
        if name in offered and place != offered[name][0]:
            raise SettingError(
                "Two presets have one name. Expected presets of different names. "
                f"Received: {offered[name][0]} and {place}"
            )
        offered[name] = place, metadata
    return offered
