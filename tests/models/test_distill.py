"""Distillation: views and what the teacher draws of them, the step, the command, going on."""

import json
import re
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait import losses
from keras_portrait.data.filter_drawings import drawing_file
from keras_portrait.data.manifest import NAME
from keras_portrait.data.photos import load_photos
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import read_image, to_signed, write_image
from keras_portrait.models.distillation import experiment as distillation
from keras_portrait.models.distillation.batches import PLAIN, make_view, view_file
from keras_portrait.models.distillation.config import (
    DistillationDataSettings,
    DistillationWeights,
)
from keras_portrait.models.distillation.model import Distillation
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.networks import pair_discriminator
from keras_portrait.networks.line_generator import HALF_LOGIT
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training import run as training
from keras_portrait.training.callbacks import Validation
from keras_portrait.training.checkpoints import list_checkpoints, restore_checkpoint
from keras_portrait.training.saved_generator import load_generator, load_run
from keras_portrait.training.scorers import TeacherScorer
from tiny_preset import write_colour_preset, write_noise_preset, write_tiny_preset
from tiny_runs import write_run
from tiny_training import state_of, without_tracing

TINY = [
    *("data.size=64", "data.crop=32", "data.batch=2", "data.views=2", "data.shift=2"),
    *("data.filters=0", "network.filters=2", "network.blocks=1", "loss.adversarial_from=1"),
    *("network.discriminator_filters=2", "train.epochs=2", "train.steps_per_epoch=1"),
    *("train.precision=float32", "train.average_decay=0.5"),
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A preset that draws the mean of red, green and blue; its second style is darker by 0.5."""
    return write_tiny_preset(tmp_path_factory.mktemp("teachers") / "tiny", alignment=2)


@pytest.fixture(scope="module")
def faces(drawn_data, tmp_path_factory):
    """A prepared folder of invented faces; two photos are trained on, two held back."""
    folder = tmp_path_factory.mktemp("faces") / "data"
    shutil.copytree(drawn_data, folder)
    rows = [json.loads(line) for line in (folder / NAME).read_text().splitlines()]
    photos = [row for row in rows if row.get("kind") == "photo" and row.get("kept")]
    for row in photos[2:]:
        row["split"] = "test"
    (folder / NAME).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Steps without tracing, which is slow where only a few are taken; LPIPS unlearned."""
    with pytest.MonkeyPatch.context() as patch:
        without_tracing(patch)
        patch.setattr(distillation, "PerceptualDistance", lambda: PerceptualDistance(load=False))
        yield


def plan_of(teacher, data, folder, *overrides):
    recipe = load_recipe("student-fast", [*TINY, f"teacher={json.dumps(str(teacher))}", *overrides])
    return training.make_plan(recipe, "tiny", data, folder)


@pytest.fixture(scope="module")
def run(teacher, faces, tmp_path_factory):
    """The run folder of an undisturbed training."""
    return training.train(
        plan_of(teacher, faces, tmp_path_factory.mktemp("runs") / "run"), verbose=0
    )


# Views.


def photo_of(size=80):
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_views_are_a_function_of_seed_photo_and_view():
    settings = DistillationDataSettings(size=64)

    def view(*numbers):
        return make_view(photo_of(), settings, *numbers)

    first = view(1, 2, 3)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, view(1, 2, 3))
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert np.any(view(*other) != first)
    np.testing.assert_array_equal(view(1, 2, PLAIN), view(5, 6, PLAIN))


def test_a_view_without_augmentation_is_the_photo():
    settings = DistillationDataSettings(size=96, scale=1.0, flip=False)
    np.testing.assert_array_equal(make_view(photo_of(96), settings, 0, 0, 1), photo_of(96))


