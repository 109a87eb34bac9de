"""How fast `portrait serve` answers many clients at once, and what memory it costs.

    python benchmarks/serve.py [--requests 5000] [--clients 16] [--preset fast] [--workers 1]

Starts the service on a free port of this machine. Clients in threads of this process post the
example photo again and again, every second time as a form, each on a new connection. They share
the cores with the service, as no client elsewhere would: figures are on the safe side.

Prints JSON: requests a second, the median and the 99th percentile of the time to an answer, in
milliseconds, failures (anything but the drawing, to the bit), and the memory of the service in MB
at twelve moments. Exit code 1 after a failure, or when memory grew by more than 10 MB in the second
half. Linux only.
"""

import argparse
import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from soak import memory, wait_for

import keras_portrait

STEPS = 12  # memory is read so often
MOST_GROWTH = 10.0
PHOTO = Path(keras_portrait.__file__).with_name("example.jpg").read_bytes()
_BOUNDARY = "boundary"
_FORM = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="me.jpg"\r\n\r\n'
).encode() + (PHOTO + f"\r\n--{_BOUNDARY}--\r\n".encode())


def main() -> int:
    """Runs, prints, and says whether the limits held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    command = [sys.executable, "-c", "from keras_portrait.cli import main; main()", "serve"]
    command += ["--port", "0", "--preset", options.preset, "--workers", str(options.workers)]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r":(\d+)/", service.stdout.readline())[1])
        wait_for(f"http://127.0.0.1:{port}/health", service)
        load = Load(port, options.requests)
        result = load.run(options.clients, service)
    finally:
        service.terminate()
        service.wait()
    print(json.dumps(vars(options) | result, indent=2))
    held = result["memory_mb"]
    return int(bool(result["failures"]) or held[-1] - held[len(held) // 2] > MOST_GROWTH)


class Load:
    """Clients that share a number of requests.

    Args:
        port: of the service.
        requests: how many they send together.
    """

    def __init__(self, port: int, requests: int):
        self._port, self._left, self._lock = port, requests, threading.Lock()
        self._requests = requests
        self._seconds: list[float] = []
        self._failures: Counter[str] = Counter()
        self._expected = self._ask(0)

    def run(self, clients: int, service: subprocess.Popen) -> dict:
        """Sends them all; returns the figures."""
        threads = [threading.Thread(target=self._send) for _ in range(clients)]
        begun, held = time.perf_counter(), [_memory(service)]
        for thread in threads:
            thread.start()
        for step in range(1, STEPS):
            while len(self._seconds) < self._requests * step // (STEPS - 1):
                if not any(thread.is_alive() for thread in threads):
                    break
                time.sleep(0.05)
            held.append(_memory(service))
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - begun
        p50, p99 = np.percentile(self._seconds, (50, 99)) * 1000
        return {
            "requests_a_second": round(self._requests / taken, 1),
            "p50_ms": round(p50, 1),
            "p99_ms": round(p99, 1),
            "slowest_ms": round(max(self._seconds) * 1000, 1),
            "failures": dict(self._failures),
            "memory_mb": held,
        }

    def _send(self) -> None:
        while True:
            with self._lock:
                if self._left == 0:
                    return
                self._left -= 1
                number = self._left
            begun = time.perf_counter()
            try:
                failure = None if self._ask(number) == self._expected else "another drawing"
            except (OSError, http.client.HTTPException, RuntimeError) as error:
                failure = str(error) or type(error).__name__
            taken = time.perf_counter() - begun
            with self._lock:
                self._seconds.append(taken)
                if failure is not None:
                    self._failures[failure] += 1

    def _ask(self, number: int) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            kind = f"multipart/form-data; boundary={_BOUNDARY}" if number % 2 else "image/jpeg"
            body = _FORM if number % 2 else PHOTO
            connection.request("POST", "/draw", body, {"Content-Type": kind})
            answer = connection.getresponse()
            data = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status}: {data[:100]!r}")
            return data
        finally:
            connection.close()


def _memory(service: subprocess.Popen) -> float:
    """Resident memory of the service with its workers, in MB."""
    listed = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
    workers = [argparse.Namespace(pid=int(pid)) for pid in listed]
    return round(sum(memory(process) for process in [service, *workers]), 1)


if __name__ == "__main__":
    sys.exit(main())
