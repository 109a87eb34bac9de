"""Checkpoints: whole, checked, and never the only copy while they are replaced."""

import os
import subprocess

import keras
import numpy as np
import pytest

from keras_portrait.errors import InputError
from keras_portrait.files import whole_file, write_whole
from keras_portrait.training.checkpoints import (
    KEPT,
    list_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)


def model_of(value):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.set_weights([np.full((2, 2), value), np.full(2, value)])
    return model


def saved(folder, *steps):
    for step in steps:
        save_checkpoint(model_of(step), folder, step)
    return list_checkpoints(folder)


def test_the_newest_are_kept_and_the_last_is_loaded(tmp_path):
    found = saved(tmp_path, 0, 5, 10, 1000)
    assert [checkpoint.step for checkpoint in found] == [10, 1000] and len(found) == KEPT
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        name
        for step in ("00000010", "00001000")
        for name in (f"checkpoint-{step}.weights.h5", f"checkpoint-{step}.weights.h5.sha256")
    ]
    model = model_of(-1)
    assert restore_checkpoint(model, tmp_path) == 1000
    assert np.all(model.get_weights()[0] == 1000)


def test_an_old_one_that_cannot_be_removed_is_passed_over(tmp_path):
    [first] = saved(tmp_path, 1)
    first.path.unlink()
    first.path.mkdir()
    assert [checkpoint.step for checkpoint in saved(tmp_path, 5, 10)] == [1, 5, 10]
    model = model_of(-1)
    assert restore_checkpoint(model, tmp_path) == 10


def test_nothing_to_restore(tmp_path):
    assert restore_checkpoint(model_of(0), tmp_path) == 0
    assert restore_checkpoint(model_of(0), tmp_path / "absent") == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\xff"),
        lambda path: path.with_name(path.name + ".sha256").unlink(),
        lambda path: path.with_name(path.name + ".sha256").write_bytes(b"\xff"),
    ],
)
def test_a_damaged_one_is_refused_and_the_one_before_it_used(tmp_path, damage):
    found = saved(tmp_path, 5, 10)
    damage(found[-1].path)
    model, told = model_of(-1), []
    assert restore_checkpoint(model, tmp_path, told.append) == 5
    assert np.all(model.get_weights()[0] == 5)
    [line] = told
    assert "checkpoint-00000010.weights.h5: expected a whole checkpoint. Received: " in line
    assert "\n" not in line and "the one before it is used" in line


def test_two_damaged_ones_are_an_error(tmp_path):
    for checkpoint in saved(tmp_path, 5, 10):
        checkpoint.path.write_bytes(b"x")
    with pytest.raises(InputError, match="00000005.*expected a whole checkpoint. Received"):
        restore_checkpoint(model_of(0), tmp_path, lambda line: None)


def test_that_of_another_model_is_refused(tmp_path):
    saved(tmp_path, 5)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    with pytest.raises(InputError, match="expected a whole checkpoint. Received"):
        restore_checkpoint(other, tmp_path)


def test_a_failed_save_leaves_the_former_ones(tmp_path):
    saved(tmp_path, 5, 10)
    before = sorted(path.name for path in tmp_path.iterdir())

    class Broken:
        variables = ()

        def save_weights(self, path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"\(No space left on device\). Received: .*00000015"):
        save_checkpoint(Broken(), tmp_path, 15)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert restore_checkpoint(model_of(0), tmp_path) == 10


def test_a_full_disk_is_one_line_and_keeps_the_former_checkpoint(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        saved(disk, 5)
        large = keras.Sequential([keras.Input((400,)), keras.layers.Dense(400)])
        with pytest.raises(InputError, match="Cannot write the file") as error:
            save_checkpoint(large, disk, 10)
        assert "No space left" in str(error.value) and "\n" not in str(error.value)
        assert restore_checkpoint(model_of(0), disk) == 5
        assert len(os.listdir(disk)) == 2
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as part:
        part.write_bytes(b"half")
        _ = 1 / 0
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.json"]
    with pytest.raises(InputError, match="Cannot write the file .*Received: .*none"):
        write_whole(tmp_path / "none" / "a.json", b"")