def test_views_are_mirrored_half_of_the_time():
    settings = DistillationDataSettings(size=96, scale=1.0)
    mirrored = 0
    for view in range(1, 101):
        made = make_view(photo_of(96), settings, 0, 0, view)
        flipped = np.array_equal(made, photo_of(96)[:, ::-1])
        assert flipped or np.array_equal(made, photo_of(96))
        mirrored += flipped
    assert 30 < mirrored < 70


# What the teacher draws.


def drawn_by(teacher_style, photo):
    """What the teacher of `teacher` makes of a photo, in [-1, 1]."""
    return np.clip(to_signed(photo).mean(-1) - 0.5 * teacher_style, -1, 1)


def test_the_teacher_drew_every_view_in_every_style(run, faces):
    data = load_photos(faces, "Distillation")
    settings = load_recipe("student-fast", TINY).data
    assert (len(data.photos), len(data.held_photos)) == (2, 2)
    views = [(row, 0, PLAIN) for row in data.held_photos]
    views += [(row, number, view) for number, row in enumerate(data.photos) for view in range(2)]
    expected = {}
    for row, number, view in views:
        photo = make_view(read_image(faces / row.file), settings, 0, number, view)
        for style, name in enumerate(("thin", "bold")):
            expected[view_file(row, view, name).as_posix()] = drawn_by(style, photo)
    files = {p.relative_to(run / "teacher").as_posix() for p in (run / "teacher").rglob("*.png")}
    assert files == set(expected) and len(files) == 12
    for file, values in expected.items():
        drawn = to_signed(read_image(run / "teacher" / file)[..., 0])
        # Stored in steps of 1 / 127.5.
        np.testing.assert_allclose(drawn, values, atol=0.005)


def batches_of(teacher, faces, run, **changes):
    batches = plan_of(teacher, faces, run).experiment.batches(run)
    batches.settings = replace(batches.settings, jitter=0.0, **changes)
    return batches


def test_batches_hold_crops_with_their_drawings_and_twins(run, teacher, faces):
    batches, shifts, photos = batches_of(teacher, faces, run), set(), set()
    for step in range(8):
        batch = batches.batch(step)
        for number in range(2):
            one = {name: values[number] for name, values in batch.items()}
            style = one["style"][1]
            for photo, drawing in (("photo", "drawing"), ("twin", "twin_drawing")):
                assert one[photo].shape == (32, 32, 3)
                expected = np.clip(one[photo].mean(-1) - 0.5 * style, -1, 1)
                np.testing.assert_allclose(one[drawing][..., 0], expected, atol=0.005)
            down, right = one["shift"]
            shifts.add((int(down), int(right)))
            # The wave repeats every two pixels of this size.
            assert (3 * down + right) % 2 == 0 and max(abs(one["shift"])) <= 2
            first = one["photo"][max(down, 0) :, max(right, 0) :][:28, :28]
            twin = one["twin"][max(-down, 0) :, max(-right, 0) :][:28, :28]
            np.testing.assert_array_equal(first, twin)
            photos.add(one["photo"].tobytes())
    assert len(shifts) > 4 and len(photos) > 8
    again = batches.part(7, range(1, 2))
    np.testing.assert_array_equal(again["photo"], batch["photo"][1:])


def test_a_share_of_the_drawings_is_by_the_filters(run, teacher, faces, tmp_path):
    batches = batches_of(teacher, faces, run, filters=0.5)
    batches.filters, batches.filtered = tmp_path, ("bold",)
    for row in batches.data.photos:
        path = tmp_path / drawing_file(row, "bold")
        path.parent.mkdir(exist_ok=True)
        write_image(path, np.zeros((64, 64), np.uint8))
    by_filter = {0: [], 1: []}
    for step in range(20):
        batch = batches.batch(step)
        for drawing, style in zip(batch["drawing"], batch["style"], strict=True):
            by_filter[int(style.argmax())].append(bool((drawing == -1).all()))
    bold = batches.styles.index("bold")
    share = sum(by_filter[bold]) / len(by_filter[bold])
    assert 0.25 < share < 0.75 and not any(by_filter[1 - bold])


