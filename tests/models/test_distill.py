"""Distillation: views and what the teacher draws of them, the step, the command, going on."""

import json
import re
import shutil
from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.data.manifest import NAME
from keras_portrait.data.photos import load_photos
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import read_image, to_signed, write_image
from keras_portrait.models.distillation import experiment as distillation
from keras_portrait.models.distillation.batches import PLAIN, make_view, style_turn, view_file
from keras_portrait.models.distillation.config import DistillationDataSettings
from keras_portrait.models.distillation.model import Distillation
from keras_portrait.models.load_recipe import load_recipe
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
    *("data.size=64", "data.batch=2", "data.views=2", "network.filters=2", "network.blocks=1"),
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
    settings = DistillationDataSettings(size=80, scale=1.0, flip=False, jitter=0.0)
    np.testing.assert_array_equal(make_view(photo_of(), settings, 0, 0, 0), photo_of())


def test_views_are_mirrored_half_of_the_time():
    settings = DistillationDataSettings(size=80, scale=1.0, jitter=0.0)
    mirrored = 0
    for view in range(100):
        made = make_view(photo_of(), settings, 0, 0, view)
        flipped = np.array_equal(made, photo_of()[:, ::-1])
        assert flipped or np.array_equal(made, photo_of())
        mirrored += flipped
    assert 30 < mirrored < 70


def test_jitter_keeps_within_its_bounds():
    # A flat picture has no contrast to change; of gray, saturation is 0.
    gray = np.full((64, 64, 3), 100, np.uint8)
    settings = DistillationDataSettings(size=64, jitter=0.2)
    values = [make_view(gray, settings, 0, 0, view)[0, 0] for view in range(200)]
    # Brightness and half the white balance, both as natural logarithms.
    logarithms = np.log(np.array(values) / 100)
    assert np.abs(logarithms).max() <= 0.31
    assert logarithms.std(axis=0).min() > 0.08
    assert (logarithms.max(axis=1) - logarithms.min(axis=1)).max() <= 0.21


def test_each_photo_is_drawn_in_all_styles():
    for number in range(3):
        assert sorted(style_turn(number, view, 3) for view in range(3)) == [0, 1, 2]
    assert [style_turn(number, PLAIN, 2) for number in range(4)] == [0, 1, 0, 1]


# What the teacher draws.


def test_the_teacher_drew_every_view_in_its_style(run, teacher, faces):
    data = load_photos(faces, "Distillation")
    settings = load_recipe("student-fast", TINY).data
    assert (len(data.photos), len(data.held_photos)) == (2, 2)
    expected = {}
    for number, row in enumerate(data.photos):
        for view in range(2):
            style = style_turn(number, view, 2)
            photo = make_view(read_image(faces / row.file), settings, 0, number, view)
            expected[view_file(row, view, style)] = to_signed(photo).mean(-1) - 0.5 * style
    for number, row in enumerate(data.held_photos):
        plain = to_signed(read_image(faces / row.file)).mean(-1) - 0.5 * number
        expected[view_file(row, PLAIN, number)] = plain
    files = {p.relative_to(run / "teacher").as_posix() for p in (run / "teacher").rglob("*.png")}
    assert files == set(expected)
    for file, values in expected.items():
        drawn = to_signed(read_image(run / "teacher" / file)[..., 0])
        # Stored in steps of 1 / 127.5.
        np.testing.assert_allclose(drawn, np.clip(values, -1, 1), atol=0.005)


def test_batches_hold_a_view_with_its_drawing_and_style(run, teacher, faces):
    batches = plan_of(teacher, faces, run).experiment.batches(run)
    seen = set()
    for step in range(2):
        batch = batches.batch(step)
        for photo, drawing, style in zip(
            *(batch[name] for name in ("photo", "drawing", "style")), strict=True
        ):
            assert sorted(style) == [0, 1]
            expected = np.clip(photo.mean(-1) - 0.5 * style[1], -1, 1)
            np.testing.assert_allclose(drawing[..., 0], expected, atol=0.005)
            seen.add(photo.tobytes())
    # Two photos in two views: each once.
    assert len(seen) == 4
    np.testing.assert_array_equal(batches.batch(1)["photo"], batch["photo"])


# A step.


@dataclass(frozen=True)
class Weights:
    l1: float = 10.0
    lpips: float = 5.0
    adversarial: float = 0.5


def plain_student(styles):
    """Two convolutions and a bias for the style: much faster than the method's own network."""
    layers = keras.layers
    image, style = keras.Input((None, None, 3)), keras.Input((styles,))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(image))
    if styles > 1:
        x = layers.Add()([x, layers.Conv2D(8, 1)(layers.Reshape((1, 1, styles))(style))])
    x = layers.Conv2D(1, 3, padding="same", activation="tanh")(layers.ReLU()(x))
    return keras.Model([image, style] if styles > 1 else image, x)


def plain_discriminator():
    drawing = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(8, 3, 2, activation="leaky_relu")(drawing)
    return keras.Model(drawing, keras.layers.Conv2D(1, 3, 2)(x))


