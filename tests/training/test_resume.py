"""A training that was broken off, at whatever moment, ends as one that was not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_portrait.errors import InputError
from keras_portrait.models.asymmetric_cycle import edge_cache as stored_edges
from keras_portrait.training import callbacks
from keras_portrait.training import run as training
from keras_portrait.training.checkpoints import list_checkpoints
from tiny_training import plan_of, state_of


@pytest.fixture(scope="module")
def uninterrupted(drawn_data, tmp_path_factory):
    """The run folder of a training that nothing disturbed, in a process of its own."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    run_in_a_process(drawn_data, folder, "never")
    return folder


def run_in_a_process(data, folder, moment, expected=0):
    script = Path(__file__).parents[1] / "killed_training.py"
    command = [sys.executable, str(script), str(data), str(folder), moment]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True)
    assert done.returncode == expected, done.stderr[-3000:]


def assert_same_end(one, two):
    """Networks, optimizers, pools, progress, and their random state are equal."""
    last = [state_of(list_checkpoints(run)[-1]) for run in (one, two)]
    assert last[0].keys() == last[1].keys() and len(last[0]) > 100
    for name, value in last[0].items():
        np.testing.assert_allclose(last[1][name], value, atol=1e-6, err_msg=name)
    steps = [[checkpoint.step for checkpoint in list_checkpoints(run)] for run in (one, two)]
    assert steps[0] == steps[1]


def epochs_in_the_log(folder):
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    return [row["epoch"] for row in rows if row["phase"] == "asymmetric_cycle"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["step 1", "step 4", "step 5", "checkpoint", "sums", "log"])
def test_killed_training_ends_as_if_it_had_not_been(drawn_data, uninterrupted, tmp_path, moment):
    folder = tmp_path / "run"
    run_in_a_process(drawn_data, folder, moment, expected=-signal.SIGKILL)
    assert 6 not in [checkpoint.step for checkpoint in list_checkpoints(folder)]
    run_in_a_process(drawn_data, folder, "never")
    assert_same_end(uninterrupted, folder)
    assert epochs_in_the_log(folder) == [1, 2]
    assert list(folder.rglob(".part-*")) == []  # what the killed process was writing


@pytest.fixture
def stopping(monkeypatch):
    """Sends this process a signal at the end of a step, once."""

    def at(step, number=signal.SIGINT):
        former, sent = callbacks.CheckpointWriter.on_train_batch_end, []

        def send(self, batch, logs=None):
            if self.step + 1 == step and not sent:
                sent.append(step)
                os.kill(os.getpid(), number)
            former(self, batch, logs)

        monkeypatch.setattr(callbacks.CheckpointWriter, "on_train_batch_end", send)

    return at


@pytest.mark.timeout(1200)  # it trains twice, and machines may be busy
@pytest.mark.parametrize(
    ("step", "number"),
    [(1, signal.SIGINT), pytest.param(3, signal.SIGTERM, marks=pytest.mark.slow)],
)
def test_asked_to_stop_it_saves_and_goes_on_later(
    drawn_data, tmp_path, eager, stopping, step, number
):
    whole = training.train(plan_of(drawn_data, tmp_path / "whole"), verbose=0)
    stopping(step, number)
    former = signal.getsignal(signal.SIGINT)
    parts = tmp_path / "parts"
    with pytest.raises(callbacks.TrainingStopped, match=f"after step {step}"):
        training.train(plan_of(drawn_data, parts), verbose=0)
    assert signal.getsignal(signal.SIGINT) is former
    assert list_checkpoints(parts)[-1].step == step
    # At the end of an epoch its log, its pictures and its generator are there, too.
    assert (parts / "generator.keras").exists() == (step == 3)
    assert epochs_in_the_log(parts) == [1] * (step == 3)
    training.train(plan_of(drawn_data, parts), verbose=0)
    assert_same_end(whole, parts)
    assert epochs_in_the_log(parts) == [1, 2]
    rows = [json.loads(line) for line in (parts / "losses.jsonl").read_text().splitlines()]
    assert [row["steps"] for row in rows] == [2, 3 - step % 3, 3]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_step_goes_on_as_if_it_had_not_stopped(drawn_data, tmp_path, light, stopping):
    whole = training.train(plan_of(drawn_data, tmp_path / "whole"), verbose=0)
    stopping(4)
    with pytest.raises(callbacks.TrainingStopped):
        training.train(plan_of(drawn_data, tmp_path / "parts"), verbose=0)
    parts = training.train(plan_of(drawn_data, tmp_path / "parts"), verbose=0)
    assert_same_end(whole, parts)


@pytest.mark.slow
def test_edge_maps_that_were_done_before_a_stop_are_kept(drawn_data, tmp_path, eager, monkeypatch):
    written, write = [], stored_edges.write_image

    def write_and_ask(path, picture):
        write(path, picture)
        written.append(path.name)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(stored_edges, "write_image", write_and_ask)
    settings = ("data.stored_edges=true", "train.epochs=1")
    plan = plan_of(drawn_data, tmp_path / "run", *settings)
    with pytest.raises(callbacks.TrainingStopped, match="stopped before the first step"):
        training.train(plan, verbose=0)
    assert len(written) == 2 and list_checkpoints(tmp_path / "run") == []
    training.train(plan_of(drawn_data, tmp_path / "run", *settings), verbose=0)
    assert sorted(written) == sorted(Path(row.file).name for row in plan.experiment.data.photos)


def test_a_second_request_breaks_off_at_once():
    with callbacks.StopRequest() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_stopped_within_the_warm_start_it_is_done_again(drawn_data, tmp_path, eager, monkeypatch):
    def ask(self, batch, logs=None):
        self.request.asked = True
        stop(self, batch, logs)

    stop = callbacks.StopWhenAsked.on_train_batch_end
    with monkeypatch.context() as patch, pytest.raises(callbacks.TrainingStopped):
        patch.setattr(callbacks.StopWhenAsked, "on_train_batch_end", ask)
        training.train(plan_of(drawn_data, tmp_path / "run"), verbose=0)
    assert list_checkpoints(tmp_path / "run") == []
    folder = training.train(plan_of(drawn_data, tmp_path / "run", "train.epochs=2"), verbose=0)
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["warm start", *["asymmetric_cycle"] * 2]


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over(drawn_data, tmp_path, eager, capsys):
    whole = training.train(plan_of(drawn_data, tmp_path / "run"), verbose=0)
    expected = state_of(list_checkpoints(whole)[-1])
    newest = list_checkpoints(whole)[-1].path
    newest.write_bytes(newest.read_bytes()[:1000])
    training.train(plan_of(drawn_data, whole), verbose=0)
    assert f"{newest}: expected a whole checkpoint" in capsys.readouterr().err
    for name, value in state_of(list_checkpoints(whole)[-1]).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)
    assert epochs_in_the_log(whole) == [1, 2]


@pytest.mark.slow
def test_two_damaged_checkpoints_are_an_error(drawn_data, tmp_path, eager):
    folder = training.train(plan_of(drawn_data, tmp_path / "run"), verbose=0)
    for checkpoint in list_checkpoints(folder):
        checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:1000])
    with pytest.raises(InputError, match="expected a whole checkpoint. Received: a truncated"):
        training.train(plan_of(drawn_data, folder), verbose=0)
