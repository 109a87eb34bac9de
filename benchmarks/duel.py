"""Compares what drawings cost: the presets, the filters, and networks of other projects.

    python benchmarks/duel.py [--sizes 512 256] [--modes fp32 dynamic] [--rounds 5]

Prints a Markdown table for each size and writes every figure as JSON. The networks of other
projects have their published shapes and random weights (`rivals.py`): U2-Net, which also draws
portraits, CartoonGAN, white-box cartoonization, and the generator of the paper that this project
follows. The exporter converts all of them as it converts its own, with float and with 8-bit
weights, and the runtime that draws runs them. A preset that ships at another size is converted
again at this one, from its stored weights, which changes neither its form nor its time.

Each has a process of its own, which tells how much memory it took at most, and one thread. All
processes live at once and draw in turn, one at a time, so that other work on the machine slows all
alike. The time is processor time: with one thread it is what passes on a machine that does nothing
else, and what else runs here counts little. Filters draw the aligned example photo; finding the
face is no part of any time.
"""

import argparse
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import cv2
import numpy as np

import keras_portrait
from keras_portrait.inference.filters import FILTERS, draw_filters
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.metadata import INTEGER_MODE, read_metadata
from keras_portrait.inference.presets import find_preset
from keras_portrait_demo.machine import peak_memory_mb
from keras_portrait_export.benchmark.speed import describe_machine, random_inputs
from keras_portrait_export.check import count_delegates
from keras_portrait_export.report.statistics import model_statistics

PRESETS = ("fast", "portrait", "fine")
MODES = ("fp32", "dynamic")
# Whom the others are compared with.
YARDSTICKS = ("fast", "portrait")
# A turn goes on for as many seconds, and for one drawing at least: what fits into the caches is
# timed with its caches filled, as in a film.
TURN = 0.1
# Random pictures that the ranges of 8-bit integers come from: enough to time them.
_CALIBRATION = 4


@dataclass(frozen=True)
class Contestant:
    """Something that draws.

    Attributes:
        name: whose it is.
        form: mode of the export, "filter", or "as shipped" behind the mode.
        source: a `.tflite` file, or "filter:" and the name of a filter.
    """

    name: str
    form: str
    source: str


@dataclass(frozen=True)
class Result:
    """What a contestant costs at one size.

    Attributes:
        name: whose it is.
        form: as in `Contestant`.
        file_mb: megabytes of its file; None for filters, as all counts are.
        macs: multiply-adds of a drawing.
        parameters: numbers in kernels and biases.
        delegates: pieces that the runtime's fast kernels took over; 1 is best.
        memory_mb: the most that its process held, Python and runtime included.
        processor_ms: processor time of each turn.
        wall_ms: wall time of each turn.
    """

    name: str
    form: str
    file_mb: float | None
    macs: int | None
    parameters: int | None
    delegates: int | None
    memory_mb: float
    processor_ms: tuple[float, ...]
    wall_ms: tuple[float, ...]


# ---- the process of one contestant ----


def serve_turns(source: str, square: Path) -> None:
    """Draws once for every line of standard input; the last answer is what it took.

    Args:
        source: as in `Contestant`.
        square: the picture that filters draw, a NumPy file.
    """
    draw, delegates = _open(source, square)
    draw()  # the first drawing takes longer
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(time_turn(draw)), flush=True)
    print(json.dumps({"memory_mb": peak_memory_mb(), "delegates": delegates}), flush=True)


def _open(source: str, square: Path) -> tuple[Callable[[], object], int | None]:
    kind, _, name = source.partition(":")
    if kind == "filter":
        cv2.setNumThreads(1)
        return functools.partial(draw_filters, np.load(square), (name,)), None
    runner = Runner(source)
    return functools.partial(runner, **random_inputs(runner)), count_delegates(runner)


def time_turn(draw: Callable[[], object], seconds: float = TURN) -> tuple[float, float]:
    """Draws for some seconds.

    Returns:
        Medians of a drawing's processor time and of its wall time, milliseconds.
    """
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        processor, wall = time.process_time(), time.perf_counter()
        draw()
        times.append((time.process_time() - processor, time.perf_counter() - wall))
    return tuple(1000 * float(one) for one in np.median(times, axis=0))


# ---- who takes part ----


def write_contestants(
    size: int, folder: Path, presets: list[str], modes: list[str]
) -> list[Contestant]:
    """Writes the model files of one size.

    Args:
        size: side of the drawings in pixels.
        folder: where to.
        presets: names.
        modes: forms of the rivals, of `MODES`.

    Returns:
        Presets, filters, then the rivals.
    """
    ours = [_preset(name, size, folder) for name in presets]
    ours += [Contestant(f"filter `{name}`", "filter", f"filter:{name}") for name in FILTERS]
    return ours + _rivals(size, folder, modes)


def _preset(name: str, size: int, folder: Path) -> Contestant:
    from keras_portrait_export.convert import convert
    from keras_portrait_export.load import open_source

    found = find_preset(name)
    metadata = read_metadata(found)
    if metadata.size == size:
        shipped = found / metadata.file if found.is_dir() else found
        return Contestant(f"`{name}`", f"{metadata.mode}, as shipped", str(shipped))
    trained, examples = open_source(name), []
    if metadata.mode == INTEGER_MODE:
        rng, given = np.random.default_rng(0), np.float32
        for _ in range(_CALIBRATION):
            examples.append({"image": rng.uniform(-1, 1, (1, size, size, 3)).astype(given)})
            if "style" in metadata.inputs:
                examples[-1]["style"] = rng.dirichlet([1] * len(trained.styles), 1).astype(given)
    path = folder / f"{name}-{size}.tflite"
    path.write_bytes(convert(trained, metadata.mode, size, calibration=examples))
    return Contestant(f"`{name}`", metadata.mode, str(path))


