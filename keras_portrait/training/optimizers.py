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
    return FusedAdam(learning_rate, beta_1, beta_2, epsilon=1e-8, name="adam")


@keras.saving.register_keras_serializable(package="keras_portrait")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, which under TensorFlow on one device takes one operation a variable.

    Keras's own takes some fifteen, each of which goes through all values once more. Formula and
    state are the same: a training goes on with either.
    """

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if keras.backend.backend() != "tensorflow" or self.amsgrad or _is_distributed():
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        import tensorflow as tf

        step = tf.cast(self.iterations.value + 1, "float32")
        shared = {
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": tf.pow(self.beta_2, step),
            "lr": tf.cast(learning_rate, "float32"),
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "epsilon": self.epsilon,
        }
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                grad=tf.cast(gradient, "float32"),
                **shared,
            )


def _is_distributed():
    import tensorflow as tf

    return tf.distribute.has_strategy()


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
