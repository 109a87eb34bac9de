"""How long each run trains: as its recipe says, for so many steps, or for so many hours."""

import time
from dataclasses import dataclass, replace

import keras

from keras_portrait.recipe import Recipe
from keras_portrait.training import callbacks
from keras_portrait.training.plan import Plan

# Epochs of a run that has a budget: as many as a sheet of progress has columns.
EPOCHS = 10
# Steps that come before the training proper, by the names of their settings.
_BEFORE = ("warm_start_steps", "initialization_steps", "landmark_steps")
# Steps of each of two epochs that are timed; the first holds what is traced.
TIMED_STEPS = 8


@dataclass(frozen=True)
class Speed:
    """How fast a training runs here.

    Attributes:
        step: seconds of a step.
        epoch: seconds that the end of an epoch takes besides: pictures and validation.
    """

    step: float
    epoch: float

    def steps_in(self, hours: float) -> int:
        """Steps of `EPOCHS` epochs that take so many hours; at least one an epoch."""
        return max(int((3600 * hours - EPOCHS * self.epoch) / self.step), EPOCHS)

    def hours_of(self, steps: int, epochs: int) -> float:
        """Hours that so many steps in so many epochs take."""
        return (steps * self.step + epochs * self.epoch) / 3600


def steps_before(recipe: Recipe) -> int:
    """Steps that a recipe takes before its training proper."""
    return sum(_settings_before(recipe).values())


def _settings_before(recipe):
    """Steps before the training proper by their settings, those that are taken."""
    found = {name: getattr(recipe.train, name, 0) for name in _BEFORE}
    if not getattr(recipe.loss, "landmarks", 0):
        found["landmark_steps"] = 0
    return {name: steps for name, steps in found.items() if steps}


def with_budget(recipe: Recipe, steps: int, own_steps: int) -> Recipe:
    """A recipe that takes another number of steps, its schedules drawn together or out.

    Learning rates that fall at certain epochs fall at the same share of the training, and what
    comes before it keeps its share of the steps.

    Args:
        recipe: the recipe.
        steps: all that it may take, from 1 up.
        own_steps: all that it takes by itself.

    Returns:
        A recipe of `EPOCHS` epochs, or of fewer where there are fewer steps; up to an epoch's worth
        of rounding takes less than `steps`.
    """
    share = steps / own_steps
    before = {
        name: max(round(count * share), 1) for name, count in _settings_before(recipe).items()
    }
    proper = max(steps - sum(before.values()), 1)
    epochs = min(EPOCHS, proper)
    changes = {**before, "epochs": epochs, "steps_per_epoch": proper // epochs}
    if drops := getattr(recipe.train, "drop_epochs", ()):
        moved = {max(round(drop * epochs / recipe.train.epochs), 1) for drop in drops}
        changes["drop_epochs"] = tuple(sorted(moved))
    if planned := getattr(recipe.train, "schedule_epochs", 0):
        changes["schedule_epochs"] = max(round(planned * epochs / recipe.train.epochs), epochs)
    return replace(recipe, train=replace(recipe.train, **changes))


def measure_speed(plan: Plan) -> Speed:
    """Takes some steps of a training and forgets them again.

    Args:
        plan: of the training; its folder may be written to, and is best thrown away.

    Raises:
        InputError: a picture cannot be read.
        TrainingStopped: Ctrl-C or SIGTERM.
    """
    settings, clock = plan.recipe.train, _Clock()
    keras.utils.set_random_seed(settings.seed)
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(settings.precision)
    try:
        with callbacks.StopRequest() as request:
            model = plan.experiment.build(2 * TIMED_STEPS, 1)
            plan.experiment.prepare_run(model, plan.folder, request.check_stop)
            batches = plan.experiment.batches(plan.folder)
            model.fit(
                plan.devices.feed(batches, 0),
                shuffle=False,
                steps_per_epoch=TIMED_STEPS,
                epochs=2,
                verbose=0,
                callbacks=[
                    callbacks.Progress(2),
                    callbacks.StopWhenAsked(request),
                    *plan.experiment.validation(batches, plan.folder),
                    callbacks.SampleGrid(plan.folder, plan.experiment.samples(batches)),
                    clock,
                ],
            )
    finally:
        keras.config.set_dtype_policy(former)
    return clock.speed


class _Clock(keras.callbacks.Callback):
    """Times the last epoch: its steps, and what comes after them. Must be the last callback."""

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._stepped = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        steps = (self._stepped - self._begun) / TIMED_STEPS
        self.speed = Speed(steps, time.perf_counter() - self._stepped)
