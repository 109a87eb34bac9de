"""A training that is ready to start: what `portrait train` shows, and what a run is known by."""

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras

from keras_portrait.recipe import Recipe, as_options, earlier_options
from keras_portrait.storage import full_name
from keras_portrait.training.checkpoints import newest_step
from keras_portrait.training.distributed.devices import Devices
from keras_portrait.training.experiment import Experiment
from keras_portrait.training.run_folder import FORMAT, read_options
from keras_portrait.training.run_identity import RunIdentity


@dataclass
class Plan:
    """A training that is ready to start, and nothing written yet.

    Attributes:
        experiment: the recipe and the pictures, and what the method makes of them.
        folder: the run folder. `train` takes the next number where another start was quicker.
        steps_per_epoch: steps of one epoch.
        devices: which devices share a batch.
        find: finds the run folder once more; None where its name was given.
        jit: whether XLA compiles the steps.
    """

    experiment: Experiment
    folder: Path
    steps_per_epoch: int
    devices: Devices = field(default_factory=Devices)
    find: Callable[[], Path] | None = None
    jit: bool = False

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self.experiment.recipe

    @property
    def total_steps(self) -> int:
        """Steps of the whole training, earlier phases left out."""
        return self.recipe.train.epochs * self.steps_per_epoch

    def steps_at_once(self, model, steps: int) -> int:
        """How many steps one call of the traced function takes.

        Args:
            model: an `AdversarialModel`.
            steps: of an epoch, which is cut into equal parts.

        Returns:
            The largest divisor of `steps` that the recipe allows; 1 where it has to be.
        """
        is_tensorflow = keras.backend.backend() == "tensorflow"  # Keras knows no other way
        if not (is_tensorflow and model.steps_are_alike) or self.devices.name:
            return 1
        most = min(self.recipe.train.steps_per_execution, steps)
        return next(count for count in range(most, 0, -1) if steps % count == 0)

    @property
    def options(self) -> dict:
        """What `options.json` holds; two runs with the same recipe and folder agree in it."""
        alignment = self.experiment.alignment
        return {
            "format": FORMAT,
            # Runs that began before there was a second one go on.
            **({} if alignment == 1 else {"alignment": alignment}),
            "method": self.recipe.method,
            "data": full_name(self.experiment.folder),
            **self.experiment.description(),
            **self.experiment.contents(),
            "recipe": as_options(self.recipe),
        }

    @property
    def identity(self) -> RunIdentity:
        """What tells this run from another."""
        before = earlier_options(type(self.recipe))
        return RunIdentity(self.options, self.experiment.pictures(), before)

    @property
    def digest(self) -> str:
        """What tells that other workers train the same; where their data lie may differ."""
        options = {name: value for name, value in self.options.items() if name != "data"}
        told = json.dumps([options, self.experiment.pictures(), self.total_steps], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def summary(self) -> str:
        """What a dry run says."""
        lines = [f"{self.recipe.train.epochs} epochs of {self.steps_per_epoch} steps"]
        return "\n".join([*lines, *self.news()])

    def news(self) -> list[str]:
        """What is not as it was when the run began, and what follows from it; a line each."""
        known, identity = read_options(self.folder), self.identity
        if known is None:
            return []
        lines, former = identity.moves(known), identity.former_epochs(known)
        growth = None if former is None else self._growth(former)
        return lines if growth is None else [*lines, growth]

    def _growth(self, former):
        """What more epochs do to the schedules, at the step where the run goes on.

        None where the recipe says how many epochs they are made for.
        """
        if self.recipe.train.planned_epochs != self.recipe.train.epochs:
            return None
        step, epochs = max(newest_step(self.folder), 0), self.recipe.train.epochs
        (rate, progress), (old_rate, old_progress) = (
            self._schedules_at(step, count) for count in (epochs, former)
        )
        return (
            f"{epochs} epochs instead of {former}: after step {step}, where it goes on, the "
            f"learning rate is {rate:.3g} instead of {old_rate:.3g}, and {progress:.0%} instead of "
            f"{old_progress:.0%} of the training are done, which weights of losses follow."
        )

    def _schedules_at(self, step, epochs):
        """The generators' learning rate and the progress after a step of so many epochs."""
        experiment, train = copy.copy(self.experiment), self.recipe.train
        experiment.recipe = replace(self.recipe, train=replace(train, epochs=epochs))
        schedule = experiment.schedule(train.learning_rate, epochs * self.steps_per_epoch)
        return float(schedule(step)), step / self.steps_per_epoch / epochs
