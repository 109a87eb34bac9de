"""Reads small avatars from shards: peak memory and pictures a second, for growing numbers of them.

Some hundred flat cartoons of 64 pixels are packed again and again under names of their own, 2 kB
of disk for each; then one pass over each of the sets is read and decoded in the shuffled order of
a training, in a process of its own.

    python benchmarks/shards.py --count 10000 --count 100000 --count 1000000
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from keras_portrait.data.manifest import Row
from keras_portrait.data.shards.format import LIST_NAME, ShardList
from keras_portrait.data.shards.reader import ShardFolder
from keras_portrait.data.shards.writer import Sample, write_shard

SIDE, DISTINCT, PER_SHARD = 64, 300, 10_000


def draw_avatar(number: int) -> bytes:
    """A PNG file of flat colours: head, hair, eyes, mouth."""
    rng = np.random.default_rng(number)
    picture = np.full((SIDE, SIDE, 3), rng.integers(150, 256, 3), np.uint8)
    colours = [tuple(map(int, rng.integers(0, 256, 3))) for _ in range(3)]
    across, down = map(int, rng.integers(-5, 6, 2))
    cv2.ellipse(picture, (32 + across, 30 + down), (22, 24), 0, 0, 360, colours[0], -1)
    cv2.ellipse(picture, (32 + across, 36 + down), (17, 20), 0, 0, 360, colours[1], -1)
    for side in (-7, 7):
        cv2.circle(picture, (32 + across + side, 33 + down), 2, colours[2], -1)
    cv2.line(picture, (27 + across, 46 + down), (37 + across, 46 + down), colours[2], 2)
    file = io.BytesIO()
    Image.fromarray(picture).quantize(8).save(file, "PNG", optimize=True)
    return file.getvalue()


def write_avatars(folder: Path, count: int) -> None:
    """Writes a folder of shards with that many avatars."""
    pictures = [draw_avatar(number) for number in range(DISTINCT)]

    def sample(number):
        name = f"avatars/{number:07d}.png"
        row = Row(
            *(name, "avatar", None, name, "train", True, None, None, None, None, SIDE, ""),
        )
        return Sample(row, {"png": pictures[number % DISTINCT]})

    shards = []
    for first in range(0, count, PER_SHARD):
        name = f"avatar-train-{first // PER_SHARD:05d}.tar"
        numbers = range(first, min(first + PER_SHARD, count))
        shards.append(write_shard(folder, name, map(sample, numbers)))
    listed = ShardList(SIDE, False, [], [], shards)
    (folder / LIST_NAME).write_bytes(listed.encode())


def read_pass(folder: Path) -> None:
    """Reads a pass and prints what it took; run in a process of its own."""
    before = peak_memory()
    started, cpu_started = time.perf_counter(), time.process_time()
    rows = ShardFolder(folder).rows("avatar", held=False)
    total = 0
    for number in range(len(rows)):
        row = rows.shuffled(0, number, 1)
        total += int(row.read(folder, row.file)[0, 0, 0])
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(
        f"{len(rows):9,} avatars, {len(rows.shards):3} shards, {size / 1e6:6.0f} MB of disk: "
        f"peak memory {peak_memory():.0f} MB ({before:.0f} MB before), "
        f"{len(rows) / seconds:,.0f} pictures a second ({len(rows) / cpu_seconds:,.0f} a second of "
        f"one core), {rows.reads} shards opened",
        flush=True,
    )
    assert total > 0


def peak_memory() -> float:
    """The most memory that this process had so far, in MB; Linux tells it.

    `getrusage` would tell that of the parent process where it was more.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+([0-9]+) kB", status)[1]) * 1024 / 1e6


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, action="append", help="how many avatars; repeatable")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_pass(options.read)
        return
    for count in options.count or [10_000, 100_000]:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            write_avatars(Path(folder), count)
            print(f"{count:,} packed in {time.perf_counter() - started:.0f} s", flush=True)
            command = [sys.executable, os.path.abspath(__file__), "--read", folder]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
