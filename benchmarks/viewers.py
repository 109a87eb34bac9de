"""How much many viewers of the live page slow the demo down, and what memory they cost it.

    python benchmarks/viewers.py [--viewers 50] [--slow 10] [--seconds 120]

Runs the demo on its invented camera of 25 frames a second, first for `--seconds` without viewers,
then for as long with all of them, of whom the slow ones take 20 kB a second. The camera sets the
rate as long as drawing keeps up, so what is lost was lost to the viewers. They live in one process
of their own, which reads and throws away; it shares the cores with the demo, as no viewer on a
phone would: a figure from one machine is on the safe side. With the rate stands the time of the
processor that the demo takes for a drawing, which other programs on the machine change less.

Prints JSON: frames drawn a second, milliseconds of the processor for each, memory in MB, and frames
that the viewers got. Exit code 1 when the rate fell by more than 10 %, when a quick viewer got
nothing, or when the memory grew by more than 5 MB after the viewers had come. Linux only.
"""

import argparse
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from soak import memory, wait_for

WARM_UP = 10  # seconds until every network, page and buffer has been used
STEPS = 12  # memory is read so often
SLOW_BYTES_A_SECOND = 20_000
MOST_LOSS, MOST_GROWTH = 0.10, 5.0


def main() -> int:
    """Runs, prints, and says whether the limits held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--slow", type=int, default=10, help="how many of the viewers are slow")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--port", type=int, default=8124)
    # How this script calls itself for the process of the viewers.
    parser.add_argument("--only-view", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_view:
        view(options.port, options.viewers - options.slow, options.slow)
        return 0
    address = f"http://127.0.0.1:{options.port}"
    demo = subprocess.Popen(
        [sys.executable, "-m", "keras_portrait_demo", "--source", "synthetic", "--threads", "2"]
        + ["--port", str(options.port)]
    )
    try:
        wait_for(f"{address}/healthz", demo)
        none = _with_viewers(demo, options.port, 0, 0, options.seconds)
        many = _with_viewers(demo, options.port, options.viewers, options.slow, options.seconds)
    finally:
        demo.terminate()
        demo.wait(timeout=30)
    figures = compare(none, many)
    print(json.dumps({"no viewers": none, "all viewers": many, **figures}, indent=2))
    lost = figures["rate_lost"] > MOST_LOSS or not many["least_frames_a_second_of_quick"]
    return int(lost or figures["memory_grew_mb"] > MOST_GROWTH)


def compare(none: dict, many: dict) -> dict[str, float]:
    """What the viewers cost: the part of the rate that is lost, and memory during the run in MB."""
    return {
        "rate_lost": round(1 - many["drawn_a_second"] / none["drawn_a_second"], 3),
        "memory_grew_mb": round(max(many["memory_mb"]) - many["memory_mb"][0], 1),
    }


def _with_viewers(demo, port: int, viewers: int, slow: int, seconds: float) -> dict:
    """Figures of the demo while so many look; see the top of this file."""
    watching = subprocess.Popen(
        [sys.executable, __file__, "--only-view", "--port", str(port)]
        + ["--viewers", str(viewers), "--slow", str(slow)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(WARM_UP)
        status = f"http://127.0.0.1:{port}/status.json"
        frames, busy, started = _frames(status), _busy(demo), time.monotonic()
        resident = [memory(demo)]
        for _ in range(STEPS):
            time.sleep(seconds / STEPS)
            resident.append(memory(demo))
        drawn, busy = _frames(status) - frames, _busy(demo) - busy
        took = time.monotonic() - started
    finally:
        watching.send_signal(signal.SIGTERM)
        seen = json.loads(watching.communicate(timeout=30)[0])
    return {
        "viewers": viewers,
        "slow": slow,
        "drawn_a_second": round(drawn / took, 2),
        "processor_ms_a_drawing": round(1000 * busy / max(1, drawn), 1),
        "memory_mb": [round(value, 1) for value in resident],
        **seen,
    }


def view(port: int, quick: int, slow: int) -> None:
    """Looks until SIGTERM, then prints how many frames the viewers got, for each of them a second.

    Quick viewers take what comes at once; slow ones take `SLOW_BYTES_A_SECOND`, through a small
    buffer, so that the demo's side fills up. One process waits for all of them.
    """
    ends = []
    signal.signal(signal.SIGTERM, lambda *_: ends.append(True))
    watched = {connect(port, is_slow): [0, 0.0] for is_slow in [False] * quick + [True] * slow}
    slow_ones = set(list(watched)[quick:])
    started = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for connection in watched:
            if connection not in slow_ones:
                selector.register(connection, selectors.EVENT_READ)
        while not ends:
            for key, _ in selector.select(0.1):
                if not take(key.fileobj, watched[key.fileobj], 1 << 18):
                    selector.unregister(key.fileobj)
            for connection in slow_ones:
                if time.monotonic() - watched[connection][1] > 0.1:
                    take(connection, watched[connection], SLOW_BYTES_A_SECOND // 10)
    took = time.monotonic() - started
    rates = [counts[0] / took for counts in watched.values()]
    quick_rates, slow_rates = rates[:quick], rates[quick:]
    seen = {"least_frames_a_second_of_quick": min(quick_rates, default=0)}
    seen["most_frames_a_second_of_slow"] = max(slow_rates, default=0)
    print(json.dumps({name: round(value, 2) for name, value in seen.items()}))


def connect(port: int, is_slow: bool) -> socket.socket:
    """Asks for the stream."""
    connection = socket.socket()
    if is_slow:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.connect(("127.0.0.1", port))
    connection.sendall(b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n")
    connection.setblocking(False)
    return connection


def take(connection: socket.socket, counts: list, most: int) -> bool:
    """Reads a little, counts the frames that began in it; False where the demo hung up."""
    try:
        data = connection.recv(most)
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    counts[0] += data.count(b"X-Frame:")
    counts[1] = time.monotonic()
    return bool(data)


def _frames(status: str) -> int:
    return json.load(urllib.request.urlopen(status, timeout=10))["frames"]


def _busy(process) -> float:
    """Seconds of the processor that a process has taken; see proc(5)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
