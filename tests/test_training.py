"""From invented faces to a run folder, at toy size, and on after an interruption."""

import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from keras_portrait import callbacks, run_folder, training
from keras_portrait.config import load_recipe
from keras_portrait.data.drawn_faces import write_drawn_faces
from keras_portrait.data.pipeline import PortraitBatches, load_prepared
from keras_portrait.data.prepare import prepare
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.imaging import read_image
from keras_portrait.models.base import AdversarialModel
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance
from keras_portrait.settings import DataSettings

TINY = [
    *("data.size=64", "network.filters=2", "network.blocks=1", "network.discriminator_filters=2"),
    *("network.inverse_filters=2", "network.inverse_blocks=1", "network.part_filters=2"),
    *("train.epochs=2", "train.steps_per_epoch=2", "train.pool=2", "train.warm_start_steps=2"),
    *("train.precision=float32", "loss.anchor=1"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_drawn_faces(folder, 4)
    prepare(folder / "photos", folder / "drawings", folder / "data", size=64, holdout=0.0)
    return folder / "data"


@pytest.fixture
def light(monkeypatch):
    """Random weights in the frozen networks, so that nothing large is read."""
    monkeypatch.setattr(training, "EdgeDetector", lambda: EdgeDetector(load=False))
    monkeypatch.setattr(training, "PerceptualDistance", lambda: PerceptualDistance(load=False))


@pytest.fixture
def eager(light, monkeypatch):
    """Steps without tracing: faster where only a few are taken."""
    compile_model = AdversarialModel.compile

    def compile_eagerly(self, **optimizers):
        compile_model(self, **optimizers)
        self.run_eagerly = True

    monkeypatch.setattr(AdversarialModel, "compile", compile_eagerly)


def plan_of(data, folder, *overrides):
    recipe = load_recipe("portrait-cpu", [*TINY, *overrides])
    return training.make_plan(recipe, "tiny", data, folder)


def state_of(checkpoint):
    """Every array of a checkpoint by its name."""
    arrays = {}
    with h5py.File(checkpoint, "r") as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]} if hasattr(item, "shape") else {})
        )
    return arrays


def test_batches_depend_on_seed_and_step_alone(data):
    settings = DataSettings(size=64, batch=2)
    one, two = (PortraitBatches(load_prepared(data), settings, seed=5, lines=True) for _ in "ab")
    one.batch(0)
    first, second = one.batch(7), two.batch(7)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    other = PortraitBatches(load_prepared(data), settings, seed=6, lines=True).batch(7)
    assert np.any(other["photo"] != first["photo"])


def test_batch_shapes_and_ranges(data):
    batch = PortraitBatches(load_prepared(data), DataSettings(64, 2), 0, lines=True).batch(3)
    assert batch["photo"].shape == (2, 64, 64, 3) and batch["drawing"].shape == (2, 64, 64, 1)
    assert batch["lines"].shape == (2, 64, 64, 1) and batch["style"].shape == (2, 1)
    for name in ("photo", "drawing", "lines"):
        assert batch[name].min() >= -1 and batch[name].max() <= 1
    for part in ("eyes", "nose", "lips"):
        for domain in ("photo", "drawing"):
            mask = batch[f"{domain}_{part}"]
            assert mask.shape == (2, 64, 64, 1) and mask.min() >= 0 and mask.max() == 1


def test_each_photo_comes_once_in_a_pass(data):
    batches = PortraitBatches(load_prepared(data), DataSettings(64), 0)
    count = len(batches.data.photos)
    for turn in range(2):
        seen = {batches._photo(turn * count + i).file for i in range(count)}
        assert len(seen) == count


def test_masks_move_with_their_picture(data):
    settings = DataSettings(64, scale=1.3)
    batches = PortraitBatches(load_prepared(data), settings, 0)
    plane = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    one, two = batches._augment([plane, plane], np.random.default_rng(1))
    np.testing.assert_array_equal(one, two)


def test_rare_subfolders_are_drawn_as_often_as_full_ones(data):
    prepared = load_prepared(data)
    rows = prepared.drawings
    rows[0] = rows[0].__class__(**{**rows[0].__dict__, "source": "drawn/rare/0000.png"})
    batches = PortraitBatches(prepared, DataSettings(64), 0)
    rng = np.random.default_rng(0)
    drawn = [batches._drawing(rng)[1].source for _ in range(400)]
    assert 150 < drawn.count("drawn/rare/0000.png") < 250


def test_training_writes_its_run_folder(data, tmp_path, light):
    folder = training.train(plan_of(data, tmp_path / "run"), verbose=0)
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["warm start", *["asymmetric_cycle"] * 2]
    assert all(
        np.isfinite(value) for row in rows for value in row.values() if value != row["phase"]
    )
    names = sorted(path.name for path in (folder / "samples").iterdir())
    assert names == ["epoch-0000.png", "epoch-0001.png", "epoch-0002.png"]
    assert read_image(folder / "samples" / "epoch-0000.png").shape[2] == 3
    assert [epoch for epoch, _ in run_folder.checkpoints(folder)] == [1, 2]
    assert json.loads((folder / "options.json").read_text())["styles"] == ["drawn"]
    # Each network once: what lies at the top is the progress alone.
    arrays = state_of(folder / "checkpoint-0002.weights.h5")
    assert [name for name in arrays if name.startswith("vars/")] == ["vars/0"]
    assert (folder / "generator.keras").is_file()