def test_filters_draw_where_they_are_asked_to(faces, tmp_path, monkeypatch):
    styles = ("a hand", "ink")
    teacher = write_tiny_preset(tmp_path / "tiny", styles=styles, alignment=2)
    plan, asked = (
        plan_of(teacher, faces, tmp_path / "run", "data.filters=0.5", "data.features=mesh"),
        [],
    )

    def draw(*given):
        asked.append(given)
        yield 0

    monkeypatch.setattr(distillation, "draw_missing", draw)
    plan.experiment.prepare_run(None, tmp_path / "run")
    ((folder, data, rows, names, size, features),) = asked
    assert (folder, data) == (tmp_path / "run" / "drawn", plan.experiment.folder)
    assert (rows, names) == (plan.experiment.data.photos, ("ink",))
    assert (size, features) == (64, "mesh")
    assert plan.experiment.batches(tmp_path / "run").filtered == ("ink",)


# A step.


def plain_student(styles):
    """Two convolutions and a bias for the style: much faster than the method's own network."""
    layers = keras.layers
    image, style = keras.Input((None, None, 3)), keras.Input((styles,))
    x = layers.Conv2D(8, 3, padding="same")(image)
    if styles > 1:
        x = layers.Add()([x, layers.Conv2D(8, 1)(layers.Reshape((1, 1, styles))(style))])
    x = layers.Conv2D(1, 3, padding="same", name=HALF_LOGIT)(layers.ReLU()(x))
    x = layers.Activation("tanh")(x)
    return keras.Model([image, style] if styles > 1 else image, x)


def model_of(weights, rate=1e-3, styles=2):
    keras.utils.set_random_seed(0)
    model = Distillation(
        [f"style {index}" for index in range(styles)],
        generator=plain_student(styles),
        discriminator=pair_discriminator(styles, 2) if weights.adversarial else None,
        distance=lambda a, b: ops.mean(ops.square(a - b), axis=(1, 2, 3)),
        weights=weights,
        average_decay=0.0,
    )
    groups = ("generator", "discriminator") if weights.adversarial else ("generator",)
    model.compile(**{name: keras.optimizers.Adam(rate) for name in groups})
    return model


def batch_of(styles=2):
    """Two photos of blocks, and as twins the same two pixels further right, in another light."""
    rng = np.random.default_rng(0)
    wide = rng.uniform(-1, 1, (2, 4, 5, 3)).repeat(8, axis=1).repeat(8, axis=2)
    ink = np.sign(wide.mean(-1, keepdims=True))
    arrays = {
        "photo": wide[:, :, :32],
        "drawing": ink[:, :, :32],
        "style": np.eye(styles)[:2] if styles > 1 else np.ones((2, 1)),
        "twin": 0.8 * wide[:, :, 2:34],
        "twin_drawing": ink[:, :, 2:34],
    }
    batch = {name: ops.convert_to_tensor(x.astype("float32")) for name, x in arrays.items()}
    return {**batch, "shift": ops.convert_to_tensor(np.int32([[0, 2], [0, 2]]))}


def step(model, batch):
    model.reset_metrics()
    model.disc_joins = model.disc_is_due
    return {
        name: float(value) for name, value in model.train_step((batch,)).items() if name != "loss"
    }


def entropy_of(drawn, target):
    """Mean cross-entropy of drawings in [-1, 1] against ink and paper."""
    paper = 0.5 + 0.5 * np.asarray(drawn)
    return -np.where(np.asarray(target) > 0, np.log(paper), np.log(1 - paper)).mean()


