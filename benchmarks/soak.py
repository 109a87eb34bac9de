"""Runs the live demo for minutes with viewers, and watches its memory.

    python benchmarks/soak.py [--minutes 10] [--viewers 2] [--source synthetic]

Prints the held memory of the demo every half minute, how far it moved after the warm-up, the
frames drawn, its threads, and how long it took to end after SIGTERM. Exit code 1 when memory grew
by more than 5 MB or the end took more than 2 s. Linux only.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

WARM_UP = 30  # seconds until every network, page and buffer has been used
STEP = 30
MOST_GROWTH, MOST_SECONDS = 5.0, 2.0


def main() -> int:
    """Runs, prints, and says whether the limits held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--viewers", type=int, default=2)
    parser.add_argument("--source", default="synthetic")
    parser.add_argument("--port", type=int, default=8123)
    options = parser.parse_args()
    address = f"http://127.0.0.1:{options.port}"
    demo = subprocess.Popen(
        [sys.executable, "-m", "keras_portrait_demo", "--source", options.source]
        + ["--port", str(options.port), "--threads", "2"]
    )
    try:
        wait_for(f"{address}/healthz", demo)
        for _ in range(options.viewers):
            threading.Thread(target=_view, args=(f"{address}/stream.mjpg",), daemon=True).start()
        time.sleep(WARM_UP)
        held, end = [memory(demo)], time.monotonic() + options.minutes * 60
        while time.monotonic() < end:
            time.sleep(STEP)
            held.append(memory(demo))
            status = json.load(urllib.request.urlopen(f"{address}/status.json", timeout=10))
            print(f"{held[-1]:.1f} MB  {status['frames']} frames", flush=True)
        threads = len(list(Path(f"/proc/{demo.pid}/task").iterdir()))
        started = time.monotonic()
        demo.send_signal(signal.SIGTERM)
        demo.wait(timeout=30)
        seconds = time.monotonic() - started
    finally:
        demo.kill()
    growth = max(held) - held[0]
    print(f"{held[0]:.1f} MB after the warm-up, at most {growth:.1f} MB more, {threads} threads")
    print(f"ended {seconds:.2f} s after SIGTERM with code {demo.returncode}")
    return int(growth > MOST_GROWTH or seconds > MOST_SECONDS)


def wait_for(address, demo):
    """Waits until an address answers well."""
    for _ in range(600):
        try:
            return urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            if demo.poll() is not None:
                sys.exit("The demo ended before it began.")
            time.sleep(0.1)
    sys.exit(f"No answer from {address}.")


def _view(address):
    """Reads the live pictures as a browser does, until the demo ends."""
    with urllib.request.urlopen(address, timeout=30) as stream:
        while stream.read(65536):
            pass


def memory(process) -> float:
    """Resident memory in MB."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
