"""`--preset OUT` of `portrait train` and `distill`: from data to a preset with its card."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from keras_portrait.cli import preset_of_run
from keras_portrait.cli.preset_options import Wishes
from keras_portrait.data import filter_drawings
from keras_portrait.data.manifest import NAME
from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.inference.filters import FILTERS
from keras_portrait.inference.metadata import read_metadata
from keras_portrait.models.distillation import experiment as distillation
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training import run as training
from keras_portrait.training.run_identity import RunIdentity
from keras_portrait_export import exporter
from small_judges import replace_networks
from tiny_preset import write_tiny_preset
from tiny_training import without_tracing

# The module: in its package the function of the same name stands before it.
TRAIN = sys.modules["keras_portrait.cli.train"]
SMALL = [
    *("data.size=64", "data.crop=32", "data.batch=2", "network.filters=2", "network.blocks=1"),
    *("network.discriminator_filters=2", "train.epochs=1", "train.steps_per_epoch=1"),
    *("train.precision=float32", "train.average_decay=0", "data.features=contrast"),
]
PAIRED = SMALL
STUDENT = [*SMALL, "data.views=1", "data.shift=2", "data.filters=0", "train.average_decay=0.5"]
MADE = ["README.md", "generator.tflite", "portrait.json", "report", "worst.png"]


def set_of(settings):
    return [word for setting in settings for word in ("-s", setting)]


def hold_back(data, count):
    """Makes test photos of the last ones of a prepared folder."""
    rows = [json.loads(line) for line in (data / NAME).read_text().splitlines()]
    photos = [row for row in rows if row.get("kind") == "photo" and row.get("kept")]
    for index, row in enumerate(photos):
        row["split"] = "test" if index >= len(photos) - count else "train"
    (data / NAME).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return data


class InThisProcess:
    """Stands in for the pool of worker processes that filters draw in."""

    def __init__(self, make, size):
        self.draw_job = make()

    def draw(self, job):
        return self.draw_job(job), 0.0

    def close(self):
        pass


@pytest.fixture
def desk(drawn_data, tmp_path, monkeypatch):
    """The current folder, with the prepared folder `data`; all that is large has a stand-in."""

    def draw(square, names, size, landmarks, points=None):
        return {n: np.uint8(255 * (square[..., FILTERS.index(n)] > 127)) for n in names}

    shutil.copytree(drawn_data, tmp_path / "data")
    hold_back(tmp_path / "data", 2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(filter_drawings, "draw_filters", draw)
    monkeypatch.setattr(filter_drawings, "WorkerPool", InThisProcess)
    light = PerceptualDistance(load=False)
    monkeypatch.setattr(distillation, "PerceptualDistance", lambda: light)
    monkeypatch.setattr(exporter, "LEAST", 2)
    replace_networks(monkeypatch)
    without_tracing(monkeypatch)
    return tmp_path


@pytest.fixture
def never_trained(monkeypatch):
    """Fails where a training begins."""

    def refuse(plan):
        raise AssertionError("a training began")

    monkeypatch.setattr(training, "train", refuse)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_a_student_becomes_a_preset_with_its_card(desk, portrait):
    write_tiny_preset(desk / "teacher", alignment=2)
    command = ("distill", "teacher", "data", "-o", "student", "--preset", "out/small")
    command += (*set_of(STUDENT), "--contrast", "1.5", "--licence", "photos CC0", "--name", "tiny")
    code, out, err = portrait(*command, preset=None)
    assert (code, out) == (0, "student\nout/small\n"), err
    folder = desk / "out" / "small"
    assert names(folder) == MADE and names(folder.parent) == ["small"]
    for place in (folder, folder / "generator.tflite"):
        metadata = read_metadata(place)
        assert (metadata.mode, metadata.name, metadata.styles) == ("int8", "tiny", ("thin", "bold"))
        assert metadata.data_licence == "photos CC0"
    (report,) = json.loads((folder / "report" / "report.json").read_text())["artefacts"]
    assert report["speed"]["calls"][0]["delegates"] == 1
    evaluated = json.loads((folder / "report" / "evaluation.json").read_text())
    assert evaluated["photos"]["count"] == 2 and evaluated["drawings"] is None
    card = (folder / "README.md").read_text(encoding="utf-8")
    for text in (
        *("# Preset `tiny`", "8-bit integers throughout", "to the float network", "| steps | 1 of"),
        *("distillation of a trained generator", "student-fast.toml", "hours", "seed 0"),
        *("2 for training, 2 held back", "Settings that differ", "`train.epochs`"),
        *("Of the pictures the preset says: photos CC0.", "on 2 photos", "### Style `bold`"),
        "Nobody has said yet what it is meant for",
    ):
        assert text in card, text
    # Once more: nothing is done. With a wish of its own: made again, and what is of others stays.
    before = (folder / "portrait.json").stat().st_mtime_ns
    code, out, err = portrait(*command, preset=None)
    assert (code, out) == (0, "") and "out/small holds the preset of this run already" in err
    assert (folder / "portrait.json").stat().st_mtime_ns == before
    (folder / "mine.txt").write_text("a word")
    code, _, err = portrait(*command, "--description", "thin lines", preset=None)
    assert code == 0 and "student is finished" in err
    assert read_metadata(folder).description == "thin lines"
    assert names(folder) == sorted([*MADE, "mine.txt"]) and names(folder.parent) == ["small"]


def test_a_finished_run_without_its_preset_is_exported(desk, portrait):
    hold_back(desk / "data", 0)
    command = ("train", "paired.toml", "data", *set_of(PAIRED))
    assert portrait(*command, preset=None)[:2] == (0, "runs/001-paired\n")
    code, out, err = portrait(*command, "--preset", "mine", preset=None)
    assert (code, out) == (0, "runs/001-paired\nmine\n"), err
    assert "data: no photos were held back, so the preset is not measured" in err
    assert names(desk / "mine") == [name for name in MADE if name != "worst.png"]
    metadata = read_metadata(desk / "mine")
    assert (metadata.mode, metadata.method, metadata.name) == ("dynamic", "paired", "mine")
    card = (desk / "mine" / "README.md").read_text()
    assert "Not measured: there were no held-back photos" in card and "worst.png" not in card
    assert names(desk / "runs") == ["001-paired"]


@pytest.mark.slow
def test_the_preset_of_a_run_that_grew_is_made_again(desk, portrait):
    command = ("train", "paired.toml", "data", *set_of(PAIRED))
    assert portrait(*command, "--preset", "mine", preset=None)[0] == 0
    longer = ("--run-dir", "runs/001-paired", "-s", "train.epochs=2", "--preset", "mine")
    dry = portrait(*command, *longer, "--dry-run", preset=None)[1]
    assert dry.endswith("mine: a preset, dynamic\n")
    assert portrait(*command, *longer, preset=None)[0] == 0
    assert "| steps | 2 of paired" in (desk / "mine" / "README.md").read_text()
    assert portrait(*command, *longer, "--dry-run", preset=None)[1].endswith("made already\n")


@pytest.mark.slow
def test_the_asymmetric_cycle_is_measured_against_its_drawings(desk, portrait, eager):
    from tiny_training import TINY

    settings = [*TINY, "train.epochs=1", "train.steps_per_epoch=1", "train.warm_start_steps=1"]
    command = ("train", "portrait-cpu", "data", "--run-dir", "run", *set_of(settings))
    code, out, err = portrait(*command, "--preset", "mine", preset=None)
    assert (code, out) == (0, "run\nmine\n"), err
    assert read_metadata(desk / "mine").mode == "dynamic"
    evaluated = json.loads((desk / "mine" / "report" / "evaluation.json").read_text())
    assert evaluated["drawings"]["count"] == 4
    assert "drawings, `drawn` | 4 for training" in (desk / "mine" / "README.md").read_text()


def test_nothing_is_left_where_the_export_or_a_card_fails(desk, portrait, monkeypatch):
    def fail(*given):
        raise InputError("no card")

    def stop(*given):
        raise KeyboardInterrupt

    command = ("train", "paired.toml", "data", "--preset", "mine", *set_of(PAIRED))
    with monkeypatch.context() as patch:
        patch.setattr(preset_of_run, "_write_card", fail)
        patch.setattr(preset_of_run, "_export", lambda *given: None)
        patch.setattr(preset_of_run, "_evaluate", lambda *given: True)
        code, _, err = portrait(*command, preset=None)
        assert code == 2 and err.endswith("portrait: no card\n")
        patch.setattr(preset_of_run, "_write_card", stop)
        code, _, err = portrait(*command, preset=None)
        assert code == 130 and "the same command goes on: runs/001-paired" in err
    assert names(desk) == ["data", "presets", "runs"]


@pytest.fixture
def made_again(tmp_path, monkeypatch):
    """Makes `mine` again, of a run that is there; export, evaluation and card have stand-ins."""
    words = []

    def export(wishes, plan, part):
        (part / "generator.tflite").write_text("new")
        (part / "report").mkdir()
        words.append(exporter._written_by_hand(part / "portrait.json"))

    monkeypatch.setattr(preset_of_run, "_export", export)
    monkeypatch.setattr(preset_of_run, "_evaluate", lambda *given: False)
    monkeypatch.setattr(preset_of_run, "_write_card", lambda *given: None)
    folder = tmp_path / "presets" / "mine"
    folder.mkdir(parents=True)
    (folder / "generator.tflite").write_text("former")
    (folder / "portrait.json").write_text("{}")
    (tmp_path / "generator.keras").write_text("")
    options = {"data": "/people/ann/data", "recipe": {"teacher": "/people/ann/teacher"}}
    identity = RunIdentity(options, {})
    plan = SimpleNamespace(folder=tmp_path, options=options, identity=identity)

    def make():
        preset_of_run.make_preset(Wishes(folder), plan)
        return folder

    make.folder, make.plan, make.words = folder, plan, words
    return make


def test_the_record_names_no_places(made_again):
    text = (made_again() / "report" / "run.json").read_text()
    assert "ann" not in text and json.loads(text)["options"] == {"recipe": {"teacher": "teacher"}}
    assert preset_of_run._is_same_run(json.loads(text), made_again.plan)
    made_again.plan.options["recipe"]["teacher"] = "/people/ann/other"
    assert not preset_of_run._is_same_run(json.loads(text), made_again.plan)


def test_what_is_of_others_goes_along_and_what_was_made_before_does_not(made_again):
    folder = made_again.folder
    (folder / "gone").symlink_to("nowhere")
    (folder / "notes").mkdir()
    (folder / "notes" / "gone").symlink_to("nowhere")
    (folder / "notes" / "a.txt").write_text("a word")
    (folder / "loop").symlink_to(folder)
    for name in ("worst.png", "README.md"):
        (folder / name).write_text("former")
    (folder / "report").mkdir()
    (folder / "report" / "old.html").write_text("former")
    made_again()
    expected = ["generator.tflite", "gone", "loop", "notes", "portrait.json", "report"]
    assert names(folder) == expected and names(folder / "notes") == ["a.txt", "gone"]
    assert (folder / "gone").readlink() == folder.joinpath("notes/gone").readlink()
    assert names(folder / "report") == ["run.json"] and names(folder.parent) == ["mine"]


def test_a_former_preset_is_back_where_the_new_one_cannot_take_its_place(made_again, monkeypatch):
    rename, folder = Path.rename, made_again.folder

    def fail(path, target):
        if "former" not in f"{path.name}{target.name}":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(InputError, match="Cannot put the finished preset in its place"):
        made_again()
    assert (folder / "generator.tflite").read_text() == "former"
    assert not list(folder.parent.glob(".part-*former*"))


def test_the_exporter_finds_the_words_of_the_former_preset(made_again):
    path = made_again.folder / "portrait.json"
    row = {"description": "thin", "data_licence": "CC0"}
    path.write_text(json.dumps(row))
    made_again()
    assert made_again.words == [row]


def test_a_method_without_a_teacher_has_none_in_the_current_folder(monkeypatch):
    def read_run(folder):
        return "a run"

    monkeypatch.setattr("keras_portrait.model_card.runs.read_run", read_run)
    for recipe, expected in (({}, []), ({"teacher": ""}, []), ({"teacher": "a"}, [Path("a")])):
        plan = SimpleNamespace(options={"recipe": recipe})
        assert preset_of_run._teacher(plan) == expected


def test_a_training_that_was_stopped_makes_no_preset(desk, portrait, monkeypatch):
    def stop(plan):
        raise KeyboardInterrupt("saved")

    monkeypatch.setattr(training, "train", stop)
    command = ("train", "paired.toml", "data", "--preset", "mine", *set_of(PAIRED))
    code, out, err = portrait(*command, preset=None)
    assert (code, out) == (130, "") and "saved; the same command goes on" in err
    assert not (desk / "mine").exists()


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ("dcgan", "made out of noise"),
        ("cyclegan", "in colour"),
        ("cartoongan", "in colour"),
        ("style-classifier", "trains no generator"),
        ("adapt", "`portrait adapt`, which makes the preset"),
    ],
)
def test_other_methods_are_refused_each_for_its_reason(recipe, why, desk, portrait, never_trained):
    code, out, err = portrait("train", recipe, "data", "--preset", "mine", preset=None)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert why in err and "Received: method " in err and names(desk) == ["data", "presets"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--preset", "full"], "expected a new or empty folder"),
        (["--preset", "file"], "--preset must be a folder. Received: file"),
        (["--preset", "file/below"], "Not a directory"),
        (["--preset", "run/below", "--run-dir", "run"], "a place apart from the run folder run"),
        (["--preset", "data/mine"], "a place apart from the data folder data"),
        (["--preset", "mine", "--contrast", "11"], "--contrast: expected 0.1 to 10. Received: 11"),
        (["--preset", "mine", "--licence", "a\nb"], "--licence: expected one line of text"),
        (["--contrast", "2"], "--contrast is of the preset. Expected --preset OUT with it"),
        (["--name", "x"], "--name is of the preset"),
        (["--preset", "mine", "--strategy", "multiworker"], "is made by one process"),
    ],
)
def test_mistakes_are_told_before_the_training(more, expected, desk, portrait, never_trained):
    (desk / "full").mkdir()
    (desk / "full" / "letter.txt").write_text("")
    (desk / "file").write_text("")
    code, out, err = portrait("train", "paired", "data", *set_of(PAIRED), *more, preset=None)
    assert code == 2 and out == "" and err.count("\n") == 1 and expected in err
    assert names(desk) == ["data", "file", "full", "presets"]


def test_the_preset_of_another_run_stays(desk, portrait, never_trained):
    report = desk / "mine" / "report"
    report.mkdir(parents=True)
    record = {"format": 1, "options": {"method": "paired"}, "pictures_sha256": "0"}
    (report / "run.json").write_text(json.dumps(record))
    command = ("train", "paired", "data", "--preset", "mine", *set_of(PAIRED))
    code, _, err = portrait(*command, preset=None)
    assert code == 2 and err.endswith("Received: mine, which holds the preset of another run\n")
    (report / "run.json").write_text("{")
    assert portrait(*command, preset=None)[2].endswith("mine, which holds something else\n")


def test_too_few_photos_to_calibrate_are_told_before_the_training(
    desk, portrait, never_trained, monkeypatch
):
    monkeypatch.setattr(exporter, "LEAST", 3)
    write_tiny_preset(desk / "teacher", alignment=2)
    command = ("distill", "teacher", "data", "-o", "student", *set_of(STUDENT))
    code, _, err = portrait(*command, "--preset", "mine", preset=None)
    assert code == 2 and err.endswith("Expected 3 or more. Received: 2 in data\n")


def test_what_is_not_installed_is_told_before_the_training(
    desk, portrait, never_trained, monkeypatch
):
    command = ("train", "paired", "data", "--preset", "mine", *set_of(PAIRED))

    def missing():
        raise MissingExtra("no weights")

    monkeypatch.setattr("keras_portrait.perceptual.weights.find_hed_weights", missing)
    code, _, err = portrait(*command, preset=None)
    assert code == 2 and err == "portrait: no weights\n"
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    code, _, err = portrait(*command, preset=None)
    assert code == 2 and "exported by TensorFlow" in err