def test_reported_terms_are_those_of_the_table():
    model, batch = model_of(DistillationWeights(adversarial_from=0)), batch_of()
    drawn, twin = (model.generator([batch[name], batch["style"]]) for name in ("photo", "twin"))
    gray = losses.grayscale(batch["photo"])[..., :1]
    *features, scores = model.discriminator([gray, drawn, batch["style"]])
    *real_features, real_scores = model.discriminator([gray, batch["drawing"], batch["style"]])
    reported = step(model, batch)
    entropy = entropy_of(drawn, batch["drawing"]) + entropy_of(twin, batch["twin_drawing"])
    assert reported["cross_entropy"] == pytest.approx(4 * entropy / 2, rel=1e-4)
    # Two columns of rows and columns each are left out: 1/16 of 32 pixels.
    apart = np.asarray(drawn)[:, :30, 2:] - np.asarray(twin)[:, :30, :30]
    assert reported["steadiness"] == pytest.approx(2 * np.abs(apart).mean(), rel=1e-4)
    pairs = zip(features, real_features, strict=True)
    matching = np.mean([np.abs(np.asarray(a) - np.asarray(b)).mean() for a, b in pairs])
    assert reported["feature_matching"] == pytest.approx(4 * matching, rel=1e-4)
    fake, real = np.asarray(scores), np.asarray(real_scores)
    assert reported["g_adversarial"] == pytest.approx(np.square(fake - 1).mean(), rel=1e-4)
    assert reported["d_real"] == pytest.approx(0.5 * np.square(real - 1).mean(), rel=1e-3)


def test_without_twins_the_crop_alone_is_learned():
    model, batch = model_of(DistillationWeights(adversarial=0.0)), batch_of()
    batch = {name: batch[name] for name in ("photo", "drawing", "style")}
    drawn = model.generator([batch["photo"], batch["style"]])
    reported = step(model, batch)
    entropy = entropy_of(drawn, batch["drawing"])
    assert reported["cross_entropy"] == pytest.approx(4 * entropy, rel=1e-4)
    assert reported["steadiness"] == 0


@pytest.mark.parametrize("name", ["steadiness", "feature_matching", "adversarial"])
def test_what_is_switched_off_is_zero(name):
    weights = DistillationWeights(**{name: 0.0, "adversarial_from": 0})
    reported = step(model_of(weights), batch_of())
    off = {name}
    if name == "adversarial":
        off = {"feature_matching", "g_adversarial", "d_real", "d_fake"}
    assert {key for key, value in reported.items() if value == 0} - {"disc_accuracy"} == off


def test_the_discriminator_waits_for_its_step():
    model, batch = model_of(DistillationWeights(adversarial_from=1)), batch_of()
    assert step(model, batch)["d_real"] == 0 < step(model, batch)["d_real"]


@pytest.mark.parametrize("styles", [1, 2])
def test_it_learns_what_the_teacher_draws(styles):
    model, batch = model_of(DistillationWeights(adversarial=0.0), 1e-2, styles), batch_of(styles)
    first = step(model, batch)["cross_entropy"]
    for _ in range(40):
        last = step(model, batch)["cross_entropy"]
    assert last < 0.5 * first
    shown = model.visuals(batch)
    assert list(shown) == ["photo", "teacher", "student"]
    assert tuple(shown["student"].shape) == (2, 32, 32, 1)


@pytest.mark.parametrize("down", [-1, 0, 2])
@pytest.mark.parametrize("right", [-1, 0, 1])
def test_steady_drawings_move_with_the_photo(down, right):
    whole = np.random.default_rng(0).normal(size=(2, 40, 40, 1)).astype("float32")
    first, twin = whole[:, 4:36, 4:36], whole[:, 4 + down : 36 + down, 4 + right : 36 + right]
    shift = np.int32([[down, right]] * 2)
    assert float(losses.unsteadiness(first, twin, shift)) == 0
    assert float(losses.unsteadiness(first, twin, shift - 1)) > 0.5


# Runs.


def losses_of(run):
    return [json.loads(line) for line in (run / "losses.jsonl").read_text().splitlines()]


