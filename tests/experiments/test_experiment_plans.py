"""What experiments declare, how budgets draw recipes together, and what is refused."""

import json

import pytest

from keras_portrait.errors import InputError, SettingError
from keras_portrait.evaluation.measures import measures
from keras_portrait.experiments import experiments, find_experiment
from keras_portrait.experiments.budget import EPOCHS, Speed, steps_before, with_budget
from keras_portrait.experiments.declaration import FID, KID, measure_keys
from keras_portrait.experiments.plan import NAME, Wishes, make_plan, own_steps, write_experiment
from keras_portrait.models.load_recipe import load_recipe

MEASURES = measures("_vgg16", "VGG16")


@pytest.mark.parametrize("name", experiments())
def test_a_declaration_holds_together(name):
    declared = find_experiment(name)
    assert declared.name == name
    keys = [row.key for row in declared.rows]
    assert len(set(keys)) == len(keys) and all(row.explanation for row in declared.rows)
    for row in declared.rows:
        plain, changed = load_recipe(row.recipe), load_recipe(row.recipe, row.overrides)
        assert (plain == changed) == (not row.overrides)
    # Every measure is one of the evaluation's; the two distances are there once.
    assert len(measure_keys(declared.measures, MEASURES)) == len(declared.measures)
    figures = [figure.key for figure in declared.figures]
    assert len(set(figures)) == len(figures) and all(callable(f.draw) for f in declared.figures)


def test_each_ablation_switches_off_its_part():
    rows = {
        row.key: load_recipe(row.recipe, row.overrides) for row in experiments()["ablations"].rows
    }
    full = rows.pop("full").loss
    assert (full.style, full.local, full.truncation, full.forward_cycle) == (1, 0.5, True, "edges")
    changed = {
        key: {name for name in vars(full) if vars(recipe.loss)[name] != vars(full)[name]}
        for key, recipe in rows.items()
    }
    assert changed == {
        "no-style": {"style"},
        "no-truncation": {"truncation"},
        "strict-cycle": {"forward_cycle"},
        "no-hed": {"forward_cycle"},
        "no-local": {"local"},
    }
    assert rows["strict-cycle"].loss.forward_cycle == "l1"
    assert rows["no-hed"].loss.forward_cycle == "photos"


def test_distances_are_found_whatever_features_they_are_taken_of():
    assert measure_keys((FID, KID, "colour"), MEASURES) == ["fid_vgg16", "kid_vgg16", "colour"]
    assert measure_keys((FID, KID), measures("", "Inception")) == ["fid", "kid"]


def test_an_unknown_experiment_has_near_matches():
    with pytest.raises(SettingError, match='Did you mean "ablations"\\? Received: ablation'):
        find_experiment("ablation")


def test_a_budget_keeps_the_shape_of_the_schedule():
    recipe = load_recipe("cartoongan", ["train.steps_per_epoch=540"])
    own = 100 * 540 + 6000
    short = with_budget(recipe, 1000, own).train
    # A tenth of the steps were initialization, and are; the rate falls at a half and at 3 quarters.
    assert short.initialization_steps == 100 and short.epochs == EPOCHS
    assert short.steps_per_epoch == 90 and short.drop_epochs == (5, 8)
    assert short.learning_rate == recipe.train.learning_rate
    # A schedule that is longer than the training keeps its share of it.
    longer = load_recipe("portrait", ["train.epochs=200", "train.schedule_epochs=300"])
    assert with_budget(longer, 1000, 200_000).train.schedule_epochs == 1.5 * EPOCHS
    # Fewer steps than epochs: an epoch a step, and never none.
    tiny = with_budget(recipe, 3, own).train
    assert (tiny.epochs, tiny.steps_per_epoch, tiny.initialization_steps) == (2, 1, 1)


