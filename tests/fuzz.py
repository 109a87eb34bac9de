"""Throws damaged files at everything that reads files, and counts what comes of it.

Every case runs in a child process that notes which one it is at, so that a crash or a hang names
its case and the next child goes on behind it. What may come of a case: "drawn" (it was drawn or
loaded) or "refused" (a `PortraitError` of one line). Anything else is a fault: another exception,
a crash, more than `LIMIT` seconds of the processor, more than `MEMORY` MiB, or a file outside the
output folder.

    python tests/fuzz.py [--seed N] [KIND=COUNT ...]
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mutated_files
from mutated_pictures import picture_case

LIMIT = 10
# A child that is at one case for so many seconds of the clock hangs, however busy the machine is.
_PATIENCE = 240
# What a case may take in addition to what the process held before it, in MiB.
MEMORY = 2500
# A child has this long until its first case: it imports TensorFlow, and makes the bases.
_START = 120
COUNTS = {
    "preset": 150,
    "model": 100,
    "recipe": 100,
    "data": 100,
    "keras": 100,
    "checkpoint": 100,
    "picture": 1140,
}


@dataclass(frozen=True)
class Result:
    """What came of a case.

    Attributes:
        kind: a key of `COUNTS`.
        index: number of the case, which repeats it with the same seed.
        name: what was damaged, and how.
        outcome: "drawn", "refused", or a fault: "exception", "crash", "hang", "memory", "escape".
        detail: text of the error.
        seconds: how long it took, in time of the processor.
        mebibytes: the most memory that it took beyond what the process held before it.
    """

    kind: str
    index: int
    name: str
    outcome: str
    detail: str = ""
    seconds: float = 0.0
    mebibytes: float = 0.0

    @property
    def fault(self) -> bool:
        return self.outcome not in ("drawn", "refused")


def run_cases(kind: str, indices, seed: int, work: Path, bases: Path) -> list[Result]:
    """Runs cases in child processes, a new one after each crash or hang."""
    left, results = list(indices), []
    while left:
        log = work / f"{kind}.jsonl"
        log.write_text("")
        now = work / f"{kind}.now"
        now.write_text("")
        command = [sys.executable, __file__, "--child", kind, f"--seed={seed}"]
        command += [str(log), str(now), str(work), str(bases), *map(str, left)]
        outcome, errors = _watch(command, now, work)
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        results += [Result(**row) for row in rows]
        left = left[len(rows) :]
        if outcome:
            index, _, name = now.read_text().partition(" ")
            if not index:
                raise RuntimeError(f"The child did not start: {errors}")
            results.append(Result(kind, int(index), name, outcome, errors.strip()[-300:]))
            left = left[1:]
    return results


def _watch(command, now, work):
    """Waits for a child; "" where it ended well, otherwise "hang" or "crash", and its stderr."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    with (work / "stderr").open("w+b") as stderr:
        child = subprocess.Popen(command, stderr=stderr, env=environment)
        seen, since, used = "", time.monotonic(), 0.0
        try:
            while child.poll() is None:
                time.sleep(0.05)
                if (text := now.read_text()) != seen:
                    seen, since, used = text, time.monotonic(), _processor_seconds(child.pid)
                if seen and _processor_seconds(child.pid) - used > 2 * LIMIT:
                    return "hang", ""
                if time.monotonic() - since > (_PATIENCE if seen else _START):
                    return "hang", ""
        finally:
            child.kill()
            child.wait()
        stderr.seek(0)
        errors = stderr.read().decode(errors="replace")
    if child.returncode == 0:
        return "", errors
    names = {number.value: number.name for number in signal.Signals}
    return "crash", f"{names.get(-child.returncode, child.returncode)} {errors}"


def _processor_seconds(process):
    """What a process has used of the processor; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _child(kind, seed, log, now, work, bases, indices):
    """Runs the cases one after the other, each in a folder of its own beside a canary."""
    loaded = _loader(kind, bases)
    if kind != "picture":  # the whole one first: it must pass, and fetches what is imported late
        base = work / "whole"
        shutil.rmtree(base, ignore_errors=True)
        shutil.copytree(bases / kind, base)
        loaded(base)
    with log.open("a") as file:
        for index in indices:
            sandbox = work / "sandbox"
            shutil.rmtree(sandbox, ignore_errors=True)
            name = _set_up(kind, seed, index, sandbox, bases)
            now.write_text(f"{index} {name}")
            before, held = _tree(sandbox), _memory(reset=True)
            start = time.process_time()
            outcome, detail = _try(loaded, sandbox / "case" / (name if kind == "picture" else ""))
            seconds, taken = time.process_time() - start, _memory() - held
            if not {"exception"} & {outcome}:
                if _tree(sandbox) != before or os.path.lexists("/escaped"):
                    outcome = "escape"
                elif seconds > LIMIT:
                    outcome = "hang"
                elif taken > MEMORY:
                    outcome = "memory"
            row = [kind, index, name, outcome, detail, round(seconds, 2), round(taken)]
            row = dict(zip(Result.__dataclass_fields__, row, strict=True))
            file.write(json.dumps(row) + "\n")
            file.flush()


def _set_up(kind, seed, index, sandbox, bases):
    """Makes the case's folder beside an empty output folder and a canary; returns its name."""
    case = sandbox / "case"
    if kind == "picture":
        case.mkdir(parents=True)
        name, data = picture_case(seed, index)
        (case / name).write_bytes(data)
    else:
        shutil.copytree(bases / kind, case)
        name = mutated_files.spoil(kind, case, np.random.default_rng((seed, index)))
    shutil.copy(bases / "canary.png", sandbox)
    (sandbox / "out").mkdir()
    return name


