"""Paired training: what is drawn beforehand, crops and jitter, the step, going on, the run."""

import json
import os
import shutil
import signal
import threading
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait import losses
from keras_portrait.data import filter_drawings
from keras_portrait.data.crops import choose_corner
from keras_portrait.data.filter_drawings import draw_missing, drawing_file
from keras_portrait.data.manifest import Row
from keras_portrait.data.photo_jitter import jitter_photo
from keras_portrait.data.photos import PhotoData, load_photos
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.bulk.workers import WorkerPool
from keras_portrait.inference.filters import FILTERS, draw_filters
from keras_portrait.inference.geometry import face_template
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.models.paired.batches import PairedBatches
from keras_portrait.models.paired.config import PairedDataSettings, PairedWeights
from keras_portrait.models.paired.model import Paired
from keras_portrait.networks import line_generator, pair_discriminator
from keras_portrait.training import callbacks
from keras_portrait.training import run as training
from keras_portrait.training.adversarial_model import AdversarialModel
from keras_portrait.training.checkpoints import list_checkpoints, restore_checkpoint
from keras_portrait.training.run_folder import read_options
from keras_portrait.training.saved_generator import load_generator, load_run
from keras_portrait.training.scorers import PairedScorer
from tiny_training import state_of, without_tracing

TINY = [
    *("data.size=64", "data.crop=32", "data.batch=2", "network.filters=2", "network.blocks=1"),
    *("network.discriminator_filters=2", "train.epochs=2", "train.steps_per_epoch=3"),
    *("loss.adversarial_from=2", "train.precision=float32", "train.average_decay=0.5"),
]

# As it is before the fixture `quick`.
TRACED = AdversarialModel.compile


def quick_filters(square, names, size, landmarks, points=None):
    """Stands in for the filters: the ink of each is another channel of the photo, cut at half."""
    assert square.shape[0] == size and landmarks.shape == (5, 2)
    if points is not None:
        return {name: np.full((size, size), points, np.uint8) for name in names}
    return {name: np.where(square[..., FILTERS.index(name)] > 127, 255, 0) for name in names}


class InThisProcess:
    """Stands in for the pool of worker processes."""

    drawn = 0

    def __init__(self, make, size):
        self.draw_job, self.drawing = make(), threading.Lock()

    def draw(self, job):
        with self.drawing:
            InThisProcess.drawn += 1
            return self.draw_job(job), 0.0

    def close(self):
        # A process would be ended here; what it writes has a name of its own.
        self.drawing.acquire()


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Filters that take no time, without processes; steps without tracing."""

    def draw(*given, **more):
        return {name: np.uint8(drawn) for name, drawn in quick_filters(*given, **more).items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filter_drawings, "draw_filters", draw)
        patch.setattr(filter_drawings, "WorkerPool", InThisProcess)
        without_tracing(patch)
        yield


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A prepared folder of 64 px; four photos of noise to train on, two held back."""
    folder, rows = tmp_path_factory.mktemp("faces"), []
    (folder / "photos").mkdir()
    for number in range(6):
        file = f"photos/{number}.png"
        rng = np.random.default_rng(number)
        noise = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        write_image(folder / file, noise.repeat(8, axis=0).repeat(8, axis=1))
        split, points = "test" if number > 3 else "train", face_template(64).tolist()
        rows.append(
            Row(file, "photo", None, file, split, True, None, 1.0, points, None, 64, f"{number}-1")
        )
    lines = (json.dumps({name: getattr(row, name) for name in row.__slots__}) for row in rows)
    (folder / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def plan_of(data, folder, *overrides):
    return training.make_plan(load_recipe("paired", [*TINY, *overrides]), "tiny", data, folder)


@pytest.fixture(scope="module")
def run(faces, tmp_path_factory):
    """The run folder of an undisturbed training."""
    return training.train(plan_of(faces, tmp_path_factory.mktemp("runs") / "run"), verbose=0)


# Settings.


def test_the_settings_know_the_filters():
    assert FILTERS == FILTERS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 100}, "size: expected a multiple of 32. Received: 100"),
        ({"crop": 520}, "crop: expected a multiple of 4 and of 16, at most 512. Received: 520"),
        ({"crop": 200}, "crop: expected a multiple of 4 and of 16, at most 512. Received: 200"),
        ({"features": "landmarks"}, "features: expected contrast or mesh. Received: landmarks"),
        ({"filters": ()}, "filters: expected some of ink, line, engraving.*Received: none"),
        ({"filters": ("ink", "pen")}, "Received: ink, pen"),
        ({"filters": ("ink", "ink")}, "each once. Received: ink, ink"),
    ],
)
def test_settings_that_do_not_fit(changes, message):
    with pytest.raises(SettingError, match=message):
        PairedDataSettings(**changes).check("")


