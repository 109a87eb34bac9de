"""The same run goes on, wherever it, its pictures and its files lie, and for more epochs."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from cartoon_faces import write_cartoon_faces
from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.imaging import write_image
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.recipe import as_options, earlier_options
from keras_portrait.training import run as training
from keras_portrait.training.checkpoints import list_checkpoints
from keras_portrait.training.run_folder import (
    find_run,
    open_run,
    read_options,
    read_pictures,
    refuse_other_run,
)
from keras_portrait.training.run_identity import RunIdentity, content_of
from tiny_training import picture_plan_of, plan_of, state_of

# Options of trainings that there were not from the beginning.
LATER = ("start_from", "decay_by", "schedule_epochs")
PICTURES = {"photos/a.png": [100, 20, None], "drawings/b.png": [70, 10, [1.0]]}


def identity_of(data="/data", pictures=PICTURES, recipe=None, **options):
    recipe = {"train": {"epochs": 2, "seed": 0}, **(recipe or {})}
    return RunIdentity({"method": "m", "data": data, "recipe": recipe, **options}, pictures)


@pytest.fixture
def run(tmp_path):
    """A run folder that began in `/data`."""
    open_run(tmp_path / "001-run", identity_of())
    return tmp_path / "001-run"


def found(run, identity):
    return find_run(identity, lambda folder: False, "run", run.parent).name


def test_the_same_pictures_elsewhere_are_the_same_run(run):
    moved = identity_of("/elsewhere")
    refuse_other_run(run, moved)
    assert found(run, moved) == "001-run"
    assert moved.moves(read_options(run)) == [
        "The same pictures, now in /elsewhere instead of /data."
    ]
    open_run(run, moved)
    assert read_options(run)["data"] == "/elsewhere" and read_pictures(run) == PICTURES
    assert moved.moves(read_options(run)) == []


def test_other_pictures_elsewhere_are_another_run(run):
    others = PICTURES | {"photos/a.png": [101, 20, None]}
    assert found(run, identity_of("/elsewhere", others)) == "002-run"
    with pytest.raises(InputError) as error:
        refuse_other_run(run, identity_of("/elsewhere", others))
    assert str(error.value) == (
        f"/elsewhere holds other pictures than /data, on which {run} is trained. Expected the "
        "pictures that it began with, or another --run-dir. Received: changed photos/a.png"
    )
    # In the same folder it is that run, whose pictures have changed.
    assert found(run, identity_of("/data", others)) == "001-run"
    with pytest.raises(InputError, match="^/data: the pictures have changed since .* began. Exp"):
        refuse_other_run(run, identity_of("/data", others))


def test_more_epochs_are_the_same_run_where_its_folder_is_named(run):
    more = identity_of(recipe={"train": {"epochs": 5, "seed": 0}})
    refuse_other_run(run, more)
    assert more.former_epochs(read_options(run)) == 2
    # Nobody who begins a longer training wants a shorter one overwritten.
    assert found(run, more) == "002-run"
    open_run(run, more)
    assert read_options(run)["recipe"]["train"]["epochs"] == 5
    with pytest.raises(SettingError) as error:
        refuse_other_run(run, identity_of())
    assert str(error.value) == (
        f"{run} holds a run with other options. Expected the options that it began with "
        "(-s train.epochs=5), or another --run-dir for a new run. "
        "Received: train.epochs: 5 there, 2 now"
    )


@pytest.mark.parametrize("name", ["start_from", "teacher", "trunk_weights"])
def test_a_path_is_what_lies_there(run, tmp_path, name):
    for file, content in (("one", b"1"), ("copy", b"1"), ("two", b"2")):
        (tmp_path / file).write_bytes(content)

    def given(file):
        path = str(tmp_path / file)
        recipe = {"teacher": path} if name == "teacher" else {"train": {"epochs": 2, name: path}}
        return identity_of(recipe=recipe, **content_of(**{name: path}))

    folder = tmp_path / "002-run"
    open_run(folder, given("one"))
    refuse_other_run(folder, given("copy"))
    assert found(run, given("copy")) == "002-run"
    with pytest.raises(SettingError, match=f"{name}: .*one there, .*two now"):
        refuse_other_run(folder, given("two"))
    (tmp_path / "one").write_bytes(b"2")
    if name == "start_from":
        # What it started from may learn more; it has taken what it needs.
        refuse_other_run(folder, given("one"))
    else:
        with pytest.raises(SettingError, match=f"{name}_sha256: 6b86b273ff34 there, d4735e3a265e"):
            refuse_other_run(folder, given("one"))


def test_where_a_begun_run_started_from_stays_noted(tmp_path):
    (tmp_path / "start").write_bytes(b"1")

    def identity():
        return identity_of(**content_of(start_from=str(tmp_path / "start")))

    first = identity().options["start_from_sha256"]
    open_run(tmp_path / "run", identity())
    (tmp_path / "start").write_bytes(b"2")
    open_run(tmp_path / "run", identity())
    second = read_options(tmp_path / "run")["start_from_sha256"]
    assert second == identity().options["start_from_sha256"] != first
    (tmp_path / "run" / "checkpoint-00000000.weights.h5").touch()
    (tmp_path / "start").write_bytes(b"1")
    open_run(tmp_path / "run", identity())
    assert read_options(tmp_path / "run")["start_from_sha256"] == second


def test_files_that_cannot_be_read_have_no_content(tmp_path):
    assert content_of(weights="", teacher=str(tmp_path / "none"), start_from="a\0b") == {}


@pytest.mark.parametrize("recipe", ["cyclegan", "cartoongan", "dcgan", "paired", "portrait"])
def test_runs_that_began_before_there_was_an_option_go_on(tmp_path, recipe):
    own = load_recipe(recipe)
    now = as_options(own)
    before = {**now, "train": {k: v for k, v in now["train"].items() if k not in LATER}}
    options = {"method": own.method, "data": "/data"}
    open_run(tmp_path / "run", RunIdentity({**options, "recipe": before}, PICTURES))
    defaults = earlier_options(type(own))
    refuse_other_run(tmp_path / "run", RunIdentity({**options, "recipe": now}, PICTURES, defaults))
    other = as_options(replace(own, train=replace(own.train, start_from="runs/001")))
    with pytest.raises(SettingError, match="train.start_from: nothing there, runs/001 now"):
        refuse_other_run(
            tmp_path / "run", RunIdentity({**options, "recipe": other}, PICTURES, defaults)
        )


def test_what_an_option_said_before_there_was_one_is_told_apart_from_its_default(tmp_path):
    """A CartoonGAN of before took features as large as they are; content weight 10 meant those."""
    own = load_recipe("cartoongan", ["loss.relative=false"])
    now = as_options(own)
    before = {**now, "loss": {k: v for k, v in now["loss"].items() if k != "relative"}}
    options = {"method": own.method, "data": "/data"}
    open_run(tmp_path / "run", RunIdentity({**options, "recipe": before}, PICTURES))
    defaults = earlier_options(type(own))
    refuse_other_run(tmp_path / "run", RunIdentity({**options, "recipe": now}, PICTURES, defaults))
    shares = as_options(replace(own, loss=replace(own.loss, relative=True)))
    with pytest.raises(SettingError, match="loss.relative=false.*loss.relative: False there"):
        refuse_other_run(
            tmp_path / "run", RunIdentity({**options, "recipe": shares}, PICTURES, defaults)
        )


@pytest.mark.slow
def test_a_moved_run_grows_with_its_pictures_elsewhere(drawn_data, tmp_path, eager, capsys):
    flat = ("train.decay_from=1", "train.steps_per_epoch=2", "train.warm_start_steps=0")
    whole = training.train(plan_of(drawn_data, tmp_path / "whole", *flat), verbose=0)
    shutil.copytree(drawn_data, tmp_path / "data")
    short = (*flat, "train.epochs=1")
    training.train(plan_of(tmp_path / "data", tmp_path / "run", *short), verbose=0)
    (tmp_path / "data").rename(tmp_path / "moved")
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    plan = plan_of(tmp_path / "moved", tmp_path / "elsewhere", *flat)
    told = [
        f"The same pictures, now in {tmp_path / 'moved'} instead of {tmp_path / 'data'}.",
        "2 epochs instead of 1: after step 2, where it goes on, the learning rate is 0.00015 "
        "instead of 0, and 50% instead of 100% of the training are done, which weights of losses "
        "follow.",
    ]
    assert plan.summary.splitlines() == ["2 epochs of 2 steps", *told]
    folder = training.train(plan)
    assert capsys.readouterr().err.splitlines()[:2] == told
    ends = [state_of(list_checkpoints(run)[-1]) for run in (whole, folder)]
    assert ends[0].keys() == ends[1].keys()
    for name, value in ends[0].items():
        np.testing.assert_allclose(ends[1][name], value, atol=1e-6, err_msg=name)
    options = json.loads((folder / "options.json").read_text())
    assert options["data"] == str(tmp_path / "moved")
    assert options["recipe"]["train"]["epochs"] == 2
    assert "2 of 2" in (folder / "index.html").read_text()
    photo = tmp_path / "moved" / plan.experiment.data.photos[0].file
    write_image(photo, np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="holds other pictures than"):
        plan_of(tmp_path / "moved", tmp_path / "whole", *flat)


def test_more_epochs_of_a_schedule_that_has_its_own_length_change_nothing(drawn_data, tmp_path):
    planned = ("train.schedule_epochs=8", "train.decay_by=epoch")
    plan = plan_of(drawn_data, tmp_path / "run", *planned)
    open_run(plan.folder, plan.identity)
    longer = plan_of(drawn_data, tmp_path / "run", *planned, "train.epochs=4")
    assert longer.news() == []
    rates = [one.experiment.schedule(1.0, one.total_steps) for one in (plan, longer)]
    assert [[float(rate(step)) for step in range(30)] for rate in rates[:1]] == [
        [float(rates[1](step)) for step in range(30)]
    ]


def test_drops_stay_where_the_recipe_has_them(tmp_path):
    data = write_cartoon_faces(tmp_path / "faces", 4, 64)
    drops = ("train.drop_epochs=[1]", "train.learning_rate=1e-3")
    plan = picture_plan_of("dcgan", data, tmp_path / "run", *drops)
    open_run(plan.folder, plan.identity)
    (plan.folder / "checkpoint-00000004.weights.h5").touch()
    (line,) = picture_plan_of("dcgan", data, tmp_path / "run", *drops, "train.epochs=8").news()
    assert line == (
        "8 epochs instead of 2: after step 4, where it goes on, the learning rate is 0.0001 "
        "instead of 0.0001, and 25% instead of 100% of the training are done, which weights of "
        "losses follow."
    )
