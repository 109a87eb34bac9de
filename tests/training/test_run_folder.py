"""Run folders: numbered, held by one process at a time, and never mixed with something else."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from keras_portrait.errors import InputError
from keras_portrait.training import run_folder
from keras_portrait.training.run_folder import claim_run, find_run, hold_run, open_run, refuse_held
from keras_portrait.training.run_identity import RunIdentity

HOLD = """
import sys
from pathlib import Path
from keras_portrait.training.run_folder import hold_run
with hold_run(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
OPTIONS = {"recipe": {"seed": 1}}
RUN = RunIdentity(OPTIONS, {})


@pytest.fixture
def holder(tmp_path):
    """A process that holds the folder `run`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def find(runs, options=OPTIONS, finished=lambda folder: False):
    return find_run(RunIdentity(options, {}), finished, "tiny", runs)


def test_a_folder_is_held_by_one_process_and_free_when_that_is_killed(tmp_path, holder):
    folder = tmp_path / "run"
    for refused in (lambda: refuse_held(folder), hold_run(folder).__enter__):
        with pytest.raises(InputError) as error:
            refused()
        assert str(error.value) == (
            "Another process trains in the run folder. Expected to wait for its end, or another "
            f"--run-dir. Received: {folder}, process {holder.pid}"
        )
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    refuse_held(folder)
    with hold_run(folder), pytest.raises(InputError, match=f"process {os.getpid()}$"):
        refuse_held(folder)


def test_looking_for_a_holder_writes_nothing(tmp_path):
    refuse_held(tmp_path / "absent")
    refuse_held(tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_unfinished_run_goes_before_finished_ones_and_those_before_a_new_one(tmp_path):
    def look(*done):
        def finished(folder):
            return folder.name in done

        return find_run(RUN, finished, "tiny", tmp_path, finished_too=True).name

    assert look() == "001-tiny"
    for name in ("001-tiny", "002-tiny", "003-tiny"):
        open_run(tmp_path / name, RUN)
    assert look("001-tiny", "003-tiny") == "002-tiny"
    assert look("001-tiny", "002-tiny", "003-tiny") == "003-tiny"
    assert find(tmp_path, finished=lambda folder: True).name == "004-tiny"


def no_locks(*_):
    raise OSError(37, "No locks available")


@pytest.mark.parametrize("lacking", ["module", "locks of the disk"])
def test_where_there_are_no_locks_it_goes_without(tmp_path, monkeypatch, lacking):
    if lacking == "module":
        monkeypatch.setattr(run_folder, "fcntl", None)
    else:
        monkeypatch.setattr(run_folder.fcntl, "flock", no_locks)
    with hold_run(tmp_path), hold_run(tmp_path):
        refuse_held(tmp_path)


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "novel.txt").touch()
    for refused in (hold_run(tmp_path).__enter__, lambda: open_run(tmp_path, RUN)):
        with pytest.raises(InputError, match="holds something else. Expected.*Received: "):
            refused()
    assert os.listdir(tmp_path) == ["novel.txt"]


def test_what_a_killed_start_leaves_is_nothing_else(tmp_path):
    for name in (".lock", "pictures.json", ".part-17-options.json"):
        (tmp_path / name).write_text("{}")
    with hold_run(tmp_path):
        open_run(tmp_path, RunIdentity(OPTIONS, {"a.png": [1]}))
    assert run_folder.read_pictures(tmp_path) == {"a.png": [1]}
    assert not (tmp_path / ".part-17-options.json").exists()


def test_a_folder_that_another_training_took_is_refused(tmp_path):
    open_run(tmp_path, RUN)
    open_run(tmp_path, RUN)
    with pytest.raises(InputError, match="taken by another.* seed: 1 there, 2 now$"):
        open_run(tmp_path, RunIdentity({"recipe": {"seed": 2}}, {}))
    assert run_folder.read_options(tmp_path) == OPTIONS


def test_numbers_have_three_digits_or_more(tmp_path):
    assert find(tmp_path / "absent").name == "001-tiny"
    for name in ("999-a", "1000-b", "12-c", "x001-d", "2000", "5000"):
        (tmp_path / name).mkdir()
    assert find(tmp_path).name == "1001-tiny"
    open_run(tmp_path / "1000-b", RUN)
    open_run(tmp_path / "1002-b", RUN)
    assert find(tmp_path).name == "1000-b"
    assert find(tmp_path, finished=lambda folder: folder.name == "1000-b").name == "1002-b"
    assert find(tmp_path, options={}).name == "1003-tiny"


def test_starts_at_the_same_moment_take_different_numbers(tmp_path):
    found = find(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: claim_run(found, partial(find, tmp_path)), range(8)))
    assert sorted(folder.name for folder in folders) == [f"00{n}-tiny" for n in range(1, 9)]


def test_a_number_that_was_taken_meanwhile_is_left_to_runs_with_other_options(tmp_path):
    found = find(tmp_path)
    open_run(found, RunIdentity({"recipe": {"seed": 2}}, {}))
    assert claim_run(found, partial(find, tmp_path)).name == "002-tiny"
    open_run(tmp_path / "002-tiny", RUN)
    # The same options began meanwhile: it is their folder, whoever holds it.
    assert claim_run(found, partial(find, tmp_path)).name == "002-tiny"
    assert claim_run(tmp_path / "002-tiny", partial(find, tmp_path)).name == "002-tiny"


def test_a_place_for_runs_that_cannot_be_written_to(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(InputError, match="Cannot make the folder.*Received: .*runs$"):
        claim_run(tmp_path / "runs" / "001-tiny", lambda: None)
    with pytest.raises(InputError, match="Cannot write the run folder.*Received: .*runs$"):
        hold_run(tmp_path / "runs").__enter__()
