"""From invented faces to a run folder, at toy size."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_portrait.data.portraits import PortraitBatches, load_prepared
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.filters.line_filters import LINE_FILTERS
from keras_portrait.inference.geometry import PARTS
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.models.asymmetric_cycle import experiment as portrait_setup
from keras_portrait.models.asymmetric_cycle.edge_cache import store_edges
from keras_portrait.models.asymmetric_cycle.model import AsymmetricCycle
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.recipe import DataSettings
from keras_portrait.schedules import LinearDecay
from keras_portrait.training import callbacks, run_folder
from keras_portrait.training import run as training
from keras_portrait.training.checkpoints import list_checkpoints
from keras_portrait.training.initial_weights import open_start, take_weights
from keras_portrait.training.saved_generator import load_model, load_run, raise_contrast
from tiny_training import TINY, plan_of, state_of


def test_batches_depend_on_seed_and_step_alone(drawn_data):
    settings = DataSettings(size=64, batch=2)
    one, two = (
        PortraitBatches(load_prepared(drawn_data), settings, seed=5, lines=True) for _ in "ab"
    )
    one.batch(0)
    first, second = one.batch(7), two.batch(7)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    other = PortraitBatches(load_prepared(drawn_data), settings, seed=6, lines=True).batch(7)
    assert np.any(other["photo"] != first["photo"])


def test_batch_shapes_and_ranges(drawn_data):
    batch = PortraitBatches(load_prepared(drawn_data), DataSettings(64, 2), 0, lines=True).batch(3)
    assert batch["photo"].shape == (2, 64, 64, 3) and batch["drawing"].shape == (2, 64, 64, 1)
    assert batch["lines"].shape == (2, 64, 64, 1) and batch["style"].shape == (2, 1)
    for name in ("photo", "drawing", "lines"):
        assert batch[name].min() >= -1 and batch[name].max() <= 1
    for part in ("eyes", "nose", "lips"):
        for domain in ("photo", "drawing"):
            mask = batch[f"{domain}_{part}"]
            assert mask.shape == (2, 64, 64, 1) and mask.min() >= 0 and mask.max() == 1


def test_lines_are_those_of_the_filter_of_the_drawings_style(drawn_data):
    data = load_prepared(drawn_data)
    data = replace(
        data,
        styles=["bold", "fine"],
        drawings=[
            replace(row, style=("bold", "fine")[i % 2]) for i, row in enumerate(data.drawings)
        ],
    )
    settings = DataSettings(64, 4, lines={"fine": "thin"})
    batch = PortraitBatches(data, settings, 0, lines=True).batch(1)
    assert 0 < batch["style"][:, 1].sum() < 4
    masks = np.max([batch[f"photo_{part}"][..., 0] for part in PARTS], axis=0)
    assert masks.max() > 0.9
    for photo, parts, lines, style in zip(
        batch["photo"], masks, batch["lines"], batch["style"], strict=True
    ):
        pixels = np.uint8(np.rint((photo + 1) * 127.5))
        draw = LINE_FILTERS["thin" if style[1] else "filled"]
        np.testing.assert_allclose(lines[..., 0], draw(pixels, 0.25, parts) * 2 - 1, atol=1e-5)


def test_lines_of_a_style_that_there_is_not_are_refused(drawn_data):
    recipe = load_recipe("portrait-cpu", ["data.size=64", "data.lines.pencil=thin"])
    with pytest.raises(SettingError, match=r"data.lines: expected styles of .* Received: pencil"):
        portrait_setup.AsymmetricCycleExperiment(recipe, drawn_data)


def test_each_photo_comes_once_in_a_pass(drawn_data):
    batches = PortraitBatches(load_prepared(drawn_data), DataSettings(64), 0)
    count = len(batches.data.photos)
    for turn in range(2):
        seen = {batches._photo(turn * count + i).file for i in range(count)}
        assert len(seen) == count


def test_masks_move_with_their_picture(drawn_data):
    settings = DataSettings(64, scale=1.3)
    batches = PortraitBatches(load_prepared(drawn_data), settings, 0)
    plane = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    one, two = batches._augment([plane, plane], batches._cut(np.random.default_rng(1)))
    np.testing.assert_array_equal(one, two)


def test_rare_subfolders_are_drawn_as_often_as_full_ones(drawn_data):
    prepared = load_prepared(drawn_data)
    rows = prepared.drawings
    rows[0] = replace(rows[0], source="drawn/rare/0000.png")
    batches = PortraitBatches(prepared, DataSettings(64), 0)
    rng = np.random.default_rng(0)
    drawn = [batches._drawing(rng).source for _ in range(400)]
    assert 150 < drawn.count("drawn/rare/0000.png") < 250


def test_training_writes_its_run_folder(drawn_data, tmp_path, light):
    folder = training.train(plan_of(drawn_data, tmp_path / "run", "train.keep_every=2"), verbose=0)
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["warm start", *["asymmetric_cycle"] * 2]
    assert all(
        np.isfinite(value) for row in rows for value in row.values() if value != row["phase"]
    )
    assert [(row["step"], row["steps"]) for row in rows] == [(2, 2), (3, 3), (6, 3)]
    assert 0 < rows[-1]["loading_share"] < 1 and 0 <= rows[-1]["drawing_accuracy"] <= 1
    names = sorted(path.name for path in (folder / "samples").iterdir())
    assert names == ["columns.json", "epoch-0000.png", "epoch-0001.png", "epoch-0002.png"]
    assert read_image(folder / "samples" / "epoch-0000.png").shape[2] == 3
    assert json.loads((folder / "samples" / "columns.json").read_text())[:2] == ["photo", "drawn"]
    assert [checkpoint.step for checkpoint in list_checkpoints(folder)] == [4, 6]
    assert json.loads((folder / "options.json").read_text())["styles"] == ["drawn"]
    # Each network once: what lies at the top is the progress alone.
    arrays = state_of(list_checkpoints(folder)[-1])
    assert [name for name in arrays if name.startswith("vars/")] == ["vars/0"]
    assert (folder / "generator.keras").is_file()
    assert load_model(folder / "inverse_generator.keras").input_shape == (None, None, None, 1)
    assert [path.name for path in (folder / "generators").iterdir()] == ["epoch-0002.keras"]
    assert len((folder / "losses.csv").read_text().splitlines()) == 4
    assert read_image(folder / "losses.png").std() > 5
    page = (folder / "index.html").read_text()
    assert "2 of 2" in page and "<h2>Epoch 2" in page and "After the warm start</" in page
    assert os.listdir(folder / "tensorboard")


@pytest.mark.slow
def test_held_back_pictures_judge_the_epochs(tmp_path, eager):
    write_drawn_faces(tmp_path, 12)
    prepare(tmp_path / "photos", tmp_path / "drawings", tmp_path / "data", size=64, holdout=0.4)
    plan = plan_of(tmp_path / "data", tmp_path / "run")
    assert plan.experiment.data.held_photos and len(plan.experiment.data.held_drawings) > 1
    folder = training.train(plan, verbose=0)
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    measured = [row["val_patch_kid"] for row in rows if "val_patch_kid" in row]
    best = json.loads((folder / "best.json").read_text())
    assert len(measured) == 2 and all(row["val_content"] > 0 for row in rows[1:])
    assert best["val_patch_kid"] == pytest.approx(min(measured), rel=1e-4)
    assert best["epoch"] == 1 + measured.index(min(measured))
    assert (folder / "best.keras").is_file()


@pytest.mark.slow
def test_a_training_goes_on_from_another_run_and_looks_for_faces(drawn_data, tmp_path, eager):
    first = training.train(plan_of(drawn_data, tmp_path / "first", "train.epochs=1"), verbose=0)
    slow = ("train.learning_rate=1e-9", "loss.face=2", f"train.start_from={first}")
    second = training.train(plan_of(drawn_data, tmp_path / "second", *slow), verbose=0)
    rows = [json.loads(line) for line in (second / "losses.jsonl").read_text().splitlines()]
    assert rows[0]["photo_l1"] > 0  # the inverse generator alone learns
    # The generator hardly moves, and so neither does the anchor to what it drew at its start.
    assert all(row["face"] > 0 and row["anchor"] < 1e-3 for row in rows[1:])
    before, after = (load_run(folder).model.get_weights() for folder in (first, second))
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-6)


@pytest.mark.slow
def test_contrast_steepens_the_tones_of_a_start(drawn_data, tmp_path, eager):
    folder = training.train(plan_of(drawn_data, tmp_path / "first", "train.epochs=1"), verbose=0)
    start = open_start(str(folder), ["drawn"])
    photos = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    generator = keras.models.clone_model(start.model)
    take_weights(generator, start)
    raise_contrast(generator, 2.0)
    before = np.clip(start.model(photos), -1 + 1e-6, 1 - 1e-6)
    np.testing.assert_allclose(generator(photos), np.tanh(2 * np.arctanh(before)), atol=1e-4)


@pytest.mark.slow
def test_another_network_or_other_styles_are_no_start(drawn_data, tmp_path, eager):
    first = training.train(plan_of(drawn_data, tmp_path / "first", "train.epochs=1"), verbose=0)
    start = f"train.start_from={first}"
    with pytest.raises(
        SettingError, match=r"recipe's \[network\] says. Received: another one, first"
    ):
        training.train(plan_of(drawn_data, tmp_path / "x", start, "network.filters=4"), verbose=0)
    with pytest.raises(InputError, match="Expected a run folder"):
        plan_of(drawn_data, tmp_path / "x", f"train.start_from={tmp_path / 'none'}")
    message = "expected a run with some of the styles a, c. Received: drawn"
    with pytest.raises(SettingError, match=message):
        open_start(str(first), ["a", "c"])


def test_edge_maps_are_stored_once_and_used(drawn_data, tmp_path, eager, monkeypatch):
    plan = plan_of(drawn_data, tmp_path / "run", "data.stored_edges=true", "train.epochs=1")
    seen = []
    step = AsymmetricCycle.train_step
    monkeypatch.setattr(
        AsymmetricCycle,
        "train_step",
        lambda self, data: seen.append(data[0]["edges"].shape) or step(self, data),
    )
    folder = training.train(plan, verbose=0)
    stored = sorted((folder / "edges" / "photos").iterdir())
    assert [path.name for path in stored] == sorted(
        Path(r.file).name for r in plan.experiment.data.photos
    )
    assert set(seen) == {(1, 64, 64, 1)}
    before = stored[0].stat().st_mtime_ns
    store_edges(folder, plan.experiment.data.folder, plan.experiment.data.photos, None)
    assert stored[0].stat().st_mtime_ns == before


def test_the_command_says_how_to_go_on(drawn_data, tmp_path, monkeypatch, portrait):
    def stop(plan):
        raise callbacks.TrainingStopped(7)

    monkeypatch.setattr(training, "train", stop)
    arguments = ("train", "portrait-cpu", drawn_data, "-s", "data.size=64")
    arguments += ("--run-dir", tmp_path / "run")
    code, out, err = portrait(*arguments, preset=None)
    assert code == 130 and out == "" and err.count("\n") == 1
    assert f"stopped after step 7; the same command goes on: {tmp_path / 'run'}" in err


@pytest.mark.slow
def test_progress_is_shown_line_by_line(drawn_data, tmp_path, eager, capsys):
    training.train(plan_of(drawn_data, tmp_path / "run"))
    lines = [line for line in capsys.readouterr().err.splitlines() if "left" in line]
    assert [line.split("  ")[:2] for line in lines] == [
        ["warm start 1/1", "step 2/2"],
        ["asymmetric_cycle 1/2", "step 3/6"],
        ["asymmetric_cycle 2/2", "step 6/6"],
    ]
    assert "0:00:00 left" in lines[-1] and "drawing_accuracy" in lines[-1]


def test_changed_pictures_are_named(drawn_data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(drawn_data, copy)
    plan = plan_of(copy, tmp_path / "run")
    run_folder.open_run(plan.folder, plan.identity)
    assert plan_of(copy, tmp_path / "run").folder == plan.folder
    photo = copy / plan.experiment.data.photos[0].file
    write_image(photo, np.zeros((64, 64, 3), np.uint8))
    lines = (copy / "manifest.jsonl").read_text().splitlines()
    gone = json.loads(lines[-1])["file"]
    (copy / "manifest.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(InputError) as error:
        plan_of(copy, tmp_path / "run")
    assert f"removed {gone}; changed {plan.experiment.data.photos[0].file}" in str(error.value)
    assert "or another --run-dir" in str(error.value) and "\n" not in str(error.value)


def test_a_batch_that_devices_cannot_share_is_refused(drawn_data, tmp_path):
    recipe = load_recipe("portrait-cpu", ["data.batch=3"])
    with pytest.raises(SettingError, match="divides the batch of 3. Received: 2"):
        training.make_plan(recipe, "x", drawn_data, tmp_path, devices=2)


@pytest.mark.slow
def test_one_photo_and_one_drawing_train(tmp_path, eager):
    write_drawn_faces(tmp_path, 1)
    prepare(tmp_path / "photos", tmp_path / "drawings", tmp_path / "data", size=64, holdout=0)
    plan = plan_of(tmp_path / "data", tmp_path / "run", "train.epochs=1")
    assert (len(plan.experiment.data.photos), len(plan.experiment.data.drawings)) == (1, 1)
    assert (training.train(plan, verbose=0) / "generator.keras").is_file()


def test_folders_of_unequal_sizes_make_an_epoch_of_the_larger(drawn_data, tmp_path):
    experiment = plan_of(drawn_data, tmp_path, "data.batch=3").experiment
    prepared = experiment.data
    for photos, drawings in ((4, 1), (1, 4)):
        few = replace(
            prepared, photos=prepared.photos[:photos], drawings=prepared.drawings[:drawings]
        )
        experiment.data = few
        assert experiment.steps_per_pass() == 2
        batches = PortraitBatches(few, DataSettings(size=64), 0)
        assert batches.batch(3)["photo"].shape == (1, 64, 64, 3)


def test_squares_that_would_be_enlarged_are_refused(drawn_data, portrait, tmp_path):
    arguments = ("train", "portrait-cpu", drawn_data, "-s", "data.size=96", "--run-dir", tmp_path)
    code, _, error = portrait(*arguments, "--dry-run", preset=None)
    assert code == 2 and error.count("\n") == 1
    assert f"the squares in {drawn_data} have 64 pixels. Expected -s data.size=64, or" in error
    assert "`portrait prepare --size 96` or more. Received: 96" in error


def test_other_options_in_the_same_folder_are_refused(drawn_data, tmp_path):
    (tmp_path / "run").mkdir()
    plan = plan_of(drawn_data, tmp_path / "run")
    (tmp_path / "run" / "options.json").write_text(json.dumps(plan.options))
    changed = ("loss.strict=4", "data.flip=false", "data.lines.drawn=thin")
    with pytest.raises(SettingError) as error:
        plan_of(drawn_data, tmp_path / "run", *changed[:2])
    assert str(error.value) == (
        f"{tmp_path / 'run'} holds a run with other options. Expected the options that it began "
        "with (-s data.flip=true -s loss.strict=5.0), or another --run-dir for a new run. "
        "Received: data.flip: True there, False now; loss.strict: 5.0 there, 4.0 now"
    )
    # No command takes back what was not there; and not all is named.
    with pytest.raises(
        SettingError, match="the options that it began with, or another.*2 more$"
    ) as error:
        plan_of(drawn_data, tmp_path / "run", *changed, "data.scale=1", "train.seed=3")
    assert "data.lines.drawn: nothing there, thin now" in str(error.value)


def test_runs_are_numbered_and_unfinished_ones_found(drawn_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(drawn_data, None)
    assert plan.folder.as_posix() == "runs/001-tiny"
    plan.folder.mkdir(parents=True)
    (plan.folder / "options.json").write_text(json.dumps(plan.options))
    assert plan_of(drawn_data, None).folder == plan.folder
    (plan.folder / "checkpoint-00000006.weights.h5").touch()
    assert plan_of(drawn_data, None).folder.as_posix() == "runs/002-tiny"


def test_a_run_that_another_process_trains_is_not_begun_anew(
    drawn_data, tmp_path, monkeypatch, eager, portrait
):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(drawn_data, None)
    with run_folder.hold_run(plan.folder):
        run_folder.open_run(plan.folder, plan.identity)
        recipe = [part for key in TINY for part in ("-s", key)]
        code, out, err = portrait("train", "portrait-cpu", drawn_data, *recipe, preset=None)
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert f"Received: {plan.folder}, process {os.getpid()}\n" in err
        # Where it was not yet there when this one looked, too.
        with pytest.raises(InputError, match="Another process trains in the run folder"):
            training.train(plan, verbose=0)
        assert os.listdir("runs") == ["001-tiny"]
    assert plan_of(drawn_data, None).folder == plan.folder


def test_where_another_start_was_quicker_the_next_number_is_taken(
    drawn_data, tmp_path, monkeypatch, eager
):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(drawn_data, None, "train.epochs=1")
    plan.folder.mkdir(parents=True)
    assert plan.folder.as_posix() == "runs/001-tiny"
    assert training.train(plan, verbose=0) == plan.folder
    assert plan.folder.as_posix() == "runs/002-tiny" and os.listdir("runs/001-tiny") == []


@pytest.mark.slow
def test_the_first_lines_say_where_and_what(drawn_data, tmp_path, eager, monkeypatch, capsys):
    folder, page = tmp_path / "run", tmp_path / "run" / "index.html"

    def first_lines():
        training.train(plan_of(drawn_data, folder))
        return capsys.readouterr().err.splitlines()[:2]

    device, line = first_lines()
    assert device.startswith("Training on ") and "(float32)" in device
    assert line == f"{folder} begins; watch it in {page}"
    assert first_lines() == [f"{folder} is finished."]
    list_checkpoints(folder)[-1].path.unlink()
    assert first_lines() == [device, f"{folder} goes on after step 4; watch it in {page}"]


def test_run_folder_that_cannot_be_made_is_one_line(drawn_data, tmp_path, eager):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write the run folder.*Received: .*file"):
        training.train(plan_of(drawn_data, tmp_path / "file"), verbose=0)


def test_broken_options_are_named(drawn_data, tmp_path):
    (tmp_path / "options.json").write_text("{")
    with pytest.raises(InputError, match="options.json: expected the options of a run"):
        plan_of(drawn_data, tmp_path)


def test_missing_weights_leave_nothing_behind(drawn_data, tmp_path, monkeypatch):
    def missing():
        raise MissingExtra("no weights")

    monkeypatch.setattr(portrait_setup, "EdgeDetector", missing)
    with pytest.raises(MissingExtra):
        training.train(plan_of(drawn_data, tmp_path / "run"), verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_picture_that_the_manifest_names_must_be_there(drawn_data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(drawn_data, copy)
    gone = load_prepared(copy).photos[0].mask
    (copy / gone).unlink()
    with pytest.raises(InputError, match=f"no {gone}"):
        load_prepared(copy)


def test_a_picture_that_breaks_meanwhile_is_named(drawn_data, tmp_path, eager):
    copy = tmp_path / "data"
    shutil.copytree(drawn_data, copy)
    plan = plan_of(copy, tmp_path / "run")
    for row in plan.experiment.data.drawings:
        (copy / row.file).write_bytes((copy / row.file).read_bytes()[:100])
    with pytest.raises(InputError, match="Received: .*drawings"):
        training.train(plan, verbose=0)


def test_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match="portrait prepare"):
        load_prepared(tmp_path)


def test_learning_rate_is_flat_and_then_falls_to_zero():
    schedule = LinearDecay(2.0, total_steps=100, decay_from=0.5)
    rates = [float(schedule(step)) for step in (0, 50, 75, 100, 120)]
    np.testing.assert_allclose(rates, [2.0, 2.0, 1.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize(("settings", "planned"), [((), 2), (("train.schedule_epochs=8",), 8)])
def test_progress_is_that_of_the_schedule(
    drawn_data, tmp_path, light, monkeypatch, settings, planned
):
    found = []

    def feed(plan, model, batches, start, used, *_, **__):
        found.extend(one.epochs for one in used if isinstance(one, callbacks.Progress))

    monkeypatch.setattr(training, "_feed", feed)
    plan = plan_of(drawn_data, tmp_path / "run", "train.warm_start_steps=0", *settings)
    training.train(plan, verbose=0)
    assert found == [planned]


def test_dry_run_of_the_command_writes_nothing(drawn_data, tmp_path, monkeypatch, portrait):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    arguments = ("train", "portrait-cpu.toml", drawn_data, "-s", "data.size=64", "--dry-run")
    code, output, _ = portrait(*arguments, preset=None)
    assert code == 0 and "6 epochs of 200 steps" in output
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


def test_unknown_key_on_the_command_line_is_one_line(drawn_data, portrait):
    code, _, errors = portrait(
        "train", "portrait-cpu", drawn_data, "-s", "loss.sttrict=1", preset=None
    )
    assert code == 2 and errors.count("\n") == 1
    assert 'Did you mean "strict"' in errors


def test_memory_does_not_grow_with_the_number_of_photos(drawn_data, tmp_path):
    rows = [json.loads(line) for line in (drawn_data / "manifest.jsonl").read_text().splitlines()]
    used = {}
    for count in (100, 10_000):
        copy = tmp_path / str(count)
        shutil.copytree(drawn_data, copy)
        photo = next(row for row in rows if row["kind"] == "photo")
        drawings = [row for row in rows if row["kind"] == "drawing"]
        with (copy / "manifest.jsonl").open("w") as file:
            for index in range(count):
                row = {**photo, "source": f"{index}.png", "file": f"photos/many-{index:05d}.png"}
                os.link(copy / photo["file"], copy / row["file"])
                file.write(json.dumps(row) + "\n")
            file.writelines(json.dumps(row) + "\n" for row in drawings)
        batches = PortraitBatches(load_prepared(copy), DataSettings(size=64), 0)
        batches.batch(0)
        tracemalloc.start()
        for step in range(40):
            batches.batch(step * count // 40)
        used[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # The order of the photos is the one thing that is longer: 8 bytes a photo.
    assert used[10_000] - used[100] < 20 * 10_000


@pytest.mark.parametrize("backend", ["jax", "tensorflo"])
def test_backends_that_keras_may_not_know_are_refused(drawn_data, portrait, monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    code, out, error = portrait("train", "portrait-cpu", drawn_data, "--dry-run", preset=None)
    assert (code, out) == (2, "") and error.count("\n") == 1
    assert f"KERAS_BACKEND: expected one of tensorflow, torch. Received: {backend}" in error
