"""What callbacks cannot write: one line where it matters, passed over where it does not."""

import os

import keras
import numpy as np
import pytest

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import read_image
from keras_portrait.training import callbacks
from keras_portrait.training.callbacks import samples


@pytest.mark.parametrize("failing", ["__init__", "add_scalar", "flush", "close"])
def test_without_tensorboard_the_training_goes_on(tmp_path, monkeypatch, capsys, failing):
    from tensorboard import summary

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    log = callbacks.TensorBoardLog(tmp_path / "tensorboard", 10)
    with monkeypatch.context() as patch:
        patch.setattr(summary.Writer, failing, fail)
        log.on_train_begin()
        writer = log.writer
        for epoch in range(2):
            log.on_epoch_end(epoch, {"g_adversarial": 0.5})
        log.on_train_end()
    if writer is not None:
        writer.close()
    assert capsys.readouterr().err == (
        "No more files for TensorBoard: [Errno 28] No space left on device\n"
    )


@pytest.mark.parametrize(("seconds", "first"), [(0.0, 1), (1e9, 3)])
def test_the_first_grid_does_not_keep_a_training_of_large_networks_waiting(
    tmp_path, monkeypatch, seconds, first
):
    monkeypatch.setattr(samples, "FIRST_SECONDS", seconds)
    batch = {"photo": np.zeros((3, 8, 8, 3), np.float32)}
    grid = callbacks.SampleGrid(tmp_path, batch)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.visuals = lambda one: {"photo": one["photo"], "drawing": one["photo"][..., :1]}
    grid.set_model(model)
    grid.on_train_begin()
    grid.on_epoch_end(0)
    sizes = [
        read_image(tmp_path / "samples" / f"epoch-000{epoch}.png").shape[:2] for epoch in (0, 1)
    ]
    assert sizes == [(12 * first - 4, 20), (32, 20)]


def test_tensorboard_has_the_losses_at_their_steps(tmp_path, capsys):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = callbacks.TensorBoardLog(tmp_path, 10)
    log.on_train_begin()
    for epoch in range(2):
        log.on_epoch_end(epoch, {"g_adversarial": 0.5 * epoch})
    log.on_train_end()
    events = EventAccumulator(str(tmp_path)).Reload()
    found = [(event.step, event.tensor_proto) for event in events.Tensors("g_adversarial")]
    assert [step for step, _ in found] == [10, 20]
    assert capsys.readouterr().err == ""


def test_a_folder_for_kept_generators_that_cannot_be_made_is_one_line(tmp_path):
    writer = callbacks.CheckpointWriter(tmp_path, 0, 10, 10, 1, callbacks.StopRequest())
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.averaged_generator = model
    writer.set_model(model)
    (tmp_path / "generators").touch()
    with pytest.raises(InputError, match="Cannot make the folder .*Received: .*generators$"):
        writer.on_epoch_end(0)
    assert os.listdir(tmp_path) == ["generators"]
