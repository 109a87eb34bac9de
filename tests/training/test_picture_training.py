"""DCGAN, CycleGAN and CartoonGAN from a prepared folder to a run folder, at toy size."""

import json
import shutil

import keras
import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.data.manifest import NAME, SMOOTH
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.files import file_sha256
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.models.cartoongan import experiment as cartoongan
from keras_portrait.training import callbacks, run_folder
from keras_portrait.training import run as training
from keras_portrait.training.adversarial_model import AdversarialModel
from keras_portrait.training.checkpoints import list_checkpoints, restore_checkpoint
from tiny_training import (
    TINY_PICTURES,
    light_features,
    picture_plan_of,
    state_of,
    without_tracing,
)

METHODS = ("dcgan", "cyclegan", "cartoongan")
# A short training of CartoonGAN takes longest: it goes through phases that the others lack.
TRAINED = [
    pytest.param(method, marks=[pytest.mark.slow] * (method == "cartoongan")) for method in METHODS
]
# What is switched on so that every phase is gone through.
EXTRAS = {
    # So fast that pictures which begin all gray change within two steps.
    "dcgan": ["train.learning_rate=0.01"],
    "cartoongan": ["loss.landmarks=3", "loss.gray_style=1", "loss.colour=1"],
}
PHASES = {"dcgan": [], "cyclegan": [], "cartoongan": ["landmarks", "initialization"]}
COLUMNS = {
    "dcgan": [""] * 6,
    "cyclegan": ["A", "A to B", "back to A", "B", "B to A", "back to B"],
    "cartoongan": ["photo", "cartoon"],
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A prepared folder of 64 px: eight photos and avatars to train on, two of each held back."""
    return write_cartoon_faces(tmp_path_factory.mktemp("faces"), 10, 64)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Steps without tracing, which is slow where only a few are taken, and no VGG."""
    with pytest.MonkeyPatch.context() as patch:
        without_tracing(patch)
        patch.setattr(cartoongan, "VGGFeatures", light_features)
        yield


def plan_for(method, faces, folder, *overrides):
    return picture_plan_of(method, faces, folder, *EXTRAS.get(method, []), *overrides)


@pytest.fixture(scope="module")
def runs(faces, tmp_path_factory):
    """Gives the run folder of a method's undisturbed training."""
    done = {}

    def run_of(method):
        if method not in done:
            plan = plan_for(method, faces, tmp_path_factory.mktemp(method) / "run")
            done[method] = training.train(plan, verbose=0)
        return done[method]

    return run_of


def losses_of(run):
    return [json.loads(line) for line in (run / "losses.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", TRAINED)
def test_a_training_leaves_its_run_folder(runs, method):
    run = runs(method)
    rows = losses_of(run)
    assert [row["phase"] for row in rows] == [*PHASES[method], method, method]
    assert [(row["step"], row["steps"]) for row in rows[-2:]] == [(2, 2), (4, 2)]
    assert all(np.isfinite(value) for row in rows for value in list(row.values())[1:])
    options = json.loads((run / "options.json").read_text())
    assert options["method"] == options["recipe"]["method"] == method
    assert (options["photos"], options["pictures"]) == (0 if method == "dcgan" else 8, 8)
    assert len((run / "losses.csv").read_text().splitlines()) == 1 + len(rows)
    assert read_image(run / "losses.png").std() > 5
    page = (run / "index.html").read_text()
    assert "2 of 2" in page and "<h2>Epoch 2" in page
    assert [checkpoint.step for checkpoint in list_checkpoints(run)] == [2, 4]
    assert any((run / "tensorboard").iterdir())


@pytest.mark.parametrize("method", TRAINED)
def test_samples_show_the_same_inputs_after_every_epoch(runs, method):
    samples = runs(method) / "samples"
    names = sorted(path.name for path in samples.iterdir())
    assert names == ["columns.json", *(f"epoch-000{epoch}.png" for epoch in range(3))]
    assert json.loads((samples / "columns.json").read_text()) == COLUMNS[method]
    grids = [read_image(samples / name) for name in names[1:]]
    side = 64 if method == "dcgan" else 32
    rows = 6 if method == "dcgan" else 2
    shape = (rows * (side + 4) - 4, len(COLUMNS[method]) * (side + 4) - 4, 3)
    assert [grid.shape for grid in grids] == [shape] * 3
    assert np.any(grids[1] != grids[2])
    if method != "dcgan":
        np.testing.assert_array_equal(grids[0][:, :32], grids[2][:, :32])
    # Two epochs, beside the input where there is one; under a line of titles.
    sheet = read_image(runs(method) / "progress.png")
    columns = 2 if method == "dcgan" else 3
    assert sheet.shape == (shape[0] + 20, columns * (side + 4) - 4, 3)


@pytest.mark.parametrize("method", TRAINED)
def test_the_exported_generator_is_the_average(runs, faces, method):
    run = runs(method)
    plan = plan_for(method, faces, run)
    model = plan.experiment.build(plan.total_steps, 1)
    assert restore_checkpoint(model, run) == 4
    given = plan.experiment.judged_inputs(plan.experiment.batches(run))
    exported = keras.models.load_model(run / "generator.keras")
    made = np.asarray(exported(given))
    assert made.shape == ((200, 64, 64, 3) if method == "dcgan" else (2, 32, 32, 3))
    assert made.dtype == np.float32 and np.abs(made).max() <= 1
    np.testing.assert_allclose(made, model.averaged_generator(given), atol=1e-6)
    assert np.any(made != np.asarray(model.generator(given)))
    assert (run / "inverse_generator.keras").exists() == (method == "cyclegan")
    if method == "cyclegan":
        inverse = keras.models.load_model(run / "inverse_generator.keras")
        np.testing.assert_allclose(inverse(given), model.inverse_generator(given), atol=1e-6)


@pytest.mark.parametrize("method", TRAINED)
def test_held_back_pictures_judge_the_epochs(runs, method):
    run = runs(method)
    measured = [row["val_kid"] for row in losses_of(run) if "val_kid" in row]
    best = json.loads((run / "best.json").read_text())
    assert len(measured) == 2
    assert best["val_kid"] == pytest.approx(min(measured), rel=1e-4)
    assert best["epoch"] == 1 + measured.index(min(measured))
    assert (run / "best.keras").is_file()


def test_where_nothing_was_held_back_nothing_is_judged(faces, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(faces, data)
    manifest = (data / NAME).read_text().replace('"test"', '"train"')
    (data / NAME).write_text(manifest)
    for method in METHODS:
        experiment = plan_for(method, data, tmp_path / "run").experiment
        batches = experiment.batches(tmp_path / "run")
        assert experiment.validation(batches, tmp_path / "run") == []
        shown = experiment.samples(batches)
        assert {len(value) for value in shown.values()} == {36 if method == "dcgan" else 6}


@pytest.fixture
def stopping(monkeypatch):
    """Asks the training to stop at the end of a step, once."""

    def at(step):
        former, asked = callbacks.CheckpointWriter.on_train_batch_end, []

        def ask(self, batch, logs=None):
            if self.step + 1 == step and not asked:
                asked.append(step)
                self.request.asked = True
            former(self, batch, logs)

        monkeypatch.setattr(callbacks.CheckpointWriter, "on_train_batch_end", ask)

    return at


def assert_same_end(one, two):
    """Networks, averages, optimizers, pools and progress are equal; so is what is exported."""
    last = [state_of(list_checkpoints(run)[-1]) for run in (one, two)]
    assert last[0].keys() == last[1].keys() and len(last[0]) > 80
    for name, value in last[0].items():
        np.testing.assert_allclose(last[1][name], value, atol=1e-6, err_msg=name)
    weights = [keras.models.load_model(run / "generator.keras").get_weights() for run in (one, two)]
    for first, second in zip(*weights, strict=True):
        np.testing.assert_allclose(second, first, atol=1e-6)
    judged = [[row["val_kid"] for row in losses_of(r) if "val_kid" in row] for r in (one, two)]
    assert judged[0] == pytest.approx(judged[1], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "step"), [("dcgan", 1), ("cyclegan", 3)])
def test_asked_to_stop_it_goes_on_as_if_it_had_not(runs, faces, tmp_path, stopping, method, step):
    parts = tmp_path / "parts"
    stopping(step)
    with pytest.raises(callbacks.TrainingStopped, match=f"after step {step}"):
        training.train(plan_for(method, faces, parts), verbose=0)
    assert list_checkpoints(parts)[-1].step == step
    training.train(plan_for(method, faces, parts), verbose=0)
    assert_same_end(runs(method), parts)
    assert [row["phase"] for row in losses_of(parts)] == [method, method]


@pytest.mark.parametrize(
    "method",
    [pytest.param(method, marks=pytest.mark.slow) for method in METHODS],
)
def test_a_shorter_run_that_moved_with_its_pictures_grows_to_the_same_end(
    runs, faces, tmp_path, method
):
    shutil.copytree(faces, tmp_path / "data")
    short = plan_for(method, tmp_path / "data", tmp_path / "run", "train.epochs=1")
    training.train(short, verbose=0)
    (tmp_path / "data").rename(tmp_path / "moved")
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    plan = plan_for(method, tmp_path / "moved", tmp_path / "elsewhere")
    training.train(plan, verbose=0)
    assert_same_end(runs(method), tmp_path / "elsewhere")
    assert [row["phase"] for row in losses_of(plan.folder)] == [*PHASES[method], method, method]
    assert "2 of 2" in (plan.folder / "index.html").read_text()


def trained_weights(generator):
    """All but the statistics that batches leave."""
    return {w.path: np.asarray(w) for w in generator.weights if "moving" not in w.path}


@pytest.mark.parametrize(
    "method",
    [pytest.param(method, marks=[pytest.mark.slow] * (method != "dcgan")) for method in METHODS],
)
def test_a_training_starts_from_another_run(runs, faces, tmp_path, method):
    first = runs(method)
    slow = ("train.learning_rate=1e-9", "train.epochs=1", "train.seed=7")
    plan = plan_for(method, faces, tmp_path / "next", f"train.start_from={first}", *slow)
    second = training.train(plan, verbose=0)
    names = ["generator", *(["inverse_generator"] if method == "cyclegan" else [])]
    for name in names:
        old, new = (
            list(trained_weights(keras.models.load_model(run / f"{name}.keras")).values())
            for run in (first, second)
        )
        for one, other in zip(old, new, strict=True):
            np.testing.assert_allclose(other, one, atol=1e-6)
    # A generator that knows the content needs no initialization.
    phases = [row["phase"] for row in losses_of(second)]
    assert phases == [*(phase for phase in PHASES[method] if phase != "initialization"), method]


def test_a_generator_of_another_kind_starts_nothing_and_leaves_nothing(runs, faces, tmp_path):
    for file in (runs("dcgan"), runs("dcgan") / "best.keras"):
        plan = plan_for("cyclegan", faces, tmp_path / "run", f"train.start_from={file}")
        with pytest.raises(SettingError, match="expected a generator of the size"):
            training.train(plan, verbose=0)
        assert not (tmp_path / "run").exists()


def test_files_of_generators_start_a_training(runs, faces, tmp_path):
    run, alone = tmp_path / "run", tmp_path / "alone.keras"
    shutil.copytree(runs("cyclegan"), run)
    (run / "generators").mkdir()
    shutil.copy(run / "generator.keras", run / "generators" / "epoch-0002.keras")
    shutil.copy(run / "generator.keras", alone)
    expected = keras.models.load_model(alone).get_weights()
    for file in (run / "generators" / "epoch-0002.keras", alone):
        plan = plan_for("cyclegan", faces, tmp_path / "next", f"train.start_from={file}")
        assert plan.options["start_from_sha256"] == file_sha256(alone)
        model = plan.experiment.build(4, 1)
        inverse = model.inverse_generator.get_weights()
        plan.experiment.begin(model)
        for one, other in zip(model.generator.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(one, other)
        # The other generator is in no such file.
        for one, other in zip(model.inverse_generator.get_weights(), inverse, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match="Expected a run folder that holds generator.keras"):
        plan_for("cyclegan", faces, tmp_path / "next", f"train.start_from={tmp_path}/none.keras")


@pytest.mark.slow
def test_stopped_in_a_phase_and_again_later_it_goes_on(
    runs, faces, tmp_path, monkeypatch, stopping
):
    stop, parts = callbacks.StopWhenAsked.on_train_batch_end, tmp_path / "parts"

    def ask(self, batch, logs=None):
        self.request.asked = self.model.name == "content_start"
        stop(self, batch, logs)

    def start():
        return training.train(plan_for("cartoongan", faces, parts), verbose=0)

    with monkeypatch.context() as patch, pytest.raises(callbacks.TrainingStopped):
        patch.setattr(callbacks.StopWhenAsked, "on_train_batch_end", ask)
        start()
    assert list_checkpoints(parts) == []
    assert [row["phase"] for row in losses_of(parts)] == ["landmarks"]
    # Both phases come again, and not for a third time.
    stopping(2)
    with pytest.raises(callbacks.TrainingStopped, match="after step 2"):
        start()
    start()
    assert_same_end(runs("cartoongan"), parts)
    phases = [row["phase"] for row in losses_of(parts)]
    assert phases == ["landmarks", "initialization", "cartoongan", "cartoongan"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dcgan", "cyclegan"])
def test_a_compiled_step_goes_on_as_if_it_had_not_stopped(
    faces, tmp_path, monkeypatch, stopping, method
):
    eager = AdversarialModel.compile

    def compile_model(self, **optimizers):
        eager(self, **optimizers)
        self.run_eagerly = False

    monkeypatch.setattr(AdversarialModel, "compile", compile_model)
    whole = training.train(plan_for(method, faces, tmp_path / "whole"), verbose=0)
    stopping(3)
    with pytest.raises(callbacks.TrainingStopped):
        training.train(plan_for(method, faces, tmp_path / "parts"), verbose=0)
    assert_same_end(whole, training.train(plan_for(method, faces, tmp_path / "parts"), verbose=0))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_it_trains_in_bfloat16(faces, tmp_path, method):
    settings = ("train.precision=mixed_bfloat16", "train.epochs=1", "train.steps_per_epoch=1")
    run = training.train(plan_for(method, faces, tmp_path / "run", *settings), verbose=0)
    assert all(np.isfinite(value) for value in list(losses_of(run)[-1].values())[1:])
    assert keras.config.dtype_policy().name == "float32"


def test_a_run_folder_of_another_recipe_is_refused(runs, faces):
    run = runs("dcgan")
    before = sorted(path.name for path in run.iterdir())
    with pytest.raises(SettingError) as error:
        plan_for("cyclegan", faces, run)
    assert f"{run} holds a run with other options" in str(error.value)
    assert "method: dcgan there, cyclegan now" in str(error.value)
    with pytest.raises(SettingError, match="network.noise: 5 there, 6 now"):
        plan_for("dcgan", faces, run, "network.noise=6")
    with pytest.raises(SettingError, match=r"train.drop_epochs: \[\] there, \[1\] now"):
        plan_for("dcgan", faces, run, "train.drop_epochs=[1]")
    assert sorted(path.name for path in run.iterdir()) == before
    assert plan_for("dcgan", faces, run).folder == run


# Keras says so of each network before it refuses.
@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize(("own", "foreign"), [("cyclegan", "dcgan"), ("dcgan", "cyclegan")])
def test_a_checkpoint_of_another_recipe_is_refused(runs, faces, tmp_path, own, foreign):
    plan = plan_for(own, faces, tmp_path / "run")
    run_folder.open_run(plan.folder, plan.identity)
    for path in runs(foreign).glob("checkpoint-*"):
        shutil.copy(path, plan.folder)
    with pytest.raises(InputError, match="expected a whole checkpoint. Received: .*not be loaded"):
        training.train(plan, verbose=0)
    assert not (plan.folder / "generator.keras").exists()


def test_unfinished_runs_are_found_by_their_options(faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_for("cyclegan", faces, None, "train.drop_epochs=[1]")
    assert plan.folder.as_posix() == "runs/001-tiny"
    run_folder.open_run(plan.folder, plan.identity)
    assert plan_for("cyclegan", faces, None, "train.drop_epochs=[1]").folder == plan.folder
    assert plan_for("cyclegan", faces, None).folder.as_posix() == "runs/002-tiny"


def broken(faces, tmp_path, kind):
    """A copy of the data that lacks something."""
    data = tmp_path / "data"
    shutil.copytree(faces, data)
    rows = [json.loads(line) for line in (data / NAME).read_text().splitlines()]
    if kind == "twins":
        (data / SMOOTH / "avatars" / "3.png").unlink()
    elif kind == "landmarks":
        rows[2]["landmarks"] = None
    elif kind == "small":
        rows[-1]["size"] = 46
    else:
        rows = [row for row in rows if f"{row['kind']}s" != kind]
    (data / NAME).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return data


@pytest.mark.parametrize(
    ("method", "kind", "text"),
    [
        ("dcgan", "avatars", "expected avatars to train on; `portrait prepare --avatars AVATARS`"),
        ("cyclegan", "photos", "expected photos to train on; `portrait prepare PHOTOS --avatars"),
        ("cartoongan", "photos", "expected photos to train on"),
        ("cartoongan", "twins", "`portrait prepare --edge-promote` makes what is missing."),
        ("cartoongan", "landmarks", "loss.landmarks: expected photos with landmarks, as `portrait"),
        ("cyclegan", "small", "have 46 pixels. Expected -s data.size=44, or squares of `portrait"),
        ("dcgan", "small", "have 46 pixels. Expected squares of `portrait prepare --size 64` or"),
    ],
)
def test_data_that_lack_something_are_refused(faces, tmp_path, portrait, method, kind, text):
    data = broken(faces, tmp_path, kind)
    given = [*TINY_PICTURES[method], *EXTRAS.get(method, [])]
    given += ["data.size=48"] * (method == "cyclegan")
    settings = [part for key in given for part in ("-s", key)]
    run = tmp_path / "run"
    code, out, err = portrait("train", method, data, "--run-dir", run, *settings, preset=None)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert text in err and "Received: " in err
    assert not run.exists()


def test_what_a_recipe_does_not_use_may_be_missing(faces, tmp_path):
    data = broken(faces, tmp_path, "landmarks")
    shutil.rmtree(data / SMOOTH)
    assert len(plan_for("cyclegan", data, tmp_path / "run").experiment.data.photos) == 8
    with pytest.raises(InputError, match="no smooth/avatars/1.png"):
        plan_for("cartoongan", data, tmp_path / "run", "loss.landmarks=0")


def test_a_picture_that_breaks_later_is_named(faces, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(faces, data)
    plan = plan_for("dcgan", data, tmp_path / "run")
    (data / "avatars" / "5.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="Received: .*avatars/5.png"):
        training.train(plan, verbose=0)


def test_changed_pictures_are_named(faces, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(faces, data)
    plan = plan_for("cartoongan", data, tmp_path / "run")
    run_folder.open_run(plan.folder, plan.identity)
    write_image(data / SMOOTH / "avatars" / "2.png", np.zeros((64, 64, 3), np.uint8))
    write_image(data / "photos" / "8.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="changed photos/8.png, smooth/avatars/2.png"):
        plan_for("cartoongan", data, tmp_path / "run")


def test_missing_weights_leave_nothing_behind(faces, tmp_path, monkeypatch):
    def missing(*_, **__):
        raise MissingExtra("no weights")

    monkeypatch.setattr(cartoongan, "VGGFeatures", missing)
    with pytest.raises(MissingExtra):
        training.train(plan_for("cartoongan", faces, tmp_path / "run"), verbose=0)
    assert not (tmp_path / "run").exists()


def test_an_epoch_is_a_pass_over_the_larger_set(faces, tmp_path):
    for method in METHODS:
        settings = ("train.steps_per_epoch=0", "data.batch=3")
        experiment = plan_for(method, faces, tmp_path / "run", *settings).experiment
        assert experiment.steps_per_pass() == 3
        experiment.data.pictures[:] = experiment.data.pictures[:1]
        assert experiment.steps_per_pass() == (1 if method == "dcgan" else 3)


def test_the_fixed_noise_is_neither_a_steps_nor_the_judges(faces, tmp_path):
    experiment = plan_for("dcgan", faces, tmp_path / "run").experiment
    batches = experiment.batches(tmp_path / "run")
    shown, judged = experiment.samples(batches)["noise"], experiment.judged_inputs(batches)
    np.testing.assert_array_equal(shown, experiment.samples(batches)["noise"])
    assert shown.shape == (36, 5) and judged.shape == (200, 5)
    assert np.all(shown[0] != judged[0]) and abs(judged.std() - 1) < 0.1
    drawn = np.concatenate([batches.batch(step)["noise"] for step in range(50)])
    assert not np.isin(np.round(drawn, 6), np.round(np.concatenate([shown, judged]), 6)).any()


@pytest.mark.slow
def test_vgg_says_what_is_alike_in_a_real_cartoongan(faces, tmp_path, monkeypatch):
    """With the weights of HED's trunk, as the recipes for a CPU have it."""
    from keras_portrait.perceptual.vgg import VGGFeatures

    monkeypatch.setattr(cartoongan, "VGGFeatures", VGGFeatures)
    settings = ("train.epochs=1", "train.steps_per_epoch=1", "train.initialization_steps=1")
    plan = picture_plan_of("cartoongan", faces, tmp_path / "run", *settings)
    run = training.train(plan, verbose=0)
    row = losses_of(run)[-1]
    assert row["content"] > 1 and row["style"] > 0.1 and row["landmarks"] == 0
    # Frozen, and so not in the checkpoints.
    assert not [name for name in state_of(list_checkpoints(run)[-1]) if "block4" in name]
