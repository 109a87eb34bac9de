"""Learning rates that change with the step."""

from collections.abc import Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_portrait")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that stays flat and then falls linearly to 0.

    Args:
        learning_rate: float, the flat value.
        total_steps: int, step at which it reaches 0.
        decay_from: float in [0, 1], share of the steps after which it falls.
        hold: int, steps after each of which it takes the value of that step and keeps it: those of
            an epoch where, as in the paper's code, it changes between epochs alone.
    """

    def __init__(
        self, learning_rate: float, total_steps: int, decay_from: float = 0.5, hold: int = 1
    ):
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.decay_from = decay_from
        self.hold = hold

    def __call__(self, step):
        """The learning rate at a step."""
        held = ops.floor(ops.cast(step, "float32") / self.hold) * self.hold
        done = held / self.total_steps
        left = (1.0 - done) / max(1.0 - self.decay_from, 1e-9)
        return self.learning_rate * ops.clip(left, 0.0, 1.0)

    def get_config(self):
        """The constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "decay_from": self.decay_from,
            "hold": self.hold,
        }


@keras.saving.register_keras_serializable(package="keras_portrait")
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that drops at given steps and stays flat between them.

    Args:
        learning_rate: float, the value at the start.
        drops: steps at each of which it is multiplied by `factor`, in order.
        factor: float in [0, 1].
    """

    def __init__(self, learning_rate: float, drops: Sequence[int], factor: float = 0.1):
        self.learning_rate = learning_rate
        self.drops = list(drops)
        self.factor = factor

    def __call__(self, step):
        """The learning rate at a step."""
        step = ops.cast(step, "float32")
        passed = sum((ops.cast(step >= drop, "float32") for drop in self.drops), 0.0)
        return self.learning_rate * self.factor**passed

    def get_config(self):
        """The constructor's arguments."""
        return {"learning_rate": self.learning_rate, "drops": self.drops, "factor": self.factor}
