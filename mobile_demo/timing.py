"""Wall times of the stages of a frame, and what they come to over many frames."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

# Seconds after which a rate counts as standing still.
STILL_SECONDS = 2.0
# Frames over which times are summed up.
WINDOW = 120
# Values below which nothing is said of the one that 95 % stay under: it would be the largest.
LEAST_FOR_P95 = 20


class Stages:
    """Wall time of the stages of a frame.

    Attributes:
        ms: milliseconds by name, added up.
    """

    def __init__(self):
        self.ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Adds the time that the block takes to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + 1000 * (time.perf_counter() - started)


@dataclass
class _Frame:
    """When a frame was captured, drawn and displayed, seconds of `time.monotonic`."""

    number: int
    captured: float
    drawn: float
    stages: dict[str, float]
    displayed: float | None = None


class History:
    """The times of the last frames that were drawn; for any number of threads."""

    def __init__(self):
        self._frames: deque[_Frame] = deque(maxlen=WINDOW)
        self._changing = threading.Lock()

    def drawn(self, number: int, captured: float, stages: dict[str, float]) -> None:
        """Notes that a frame has just been drawn.

        Args:
            number: of the frame.
            captured: when it was there, seconds of `time.monotonic`.
            stages: wall time of each stage, milliseconds.
        """
        with self._changing:
            self._frames.append(_Frame(number, captured, time.monotonic(), stages))

    def displayed(self, number: int) -> None:
        """Notes that a frame has just been displayed; of several times the first counts."""
        now = time.monotonic()
        with self._changing:
            frame = next((one for one in reversed(self._frames) if one.number == number), None)
            if frame is not None and frame.displayed is None:
                frame.displayed = now

    @property
    def fps(self) -> float | None:
        """As `rate` of the frames drawn; costs little, so that it may be asked for each frame."""
        with self._changing:
            moments = [frame.drawn for frame in self._frames]
        return rate(moments)

    def summary(self) -> dict:
        """Rate and times, ready for JSON; see `Live.status`."""
        with self._changing:
            frames = list(self._frames)
            displayed = [frame for frame in frames if frame.displayed is not None]
        latencies = [frame.displayed - frame.captured for frame in displayed] or [
            frame.drawn - frame.captured for frame in frames
        ]
        names = dict.fromkeys(name for frame in frames for name in frame.stages)
        return {
            "fps": self.fps,
            "latency_ms": summarize([1000 * latency for latency in latencies]),
            "latency_to": "display" if displayed else "drawing",
            "stages": {
                name: summarize([frame.stages[name] for frame in frames if name in frame.stages])
                for name in names
            },
        }


def summarize(values: list[float]) -> dict[str, float | None]:
    """The median and the value that 95 % stay under, to a hundredth.

    Returns:
        `p50`, None of no values, and `p95`, None of fewer than `LEAST_FOR_P95`.
    """
    median, p95 = np.percentile(values, [50, 95]) if values else (0.0, 0.0)
    return {
        "p50": round(float(median), 2) if values else None,
        "p95": round(float(p95), 2) if len(values) >= LEAST_FOR_P95 else None,
    }


def rate(moments: list[float]) -> float | None:
    """Results a second of late.

    Args:
        moments: when each was there, seconds of `time.monotonic`, oldest first.

    Returns:
        None before there are two; 0 when the last is `STILL_SECONDS` ago and twice as long as
        they usually take.
    """
    if not moments:
        return None
    now = time.monotonic()
    recent = [moment for moment in moments if now - moment < STILL_SECONDS]
    if len(recent) < 2:  # a slow board
        recent = moments[-2:]
    count, since = len(recent) - 1, now - moments[-1]
    usual = (recent[-1] - recent[0]) / max(1, count)
    if since >= max(STILL_SECONDS, 2 * usual):
        return 0.0
    # Where the clock is coarse two may have the same moment.
    if usual == 0:
        return None
    # One that is overdue counts.
    return round(count / (count * usual + (since if since > usual else 0)), 1)
