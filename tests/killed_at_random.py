"""Trainings that are killed at moments drawn at random, and gone on with. Run by test_kill.py.

Arguments: "dcgan" or "portrait", the data folder, a folder for the runs, a seed, and how many
moments. TensorFlow is imported once; every training is a fork of this process, which does no
computation itself. Every other moment is just before one of the operations that make, move or
remove a file in the run folder, the others are any time between the first of them and the end.

Prints a line of JSON for each moment: `when`, `status` of the killed training, `steps` of the whole
checkpoints that it left, and `started`, whether it had written one.
"""

import hashlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

from keras_portrait.models.asymmetric_cycle import experiment as portrait
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training import run as training
from keras_portrait.training.checkpoints import list_checkpoints
from tiny_training import light_edges, picture_plan_of, plan_of, without_tracing

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def watch_files(folder: Path, at: int, counter: Path) -> None:
    """Kills this process before the operation of number `at` in a folder, counted from 1.

    Their number so far stands in `counter`, as the length of the file.
    """
    count = 0
    note = os.open(counter, os.O_WRONLY | os.O_CREAT)

    def look(event, arguments):
        nonlocal count
        writes = event in _CHANGES or (event == "open" and (arguments[2] or 0) & _WRITING)
        if writes and str(arguments[0]).startswith(str(folder)):
            count += 1
            os.ftruncate(note, count)
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def start(method, data, folder, at=0):
    """Trains in a fork of this process; returns its number."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        watch_files(folder, at, folder.with_suffix(".count"))
        plan = plan_of(data, folder) if method == "portrait" else None
        training.train(plan or picture_plan_of(method, data, folder), verbose=0)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def end(child):
    """Waits for a training; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def whole_checkpoints(folder):
    """Steps of the checkpoints whose SHA-256 is there and right."""
    steps = []
    for checkpoint in list_checkpoints(folder):
        digest = hashlib.sha256(checkpoint.path.read_bytes()).hexdigest()
        if checkpoint.digest_path.is_file() and checkpoint.digest_path.read_text() == digest:
            steps.append(checkpoint.step)
    return steps


def main():
    method, data, runs, seed, moments = sys.argv[1:]
    runs, rng = Path(runs), np.random.default_rng(int(seed))
    patch = pytest.MonkeyPatch()
    without_tracing(patch)
    patch.setattr(portrait, "EdgeDetector", lambda: light_edges)
    patch.setattr(portrait, "PerceptualDistance", lambda: PerceptualDistance(load=False))
    undisturbed = runs / "undisturbed"
    child = start(method, data, undisturbed)
    first = wait_for_files(undisturbed.with_suffix(".count"))
    assert end(child) == 0
    seconds = time.monotonic() - first
    operations = undisturbed.with_suffix(".count").stat().st_size
    for moment in range(int(moments)):
        folder = runs / f"moment-{moment}"
        if moment % 2:
            delay = rng.uniform(0, seconds)
            child, when = start(method, data, folder), f"after {delay:.2f} of {seconds:.2f} s"
            wait_for_files(folder.with_suffix(".count"))
            time.sleep(delay)
            os.kill(child, signal.SIGKILL)
        else:
            at = int(rng.integers(1, operations + 1))
            child, when = start(method, data, folder, at), f"operation {at} of {operations}"
        status, steps = end(child), whole_checkpoints(folder)
        started = any(folder.glob("checkpoint-*.weights.h5"))
        assert end(start(method, data, folder)) == 0, when
        print(json.dumps({"when": when, "status": status, "steps": steps, "started": started}))


def wait_for_files(counter):
    """Waits for a training's first operation in its folder; the time at which it came."""
    begin = time.monotonic()
    while not counter.is_file() or counter.stat().st_size == 0:
        time.sleep(0.002)
        assert time.monotonic() < begin + 60, "the training did not begin"
    return time.monotonic()


if __name__ == "__main__":
    main()