def _try(load, path):
    from keras_portrait.errors import PortraitError

    try:
        load(path)
    except PortraitError as error:
        text = str(error)
        return ("refused" if len(text.splitlines()) == 1 else "exception"), text[:300]
    except Exception as error:
        last = error.__traceback__
        while last.tb_next:
            last = last.tb_next
        place = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
        return "exception", f"{type(error).__name__}: {error} at {place}"[:300]
    return "drawn", ""


def _tree(sandbox):
    """Every file beside the case and the output folder, with its bytes."""
    beside = [path for path in sandbox.iterdir() if path.name not in ("case", "out")]
    beside += sandbox.parent.glob("*escaped*")
    return {path: path.read_bytes() if path.is_file() else None for path in beside}


def _memory(reset=False):
    """The most memory since the last reset, in MiB; 0 where the system does not tell."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0)


def _loader(kind, bases):
    """A function that reads what lies in a case's folder, all of it that a command would read."""
    return {
        "picture": _picture_loader,
        "preset": _preset_loader,
        "model": _preset_loader,
        "recipe": _recipe_loader,
        "data": _data_loader,
        "keras": _keras_loader,
        "checkpoint": _checkpoint_loader,
    }[kind](bases)


def _picture_loader(bases):
    from keras_portrait.errors import InputError
    from keras_portrait.inference.imaging import read_image, write_image
    from keras_portrait.inference.stylizer import Stylizer

    stylizer = Stylizer(bases / "preset", threads=1)

    def load(path):
        photo = read_image(path)
        try:
            drawing = stylizer(photo)
        except InputError as error:
            if "No face found" not in str(error):
                raise
            drawing = stylizer(photo, whole=True)
        write_image(path.parent.parent / "out" / "drawing.png", drawing)

    return load


def _preset_loader(bases):
    from keras_portrait.inference.presets import load_preset

    def load(folder):
        model = folder / "tiny.tflite"
        given = folder if os.path.lexists(folder / "portrait.json") else model
        generator = load_preset(given)
        size, styles = generator.metadata.size, len(generator.metadata.styles)
        square = np.zeros((size, size, 3), np.uint8)
        generator.draw(square, np.full((1, styles), 1 / styles, np.float32))

    return load


def _recipe_loader(bases):
    from keras_portrait.models.load_recipe import load_recipe

    return lambda folder: load_recipe(folder / "recipe.toml")


def _data_loader(bases):
    from keras_portrait.data.folder_options import read_options
    from keras_portrait.data.portraits import PortraitBatches, load_prepared
    from keras_portrait.data.prepare.check import check_prepared
    from keras_portrait.data.prepare.prepared_folder import PreparedFolder
    from keras_portrait.models.load_recipe import load_recipe

    recipe = load_recipe("portrait-cpu", ["data.size=64", "data.batch=2"])
    options = read_options(bases / "data")

    def load(folder):
        check_prepared(folder)
        try:
            PortraitBatches(load_prepared(folder), recipe.data, 0).batch(0)
        finally:
            # What `portrait prepare` does with a folder that it made before, with other options.
            PreparedFolder(folder, options | {"size": 128}).finish([])

    return load


def _keras_loader(bases):
    from keras_portrait.training.saved_generator import load_generator

    def load(folder):
        generator = load_generator(folder)
        generator.draw(np.zeros((64, 64, 3), np.uint8), np.full((1, 2), 0.5, np.float32))

    return load


def _checkpoint_loader(bases):
    from keras_portrait.training.checkpoints import restore_checkpoint

    def load(folder):
        restore_checkpoint(mutated_files.small_model(), folder, lambda line: None)

    return load


def make_bases(folder: Path) -> Path:
    """Writes the whole examples that are damaged, and the canary."""
    from keras_portrait.inference.imaging import write_image

    folder.mkdir()
    mutated_files.write_bases(folder)
    write_image(folder / "canary.png", np.zeros((64, 64, 3), np.uint8))
    return folder


def summary(results: list[Result]) -> list[str]:
    """Counts by kind and outcome, and the slowest and the largest case of each kind."""
    lines = []
    for kind in dict.fromkeys(result.kind for result in results):
        group = [result for result in results if result.kind == kind]
        counts = Counter(result.outcome for result in group)
        slowest = max(group, key=lambda result: result.seconds)
        largest = max(group, key=lambda result: result.mebibytes)
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        lines.append(
            f"{kind}: {len(group)} cases: {told}; slowest {slowest.seconds:.1f} s "
            f"({slowest.index} {slowest.name}), most memory {largest.mebibytes:.0f} MiB "
            f"({largest.index} {largest.name})"
        )
    lines += [f"FAULT {result}" for result in results if result.fault]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", metavar="KIND", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", metavar="KIND=COUNT")
    given = parser.parse_args()
    if given.child:
        paths = [Path(path) for path in given.rest[:4]]
        _child(given.child, given.seed, *paths, [int(index) for index in given.rest[4:]])
        return
    counts = {kind: int(count) for kind, count in (part.split("=") for part in given.rest)}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as work:
        bases = make_bases(Path(work, "bases"))
        results = []
        for kind, count in (counts or COUNTS).items():
            results += run_cases(kind, range(count), given.seed, Path(work), bases)
            print(*summary([each for each in results if each.kind == kind]), sep="\n", flush=True)
    sys.exit(any(result.fault for result in results))


if __name__ == "__main__":
    main()
