"""What is counted, for Prometheus."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# prometheus_client keeps the numbers of all workers in files there.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Numbers of one service; those of all its workers where there are several."""

    def __init__(self):
        self._registry = CollectorRegistry()
        self._shared = FOLDER_VARIABLE in os.environ
        options = {"registry": self._registry}
        self.requests = Counter(
            "portrait_requests", "Requests that were answered.", ["status"], **options
        )
        self.seconds = Histogram(
            "portrait_drawing_seconds",
            "Seconds from a whole photo to its drawing, with waiting.",
            buckets=_SECONDS,
            **options,
        )
        options["multiprocess_mode"] = "livesum"
        self.waiting = Gauge(
            "portrait_waiting", "Requests that send their photo or wait for their turn.", **options
        )
        self.drawing = Gauge("portrait_drawing", "Drawings that are being made.", **options)

    def text(self) -> bytes:
        """All of it in the text format of Prometheus."""
        if not self._shared:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)

    def close(self) -> None:
        """Takes what this worker does just now out of the sums."""
        if self._shared:
            mark_process_dead(os.getpid())
