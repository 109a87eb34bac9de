"""Times model files against each other, and estimates what they take on a Raspberry Pi 4 and 5."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, PortraitError
from keras_portrait.inference.litert.runner import Runner
from keras_portrait_export.benchmark.speed import describe_machine, random_inputs, timed_call
from keras_portrait_export.check import count_delegates
from keras_portrait_export.makers.mobilenet import mobilenet
from keras_portrait_export.report.statistics import ModelStatistics, model_statistics

# Milliseconds of MobileNet v1, 224 px, width 1.0, by its arithmetic.
PI4_MS = {"float": 77.0, "int8": 24.0}
PI4_SOURCE = (
    "README of TensorFlow Lite's XNNPACK delegate, February 2022: Raspberry Pi 4 at 1.5 GHz, "
    "64 bits, all four cores"
)
# How many times as fast a Raspberry Pi 5 is, at least and at most. MobileNet v2, 224 px: 46 ms on
# a Pi 4 (the same README), 10.9 on a Pi 5 (Arm's course "ExecuTorch on Arm"), in float by XNNPACK;
# in int8 17 and 4.0, which lies between. SSD MobileNet v1, 300 px, in TensorFlow Lite: 82.7 ms and
# 16.9 (aallan/benchmarking-ml-on-the-edge).
PI5_TIMES = (46 / 10.9, 82.7 / 16.9)
PI5_SOURCE = (
    "MobileNet v2 by XNNPACK, in the same README and in Arm's course ExecuTorch on Arm, and SSD "
    "MobileNet v1 by TensorFlow Lite, in aallan/benchmarking-ml-on-the-edge"
)
# Rounds at least, whatever the time.
LEAST_ROUNDS = 5
# Arithmetic -> calibration model and its name in the table.
_CALIBRATION = {
    "float": ("fp32", "MobileNet v1, fp32 (calibration)"),
    "int8": ("int8", "MobileNet v1, int8 (calibration)"),
}


@dataclass(frozen=True)
class BenchRow:
    """One model at one number of threads. Times are wall times in milliseconds.

    Attributes:
        name: the path as it was given, or what calibration model it is.
        statistics: what the file holds.
        threads: CPU threads that a call may use.
        delegates: pieces that the runtime's fast kernels took over; 1 is best.
        load_ms: to make it ready for calls, with its bytes in memory.
        median_ms: of the calls.
        p95_ms: what 95 % of the calls stay under.
        best_ms: of the calls.
        times_first: how many times as fast as the first model of the table, by the medians.
        pi4_ms: estimate of the time on a Raspberry Pi 4 with four threads, lowest and highest; None
            without calibration, or where nothing is published to estimate from.
    """

    name: str
    statistics: ModelStatistics
    threads: int
    delegates: int
    load_ms: float
    median_ms: float
    p95_ms: float
    best_ms: float
    times_first: float
    pi4_ms: tuple[float, float] | None

    @property
    def pi5_ms(self) -> tuple[float, float] | None:
        """The same of a Raspberry Pi 5, from `pi4_ms`."""
        if self.pi4_ms is None:
            return None
        least, most = PI5_TIMES
        return self.pi4_ms[0] / most, self.pi4_ms[1] / least


@dataclass(frozen=True)
class BenchTable:
    """Models that were timed in turn.

    Attributes:
        rows: models in the given order, then calibration models, for each number of threads.
        rounds: number of threads -> calls of each model.
        factors: number of threads -> "float" and "int8" -> published time of a Raspberry Pi 4
            divided by the one measured here; empty without calibration.
        machine: from `describe_machine`.
    """

    rows: tuple[BenchRow, ...]
    rounds: dict[int, int]
    factors: dict[int, dict[str, float]]
    machine: dict[str, str | int]


@dataclass
class _Candidate:
    name: str
    model: bytes
    statistics: ModelStatistics
    kind: str = ""  # a key of _CALIBRATION


@dataclass
class _Opened:
    candidate: _Candidate
    runner: Runner
    inputs: dict[str, np.ndarray]
    load_ms: float


def bench(
    paths: Sequence[str | Path],
    threads: Sequence[int] = (1,),
    seconds: float = 20.0,
    calibration: bool = True,
) -> BenchTable:
    """Times models in turn, in one run: other work on the machine slows all of them alike.

    Every round calls each model once, so each finds the caches as the others left them.

    Args:
        paths: `.tflite` files, of this project or not, that take or make pictures of fixed size.
            They get random input.
        threads: numbers of CPU threads to try.
        seconds: how long rounds go on for each of them; there are `LEAST_ROUNDS` at least.
        calibration: whether MobileNet v1 takes its turn too, for estimates of a Raspberry Pi 4.

    Raises:
        InputError: a file cannot be read, is no model, or cannot be run; the text names it.
        MissingExtra: calibration models are not there yet, and TensorFlow is not installed.
    """
    if not paths:
        raise InputError("Expected one model file or more to time. Received: none")
    candidates = [_read(path) for path in paths]
    for candidate in candidates:  # before any of them takes its time
        _open(candidate, 1)
    if calibration:
        candidates += [_calibration(kind) for kind in _CALIBRATION]
    rows, rounds, factors = [], {}, {}
    for count in threads:
        opened = [_open(candidate, count) for candidate in candidates]
        times = _in_turn(opened, seconds)
        rounds[count] = times.shape[1]
        medians = np.median(times, axis=1)
        measured = {one.candidate.kind: ms for one, ms in zip(opened, medians, strict=True)}
        if calibration:
            factors[count] = {kind: float(PI4_MS[kind] / measured[kind]) for kind in _CALIBRATION}
        rows += [
            _row(one, count, own, medians[0], factors.get(count))
            for one, own in zip(opened, times, strict=True)
        ]
    return BenchTable(tuple(rows), rounds, factors, describe_machine())


def _read(path: str | Path) -> _Candidate:
    try:
        model = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read the model file ({error.strerror}). Received: {path}"
        ) from error
    try:
        return _Candidate(str(path), model, model_statistics(model))
    except PortraitError as error:
        raise InputError(f"Cannot time {path}. {error}") from error


def _calibration(kind: str) -> _Candidate:
    mode, name = _CALIBRATION[kind]
    model = mobilenet(mode)
    return _Candidate(name, model, model_statistics(model), kind)


def _open(candidate: _Candidate, threads: int) -> _Opened:
    started = time.perf_counter()
    try:
        runner = Runner(candidate.model, threads)
        load_ms = 1000 * (time.perf_counter() - started)
        _require_pictures(runner)
        opened = _Opened(candidate, runner, random_inputs(runner), load_ms)
        timed_call(runner, opened.inputs)  # the first call takes longer
    except PortraitError as error:
        raise InputError(f"Cannot time {candidate.name}. {error}") from error
    return opened


def _require_pictures(runner: Runner) -> None:
    shapes = [tensor.shape for tensor in (*runner.inputs, *runner.outputs)]
    if not any(len(shape) == 4 for shape in shapes):
        raise InputError(
            "Expected a model that takes or makes pictures, of batch, height, width and channels. "
            f"Received: {', '.join(map(str, shapes))}"
        )


def _in_turn(opened: list[_Opened], seconds: float) -> np.ndarray:
    """Milliseconds (models, rounds)."""
    times = []
    end = time.perf_counter() + seconds
    while len(times) < LEAST_ROUNDS or time.perf_counter() < end:
        times.append([timed_call(one.runner, one.inputs) for one in opened])
    return np.transpose(times)


def _row(opened, threads, times, first_median, factors) -> BenchRow:
    median, p95 = np.percentile(times, [50, 95])
    return BenchRow(
        name=opened.candidate.name,
        statistics=opened.candidate.statistics,
        threads=threads,
        delegates=count_delegates(opened.runner),
        load_ms=opened.load_ms,
        median_ms=float(median),
        p95_ms=float(p95),
        best_ms=float(times.min()),
        times_first=float(first_median / median),
        pi4_ms=estimate_pi4(float(median), opened.candidate.statistics, factors),
    )


def estimate_pi4(
    milliseconds: float, statistics: ModelStatistics, factors: dict[str, float] | None
) -> tuple[float, float] | None:
    """Estimates the time on a Raspberry Pi 4 from the time here.

    Args:
        milliseconds: time here.
        statistics: of the model. Float models are scaled as MobileNet's fp32 form, 8-bit ones as
            its int8 form. Dynamic and mixed models lie in between: nothing is published for
            them, so both factors limit the estimate.
        factors: "float" and "int8" -> time there divided by time here, of MobileNet v1.

    Returns:
        Lowest and highest, milliseconds; None without factors, and for 16-bit activations and
        models without counted operators, of which MobileNet says nothing.
    """
    kinds = set(statistics.macs_by_arithmetic)
    if not factors or not kinds or "int16" in kinds:
        return None
    known = [factors[kind] for kind in kinds] if len(kinds) == 1 and kinds <= set(factors) else None
    limits = known or factors.values()
    return milliseconds * min(limits), milliseconds * max(limits)


def format_table(table: BenchTable) -> str:
    """The table as text, with what it means below."""
    heads = ["model", "kB", "MMAC", "computes in", "delegates", "load ms", "threads"]
    heads += ["median ms", "p95 ms", "best ms", "x first"]
    heads += ["Pi 4 ms, estimate", "Pi 5 ms, estimate"] if table.factors else []
    lines = [heads, *(_cells(row)[: len(heads)] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    machine = ", ".join(
        fact if name in ("processor", "system") else f"{name} {fact}"
        for name, fact in table.machine.items()
    )
    text = [machine, ""]
    for name, *cells in lines:
        padded = map(str.rjust, cells, widths[1:])
        text.append("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    return "\n".join([*text, "", *_remarks(table)])


def _cells(row: BenchRow) -> list[str]:
    kinds = row.statistics.macs_by_arithmetic
    return [
        row.name,
        f"{row.statistics.file_bytes / 1000:.0f}",
        f"{row.statistics.macs / 1e6:.0f}",
        " + ".join(kinds) or "-",
        f"{row.delegates}",
        f"{row.load_ms:.0f}",
        f"{row.threads}",
        *(_short(value) for value in (row.median_ms, row.p95_ms, row.best_ms)),
        f"{row.times_first:.2f}",
        _estimate(row.pi4_ms),
        _estimate(row.pi5_ms),
    ]


def _estimate(limits: tuple[float, float] | None) -> str:
    """Lowest and highest, once where they are the same."""
    return "-" if limits is None else "-".join(dict.fromkeys(map(_short, limits)))


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.2f}" if milliseconds < 10 else f"{milliseconds:.1f}"


def _remarks(table: BenchTable) -> list[str]:
    rounds = ", ".join(f"{count} at {threads}" for threads, count in table.rounds.items())
    remarks = [
        "Wall times of single calls on random input, all models in turn in every round; rounds by "
        f"threads: {rounds}.",
        "MMAC: million multiplications of convolutions and fully connected layers; transposed "
        "convolutions counted at their input positions.",
        "x first: how many times as fast as the first model at the same number of threads.",
    ]
    for threads, factors in table.factors.items():
        remarks.append(
            f"Against this machine at threads {threads}, a Raspberry Pi 4 takes "
            f"{factors['float']:.1f} times as long for MobileNet v1 in fp32 "
            f"({PI4_MS['float']:.0f} ms published) and {factors['int8']:.1f} times in int8 "
            f"({PI4_MS['int8']:.0f} ms published)."
        )
    if table.factors:
        remarks += [
            f"Published: {PI4_SOURCE}.",
            f"A Raspberry Pi 5 is taken as {PI5_TIMES[0]:.1f} to {PI5_TIMES[1]:.1f} times as fast "
            f"as a Raspberry Pi 4: {PI5_SOURCE}.",
            "The times of both are estimates, not measurements: float models by the "
            "first factor, int8 models by the second, dynamic and mixed models between the two. "
            "Networks of other shapes may be well off.",
        ]
    return remarks