def test_a_training_leaves_its_run_folder(run, teacher):
    rows = losses_of(run)
    assert [(row["phase"], row["step"]) for row in rows] == [
        ("distillation", 1),
        ("distillation", 2),
    ]
    options = json.loads((run / "options.json").read_text())
    assert options["styles"] == ["thin", "bold"] and options["photos"] == 2
    assert options["alignment"] == 2
    metadata = json.loads((teacher / "portrait.json").read_text())
    assert options["teacher_sha256"] == metadata["sha256"]
    assert options["recipe"]["teacher"] == str(teacher)
    assert json.loads((run / "samples" / "columns.json").read_text()) == [
        *("photo", "teacher", "student")
    ]
    assert "<h2>Epoch 2" in (run / "index.html").read_text()
    assert [checkpoint.step for checkpoint in list_checkpoints(run)] == [1, 2]


def test_held_back_photos_judge_the_epochs(run, teacher, faces):
    rows = losses_of(run)
    best = json.loads((run / "best.json").read_text())
    assert best["val_lpips"] == pytest.approx(min(row["val_lpips"] for row in rows), rel=1e-4)
    # The last epoch's figure is that of the average that was exported.
    plan = plan_of(teacher, faces, run)
    batch = plan.experiment.batches(run).fixed(load_photos(faces, "Distillation").held_photos)
    model = keras.models.load_model(run / "generator.keras")
    drawn = np.asarray(model([batch["photo"], batch["style"]]))
    error = np.abs(drawn - batch["drawing"]).mean()
    assert rows[-1]["val_l1"] == pytest.approx(error, rel=1e-3)


def test_the_run_draws_and_tells_its_styles(run):
    trained = load_run(run)
    assert (trained.method, trained.styles, trained.size) == ("distillation", ("thin", "bold"), 64)
    generator = load_generator(run)
    assert generator.metadata.inputs == ("image", "style")
    assert generator.metadata.alignment == 2
    image = np.zeros((1, 64, 64, 3), np.float32)
    assert generator.net(image=image, style=np.float32([[1, 0]])).shape == (1, 64, 64, 1)


def test_drawings_that_are_there_are_not_made_again(teacher, faces, tmp_path):
    plan, heeded = plan_of(teacher, faces, tmp_path), []

    def stop():
        heeded.append(None)
        if len(heeded) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan.experiment.prepare_run(None, tmp_path, stop)
    assert len(list((tmp_path / "teacher").rglob("*.png"))) == 2
    plan.experiment.prepare_run(None, tmp_path)
    drawings = sorted((tmp_path / "teacher").rglob("*.png"))
    write_image(drawings[0], np.zeros((64, 64), np.uint8))
    drawings[1].unlink()
    plan.experiment.prepare_run(None, tmp_path)
    assert len(drawings) == 12 and not read_image(drawings[0]).any()
    assert read_image(drawings[1]).any()


