"""How fast a machine draws: `portrait-demo --benchmark`."""

import time

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.faces.tracking import Tracker
from keras_portrait_demo import DEFAULT_PRESET
from keras_portrait_demo.drawer import Drawer
from keras_portrait_demo.frame import draw_frame
from keras_portrait_demo.machine import (
    describe_machine,
    package_versions,
    peak_memory_mb,
    runtime_version,
)
from keras_portrait_demo.sources.camera import open_source
from keras_portrait_demo.timing import summarize

# Frames that are drawn and not counted: searches settle, caches fill.
WARM_UP = 5


def measure(
    source: str = "synthetic",
    preset: str = DEFAULT_PRESET,
    style: str | None = None,
    threads: int | None = None,
    width: int = 640,
    height: int = 480,
    frames: int = 100,
    faces: int = 1,
    layout: str = "drawing",
    started: float | None = None,
) -> dict:
    """Draws frames one after the other, as fast as they come, and times every stage.

    Args:
        source: as `open_source` takes it; files are read as fast as they can be.
        preset: as `Drawer` takes it.
        style: as `Drawer` takes it.
        threads: CPU threads to use; None for up to four.
        width: columns of a frame in pixels.
        height: rows of a frame in pixels.
        frames: how many are timed.
        faces: how many are drawn at most.
        layout: what is shown; see `layout.lay_out`.
        started: when the program began to import this, seconds of `time.perf_counter`.

    Returns:
        Figures ready for JSON; times are wall times in milliseconds, None where too little was
        measured. `frames_with_a_face` counts those whose last search saw one.

    Raises:
        PortraitError: a setting, preset or source cannot be used.
    """
    if frames < 1:
        raise SettingError(f"frames must be from 1 up. Received: {frames}")
    imported = time.perf_counter()
    drawer = Drawer(preset, style, threads)
    opened = open_source(source, width, height, loop=True, paced=False)
    try:
        tracker = Tracker(faces=faces, threads=drawer.threads)
        loaded = time.perf_counter()
        first = _draw(0, opened, tracker, drawer, layout)
        drawn = time.perf_counter()
        is_drawn = first[-1] > 0  # without a face no network draws, and there is nothing to time
        before = describe_machine()
        for number in range(WARM_UP):
            _draw(number, opened, tracker, drawer, layout)
        begun = time.perf_counter()
        results = [_draw(number, opened, tracker, drawer, layout) for number in range(frames)]
        seconds = time.perf_counter() - begun
    finally:
        opened.close()
    shape = first[0]
    names = dict.fromkeys(name for _, _, stages, _ in results for name in stages)
    return {
        "preset": drawer.preset,
        "style": drawer.style,
        "source": opened.name,
        "size": [shape[1], shape[0]],
        "frames": frames,
        "frames_with_a_face": sum(found > 0 for _, _, _, found in results),
        "fps": round(frames / seconds, 1),
        "frame_ms": summarize([total for _, total, _, _ in results]),
        "stages": {
            name: summarize([stages[name] for _, _, stages, _ in results if name in stages])
            for name in names
        },
        "start_ms": {
            "import": None if started is None else round(1000 * (imported - started), 1),
            "load": round(1000 * (loaded - imported), 1),
            "first_drawing": round(1000 * (drawn - loaded), 1) if is_drawn else None,
        },
        "peak_memory_mb": peak_memory_mb(),
        "runtime": runtime_version(),
        "threads": drawer.threads,
        "versions": package_versions(),
        "machine": before | {"temperature_c_after": describe_machine()["temperature_c"]},
    }


def _draw(number, source, tracker, drawer, layout) -> tuple:
    """Shape, milliseconds from the frame's arrival, stages and faces seen of one frame."""
    asked = time.perf_counter()
    photo = source.read()
    if photo is None:
        raise InputError(f"The source ended before the benchmark did. Received: {source.name}")
    captured = time.perf_counter()
    result = draw_frame(number, captured, photo, tracker, drawer, layout)
    stages = {"capture": 1000 * (captured - asked), **result.stages}
    return photo.shape, 1000 * (time.perf_counter() - captured), stages, result.found