def model_of(weights, rate=1e-3, styles=2, decay=0.0):
    keras.utils.set_random_seed(0)
    model = Distillation(
        [f"style {index}" for index in range(styles)],
        generator=plain_student(styles),
        discriminator=plain_discriminator(),
        distance=lambda a, b: ops.mean(ops.square(a - b), axis=(1, 2, 3)),
        weights=weights,
        average_decay=decay,
    )
    groups = ("generator", "discriminator") if weights.adversarial else ("generator",)
    model.compile(**{name: keras.optimizers.Adam(rate) for name in groups})
    return model


def batch_of(styles=2):
    rng = np.random.default_rng(0)
    photo = rng.uniform(-1, 1, (2, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    drawing = np.sign(photo.mean(-1, keepdims=True))
    arrays = {"photo": photo, "drawing": drawing, "style": np.eye(styles)[:2]}
    return {name: ops.convert_to_tensor(x.astype("float32")) for name, x in arrays.items()}


def step(model, batch):
    model.reset_metrics()
    return {
        name: float(value) for name, value in model.train_step((batch,)).items() if name != "loss"
    }


def test_reported_terms_are_those_of_the_table():
    model, batch = model_of(Weights()), batch_of()
    drawn = model.generator([batch["photo"], batch["style"]], training=True)
    before = ops.convert_to_numpy(model.discriminator(drawn))
    reported = step(model, batch)
    drawn, target = ops.convert_to_numpy(drawn), ops.convert_to_numpy(batch["drawing"])
    assert reported["l1"] == pytest.approx(10 * np.abs(drawn - target).mean(), rel=1e-4)
    assert reported["lpips"] == pytest.approx(5 * np.square(drawn - target).mean(), rel=1e-4)
    assert reported["g_adversarial"] == pytest.approx(0.5 * np.square(before - 1).mean(), rel=1e-3)
    # D has not moved yet.
    assert reported["d_fake"] == pytest.approx(0.5 * np.square(before).mean(), rel=1e-3)


@pytest.mark.parametrize("name", ["l1", "lpips", "adversarial"])
def test_what_is_switched_off_is_zero(name):
    reported = step(model_of(replace(Weights(), **{name: 0.0})), batch_of())
    off = (
        {"g_adversarial", "d_real", "d_fake", "disc_accuracy"} if name == "adversarial" else {name}
    )
    assert {key for key, value in reported.items() if value == 0} - {"disc_accuracy"} == off - {
        "disc_accuracy"
    }


def test_the_average_follows_statistics_of_normalization_too():
    model, batch = model_of(Weights(), decay=0.5), batch_of()
    start = [ops.convert_to_numpy(w).copy() for w in model.averaged_generator.weights]
    step(model, batch)
    # After one step 2 / 11 of the old average is kept.
    weights, means = model.generator.weights, model.averaged_generator.weights
    for old, new, mean in zip(start, weights, means, strict=True):
        expected = old * 2 / 11 + ops.convert_to_numpy(new) * 9 / 11
        np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)
    moved = [mean.path for mean, old in zip(means, start, strict=True) if np.any(mean != old)]
    assert any("moving_variance" in path for path in moved)


@pytest.mark.parametrize("styles", [1, 2])
def test_it_learns_what_the_teacher_draws(styles):
    model, batch = model_of(Weights(adversarial=0.0), 1e-2, styles), batch_of(max(styles, 2))
    first = step(model, batch)["l1"]
    for _ in range(40):
        last = step(model, batch)["l1"]
    assert last < 0.5 * first
    shown = model.visuals(batch)
    assert list(shown) == ["photo", "teacher", "student"]
    assert tuple(shown["student"].shape) == (2, 32, 32, 1)


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
    assert len(drawings) == 6 and not read_image(drawings[0]).any()
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
    # The learning rate falls from 0.3 of the training on: (1 - 2/3) / 0.7 of it is left.
    assert "3 epochs instead of 2: after step 2, " in told[1]
    assert "the learning rate is 0.000476 instead of 0, and" in told[1]
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
    drawn = to_signed(read_image(tmp_path / "teacher" / view_file(row, PLAIN, 0)))
    photo = to_signed(read_image(faces / row.file))[None]
    expected = load_generator(run).net(image=photo, style=np.float32([[1, 0]]))
    np.testing.assert_allclose(drawn[..., 0], expected[0, ..., 0], atol=0.005)


def test_validation_is_zero_for_the_teacher_itself(tmp_path):
    model = model_of(Weights())
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
        (["data.size=32"], "data.size: expected 64, the size of the teacher"),
        (["data.size=66"], "data.size: expected a multiple of 4"),
        (["network.filters=3"], "network.filters: expected an even number"),
        (["teacher="], "teacher: expected a preset or a run"),
    ):
        with pytest.raises(SettingError, match=text):
            plan_of(teacher, faces, tmp_path / "run", *overrides)
    large = write_tiny_preset(tmp_path / "large", size=96, alignment=2)
    with pytest.raises(SettingError, match="--size 96"):
        plan_of(large, faces, tmp_path / "run", "data.size=96")
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
    code, _, err = portrait(*given, "-s", "loss.l1=1")
    assert code == 2 and "loss.l1: 10.0 there, 1.0 now" in err


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
