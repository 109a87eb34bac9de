"""Wall times of the stages of a frame, and what they come to over many frames."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

# Seconds after which a rate counts as standing still.
STILL_SECONDS = 2.0


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


def summarize(values: list[float]) -> dict[str, float]:
    """The median and the value that 95 % stay under, to a hundredth; zeros of nothing."""
    median, p95 = np.percentile(values, [50, 95]) if values else (0.0, 0.0)
    return {"p50": round(float(median), 2), "p95": round(float(p95), 2)}


def rate(moments: list[float]) -> float:
    """Results a second of late; 0 when the last is some time ago."""
    now = time.monotonic()
    recent = [moment for moment in moments if now - moment < STILL_SECONDS]
    if len(recent) < 2:
        return 0.0
    return round((len(recent) - 1) / (recent[-1] - recent[0]), 1)