def test_steps_before_are_those_that_are_taken():
    assert steps_before(load_recipe("cartoongan-cpu")) == 100
    landmarks = load_recipe("cartoongan-cpu", ["loss.landmarks=1", "train.landmark_steps=7"])
    assert steps_before(landmarks) == 107
    assert steps_before(load_recipe("portrait")) == 0


def test_hours_are_what_is_left_beside_the_ends_of_epochs():
    speed = Speed(step=0.5, epoch=9.0)
    assert speed.steps_in(0.1) == (360 - 90) / 0.5
    assert speed.hours_of(540, EPOCHS) == pytest.approx(0.1)
    assert speed.steps_in(0.001) == EPOCHS


def wishes(data, folder, **more):
    return Wishes(str(data), folder, ("portrait-tiny",), ("data.size=64",), **more)


def test_steps_are_those_of_the_recipe_or_of_the_budget(drawn_data, tmp_path):
    plan = make_plan(find_experiment("ablations"), wishes(drawn_data, tmp_path / "out"))
    runs = [plan.run(row) for row in plan.rows]
    assert {run.steps for run in runs} == {own_steps(runs[0].recipe, drawn_data)}
    assert [run.folder.name for run in runs] == [row.key for row in plan.rows]
    short = make_plan(find_experiment("ablations"), wishes(drawn_data, tmp_path / "out", steps=40))
    assert {short.run(row).steps for row in short.rows} == {40}
    line = short.run(short.rows[1]).line()
    assert line == "no-style: portrait-tiny -s loss.style=0; 40 steps in 10 epochs"
    assert not (tmp_path / "out").exists()


def test_a_setting_goes_to_every_recipe_that_has_its_key(drawn_data, tmp_path):
    given = Wishes(
        str(drawn_data), tmp_path, settings=("data.size=64", "loss.cycle=3", "network.blocks=2")
    )
    recipes = make_plan(find_experiment("comparison"), given).recipes
    assert {recipe.data.size for recipe in recipes.values()} == {64}
    assert {recipe.network.blocks for recipe in recipes.values()} == {2}
    assert recipes["cyclegan"].loss.cycle == 3


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"settings": ("loss.cycel=3",)},
            'no run of comparison.*"loss.cycle".*Received: loss.cycel',
        ),
        ({"settings": ("train.epochs=3",), "steps": 5}, "--steps and --hours.*train.epochs=3"),
        ({"recipes": ("dcgan",)}, "comparison trains asymmetric_cycle.*Received: dcgan"),
        ({"recipes": ("cyclegan", "cyclegan-cpu")}, "one recipe of cyclegan. Received: cyclegan,"),
    ],
)
def test_what_does_not_fit_is_refused(change, message, drawn_data, tmp_path):
    with pytest.raises(SettingError, match=message):
        make_plan(
            find_experiment("comparison"), Wishes(str(drawn_data), tmp_path / "out", **change)
        )


def test_a_folder_goes_on_with_its_own_experiment_alone(drawn_data, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    plan = make_plan(find_experiment("ablations"), wishes(drawn_data, folder, steps=40))
    write_experiment(plan)
    again = make_plan(find_experiment("ablations"), wishes(drawn_data, folder, steps=40))
    assert again.former and again.options() == plan.options()
    with pytest.raises(SettingError, match="other options.*steps: 40 there, 50 now"):
        make_plan(find_experiment("ablations"), wishes(drawn_data, folder, steps=50))
    with pytest.raises(SettingError, match="holds the experiment ablations.*Received: styles"):
        make_plan(find_experiment("styles"), wishes(drawn_data, folder, steps=40))


@pytest.mark.parametrize(
    "name, text, message",
    [
        (NAME, "{}", "Expected what `portrait experiment` wrote"),
        (NAME, json.dumps({"experiment": "ablations", "format": 9}), "Received: format 9"),
        ("letter.txt", "Dear", "The output holds something else"),
    ],
)
def test_a_folder_of_something_else_is_refused(name, text, message, drawn_data, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        make_plan(find_experiment("ablations"), wishes(drawn_data, tmp_path))
