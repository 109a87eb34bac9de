"""From a declaration to runs that are ready to be trained; what a dry run shows."""

import importlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.experiments.budget import Speed, steps_before, with_budget
from keras_portrait.experiments.declaration import Declaration, Row
from keras_portrait.files import parse_json, read_bounded, write_whole
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.recipe import Recipe, as_options
from keras_portrait.training.checkpoints import newest_step
from keras_portrait.training.experiment import experiment_for
from keras_portrait.training.run_identity import describe, flatten

NAME = "experiment.json"
FORMAT = 1
RUNS = "runs"
# What a budget sees to; `-s` may not say otherwise beside one.
_BUDGETED = ("train.epochs", "train.steps_per_epoch")


@dataclass(frozen=True)
class Wishes:
    """What a person asks of an experiment.

    Attributes:
        data: folder made by `portrait prepare`.
        folder: where everything goes.
        recipes: names or files of recipes; each takes the place of the one of its method.
        settings: overrides as `-s` takes them, for every run whose recipe has the key.
        steps: steps of each run; None for those of its recipe.
        hours: hours of each run instead.
        photos: folder of photos to evaluate with; None for those that were held back.
        count: how many of them at most.
        trained: run or preset that draws instead of a run of the experiment.
    """

    data: str
    folder: Path
    recipes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    steps: int | None = None
    hours: float | None = None
    photos: Path | None = None
    count: int | None = None
    trained: str | None = None


@dataclass(frozen=True)
class PlannedRun:
    """A run that is ready to be trained.

    Attributes:
        row: which.
        recipe_name: name or file of its recipe.
        recipe: resolved, its budget included.
        folder: its run folder.
        plan: of its trainer; `train` of the same module takes it.
        trainer: the module.
        speed: how fast it runs here, where that was measured.
    """

    row: Row
    recipe_name: str
    recipe: Recipe
    folder: Path
    plan: object
    trainer: object
    speed: Speed | None = None

    @property
    def steps(self) -> int:
        """Steps of the training, those before it included."""
        proper = self.recipe.train.epochs * self.plan.steps_per_epoch
        return proper + steps_before(self.recipe) if self.is_adversarial else proper

    @property
    def is_adversarial(self) -> bool:
        """Whether the usual loop trains it, with checkpoints and schedules; not so classifiers."""
        return is_adversarial(self.recipe)

    @property
    def is_finished(self) -> bool:
        """Whether it is trained to its end."""
        if not self.is_adversarial:
            results = importlib.import_module(f"{_package(self.recipe)}.results")
            return results.is_finished(self.folder)
        return newest_step(self.folder) >= self.recipe.train.epochs * self.plan.steps_per_epoch

    def line(self) -> str:
        """What a dry run says of it."""
        epochs = self.recipe.train.epochs
        parts = [f"{self.recipe_name}{''.join(f' -s {each}' for each in self.row.overrides)}"]
        parts.append(f"{self.steps:,} steps in {epochs} epochs")
        if self.speed is not None:
            parts.append(f"about {self.speed.hours_of(self.steps, epochs):.2g} h, as measured")
        if self.is_finished:
            parts.append("finished")
        return f"{self.row.key}: {'; '.join(parts)}"