def _rivals(size: int, folder: Path, modes: list[str]) -> list[Contestant]:
    import keras
    from rivals import u2net, whitebox

    from keras_portrait.models.cartoongan.networks import cartoon_generator
    from keras_portrait.networks import resnet_generator
    from keras_portrait.training.saved_generator import TrainedGenerator
    from keras_portrait_export.convert import convert

    builders = {
        "U2-Net": u2net,
        "the paper's generator": functools.partial(resnet_generator, 3, 1, styles=3),
        "CartoonGAN": cartoon_generator,
        "white-box cartoonization": whitebox,
    }
    rivals = []
    for name, build in builders.items():
        keras.utils.set_random_seed(0)
        model = build()
        styles = tuple("abc"[: model.inputs[-1].shape[-1]]) if len(model.inputs) > 1 else ("only",)
        trained = TrainedGenerator(model, "", name, "asymmetric_cycle", size, styles)
        for mode in modes:
            path = folder / f"{name}-{mode}-{size}.tflite"
            path.write_bytes(convert(trained, mode))
            rivals.append(Contestant(name, mode, str(path)))
    return rivals


# ---- the duel ----


def duel(contestants: list[Contestant], square: np.ndarray, rounds: int) -> list[Result]:
    """Lets all draw in turn, each in a process of its own.

    Args:
        contestants: who draws.
        square: uint8 (S, S, 3), an aligned face, for the filters.
        rounds: turns of each.

    Returns:
        A result for each.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        picture = Path(folder) / "square.npy"
        np.save(picture, square)
        processes = [_start(one, picture, stack) for one in contestants]
        times = [[_ask(process) for process in processes] for _ in range(rounds)]
        ends = [json.loads(process.communicate()[0]) for process in processes]
    results = []
    for one, end, own in zip(contestants, ends, zip(*times, strict=True), strict=True):
        processor, wall = zip(*own, strict=True)
        end |= _counts(one.source)
        results.append(Result(one.name, one.form, processor_ms=processor, wall_ms=wall, **end))
    return results


def _start(contestant: Contestant, picture: Path, stack: contextlib.ExitStack) -> subprocess.Popen:
    command = [sys.executable, __file__, "--serve", contestant.source, str(picture)]
    process = stack.enter_context(
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    )
    stack.callback(process.kill)
    if process.stdout.readline() != "ready\n":
        sys.exit(f"{contestant.name}, {contestant.form}: cannot draw; see above.")
    return process


def _ask(process: subprocess.Popen) -> tuple[float, float]:
    process.stdin.write("draw\n")
    process.stdin.flush()
    return tuple(json.loads(process.stdout.readline()))


def _counts(source: str) -> dict:
    if source.startswith("filter:"):
        return {"file_mb": None, "macs": None, "parameters": None}
    counted = model_statistics(Path(source).read_bytes())
    return {
        "file_mb": counted.file_bytes / 1e6,
        "macs": counted.macs,
        "parameters": counted.parameters,
    }


def format_results(results: list[Result], size: int) -> str:
    """A Markdown table.

    Args:
        results: of one size.
        size: side of the drawings in pixels.
    """
    medians = {one.name: float(np.median(one.processor_ms)) for one in reversed(results)}
    yardsticks = [name for name in YARDSTICKS if f"`{name}`" in medians]
    heads = [f"{size} px", "form", "file, MB", "parameters, million", "multiply-adds, billion"]
    heads += ["memory, MB", "time, ms", "quartiles"]
    heads += [f"times `{name}`" for name in yardsticks]
    lines = [heads, ["---"] * len(heads)]
    for one in results:
        quarter, median, three = np.percentile(one.processor_ms, (25, 50, 75))
        lines.append(
            [
                one.name,
                one.form,
                _figure(one.file_mb),
                _figure(one.parameters and one.parameters / 1e6),
                _figure(one.macs and one.macs / 1e9),
                f"{one.memory_mb:.0f}",
                _figure(median),
                f"{_figure(quarter)} to {_figure(three)}",
                *(_figure(median / medians[f"`{name}`"]) for name in yardsticks),
            ]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _figure(value: float | None) -> str:
    """Three figures that count, or a dash."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def example_square(size: int) -> np.ndarray:
    """The example photo as filters take it: uint8 (size, size, 3)."""
    from keras_portrait.inference.alignment import prepare_face
    from keras_portrait.inference.faces import find_detector, find_faces, largest_face
    from keras_portrait.inference.imaging import read_image
    from keras_portrait.inference.segmentation import PersonSegmenter

    photo = read_image(Path(keras_portrait.__file__).with_name("example.jpg"))
    face = largest_face(find_faces(photo, find_detector()))
    return prepare_face(photo, face.landmarks, size, PersonSegmenter()).square


def main() -> None:
    """Prints a table for each size and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 256], help="sides in pixels")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument(
        "--modes", nargs="+", choices=MODES, default=MODES, help="forms of the other networks"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--json", type=Path, default=Path("duel.json"), help="file to write")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve_turns(options.serve[0], Path(options.serve[1]))
    from keras_portrait.inference.litert.silence import silent_stderr

    machine, figures = describe_machine(), {}
    print(", ".join(f"{name} {fact}" for name, fact in machine.items()))
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            with silent_stderr():
                contestants = write_contestants(size, Path(folder), options.presets, options.modes)
            results = duel(contestants, example_square(size), options.rounds)
        print(f"\n{format_results(results, size)}", flush=True)
        figures[size] = [asdict(one) for one in results]
    text = json.dumps({"machine": machine, "rounds": options.rounds, "sizes": figures}, indent=1)
    options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
