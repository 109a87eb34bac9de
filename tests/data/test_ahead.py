import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_portrait.data import batches as module
from keras_portrait.data.batches import Batches
from keras_portrait.data.prefetch import MOST_PROCESSES, batches_ahead, usable_processes
from keras_portrait.errors import InputError
from waiting import wait_until


class Numbered(Batches):
    """Batches that tell their step; the sixth cannot be made."""

    def batch(self, step):
        if step == 6:
            raise InputError("Expected a picture. Received: none")
        time.sleep(0.05 if step % 2 else 0)  # later batches are done before earlier ones
        return {"x": np.random.default_rng((self.seed, step)).normal(size=(2, 3)).astype("f4")}


def test_other_processes_make_the_same_batches_in_order_and_end_with_them():
    before = set(multiprocessing.active_children())
    made = batches_ahead(Numbered(3), 2, processes=2)
    for step in range(2, 6):
        np.testing.assert_array_equal(next(made)["x"], Numbered(3).batch(step)["x"])
    children = set(multiprocessing.active_children()) - before
    with pytest.raises(InputError, match="Received: none"):
        next(made)
    assert len(children) == 2
    for child in children:
        child.join(20)
        assert not child.is_alive()


def test_a_process_that_is_killed_ends_the_batches_in_one_line():
    before = set(multiprocessing.active_children())
    made = batches_ahead(Numbered(3), 7, processes=2)
    next(made)
    (set(multiprocessing.active_children()) - before).pop().kill()
    with pytest.raises(InputError, match="was killed, most often because memory was short"):
        for _ in range(20):
            next(made)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_is_left_to_the_training_and_its_death_ends_all(number):
    code = (
        "import os, signal, time, test_ahead\n"
        "from keras_portrait.data.prefetch import batches_ahead\n"
        "asked = []\n"
        f"signal.signal({number:d}, lambda *_: asked.append(1))\n"
        "made = batches_ahead(test_ahead.Numbered(3), 7, processes=2)\n"
        "next(made)\n"
        f"os.killpg(0, {number:d})\n"
        # As a training does, which goes on to the end of its step.
        "for _ in range(12):\n"
        "    next(made)\n"
        "print(len(asked), flush=True)\n"
        "time.sleep(60)\n"
    )
    training = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said = training.stdout.readline()
    workers = group_of(training)
    training.kill()
    _, err = training.communicate(timeout=60)  # its pipes end with the last process that holds them
    assert said == b"1\n" and b"Traceback" not in err
    assert len(workers) > 2
    wait_until(lambda: not group_of(training), 20)


def group_of(process):
    """Process ids that are left of a process's group."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == process.pid and "Z" not in row[2]]


def test_a_gpu_backend_is_fed_by_several_processes(monkeypatch):
    asked = []

    def ahead(batches, start, processes):
        asked.append((start, processes))
        return (batches.batch(step) for step in itertools.count(start))

    monkeypatch.setattr(module.keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(module, "batches_ahead", ahead)
    monkeypatch.setattr(module, "usable_processes", lambda: 4)
    batches = Numbered(1)
    fed = batches.for_fit(5)
    np.testing.assert_array_equal(next(fed)[0]["x"], batches.batch(5)["x"])
    with pytest.raises(InputError):
        next(fed)
    assert asked == [(5, 4)] and isinstance(batches.failure, InputError)
    monkeypatch.setattr(module, "usable_processes", lambda: 1)
    next(batches.for_fit(0))
    assert len(asked) == 1


def test_half_of_the_cores_make_batches(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert usable_processes() == 3
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert usable_processes() == MOST_PROCESSES
