"""Training killed at moments drawn at random, on a full disk, and in a folder it may not write."""

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.errors import InputError
from keras_portrait.training import callbacks
from keras_portrait.training.checkpoints import (
    list_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from keras_portrait.training.run_page.loss_log import BOOKKEEPING
from mutated_files import small_model
from tiny_training import TINY_PICTURES, state_of


def kill_at_random(method, data, runs, seed, moments):
    """Kills trainings, goes on with each, and holds every end to that of an undisturbed one."""
    script = Path(__file__).parents[1] / "killed_at_random.py"
    command = [sys.executable, str(script), method, str(data), str(runs), str(seed), str(moments)]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == moments
    for moment, row in enumerate(told):
        folder = runs / f"moment-{moment}"
        # What was there once is whole, whatever happened after it.
        assert row["steps"] or not row["started"], row
        assert_same_end(runs / "undisturbed", folder, row["when"])
        assert list(folder.rglob(".part-*")) == [], row
    return told


def assert_same_end(one, two, when):
    """The last checkpoints agree, and the losses of all epochs that one start went through."""
    last = [list_checkpoints(folder)[-1] for folder in (one, two)]
    assert last[0].step == last[1].step, when
    states = [state_of(checkpoint) for checkpoint in last]
    assert states[0].keys() == states[1].keys() and len(states[0]) > 50
    for name, value in states[0].items():
        np.testing.assert_allclose(states[1][name], value, atol=1e-6, err_msg=f"{when}: {name}")
    logs = [losses_of(folder) for folder in (one, two)]
    assert logs[0].keys() == logs[1].keys(), when
    for key, row in logs[0].items():
        if row["steps"] == logs[1][key]["steps"]:  # else the epoch was cut in two
            names = set(row) - set(BOOKKEEPING)
            assert len(names) >= 2
            for name in names:
                np.testing.assert_allclose(logs[1][key][name], row[name], atol=1e-4, err_msg=name)


def losses_of(folder):
    """The rows of `losses.jsonl` by phase and epoch; each is there once."""
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    found = {(row["phase"], row["epoch"]): row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_cartoon_faces(tmp_path_factory.mktemp("faces"), 4, 64)


@pytest.mark.slow
def test_killed_at_two_moments_it_ends_as_if_it_had_not_been(faces, tmp_path):
    kill_at_random("dcgan", faces, tmp_path, seed=1, moments=2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_twenty_moments_it_ends_as_if_it_had_not_been(faces, tmp_path):
    told = kill_at_random("dcgan", faces, tmp_path, seed=2, moments=20)
    # Most were killed; one that came after the last operation was not.
    assert sum(row["status"] == -9 for row in told) >= 15


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_asymmetric_cycle_too(drawn_data, tmp_path):
    kill_at_random("portrait", drawn_data, tmp_path, seed=3, moments=6)


class Watch:
    """Looks on at what is done to the files of a folder; fails one of the operations if asked.

    Python offers every operation to an audit hook before it happens, and hooks stay for good, so
    that there is one for all tests.
    """

    def __init__(self):
        self.look = None
        sys.addaudithook(lambda event, arguments: self.look and self._see(event, arguments))

    def _see(self, event, arguments):
        flags = arguments[2] if event == "open" else 0
        writes = event == "open" and (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event in ("os.rename", "os.remove", "os.mkdir"):
            look, self.look = self.look, None  # looking is no operation
            try:
                look(str(arguments[0]))
            finally:
                self.look = look


@pytest.fixture(scope="module")
def watch():
    watch = Watch()
    yield watch
    watch.look = None


def whole_steps(folder):
    return [each.step for each in list_checkpoints(folder) if is_whole(each)]


def is_whole(checkpoint):
    try:
        digest = checkpoint.digest_path.read_text()
    except OSError:
        return False
    return digest == hashlib.sha256(checkpoint.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("step", [15, 10], ids=["a new one", "the newest again"])
def test_a_checkpoint_is_never_the_only_copy(tmp_path, watch, step):
    for former in (5, 10):
        save_checkpoint(small_model(former), tmp_path, former)
    seen = []
    watch.look = lambda path: seen.append(whole_steps(tmp_path))
    save_checkpoint(small_model(step), tmp_path, step)
    watch.look = None
    assert len(seen) >= 4 and all(seen), seen
    assert whole_steps(tmp_path)[-1] == step


def test_whichever_operation_fails_a_whole_checkpoint_is_left(tmp_path, watch):
    failed = 0
    for operation in range(1, 30):
        folder = tmp_path / str(operation)
        folder.mkdir()
        for former in (5, 10):
            save_checkpoint(small_model(former), folder, former)
        left = [operation]

        def fail(path, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

        watch.look = fail
        try:
            save_checkpoint(small_model(15), folder, 15)
        except InputError as error:
            failed += 1
            assert "No space left on device" in str(error) and "00000015" in str(error)
        finally:
            watch.look = None
        assert whole_steps(folder)[-1] in (10, 15)
        assert restore_checkpoint(small_model(), folder, pytest.fail) in (10, 15)
        if left[0] > 0:
            break
    assert failed >= 3 and left[0] > 0


@contextlib.contextmanager
def mounted(folder, *options):
    """Mounts something at a folder, where this user may."""
    if subprocess.run(["mount", *options, str(folder)], capture_output=True).returncode:
        pytest.skip("this user may not mount")
    try:
        yield folder
    finally:
        # Lazily: TensorFlow holds the file of a failed TensorBoard writer open.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


TINY = [part for setting in TINY_PICTURES["dcgan"] for part in ("-s", setting)]


def train(portrait, faces, run):
    return portrait("train", "dcgan", faces, "--run-dir", run, *TINY)


@pytest.mark.parametrize(
    "place",
    [
        "CheckpointWriter",
        pytest.param("TensorBoardLog", marks=pytest.mark.slow),
        pytest.param("SampleGrid", marks=pytest.mark.slow),
        pytest.param("LossLog", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_one_line_and_the_training_goes_on_later(
    portrait, faces, tmp_path, eager, monkeypatch, place
):
    kind = getattr(callbacks, place)
    former = kind.on_epoch_end
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
        run, ballast = tmp_path / "run", tmp_path / "ballast"

        def fill_and_write(self, epoch, logs=None):
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            former(self, epoch, logs)

        with monkeypatch.context() as patch:
            patch.setattr(kind, "on_epoch_end", fill_and_write)
            code, _, error = train(portrait, faces, run)
        assert code == 2 and "No space left on device" in error
        assert [line for line in error.splitlines() if line.startswith("portrait: ")]
        steps = whole_steps(run)
        assert steps and steps[0] == 0
        ballast.unlink()
        assert train(portrait, faces, run)[0] == 0
        assert whole_steps(run)[-1] == 4


@pytest.mark.slow
def test_a_read_only_run_folder_is_one_line(portrait, faces, tmp_path, eager):
    run = tmp_path / "run"
    assert train(portrait, faces, run)[0] == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with mounted(run, "--bind", str(run)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(run)], check=True)
        code, _, error = train(portrait, faces, run)
    assert code == 2 and "(Read-only file system)" in error and len(error.splitlines()) == 1
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