def test_filters_are_a_list_of_words():
    assert load_recipe("paired", ['data.filters=["line"]']).data.filters == ("line",)
    with pytest.raises(SettingError, match="data.filters: expected a list of words"):
        load_recipe("paired", ["data.filters=[1]"])


# What the filters draw.


def test_drawings_that_are_there_are_not_made_again(faces, tmp_path):
    data = load_photos(faces, "A test")
    left = draw_missing(tmp_path, faces, data.photos, ("ink", "line"), 64)
    assert next(left) == 4 and next(left) == 3
    left.close()  # broken off
    before = InThisProcess.drawn
    done = len(list((tmp_path / "line").glob("*.png")))
    assert list(draw_missing(tmp_path, faces, data.photos, ("ink", "line"), 64))[-1] == 0
    # One that was on its way when it was broken off may have been finished since.
    assert InThisProcess.drawn - before <= 4 - done
    assert list(draw_missing(tmp_path, faces, data.photos, ("line",), 64)) == [0]
    photo = read_image(faces / data.photos[1].file)
    drawn = read_image(tmp_path / "line" / "1.png")[..., 0]
    np.testing.assert_array_equal(drawn, np.where(photo[..., 1] > 127, 255, 0))


def test_features_are_drawn_along_points_where_these_are_found(faces, tmp_path, monkeypatch):
    rows = load_photos(faces, "A test").photos
    unknown = replace(rows[1], landmarks=None)

    class Finder:
        def __call__(self, square, landmarks):
            assert square.shape == (64, 64, 3) and landmarks.shape == (5, 2)
            return 77

    monkeypatch.setattr(filter_drawings, "FacePointsFinder", Finder)
    list(draw_missing(tmp_path, faces, [rows[0]], ("ink",), 64, "mesh"))
    assert (read_image(tmp_path / "ink" / "0.png") == 77).all()

    def draw(square, names, size, landmarks, points):
        assert landmarks is None and points is None
        return {name: np.zeros((size, size), np.uint8) for name in names}

    monkeypatch.setattr(filter_drawings, "draw_filters", draw)
    list(draw_missing(tmp_path, faces, [unknown], ("ink",), 64, "mesh"))
    assert (read_image(tmp_path / "ink" / "1.png") == 0).all()


