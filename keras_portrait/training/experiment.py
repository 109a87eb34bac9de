"""What every method tells the training."""

import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from keras_portrait.data.batches import Batches
from keras_portrait.data.manifest import Row
from keras_portrait.data.shards.reader import data_alignment, least_side, without_landmarks
from keras_portrait.errors import InputError, SettingError
from keras_portrait.recipe import DecayTrainSettings, Recipe
from keras_portrait.schedules import LinearDecay, StepDecay
from keras_portrait.storage import as_place, public_name
from keras_portrait.training.adversarial_model import AdversarialModel
from keras_portrait.training.initial_weights import Start, check_start, open_start, take_weights
from keras_portrait.training.optimizers import adam


@dataclass(frozen=True)
class Phase:
    """Steps that come before a training proper; where they are broken off they are done again.

    Attributes:
        name: what they are called in the log.
        model: a compiled model around the networks in training.
        batches: what it sees.
        steps: how many steps it takes.
    """

    name: str
    model: keras.Model
    batches: Batches
    steps: int


class Experiment:
    """A recipe with its data folder. Each method has a subclass.

    Args:
        recipe: the recipe.
        data: the data folder, or the place of shards.

    Attributes:
        alignment: of the photos, one of `alignment.ALIGNMENTS`.

    Raises:
        InputError: the data folder cannot be used.
        SettingError: recipe and pictures do not fit.
    """

    def __init__(self, recipe, data: str | Path):
        self.recipe = recipe
        self.folder = as_place(public_name(data))
        self.alignment = data_alignment(data)

    @functools.cached_property
    def start(self) -> Start | None:
        """What `train.start_from` names, opened; None where it names nothing.

        Raises:
            InputError: there is no such generator, or its file is broken.
            SettingError: it draws none of the styles.
        """
        return open_start(self.recipe.train.start_from, self.description().get("styles", ()))

    def description(self) -> dict:
        """What `options.json` tells of the pictures: counts, and names of styles."""
        raise TypeError(f"{type(self).__name__} must describe its pictures.")

    def contents(self) -> dict[str, str]:
        """What lies at the paths that the recipe names: SHA-256 by `NAME_sha256`."""
        return {"start_from_sha256": self.start.sha256} if self.start else {}

    def pictures(self) -> dict[str, list]:
        """What tells that a picture is still the same, by file."""
        raise TypeError(f"{type(self).__name__} must name its pictures.")

    def batches(self, run: Path) -> Batches:
        """The batches of the training proper; `run` is the run folder."""
        raise TypeError(f"{type(self).__name__} must make batches.")

    def steps_per_pass(self) -> int:
        """Steps in which each picture of the larger set is seen about once."""
        raise TypeError(f"{type(self).__name__} must say how long a pass is.")

    def schedule(self, rate: float, total_steps: int) -> LearningRateSchedule:
        """The learning rate at each step: as `DecayTrainSettings` say, else flat.

        Args:
            rate: at the start.
            total_steps: steps of the whole training.
        """
        train = self.recipe.train
        if not isinstance(train, DecayTrainSettings):
            return StepDecay(rate, ())
        planned = total_steps * train.planned_epochs // train.epochs
        hold = total_steps // train.epochs if train.decay_by == "epoch" else 1
        # A discriminator that joins in late may have fewer steps than there are epochs, or none.
        return LinearDecay(rate, max(planned, 1), train.decay_from, max(hold, 1))

    def adam(self, rate: float, total_steps: int, **settings) -> keras.optimizers.Optimizer:
        """An optimizer with the recipe's schedule and decay.

        Args:
            rate: learning rate at the start.
            total_steps: steps of the whole training.
            **settings: further ones of `optimizers.adam`.
        """
        schedule = self.schedule(rate, total_steps)
        return adam(schedule, self.recipe.train.beta_1, **settings)

    def build(self, total_steps: int, devices: int) -> AdversarialModel:
        """The model, compiled, with everything built that a checkpoint must find."""
        raise TypeError(f"{type(self).__name__} must build a model.")

    def prepare_run(
        self, model: AdversarialModel, run: Path, check_stop: Callable[[], None] = lambda: None
    ) -> None:
        """Writes into the run folder what batches need, before the first step.

        `check_stop` is called now and then; what it raises ends the work, and the next start goes
        on.
        """

    def starts(self, model: AdversarialModel) -> list[tuple[keras.Model, Start]]:
        """Networks that do not start with random weights, each with what it starts from."""
        return [(model.generator, self.start)] if self.start else []

    def check_starts(self, model: AdversarialModel) -> None:
        """Refuses a start whose network is another one.

        Raises:
            SettingError: the two networks differ, or their plane waves do.
        """
        for network, start in self.starts(model):
            check_start(network, start)

    def begin(self, model: AdversarialModel) -> None:
        """Gives the networks of a new run what they start with, where it is not random."""
        for network, start in self.starts(model):
            take_weights(network, start)

    def phases(self, model: AdversarialModel) -> list[Phase]:
        """What comes before the training proper."""
        return []

    def samples(self, batches: Batches) -> dict:
        """The fixed batch whose `visuals` are shown after every epoch."""
        raise TypeError(f"{type(self).__name__} must choose samples.")

    def validation(self, batches: Batches, run: Path) -> list[keras.callbacks.Callback]:
        """Callbacks that measure each epoch on held-back pictures; none where there are none."""
        return []


def check_size(size: int, sets: Sequence[Sequence[Row]], folder: str | Path, multiple: int) -> None:
    """Refuses to enlarge prepared pictures; the augmentation's own enlarging is left to it.

    Args:
        size: what the recipe trains on, in pixels.
        sets: the rows of the pictures, one set or more.
        folder: the data folder, for the text of the error.
        multiple: what sizes of the method are multiples of; 0 where there are but some sizes.

    Raises:
        SettingError: a picture is smaller than that.
    """
    least = least_side(sets)
    if least < size:
        # Recipes refuse fewer than 32 pixels.
        possible = multiple and least >= 32
        smaller = f"-s data.size={least // multiple * multiple}, or " if possible else ""
        raise SettingError(
            f"data.size: the squares in {folder} have {least} pixels. Expected {smaller}squares of "
            f"`portrait prepare --size {size}` or more. Received: {size}"
        )


def require_landmarks(photos: Sequence[Row], key: str) -> None:
    """Refuses photos without landmarks.

    Args:
        photos: rows of them.
        key: the key of the recipe that wants landmarks, for the text of the error.

    Raises:
        InputError: a photo has none.
    """
    if bare := without_landmarks(photos):
        raise InputError(
            f"{key}: expected photos with landmarks, as `portrait prepare` writes them. "
            f"Received: none for {bare}"
        )


def spread(rows: Sequence, count: int) -> list:
    """Some of the rows, evenly over all of them."""
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows)))
    return [rows[round(index)] for index in chosen]


def experiment_for(recipe: Recipe, data: str | Path) -> Experiment:
    """The experiment of a recipe's method.

    Args:
        recipe: of any method.
        data: path of the data folder.

    Raises:
        InputError: the data folder cannot be used.
        SettingError: recipe and pictures do not fit.
    """
    kind = recipe.experiment
    if kind is None:
        package = type(recipe).__module__.rpartition(".")[0]
        kind = importlib.import_module(f"{package}.experiment").EXPERIMENT
    experiment = kind(recipe, data)
    _ = experiment.start  # opened before anything is written
    return experiment
