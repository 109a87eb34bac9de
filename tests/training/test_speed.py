"""What makes trainings faster changes nothing that they learn."""

import json

import keras
import numpy as np
import pytest

from keras_portrait.models.distillation.model import Distillation
from keras_portrait.models.paired.model import Paired
from keras_portrait.training import run as training
from keras_portrait.training.callbacks import CheckpointWriter, StopRequest, state
from keras_portrait.training.checkpoints import list_checkpoints
from keras_portrait.training.distributed import devices
from keras_portrait.training.optimizers import FusedAdam, adam
from tiny_training import plan_of, state_of


def test_adam_in_one_operation_is_keras_adam():
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(3, 2)).astype("float32"), rng.normal(size=4).astype("float32")]
    settings = {"learning_rate": 1e-2, "beta_1": 0.5, "beta_2": 0.999, "epsilon": 1e-8}
    ends = []
    for kind in (FusedAdam, keras.optimizers.Adam):
        weights, optimizer = [keras.Variable(one) for one in start], kind(**settings)
        optimizer.build(weights)
        steps = np.random.default_rng(1)
        for _ in range(5):
            gradients = [keras.ops.convert_to_tensor(steps.normal(size=w.shape)) for w in start]
            optimizer.apply([keras.ops.cast(g, "float32") for g in gradients], weights)
        ends.append([np.asarray(one) for one in (*weights, *optimizer.variables)])
    for own, plain in zip(*ends, strict=True):
        np.testing.assert_allclose(own, plain, rtol=1e-4, atol=1e-6)


def test_its_state_has_the_names_of_before():
    def names(optimizer):
        optimizer.build([keras.Variable(np.zeros(2), name="w")])
        return [variable.path for variable in optimizer.variables]

    assert names(adam(1e-3, 0.5)) == names(keras.optimizers.Adam(1e-3, 0.5, name="adam"))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="torch grows by itself")
@pytest.mark.parametrize("in_use", [False, True])
def test_memory_of_every_gpu_grows(monkeypatch, in_use):
    import tensorflow as tf

    asked = []

    def set_memory_growth(gpu, enable):
        asked.append((gpu, enable))
        if in_use:
            raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind} 0", f"{kind} 1"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", set_memory_growth)
    devices.grow_memory()
    assert asked == [("GPU 0", True), ("GPU 1", True)]


@pytest.mark.parametrize(
    ("at_once", "saved"), [(1, [21, 24, 27]), (2, [22, 24, 28]), (5, [25]), (10, [])]
)
def test_checkpoints_come_at_the_first_step_that_can_be_saved(
    monkeypatch, tmp_path, at_once, saved
):
    steps = []
    monkeypatch.setattr(state, "save_checkpoint", lambda model, folder, step: steps.append(step))
    writer = CheckpointWriter(tmp_path, 20, 10, 3, 1, StopRequest())
    writer.on_epoch_begin(2)
    for last in range(at_once - 1, 10, at_once):
        writer.on_train_batch_end(last)
    assert writer.step == 30 and steps == saved


class Alike:
    steps_are_alike = True


@pytest.mark.parametrize(("asked", "steps", "taken"), [(1, 6, 1), (4, 6, 3), (9, 6, 6), (4, 7, 1)])
def test_an_epoch_is_cut_into_equal_parts(drawn_data, tmp_path, asked, steps, taken):
    plan = plan_of(drawn_data, tmp_path, f"train.steps_per_execution={asked}")
    assert plan.steps_at_once(Alike(), steps) == taken
    assert plan.steps_at_once(Paired, steps) == plan.steps_at_once(Distillation, steps) == 1


def test_how_many_steps_are_taken_at_once_is_no_other_run(drawn_data, tmp_path):
    one, several = (
        plan_of(drawn_data, tmp_path, f"train.steps_per_execution={n}").identity for n in (1, 3)
    )
    assert not several.differences(one.options)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_steps_at_once_are_the_steps_one_by_one(drawn_data, tmp_path, light):
    ends = []
    for count in (1, 3):
        folder = tmp_path / str(count)
        plan = plan_of(drawn_data, folder, f"train.steps_per_execution={count}")
        training.train(plan, verbose=0)
        rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
        samples = sorted(path.name for path in (folder / "samples").glob("epoch-*.png"))
        checkpoint = list_checkpoints(folder)[-1]
        ends.append((checkpoint.step, [row["step"] for row in rows], samples, state_of(checkpoint)))
    assert ends[0][:3] == ends[1][:3]
    for name, value in ends[0][3].items():
        np.testing.assert_allclose(ends[1][3][name], value, atol=1e-6, err_msg=name)