def test_missing_networks_are_told_before_anything_is_drawn(faces, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    rows = load_photos(faces, "A test").photos
    with pytest.raises(MissingExtra, match=r"pip install \"keras-portrait\[facemesh\]\""):
        next(draw_missing(tmp_path / "drawn", faces, rows, ("ink",), 64, "mesh"))
    assert not (tmp_path / "drawn").exists()


def test_who_stops_early_has_drawings_of_each_folder(tmp_path, monkeypatch):
    drawn = []

    class Noted(InThisProcess):
        def draw(self, job):
            with self.drawing:
                drawn.append(int(os.path.basename(json.loads(job)["photo"]).split(".")[0]))
            return b"", 0.0

    monkeypatch.setattr(filter_drawings, "WorkerPool", Noted)
    monkeypatch.setattr(filter_drawings.os, "cpu_count", lambda: 1)
    told = ("photo", None, "", "train", True, None, 1.0, None, None, 64, "")
    rows = [Row(f"photos/{number}.png", *told) for number in range(100)]
    orders = []
    for _ in range(2):
        drawn.clear()
        assert list(draw_missing(tmp_path, tmp_path, rows, ("ink",), 64))[-1] == 0
        orders.append(list(drawn))
    assert orders[0] == orders[1] and sorted(drawn) == list(range(100))
    # Of the first fifth there are some of each quarter of the manifest.
    assert {number // 25 for number in drawn[:20]} == {0, 1, 2, 3}


def test_a_photo_that_cannot_be_read_is_named(faces, tmp_path):
    row = replace(load_photos(faces, "A test").photos[0], file="photos/none.png")
    with pytest.raises(InputError, match="none.png"):
        list(draw_missing(tmp_path, faces, [row], ("ink",), 64))


@pytest.mark.slow
def test_worker_processes_draw_with_the_filters(faces, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filter_drawings, "WorkerPool", WorkerPool)
        rows = load_photos(faces, "A test").photos[:2]
        assert list(draw_missing(tmp_path, faces, rows, ("ink",), 64)) == [2, 1, 0]
    for row in rows:
        photo, points = read_image(faces / row.file), np.array(row.landmarks)
        expected = draw_filters(photo, ("ink",), 64, points)["ink"]
        drawn = read_image(tmp_path / drawing_file(row, "ink"))[..., 0]
        np.testing.assert_array_equal(drawn, expected)


# Crops and jitter.


def test_crops_begin_where_the_wave_does():
    settings = PairedDataSettings(size=512, crop=256)
    rng = np.random.default_rng(0)
    corners = np.array([choose_corner(settings, rng) for _ in range(2000)])
    assert not (corners % 16).any() and corners.min() == 0 and corners.max() == 256
    # Around the face, middles lie where eyes, nose and mouth do on the whole.
    only = replace(settings, faces=1.0)
    around = np.array([choose_corner(only, rng) for _ in range(2000)]) + 128
    expected = face_template(512)[:, ::-1].mean(axis=0)
    np.testing.assert_allclose(around.mean(axis=0), expected, atol=8)
    # Anywhere is the middle on the whole, but wider.
    anywhere = np.array([choose_corner(replace(settings, faces=0.0), rng) for _ in range(2000)])
    np.testing.assert_allclose(anywhere.mean(axis=0), 128, atol=8)
    assert (anywhere.std(axis=0) > 1.2 * around.std(axis=0)).all()


def test_a_crop_as_large_as_the_square_is_the_square():
    settings = PairedDataSettings(size=64, crop=64)
    rng = np.random.default_rng(0)
    assert {choose_corner(settings, rng) for _ in range(20)} == {(0, 0)}


def smooth_photo():
    y, x = np.mgrid[:64, :64]
    photo = np.stack([60 + 2 * x, 80 + 2 * y, 100 + x + y], axis=-1).astype(np.uint8)
    photo[:, 48:] = 255
    return photo


def test_jitter_changes_tones_and_keeps_what_is_white():
    photo, changes = smooth_photo(), []
    for seed in range(100):
        changed = jitter_photo(photo, 1.0, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed[:, 48:], 255)
        same = jitter_photo(photo, 1.0, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed, same)
        changes.append(np.float32(changed[:, :44]).mean(axis=(0, 1)))
    spread = np.array(changes) - np.float32(photo[:, :44]).mean(axis=(0, 1))
    # A tenth in exposure and as much in gamma, twenty gray levels or so each.
    assert 4 < spread.std() < 20 and np.abs(spread).max() < 60


def test_no_jitter_is_the_photo_and_draws_the_same_numbers():
    photo = smooth_photo()
    one, other = (np.random.default_rng(0) for _ in range(2))
    np.testing.assert_array_equal(jitter_photo(photo, 0.0, one), photo)
    jitter_photo(photo, 1.0, other)
    assert one.random() == other.random()


def test_jitter_moves_nothing():
    # The middle of a dark spot stays where it is, reduced and compressed or not.
    photo = np.full((64, 64, 3), 200, np.uint8)
    photo[20:28, 36:44] = 20
    y, x = np.mgrid[:64, :64]
    for seed in range(30):
        dark = 255.0 - jitter_photo(photo, 1.0, np.random.default_rng(seed)).min(axis=-1)
        dark = np.where(dark > 150, dark, 0)
        middle = [(dark * axis).sum() / dark.sum() for axis in (y, x)]
        np.testing.assert_allclose(middle, [23.5, 39.5], atol=0.6)


def batches_of(faces, folder, **changes):
    recipe = load_recipe("paired", TINY)
    settings = replace(recipe.data, **{"jitter": 0.0, **changes})
    return PairedBatches(load_photos(faces, "A test"), settings, 0, folder)


def test_batches_hold_a_crop_of_the_photo_and_of_its_drawing(run, faces):
    batches, seen = batches_of(faces, run / "drawn"), np.zeros(3)
    for step in range(12):
        batch = batches.batch(step)
        assert batch["photo"].shape == (2, 32, 32, 3) and batch["drawing"].shape == (2, 32, 32, 1)
        for photo, drawing, style in zip(*batch.values(), strict=True):
            channel = photo[..., [int(style.argmax())]]
            np.testing.assert_array_equal(drawing, np.where(channel > 0, 1, -1))
            seen += style
    assert seen.sum() == 24 and (seen > 3).all()
    again = batches.part(11, range(1, 2))
    np.testing.assert_array_equal(again["photo"], batch["photo"][1:])


def test_each_photo_comes_once_a_pass(run, faces):
    batches = batches_of(faces, run / "drawn", crop=64)
    photos = [batches.batch(step)["photo"] for step in range(2)]
    assert len({photo.tobytes() for photo in np.concatenate(photos)}) == 4


# A step.


def model_of(weights, styles=3, rate=1e-3):
    keras.utils.set_random_seed(0)
    discriminator = pair_discriminator(styles, 4) if weights.adversarial else None
    generator = line_generator(styles, filters=2, blocks=1, period=2)
    model = Paired(
        FILTERS[:styles],
        generator=generator,
        discriminator=discriminator,
        weights=weights,
        average_decay=0.5,
    )
    groups = ("generator", "discriminator") if weights.adversarial else ("generator",)
    model.compile(**{name: keras.optimizers.Adam(rate) for name in groups})
    return model


def batch_of(styles=3):
    rng = np.random.default_rng(0)
    photo = rng.uniform(-1, 1, (2, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    drawing = np.sign(photo.mean(-1, keepdims=True))
    arrays = {"photo": photo, "drawing": drawing, "style": np.eye(styles)[[0, styles - 1]]}
    return {name: ops.convert_to_tensor(x.astype("float32")) for name, x in arrays.items()}


def step(model, batch):
    model.reset_metrics()
    model.disc_joins = model.disc_is_due
    return {
        name: float(value) for name, value in model.train_step((batch,)).items() if name != "loss"
    }


def test_reported_terms_are_those_of_the_table():
    model, batch = model_of(PairedWeights(adversarial_from=0)), batch_of()
    drawn = model.generator([batch["photo"], batch["style"]])
    gray = losses.grayscale(batch["photo"])[..., :1]
    *features, scores = model.discriminator([gray, drawn, batch["style"]])
    *real_features, real_scores = model.discriminator([gray, batch["drawing"], batch["style"]])
    reported = step(model, batch)
    target, paper = np.asarray(batch["drawing"]), 0.5 + 0.5 * np.asarray(drawn)
    entropy = -np.where(target > 0, np.log(paper), np.log(1 - paper)).mean()
    assert reported["cross_entropy"] == pytest.approx(4 * entropy, rel=1e-4)
    pairs = zip(features, real_features, strict=True)
    matching = np.mean([np.abs(np.asarray(a) - np.asarray(b)).mean() for a, b in pairs])
    assert reported["feature_matching"] == pytest.approx(4 * matching, rel=1e-4)
    fake, real = np.asarray(scores), np.asarray(real_scores)
    assert reported["g_adversarial"] == pytest.approx(np.square(fake - 1).mean(), rel=1e-4)
    # D has not moved yet, but it has followed its singular values by a step between the two.
    assert reported["d_real"] == pytest.approx(0.5 * np.square(real - 1).mean(), rel=1e-4)


def test_the_discriminator_waits_for_its_step():
    model, batch = model_of(PairedWeights(adversarial_from=2)), batch_of()
    before = [np.array(weight) for weight in model.discriminator.weights]
    for _ in range(2):
        reported = step(model, batch)
        assert reported["cross_entropy"] > 0
        assert {name for name, value in reported.items() if value} == {"cross_entropy"}
    for old, weight in zip(before, model.discriminator.weights, strict=True):
        np.testing.assert_array_equal(old, weight)
    assert all(step(model, batch)[name] > 0 for name in model.loss_names)


def test_without_a_discriminator_there_is_cross_entropy_alone():
    model = model_of(PairedWeights(adversarial=0.0, adversarial_from=0), styles=1)
    reported = step(model, batch_of(1))
    assert {name for name, value in reported.items() if value} == {"cross_entropy"}
    assert model.discriminator is None


def test_it_learns_what_is_drawn():
    model, batch = model_of(PairedWeights(adversarial_from=15), rate=1e-2), batch_of()
    first = step(model, batch)["cross_entropy"]
    for _ in range(25):
        last = step(model, batch)["cross_entropy"]
    assert last < 0.6 * first
    drawings = ops.repeat(batch["drawing"], 3, axis=-1)
    shown = model.visuals({"photo": batch["photo"], "drawings": drawings})
    assert list(shown)[:3] == ["photo", "filter ink", "ink"] and len(shown) == 7
    assert tuple(shown["ink"].shape) == (2, 32, 32, 1)


# Runs.


def losses_of(folder):
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def assert_same_end(one, two):
    ends = [state_of(list_checkpoints(folder)[-1]) for folder in (one, two)]
    assert ends[0].keys() == ends[1].keys() and len(ends[0]) > 100
    for name, value in ends[0].items():
        np.testing.assert_allclose(ends[1][name], value, atol=1e-4, err_msg=name)


def test_a_training_leaves_its_run_folder(run):
    rows = losses_of(run)
    assert [(row["phase"], row["step"]) for row in rows] == [("paired", 3), ("paired", 6)]
    options = json.loads((run / "options.json").read_text())
    assert options["styles"] == list(FILTERS) and options["photos"] == 4
    assert len(list((run / "drawn").rglob("*.png"))) == 3 * 6
    captions = json.loads((run / "samples" / "columns.json").read_text())
    assert captions == ["photo", *(x for name in FILTERS for x in (f"filter {name}", name))]
    assert "<h2>Epoch 2" in (run / "index.html").read_text()
    # The third step of the first epoch was the first with the discriminator.
    assert all(row["d_real"] > 0 and row["feature_matching"] > 0 for row in rows)


def test_held_back_photos_judge_the_epochs(run, faces):
    rows = losses_of(run)
    best = json.loads((run / "best.json").read_text())
    least = min(row["val_cross_entropy"] for row in rows)
    assert best["val_cross_entropy"] == pytest.approx(least, rel=1e-4)
    data = load_photos(faces, "A test")
    batch = batches_of(faces, run / "drawn").fixed(data.held_photos)
    net, found = load_generator(run).net, []
    for number, (photo, drawings) in enumerate(zip(*batch.values(), strict=True)):
        style = np.eye(3, dtype=np.float32)[[number]]
        paper = 0.5 + 0.5 * net(image=photo[None], style=style)[0, ..., 0]
        target = drawings[..., number]
        found.append(-np.where(target > 0, np.log(paper), np.log(1 - paper)).mean())
    assert rows[-1]["val_cross_entropy"] == pytest.approx(np.mean(found), rel=1e-4)


def test_the_run_draws_and_tells_its_styles(run):
    trained = load_run(run)
    assert (trained.method, trained.styles, trained.size) == ("paired", FILTERS, 64)
    generator = load_generator(run)
    assert generator.metadata.inputs == ("image", "style")
    image = np.zeros((1, 64, 64, 3), np.float32)
    drawn = generator.net(image=image, style=np.float32([[1, 0, 0]]))
    assert drawn.shape == (1, 64, 64, 1) and np.abs(drawn).max() < 1


@pytest.mark.slow
def test_traced_steps_change_where_the_discriminator_begins(run, faces, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdversarialModel, "compile", TRACED)
        traced = training.train(plan_of(faces, tmp_path / "run"), verbose=0)
    assert_same_end(run, traced)
    for eager_row, row in zip(losses_of(run), losses_of(traced), strict=True):
        for name in Paired.loss_names:
            assert row[name] == pytest.approx(eager_row[name], rel=1e-3)


def test_it_goes_on_as_if_it_had_not_stopped(run, faces, tmp_path, monkeypatch):
    # Stopped in the middle of the first epoch, before the step at which the discriminator begins.
    former = callbacks.CheckpointWriter.on_train_batch_end

    def stop(self, batch, logs=None):
        if self.step == 0:
            os.kill(os.getpid(), signal.SIGINT)
        former(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.CheckpointWriter, "on_train_batch_end", stop)
        with pytest.raises(callbacks.TrainingStopped, match="after step 1"):
            training.train(plan_of(faces, tmp_path / "run"), verbose=0)
    training.train(plan_of(faces, tmp_path / "run"), verbose=0)
    assert_same_end(run, tmp_path / "run")


def test_a_restored_model_knows_whether_the_discriminator_is_due(run, faces):
    model = plan_of(faces, run).experiment.build(6, 1)
    assert not model.disc_is_due
    assert restore_checkpoint(model, run) == 6
    assert model.disc_is_due


@pytest.mark.slow
def test_a_run_goes_on_from_another(run, faces, tmp_path):
    start = f"train.start_from={run}"
    model = plan_of(faces, tmp_path / "next", start).experiment.build(6, 1)
    plan_of(faces, tmp_path / "next", start).experiment.begin(model)
    trained = load_run(run).model
    for one, other in zip(model.generator.weights, trained.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    with pytest.raises(SettingError, match="expected a generator of the size"):
        plan = plan_of(faces, tmp_path / "next", start, "network.blocks=2")
        plan.experiment.begin(plan.experiment.build(6, 1))


@pytest.mark.slow
def test_a_run_that_moved_with_its_photos_grows(run, faces, tmp_path):
    shutil.copytree(faces, tmp_path / "data")
    shutil.copytree(run, tmp_path / "elsewhere")
    epochs = read_options(run)["recipe"]["train"]["epochs"]
    plan = plan_of(tmp_path / "data", tmp_path / "elsewhere", f"train.epochs={epochs + 1}")
    training.train(plan, verbose=0)
    rows = (plan.folder / "losses.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == list(range(1, epochs + 2))
    assert list_checkpoints(plan.folder)[-1].step == plan.total_steps


def test_squares_that_are_too_small_are_refused(faces, tmp_path):
    with pytest.raises(SettingError, match="data.size: the squares in .* have 64 pixels"):
        plan_of(faces, tmp_path / "run", "data.size=128", "data.crop=64")


def test_held_back_photos_are_drawn_as_far_as_they_are_shown(faces, tmp_path):
    plan = plan_of(faces, tmp_path)
    data = plan.experiment.data
    many = [replace(data.held_photos[0], source=f"{n}") for n in range(100)]
    plan.experiment.data = PhotoData(data.folder, data.photos, many)
    plan.experiment.prepare_run(None, tmp_path)
    # All of them are one file here.
    assert len(list((tmp_path / "drawn" / "ink").glob("*.png"))) == len(data.photos) + 1


def test_validation_is_least_for_the_filters_themselves(tmp_path, faces, run):
    model = model_of(PairedWeights())
    batch = batches_of(faces, run / "drawn").fixed(load_photos(faces, "A test").held_photos)
    batch["style"] = np.eye(3, dtype=np.float32)[np.arange(len(batch["photo"])) % 3]
    batch["drawing"] = np.stack([d[..., n % 3, None] for n, d in enumerate(batch["drawings"])])
    scorer = PairedScorer(batch)
    undecided = scorer(model)["cross_entropy"]

    def filters(photo, style):
        (number,) = np.nonzero(style[0])[0]
        (row,) = np.nonzero((batch["photo"] == photo).all(axis=(1, 2, 3)))[0]
        return ops.convert_to_tensor(0.999 * batch["drawings"][row, None, ..., number, None])

    model.draw_averaged = filters
    # -log(0.9995), everywhere.
    known = scorer(model)["cross_entropy"]
    assert known == pytest.approx(5e-4, rel=0.01) and known < 0.01 * undecided