@dataclass(frozen=True)
class ExperimentPlan:
    """An experiment that is ready to start.

    Attributes:
        declaration: which.
        wishes: what was asked for.
        recipes: the resolved recipe of each row by its key, without a budget.
        names: the name of each recipe.
        speeds: what was measured, by the keys of rows.
        former: whether the folder holds this experiment already.
    """

    declaration: Declaration
    wishes: Wishes
    recipes: dict[str, Recipe]
    names: dict[str, str]
    speeds: dict[str, Speed] = field(default_factory=dict)
    former: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are trained here."""
        return tuple(row for row in self.declaration.rows if row.key in self.recipes)

    def folder_of(self, key: str) -> Path:
        """The run folder of a row."""
        return self.wishes.folder / RUNS / key

    @property
    def needs_speeds(self) -> list[Row]:
        """Rows whose speed has to be measured before their length is known."""
        hours = self.wishes.hours is not None
        return [
            row
            for row in self.rows
            if hours and row.key not in self.speeds and is_adversarial(self.recipes[row.key])
        ]

    def run(self, row: Row) -> PlannedRun:
        """A row as a run that can be trained.

        Raises:
            InputError: the data folder cannot be used, or its pictures have changed.
            SettingError: recipe and data do not fit.
        """
        recipe, name = self.recipes[row.key], self.names[row.key]
        trainer = importlib.import_module(recipe.trainer)
        folder, data = self.folder_of(row.key), self.wishes.data
        speed = self.speeds.get(row.key)
        steps = self.wishes.steps
        if self.wishes.hours is not None and speed is not None:
            steps = speed.steps_in(self.wishes.hours)
        if steps is not None and is_adversarial(recipe):
            recipe = with_budget(recipe, steps, own_steps(recipe, data))
        plan = trainer.make_plan(recipe, row.key, data, folder)
        return PlannedRun(row, name, recipe, folder, plan, trainer, speed)

    def options(self) -> dict:
        """What `experiment.json` holds, and what two starts of one experiment agree in."""
        wishes = self.wishes
        return {
            "format": FORMAT,
            "experiment": self.declaration.name,
            "data": os.path.abspath(wishes.data),
            "photos": wishes.photos and os.path.abspath(wishes.photos),
            "count": wishes.count,
            "trained": wishes.trained,
            "steps": wishes.steps,
            "hours": wishes.hours,
            "recipes": {key: as_options(recipe) for key, recipe in self.recipes.items()},
        }


def make_plan(declaration: Declaration, wishes: Wishes) -> ExperimentPlan:
    """Resolves the recipes of an experiment, and finds out whether it goes on.

    Args:
        declaration: the experiment.
        wishes: what is asked of it.

    Raises:
        InputError: the folder holds something else, or another experiment.
        SettingError: a recipe or setting does not fit, or the folder holds this experiment with
            other options.
    """
    chosen = _by_method(declaration, wishes.recipes)
    recipes, names, used = {}, {}, set()
    for row in declaration.rows:
        name = chosen.get(load_recipe(row.recipe).method, row.recipe)
        if wishes.trained is not None and is_adversarial(load_recipe(name)):
            continue
        settings = [each for each in wishes.settings if _has_key(load_recipe(name), each)]
        used |= set(settings)
        recipes[row.key] = load_recipe(name, [*settings, *row.overrides])
        names[row.key] = name
    _refuse_unused(declaration, wishes, used, recipes)
    plan = ExperimentPlan(declaration, wishes, recipes, names)
    known = read_experiment(wishes.folder)
    if known is None:
        _refuse_full(wishes.folder)
        return plan
    _refuse_other(wishes.folder, known, plan.options())
    speeds = {key: Speed(**values) for key, values in known.get("speeds", {}).items()}
    return replace(plan, speeds=speeds, former=True)


def is_adversarial(recipe: Recipe) -> bool:
    """Whether the usual loop trains a recipe."""
    return type(recipe).trainer == Recipe.trainer


def own_steps(recipe: Recipe, data: str) -> int:
    """Steps that a recipe takes by itself, with those before its training.

    Raises:
        InputError: the data folder cannot be used.
        SettingError: recipe and data do not fit.
    """
    steps = recipe.train.steps_per_epoch or experiment_for(recipe, data).steps_per_pass()
    return recipe.train.epochs * steps + steps_before(recipe)


def write_experiment(plan: ExperimentPlan) -> None:
    """Writes `experiment.json`.

    Raises:
        InputError: it cannot be written.
    """
    speeds = {key: asdict(speed) for key, speed in plan.speeds.items()}
    values = {**plan.options(), "speeds": speeds}
    write_whole(plan.wishes.folder / NAME, (json.dumps(values, indent=1) + "\n").encode())


def read_experiment(folder: Path) -> dict | None:
    """What `experiment.json` holds; None where there is none.

    Raises:
        InputError: the file cannot be read, or a newer version wrote it.
    """
    path = folder / NAME
    if not os.path.isfile(path):
        return None
    try:
        values = parse_json(read_bounded(path))
        fits = isinstance(values, dict) and isinstance(values["experiment"], str)
    except (OSError, ValueError, KeyError):
        fits = False
    if not fits:
        raise InputError(f"Expected what `portrait experiment` wrote. Received: {path}")
    if values.get("format") != FORMAT:
        raise InputError(
            f"This version goes on with experiments of format {FORMAT}. "
            f"Received: format {values.get('format')!r} in {path}"
        )
    return values


def _by_method(declaration: Declaration, given: Sequence[str]) -> dict[str, str]:
    """Names of recipes by their method."""
    wanted = list(dict.fromkeys(load_recipe(row.recipe).method for row in declaration.rows))
    chosen = {}
    for name in given:
        method = load_recipe(name).method
        if method not in wanted:
            raise SettingError(
                f"--recipe: {declaration.name} trains {', '.join(wanted)}. Received: {name}, a "
                f"recipe of {method}"
            )
        if method in chosen:
            raise SettingError(
                f"--recipe: expected one recipe of {method}. Received: {chosen[method]}, {name}"
            )
        chosen[method] = name
    return chosen


def _has_key(recipe: Recipe, setting: str) -> bool:
    key = setting.partition("=")[0].strip()
    return key in flatten(as_options(recipe))


def _refuse_unused(declaration, wishes, used, recipes):
    """Refuses settings that no run has, or that the budget or the experiment sees to."""
    budget = wishes.steps is not None or wishes.hours is not None
    for setting in wishes.settings:
        key = setting.partition("=")[0].strip()
        if budget and key in _BUDGETED:
            raise SettingError(
                f"-s: --steps and --hours say how long a run trains. Received: {setting}"
            )
        if setting not in used:
            known = {name for recipe in recipes.values() for name in flatten(as_options(recipe))}
            raise SettingError(
                f"-s: no run of {declaration.name} has this key. {nearest(key, sorted(known))}"
                f"Received: {setting}"
            )


def _refuse_full(folder: Path) -> None:
    """Refuses a folder that holds something, and none of our experiments."""
    try:
        taken = os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise InputError(f"Cannot read the folder ({error.strerror}). Received: {folder}") from None
    if taken:
        raise InputError(
            "The output holds something else. Expected a new or empty folder, or that of the same "
            f"experiment. Received: {folder}"
        )


def _refuse_other(folder: Path, known: dict, options: dict) -> None:
    """Refuses to go on with another experiment, or with this one otherwise."""
    if known["experiment"] != options["experiment"]:
        raise SettingError(
            f"{folder} holds the experiment {known['experiment']}. Expected that one, or another "
            f"folder. Received: {options['experiment']}"
        )
    options = json.loads(json.dumps(options))
    before, now = (flatten(values) for values in (known, options))
    found = [
        (key, before.get(key), now.get(key))
        for key in sorted({*before, *now})
        if not key.startswith("speeds.") and before.get(key) != now.get(key)
    ]
    if found:
        raise SettingError(
            f"{folder} holds this experiment with other options. Expected those, or another "
            f"folder. Received: {describe(found)}"
        )


def _package(recipe: Recipe) -> str:
    return type(recipe).__module__.rpartition(".")[0]
