"""Several optimizers, and how far a training is, as Keras's callbacks want to see them."""

import keras
from keras import ops


def adam(
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    beta_1: float,
    beta_2: float = 0.999,
) -> keras.optimizers.Optimizer:
    """Adam as the papers' codes train with it: PyTorch's epsilon of 1e-8, where Keras has 1e-7.

    Args:
        learning_rate: float, or a schedule of the step.
        beta_1: float, decay of the mean of the gradients.
        beta_2: float, decay of the mean of their squares.
    """
    return keras.optimizers.Adam(learning_rate, beta_1, beta_2, epsilon=1e-8)


class Optimizers:
    """Several optimizers as one, for Keras's callbacks.

    Args:
        members: optimizers, the one that speaks for all first.
    """

    def __init__(self, members):
        self.members = list(members)

    def __len__(self):
        return len(self.members)

    @property
    def built(self) -> bool:
        """Whether all of them have their state."""
        return all(member.built for member in self.members)

    @property
    def iterations(self):
        """Steps of the first."""
        return self.members[0].iterations

    @property
    def learning_rate(self):
        """Learning rate of the first; a new one changes those of the others in proportion."""
        return self.members[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        old = float(ops.convert_to_numpy(self.members[0].learning_rate))
        for member in self.members:
            # A rate of 0 leaves no proportion to keep.
            own = float(ops.convert_to_numpy(member.learning_rate))
            member.learning_rate = value * own / old if old else value


class Progress(keras.callbacks.Callback):
    """Tells the model how far the training is, 0 at the first epoch.

    Args:
        epochs: int, N of the paper's schedule; epoch i of 0..N-1 has progress i / N.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the progress for the epoch."""
        self.model.progress.assign(epoch / self.epochs)
