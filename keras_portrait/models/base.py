"""What every adversarial method shares: optimizers, trackers, gradients, averaged weights."""

import keras
from keras import ops

from keras_portrait.devices import spans_workers


class AdversarialModel(keras.Model):
    """A Keras model that holds networks and trains them against each other.

    A method declares `loss_names`, builds its networks in `__init__`, and writes `train_step` with
    `update` and `report`. Everything that must survive a restart (optimizers, pools, progress,
    averaged weights) is a Keras weight of this model, so `save_weights` saves it all.
    """

    loss_names: tuple[str, ...] = ()
    # How often each discriminator is right, 0..1: at 1 it wins, at 0.5 it guesses.
    accuracy_names: tuple[str, ...] = ()
    # What a person watches while it trains.
    headline_names: tuple[str, ...] = ()

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.progress = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="progress"
        )
        reported = (*self.loss_names, *self.accuracy_names)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in reported}

    def compile(self, **optimizers):
        """Sets the optimizers and builds their state.

        Args:
            **optimizers: one Keras optimizer for each group of `trainable_groups()`, by its name.

        Raises:
            ValueError: the names do not match the groups.
        """
        groups = self.trainable_groups()
        if set(optimizers) != set(groups):
            raise ValueError(
                f"compile expects an optimizer for each of {sorted(groups)}. "
                f"Received: {sorted(optimizers)}"
            )
        # The default optimizer would be created, saved and never used; XLA, which Keras turns on by
        # itself, makes these steps slower on a CPU.
        super().compile(optimizer=None, jit_compile=False)
        for name, optimizer in optimizers.items():
            # Without build, load_weights drops the optimizer's state with only a warning.
            optimizer.build(groups[name])
            setattr(self, f"{name}_optimizer", optimizer)
        self.built = True

    def trainable_groups(self) -> dict[str, list]:
        """The variables that each optimizer updates, by the name of the group."""
        raise TypeError(f"{type(self).__name__} must say which variables it trains.")

    def visuals(self, batch) -> dict:
        """The pictures worth looking at for one batch, by name, in reading order."""
        raise TypeError(f"{type(self).__name__} must say which pictures it shows.")

    def exported(self) -> dict[str, keras.Model]:
        """The networks that a run leaves as `NAME.keras`, by name."""
        return {"generator": self.averaged_generator}

    @property
    def metrics(self):
        return list(self.trackers.values())

    def make_train_function(self, force=False):
        """Makes what `fit` calls for each step; Keras's own, but for several workers.

        With those Keras takes the mean of every loss over an axis that scalars do not have. Here
        the losses of the present step are those of this worker's first device; those of an epoch
        are read from the trackers, which add up what all devices saw.
        """
        if keras.backend.backend() != "tensorflow" or not spans_workers(self.distribute_strategy):
            return super().make_train_function(force)
        if self.train_function is not None and not force:
            return self.train_function
        import tensorflow as tf

        strategy = self.distribute_strategy

        @tf.function(reduce_retracing=True)
        def train_one_step(iterator):
            values = strategy.run(self.train_step, args=(next(iterator),))
            return {k: strategy.experimental_local_results(v)[0] for k, v in values.items()}

        self.train_function = train_one_step
        return self.train_function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Passed over on several workers: `compile` has built everything.

        Keras takes a mean of a batch there, which must be no dictionary.
        """
        if keras.backend.backend() == "tensorflow" and spans_workers(self.distribute_strategy):
            return
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)

    def update(self, group: str, loss_function):
        """Takes one optimizer step.

        Args:
            group: name of an optimizer and its variables.
            loss_function: callable without arguments that returns `(loss, rest)`; `loss` a float32
                scalar, `rest` whatever the caller wants back.

        Returns:
            `rest`, computed with the weights before the step.
        """
        # Asked for anew rather than kept: Keras would save whatever is kept a second time.
        variables = self.trainable_groups()[group]
        gradients, rest = gradients_of(loss_function, variables)
        getattr(self, f"{group}_optimizer").apply(gradients, variables)
        return rest

    def average_generator(self):
        """Moves `averaged_generator` towards `generator`, after a step of its optimizer."""
        steps = self.generator_optimizer.iterations
        average_weights(self.averaged_generator, self.generator, self.average_decay, steps)

    def report(self, values: dict) -> dict:
        """Feeds the trackers and returns their running means."""
        for name, value in values.items():
            self.trackers[name].update_state(value)
        return {name: tracker.result() for name, tracker in self.trackers.items()}


def copy_of(network: keras.Model) -> keras.Model:
    """A second network with the same weights, which no optimizer trains.

    Args:
        network: a functional model, such as a generator whose average is to be kept.

    Returns:
        A model of its own that computes the same.
    """
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy


def gradients_of(loss_function, variables):
    """Differentiates on either backend.

    Args:
        loss_function: callable without arguments that returns `(scalar loss, rest)`; the loss is
            the mean over the pictures of this device.
        variables: list of Keras variables.

    Returns:
        `(gradients, rest)`, gradients in the order of `variables`. Optimizers add the gradients
        of all devices up, so each is divided by their number here.
    """
    if keras.backend.backend() == "torch":
        import torch

        loss, rest = loss_function()
        values = [variable.value for variable in variables]
        return list(torch.autograd.grad(loss, values, allow_unused=True)), rest
    import tensorflow as tf

    devices = tf.distribute.get_strategy().num_replicas_in_sync
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([variable.value for variable in variables])
        loss, rest = loss_function()
        loss = loss / devices
    return tape.gradient(loss, [variable.value for variable in variables]), rest


def squared_input_gradient(network, x):
    """How steep a network is at its input, in a form that can itself be differentiated.

    Args:
        network: callable of `x` to one score for each picture.
        x: float (N, H, W, C).

    Returns:
        `(scores, squares)`: what the network returns, and float32 (N,), the squared length of the
        gradient of each picture's score.
    """
    if keras.backend.backend() == "torch":
        import torch

        with torch.enable_grad():
            x = x.detach().requires_grad_()
            scores = network(x)
            (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            scores = network(x)
        gradient = tape.gradient(scores, x)
    return scores, ops.sum(ops.square(ops.cast(gradient, "float32")), axis=(1, 2, 3))


def average_weights(average: keras.Model, model: keras.Model, decay: float, steps):
    """Moves an exponential moving average one step towards a model's weights.

    The first steps keep less of the old average, (1 + steps) / (10 + steps) of it, as
    `tf.train.ExponentialMovingAverage` does: otherwise untrained weights would show for thousands
    of steps.

    Args:
        average: model of the same architecture that holds the average.
        model: the model in training.
        decay: float in [0, 1), the share of the old average that is kept.
        steps: int tensor, steps the model has taken.
    """
    means = average.weights
    steps = ops.cast(steps, "float32")
    decay = ops.minimum(decay, (1.0 + steps) / (10.0 + steps))
    values = [
        mean * decay + ops.cast(value, mean.dtype) * (1.0 - decay)
        for mean, value in zip(means, model.weights, strict=True)
    ]
    if keras.backend.backend() == "torch":
        for mean, value in zip(means, values, strict=True):
            mean.assign(value)
        return
    import tensorflow as tf

    def assign(strategy, values):
        for mean, value in zip(means, values, strict=True):
            strategy.extended.update(mean.value, _assign, args=(value,), group=False)

    # Every device holds the same weights, and so the same average: each writes its own copy.
    tf.distribute.get_replica_context().merge_call(assign, args=(values,))


def _assign(variable, value):
    return variable.assign(value)