@pytest.mark.slow
def test_going_on_after_an_epoch(run, teacher, faces, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    list_checkpoints(copy)[-1].path.unlink()
    model = plan_of(teacher, faces, copy).experiment.build(2, 1)
    assert restore_checkpoint(model, copy) == 1
    training.train(plan_of(teacher, faces, copy), verbose=0)
    last, known = list_checkpoints(copy)[-1], state_of(list_checkpoints(run)[-1])
    for name, array in state_of(last).items():
        np.testing.assert_allclose(array, known[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_another_teacher_under_the_same_path_is_refused(teacher, faces, run, tmp_path):
    moved = tmp_path / "tiny"
    shutil.copytree(teacher, moved)
    shutil.copytree(run, tmp_path / "run")
    options = tmp_path / "run" / "options.json"
    options.write_text(options.read_text().replace(str(teacher), str(moved)))
    plan_of(moved, faces, tmp_path / "run")
    shutil.rmtree(moved)
    write_tiny_preset(moved, offsets=(0.0, 0.25), alignment=2)
    with pytest.raises(SettingError, match="teacher_sha256: .* there, .* now"):
        plan_of(moved, faces, tmp_path / "run")


def test_a_run_goes_on_where_it_teacher_and_pictures_moved_and_for_more_epochs(
    teacher, faces, run, tmp_path, capsys
):
    shutil.copytree(teacher, tmp_path / "moved")
    shutil.copytree(faces, tmp_path / "data")
    shutil.copytree(run, tmp_path / "run")
    more = ("train.epochs=3", f"train.start_from={run}")
    with pytest.raises(SettingError, match="train.start_from: nothing there, .*run now"):
        plan_of(tmp_path / "moved", tmp_path / "data", tmp_path / "run", *more)
    plan = plan_of(tmp_path / "moved", tmp_path / "data", tmp_path / "run", *more[:1])
    training.train(plan)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"The same pictures, now in {tmp_path / 'data'} instead of ")
    # The learning rate falls from 0.6 of the training on: (1 - 2/3) / 0.4 of it is left.
    assert "3 epochs instead of 2: after step 2, " in told[1]
    assert "the learning rate is 0.000833 instead of 0, and" in told[1]
    assert [row["step"] for row in losses_of(tmp_path / "run")] == [1, 2, 3]
    recipe = json.loads((tmp_path / "run" / "options.json").read_text())["recipe"]
    assert (recipe["teacher"], recipe["train"]["epochs"]) == (str(tmp_path / "moved"), 3)


def test_a_student_without_held_back_photos_or_a_discriminator(drawn_data, tmp_path):
    teacher = write_tiny_preset(tmp_path / "one", styles=("only",), alignment=2)
    run = training.train(
        plan_of(teacher, drawn_data, tmp_path / "run", "loss.adversarial=0", "train.epochs=1"),
        verbose=0,
    )
    assert not (run / "best.keras").exists()
    assert [x.name for x in keras.models.load_model(run / "generator.keras").inputs] == ["image"]
    assert losses_of(run)[0]["d_real"] == 0


def test_a_run_teaches_as_a_preset_does(run, faces, tmp_path):
    experiment = plan_of(run, faces, tmp_path).experiment
    assert experiment.description()["styles"] == ["thin", "bold"]
    experiment.prepare_run(None, tmp_path)
    row = load_photos(faces, "Distillation").held_photos[0]
    drawn = to_signed(read_image(tmp_path / "teacher" / view_file(row, PLAIN, "thin")))
    photo = to_signed(read_image(faces / row.file))[None]
    expected = load_generator(run).net(image=photo, style=np.float32([[1, 0]]))
    np.testing.assert_allclose(drawn[..., 0], expected[0, ..., 0], atol=0.005)


def test_validation_is_zero_for_the_teacher_itself(tmp_path):
    model = model_of(DistillationWeights())
    batch = {name: ops.convert_to_numpy(value) for name, value in batch_of().items()}
    batch["drawing"] = ops.convert_to_numpy(model.draw_averaged(batch["photo"], batch["style"]))
    judge = Validation(tmp_path, TeacherScorer(batch))
    judge.set_model(model)
    logs = {}
    judge.on_train_begin()
    judge.on_epoch_end(0, logs)
    assert logs == pytest.approx({"val_lpips": 0, "val_l1": 0}, abs=1e-6)
    assert (tmp_path / "best.keras").is_file()


# Refusals.


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: write_colour_preset(path), "makes pictures in colour"),
        (lambda path: write_noise_preset(path), "expected a generator of drawings from photos"),
        (lambda path: write_run(path, "cyclegan"), "makes pictures in colour"),
        (lambda path: path, "No such preset"),
    ],
)
def test_teachers_that_make_no_drawings_are_refused(write, text, faces, tmp_path):
    with pytest.raises(SettingError, match=text):
        plan_of(write(tmp_path / "teacher"), faces, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_that_do_not_fit_are_refused(teacher, faces, tmp_path):
    for overrides, text in (
        (["data.size=128"], "data.size: expected 64, the size of the teacher"),
        (["data.size=72"], "data.size: expected a multiple of 32"),
        (["data.crop=36"], "data.crop: expected a multiple of 8 and of 2, at most 64"),
        (["data.shift=3"], "data.shift: expected at most 2, a 16th of data.crop"),
        (["data.filters=0.5"], "data.filters: expected 0, .* styles thin, bold. Received: 0.5"),
        (["teacher="], "teacher: expected a preset or a run"),
    ):
        with pytest.raises(SettingError, match=text):
            plan_of(teacher, faces, tmp_path / "run", *overrides)
    large = write_tiny_preset(tmp_path / "large", size=96, alignment=2)
    with pytest.raises(SettingError, match="--size 96"):
        plan_of(large, faces, tmp_path / "run", "data.size=96", "data.crop=48")
    old = write_tiny_preset(tmp_path / "old", alignment=1)
    text = "The teacher takes photos of alignment 1. .*--alignment 1`. Received: alignment 2 in "
    with pytest.raises(SettingError, match=text + re.escape(str(faces))):
        plan_of(old, faces, tmp_path / "run")


def test_a_folder_without_photos_is_refused(faces, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(faces, folder)
    text = (folder / NAME).read_text()
    (folder / NAME).write_text(text.replace('"kind": "photo"', '"kind": "avatar"'))
    with pytest.raises(InputError, match="expected photos to train on"):
        load_photos(folder, "Distillation")
    shutil.copyfile(faces / NAME, folder / NAME)
    (folder / load_photos(folder, "Distillation").photos[0].file).unlink()
    with pytest.raises(InputError, match="Received: no photos/"):
        load_photos(folder, "Distillation")


# The command.


def test_the_command_trains_and_goes_on(portrait, teacher, faces, tmp_path):
    overrides = [part for each in (*TINY, "train.epochs=1") for part in ("-s", each)]
    given = ("distill", teacher, faces, "-o", tmp_path / "run", *overrides)
    code, out, _ = portrait(*given, "--dry-run")
    assert code == 0 and '"method": "distillation"' in out
    assert not (tmp_path / "run").exists()
    code, out, err = portrait(*given)
    assert (code, out.strip()) == (0, str(tmp_path / "run"))
    code, _, err = portrait(*given)
    assert code == 0 and "is finished" in err
    code, _, err = portrait(*given, "-s", "loss.steadiness=1")
    assert code == 2 and "loss.steadiness: 2.0 there, 1.0 now" in err


def test_the_command_finds_the_data_of_a_run(portrait, run, faces, tmp_path):
    overrides = [part for override in TINY for part in ("-s", override)]
    code, out, _ = portrait("distill", run, "-o", tmp_path / "run", *overrides, "--dry-run")
    assert code == 0
    assert json.loads(out[: out.rindex("}") + 1])["data"] == str(faces.resolve())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["portrait", "-o", "run"], "DATA: expected a folder made by `portrait prepare`"),
        (["portrait", "data"], "Expected a folder for the student, as -o STUDENT"),
        (["portrat", "data", "-o", "run"], "No such preset|manifest"),
        (["portrait", "data", "-o", "run", "--student", "quick"], "Recipe: expected a TOML file"),
    ],
)
def test_commands_that_cannot_work_say_why(arguments, text, portrait, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = portrait("distill", *arguments)
    assert code == 2 and err.count("\n") == 1 and re.search(text, err)


def test_a_run_whose_data_are_gone_is_told(portrait, run, tmp_path):
    shutil.copytree(run, tmp_path / "teacher")
    options = json.loads((tmp_path / "teacher" / "options.json").read_text())
    options["data"] = str(tmp_path / "gone")
    (tmp_path / "teacher" / "options.json").write_text(json.dumps(options))
    code, _, err = portrait("distill", tmp_path / "teacher", "-o", tmp_path / "run")
    assert code == 2 and "which is not there" in err