def test_interrupted_training_goes_on(data, tmp_path, eager, monkeypatch):
    whole = training.train(plan_of(data, tmp_path / "whole", "train.average_decay=0"), verbose=0)

    def interrupt(self, epoch, logs=None):
        save(self, epoch, logs)
        raise KeyboardInterrupt

    save = callbacks.Checkpoint.on_epoch_end
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks.Checkpoint, "on_epoch_end", interrupt)
        training.train(plan_of(data, tmp_path / "parts", "train.average_decay=0"), verbose=0)
    plan = plan_of(data, tmp_path / "parts", "train.average_decay=0")
    assert plan.finished == 1
    parts = training.train(plan, verbose=0)
    # Networks, optimizers, pools and their random state.
    one, two = (state_of(run / "checkpoint-0002.weights.h5") for run in (whole, parts))
    assert one.keys() == two.keys() and len(one) > 100
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-6, err_msg=name)
    rows = [json.loads(line) for line in (parts / "losses.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows if row["phase"] == "asymmetric_cycle"] == [2]


def test_an_interrupted_first_epoch_does_not_repeat_the_warm_start(
    data, tmp_path, eager, monkeypatch
):
    def interrupt(self, epoch, logs=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks.Progress, "on_epoch_begin", interrupt)
        training.train(plan_of(data, tmp_path / "run"), verbose=0)
    assert [epoch for epoch, _ in run_folder.checkpoints(tmp_path / "run")] == [0]
    folder = training.train(plan_of(data, tmp_path / "run"), verbose=0)
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["warm start", *["asymmetric_cycle"] * 2]


def test_other_options_in_the_same_folder_are_refused(data, tmp_path):
    (tmp_path / "run").mkdir()
    plan = plan_of(data, tmp_path / "run")
    (tmp_path / "run" / "options.json").write_text(json.dumps(plan.options))
    with pytest.raises(SettingError, match="recipe.loss.strict: 5.0 there, 4.0 now"):
        plan_of(data, tmp_path / "run", "loss.strict=4")


def test_runs_are_numbered_and_unfinished_ones_found(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(data, None)
    assert plan.folder.as_posix() == "runs/001-tiny"
    plan.folder.mkdir(parents=True)
    (plan.folder / "options.json").write_text(json.dumps(plan.options))
    assert plan_of(data, None).folder == plan.folder
    (plan.folder / "checkpoint-0002.weights.h5").touch()
    assert plan_of(data, None).folder.as_posix() == "runs/002-tiny"


def test_damaged_checkpoint_is_named(data, tmp_path, eager):
    folder = training.train(plan_of(data, tmp_path / "run", "train.epochs=1"), verbose=0)
    path = run_folder.checkpoints(folder)[-1][1]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=f"{path.name}: expected a checkpoint"):
        training.train(plan_of(data, folder, "train.epochs=1"), verbose=0)


def test_run_folder_that_cannot_be_made_is_one_line(data, tmp_path, eager):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write the run folder.*Received: .*file"):
        training.train(plan_of(data, tmp_path / "file"), verbose=0)


def test_broken_options_are_named(data, tmp_path):
    (tmp_path / "options.json").write_text("{")
    with pytest.raises(InputError, match="options.json: expected the options of a run"):
        plan_of(data, tmp_path)


def test_missing_weights_leave_nothing_behind(data, tmp_path, monkeypatch):
    def missing():
        raise MissingExtra("no weights")

    monkeypatch.setattr(training, "EdgeDetector", missing)
    with pytest.raises(MissingExtra):
        training.train(plan_of(data, tmp_path / "run"), verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_picture_that_the_manifest_names_must_be_there(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    gone = load_prepared(copy).photos[0].mask
    (copy / gone).unlink()
    with pytest.raises(InputError, match=f"no {gone}"):
        load_prepared(copy)


def test_a_picture_that_breaks_meanwhile_is_named(data, tmp_path, eager):
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    plan = plan_of(copy, tmp_path / "run")
    for row in plan.data.drawings:
        (copy / row.file).write_bytes((copy / row.file).read_bytes()[:100])
    with pytest.raises(InputError, match="Received: .*drawings"):
        training.train(plan, verbose=0)


def test_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match="portrait prepare"):
        load_prepared(tmp_path)


def test_learning_rate_is_flat_and_then_falls_to_zero():
    schedule = training.LinearDecay(2.0, total_steps=100, decay_from=0.5)
    rates = [float(schedule(step)) for step in (0, 50, 75, 100, 120)]
    np.testing.assert_allclose(rates, [2.0, 2.0, 1.0, 0.0, 0.0], atol=1e-6)


def test_dry_run_of_the_command_writes_nothing(data, tmp_path, monkeypatch, portrait):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, output, _ = portrait("train", "portrait-cpu.toml", data, "--dry-run", preset=None)
    assert code == 0 and "12 epochs of 200 steps" in output
    assert sorted(tmp_path.rglob("*")) == before


def test_without_keras_one_line_names_the_remedy(tmp_path):
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "from keras_portrait import cli\n"
        f"sys.argv = ['portrait', 'train', 'portrait-cpu', {str(tmp_path)!r}]\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert 'pip install "keras-portrait[train]"' in done.stderr


def test_unknown_key_on_the_command_line_is_one_line(data, portrait):
    code, _, errors = portrait("train", "portrait-cpu", data, "-s", "loss.sttrict=1", preset=None)
    assert code == 2 and errors.count("\n") == 1
    assert 'Did you mean "strict"' in errors
