"""How fast the page of `portrait web` draws in Chromium, beside the demo on the same machine.

    python benchmarks/web.py [--preset fast fine portrait] [--frames 60] [--threads 1]

Writes the page, serves it on loopback and starts its worker in Chromium without a window for each
preset anew: no cache, WebAssembly, no WebGPU. It draws the example photo, and then frames of the
demo's invented camera of 640 x 480 pixels one after the other, from the moment that one is handed
to the worker until its drawing is back. More than one thread needs a page that is isolated from
other origins, which is what this serves then. The demo draws the same frames with as many threads.

Prints JSON. `loaded_mb`: what a first visit loads, and what of it is left where the server packs
it. `first_drawing_ms`: from the start of the worker, of Python from the start of its imports.
`frame_ms`: the median and what 95 % stay under. `agree`: part of the pixels of the photo's drawing
that lie within 2 of 255 of Python's.
"""

import argparse
import json
import sys
import tempfile
import time
import zlib
from pathlib import Path

_STARTED = time.perf_counter()

import numpy as np  # noqa: E402

import keras_portrait  # noqa: E402
from keras_portrait.inference.imaging import read_image, write_image  # noqa: E402
from keras_portrait.inference.stylizer import Stylizer  # noqa: E402
from keras_portrait.web.site import write_site  # noqa: E402
from keras_portrait_demo.bench import WARM_UP, measure  # noqa: E402
from keras_portrait_demo.sources.camera import open_source  # noqa: E402
from keras_portrait_demo.timing import summarize  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from worker_page import WorkerPage, worker_page  # noqa: E402

EXAMPLE = Path(keras_portrait.__file__).with_name("example.jpg")
# The build of the runtime for current browsers, with one thread.
_RUNTIME = "runtime/core/wasm/litert_wasm_internal"


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", nargs="+", default=["fast", "fine", "portrait"])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    imported = 1000 * (time.perf_counter() - _STARTED)
    result = {"imports_ms": round(imported), "presets": {}}
    with tempfile.TemporaryDirectory() as place:
        site = Path(place) / "site"
        files = write_site(site, tuple(options.preset)).files
        _write_frames(site / "frames", options.frames + WARM_UP)
        for preset in options.preset:
            folder = Path(place) / preset
            folder.mkdir()
            with worker_page(site, folder, isolated=options.threads > 1) as page:
                browser = _draw(page, preset, options)
            python = _draw_with_python(preset, options)
            result["presets"][preset] = {
                "loaded_mb": _sizes(site, files, preset),
                "browser": browser,
                "python": python,
            }
    print(json.dumps(vars(options) | result, indent=2))
    return 0


def _write_frames(folder: Path, count: int) -> None:
    folder.mkdir()
    source = open_source("synthetic", 640, 480, loop=True, paced=False)
    for number in range(count):
        write_image(folder / f"{number}.png", source.read())
    source.close()


def _draw(page: WorkerPage, preset: str, options) -> dict:
    loaded = page.ask(type="load", preset=preset, threads=options.threads, accelerator="wasm")
    first = page.ask("example.jpg", type="draw")
    difference = abs(page.drawing().astype(int) - Stylizer(preset)(read_image(EXAMPLE)))
    again = page.ask("example.jpg", type="draw")
    frames = [
        page.ask(f"frames/{number}.png", type="frame") for number in range(options.frames + WARM_UP)
    ][WARM_UP:]
    times = [1000 * frame["seconds"] for frame in frames]
    return {
        "threads": loaded["threads"],
        "load_ms": round(1000 * loaded["seconds"]),
        "first_drawing_ms": round(1000 * (loaded["seconds"] + first["seconds"])),
        "photo_ms": round(1000 * again["seconds"]),
        "agree": round(float((difference <= 2).mean()), 4),
        "frames_with_a_face": sum(frame["faces"] > 0 for frame in frames),
        "fps": round(1000 / float(np.mean(times)), 1),
        "frame_ms": summarize(times),
        "stages": {
            name: summarize([f["milliseconds"][name] for f in frames if name in f["milliseconds"]])
            for name in dict.fromkeys(name for frame in frames for name in frame["milliseconds"])
        },
    }


def _draw_with_python(preset: str, options) -> dict:
    started = time.perf_counter()
    photo, stylizer = read_image(EXAMPLE), Stylizer(preset, options.threads)
    stylizer(photo)
    first, started = time.perf_counter() - started, time.perf_counter()
    stylizer(photo)
    again = time.perf_counter() - started
    figures = measure("synthetic", preset, threads=options.threads, frames=options.frames)
    return {
        "first_drawing_ms": round(1000 * first),
        "photo_ms": round(1000 * again),
        **{name: figures[name] for name in ("frames_with_a_face", "fps", "frame_ms", "stages")},
    }


def _sizes(site: Path, files: dict[str, int], preset: str) -> dict[str, float]:
    """Megabytes of a first visit, as they are and packed."""
    names = [
        name
        for name in files
        if not name.startswith(("runtime/core/wasm/", "models/presets/"))
        or name.startswith((_RUNTIME, f"models/presets/{preset}/"))
    ]
    packed = sum(len(zlib.compress((site / name).read_bytes(), 6)) for name in names)
    return {
        "plain": round(sum(files[name] for name in names) / 1e6, 2),
        "packed": round(packed / 1e6, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
