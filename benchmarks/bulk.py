"""How fast photos are drawn in bulk, against one process, and the memory of a worker.

    python benchmarks/bulk.py [--photos 60] [--rounds 3] [--side 1024] [--preset portrait] [--ray]

The photos are the packaged example, scaled and told apart by a byte. One process on one thread, one
process on as many threads as `portrait stylize` takes for a folder, one worker and two workers take
turns; the medians of the rounds are printed with their ratio to the first. The time until the
workers are ready is told by itself. The processor's time for a photo hardly depends on what else
runs on the machine; everything else does. Linux only.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image

import keras_portrait
from keras_portrait import Stylizer
from keras_portrait.inference.bulk.drawing import drawing_options
from keras_portrait.inference.bulk.job import draw_in_bulk

EXAMPLE = Path(keras_portrait.__file__).with_name("example.jpg")
PHOTOS = 1_000_000


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=1024, help="of a photo, in pixels")
    parser.add_argument("--preset", default="portrait")
    parser.add_argument("--ray", action="store_true", help="measure the engine ray, too")
    options = parser.parse_args()
    ways = {
        "one process, 1 thread": lambda photos, out: in_one_process(photos, out, options.preset, 1),
        "one process, its usual threads": lambda photos, out: in_one_process(
            photos, out, options.preset, None
        ),
        "local, 1 worker": lambda photos, out: in_bulk(photos, out, options.preset, "local", 1),
        "local, 2 workers": lambda photos, out: in_bulk(photos, out, options.preset, "local", 2),
    }
    if options.ray:
        ways["ray, 2 actors"] = lambda photos, out: in_bulk(photos, out, options.preset, "ray", 2)
    rates, notes = {name: [] for name in ways}, {}
    with tempfile.TemporaryDirectory() as folder:
        photos = write_photos(Path(folder, "in"), options.photos, options.side)
        for turn in range(options.rounds):
            for name, draw in ways.items():
                rate, notes[name] = draw(photos, Path(folder, f"out-{turn}-{name}"))
                rates[name].append(rate)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{options.photos} photos of {options.side} pixels, {options.rounds} rounds, load {load}")
    base = statistics.median(rates["one process, 1 thread"])
    for name, found in rates.items():
        rate = statistics.median(found)
        spread = f"{min(found):.2f} to {max(found):.2f}"
        print(f"{name}: {rate:.2f} photos/s ({spread}), ratio {rate / base:.2f}{notes[name]}")
        print(f"    {PHOTOS:,} photos: {PHOTOS / rate / 3600:.1f} hours")


def write_photos(folder: Path, count: int, side: int) -> Path:
    """Writes photos that differ in a byte that no decoder looks at."""
    folder.mkdir()
    file = io.BytesIO()
    Image.open(EXAMPLE).resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG")
    for index in range(count):
        (folder / f"{index:05d}.jpg").write_bytes(file.getvalue() + index.to_bytes(4, "big"))
    return folder


def in_one_process(photos: Path, out: Path, preset: str, threads: int | None) -> tuple[float, str]:
    """Photos a second of a loop, from bytes to files."""
    import cv2

    cv2.setNumThreads(-1 if threads is None else threads)
    stylizer = Stylizer(preset, threads)
    out.mkdir()
    paths = sorted(photos.iterdir())
    stylizer(paths[0].read_bytes())
    started, processor = time.perf_counter(), processor_seconds([os.getpid()])
    for path in paths:
        (out / f"{path.name}.portrait.png").write_bytes(stylizer(path.read_bytes()))
    processor = (processor_seconds([os.getpid()]) - processor) / len(paths)
    note = f"; {processor:.3f} s of processor a photo"
    return len(paths) / (time.perf_counter() - started), note


def in_bulk(photos: Path, out: Path, preset: str, engine: str, workers: int) -> tuple[float, str]:
    """Photos a second of a job from its first photos to its last, and what else was measured."""
    ends, memory, processor, started = [], {}, [], time.perf_counter()

    def report(photo) -> None:
        ends.append(time.perf_counter())
        children = [child.pid for child in multiprocessing.active_children()]
        processor.append(processor_seconds([os.getpid(), *children]))
        for pid in children:
            for kind, size in memory_of(pid).items():
                memory[kind] = max(memory.get(kind, 0), size)

    options = drawing_options(preset)
    counts = draw_in_bulk(str(photos), str(out), options, engine, report, workers)
    assert counts["drawn"] == counts.total(), counts
    note = f"; first photo after {ends[0] - started:.1f} s"
    if memory:  # not with Ray, whose workers are not ours
        seconds = (processor[-1] - processor[workers - 1]) / (len(ends) - workers)
        note += f"; {seconds:.3f} s of processor a photo"
        note += f"; a worker's memory {memory['Pss']:.0f} MB (PSS), {memory['Rss']:.0f} MB (RSS)"
    return (len(ends) - workers) / (ends[-1] - ends[workers - 1]), note


def processor_seconds(pids: list[int]) -> float:
    """Processor time that processes have used so far."""
    ticks = 0
    for pid in pids:
        # After the name in brackets, utime and stime are the 12th and 13th fields.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> dict[str, float]:
    """Proportional and resident memory of a process in MB, nothing where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines)
    return {row[0][:-1]: int(row[1]) / 1024 for row in rows if row[0] in ("Pss:", "Rss:")}


if __name__ == "__main__":
    main()
