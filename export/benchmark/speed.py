"""Times a model file on this machine, and says which machine that is."""

import os
import platform
import re
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.inference.litert.runner import Runner
from keras_portrait_export.check import count_delegates

SEED = 0
# Calls that are timed, after one that is not.
TIMED_RUNS = 30
# What makes figures differ between two machines that have the same processor.
_PACKAGES = ("ai-edge-litert", "tflite-runtime", "tensorflow", "keras", "numpy")
# Files in which Linux says what it runs on, the more telling one first: a Raspberry Pi names
# itself in the first, other machines their processor in the second.
_DESCRIPTIONS = (
    (Path("/proc/device-tree/model"), r"([^\0]+)"),
    (Path("/proc/cpuinfo"), r"model name\s*:\s*(.+)"),
)


@dataclass(frozen=True)
class ThreadSpeed:
    """Wall time of one call.

    Attributes:
        threads: CPU threads that a call may use.
        median_ms: milliseconds.
        p95_ms: milliseconds that 95 % of the calls stay under.
        delegates: pieces that the runtime's fast kernels took over; 1 is best.
    """

    threads: int
    median_ms: float
    p95_ms: float
    delegates: int


@dataclass(frozen=True)
class Speed:
    """How long a model takes on this machine.

    Attributes:
        load_ms: wall time until a model is ready at the first of the thread counts, milliseconds:
            opened and prepared, with the runtime imported and the file in the memory of the disk.
        first_ms: wall time of the first call after that, milliseconds.
        calls: at each number of threads.
        runs: calls that were timed for each.
    """

    load_ms: float
    first_ms: float
    calls: tuple[ThreadSpeed, ...]
    runs: int


def measure_speed(
    path: str | Path, threads: tuple[int, ...] = (1, 2), runs: int = TIMED_RUNS
) -> Speed:
    """Times a model on this machine, on random input.

    Args:
        path: the `.tflite` file.
        threads: numbers of CPU threads to try.
        runs: calls to time for each.

    Raises:
        InputError: the model cannot run, or takes an input that is neither float nor of 8 or 16
            bits.
    """
    Runner(path)  # imports the runtime
    started = time.perf_counter()
    runner = Runner(path, threads[0])
    load_ms = 1000 * (time.perf_counter() - started)
    arrays = random_inputs(runner)
    first_ms = timed_call(runner, arrays)
    calls = []
    for count in threads:
        runner = Runner(path, count)
        timed_call(runner, arrays)
        times = [timed_call(runner, arrays) for _ in range(runs)]
        median, p95 = np.percentile(times, [50, 95])
        calls.append(ThreadSpeed(count, float(median), float(p95), count_delegates(runner)))
    return Speed(load_ms, first_ms, tuple(calls), runs)


def random_inputs(runner: Runner) -> dict[str, np.ndarray]:
    """An array for each input of a model, the same each time: float in [-1, 1], or any integer.

    Raises:
        InputError: an input has an open axis, or is of another type.
    """
    rng = np.random.default_rng(SEED)
    arrays = {}
    for tensor in runner.inputs:
        if -1 in tensor.shape:
            raise InputError(
                f"Expected a model of fixed size. Received: {tensor.name} {tensor.shape}"
            )
        if tensor.dtype == np.float32:
            arrays[tensor.name] = rng.uniform(-1, 1, tensor.shape).astype(np.float32)
        elif tensor.dtype in (np.uint8, np.int8, np.int16):
            limits = np.iinfo(tensor.dtype)
            arrays[tensor.name] = rng.integers(
                limits.min, limits.max, tensor.shape, tensor.dtype, endpoint=True
            )
        else:
            raise InputError(
                "Inputs must be float32, uint8, int8 or int16. "
                f"Received: {tensor.name} {tensor.dtype}"
            )
    return arrays


def timed_call(runner: Runner, arrays: dict[str, np.ndarray]) -> float:
    """Wall time of one call, milliseconds.

    Raises:
        InputError: the model fails.
    """
    started = time.perf_counter()
    try:
        runner(**arrays)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"The model fails when it runs. Received: {reason}") from error
    return 1000 * (time.perf_counter() - started)


def describe_machine() -> dict[str, str | int]:
    """Processor, cores that this process may use, system, and versions of what figures depend on.

    Returns:
        Facts by name; packages that are not installed are left out.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {
        "processor": _processor(),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            facts[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return facts


def _processor() -> str:
    for path, pattern in _DESCRIPTIONS:
        try:
            found = re.search(pattern, path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()
