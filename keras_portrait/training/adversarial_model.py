"""What every adversarial method shares: optimizers, trackers, gradients, averaged weights."""

import keras
import numpy as np
from keras import ops

from keras_portrait.training.backend import average_weights, summed_gradients
from keras_portrait.training.distributed.devices import spans_workers
from keras_portrait.training.named_batches import NamedBatches
from keras_portrait.training.optimizers import Optimizers, Progress, adam
from keras_portrait.training.saved_networks import restored

# Pictures that `evaluate` scores: some seconds to a minute on a CPU.
SCORED = 200


class AdversarialModel(NamedBatches, keras.Model):
    """A Keras model that holds networks and trains them against each other.

    A method declares `loss_names`, builds its networks in `__init__`, and writes `train_step` with
    `named`, `update` and `report`. Everything that must survive a restart (optimizers, pools,
    progress, averaged weights) is a Keras weight of this model, so `save_weights` saves it all,
    and `save` as much with the networks themselves.
    """

    loss_names: tuple[str, ...] = ()
    # How often each discriminator is right, 0..1: at 1 it wins, at 0.5 it guesses.
    accuracy_names: tuple[str, ...] = ()
    # What a person watches while it trains.
    headline_names: tuple[str, ...] = ()
    # Whether every step runs the same traced function, so that several can be taken at once.
    steps_are_alike = True
    # Of the method's paper, for `compile` without an optimizer.
    learning_rate = 2e-4
    beta_1 = 0.5

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.progress = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="progress"
        )
        reported = (*self.loss_names, *self.accuracy_names)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in reported}
        # The networks come built; there is nothing that Keras would have to build by a call.
        self.built = True

    def compile(
        self,
        optimizer="auto",
        *,
        jit_compile: bool = False,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        **optimizers,
    ):
        """Sets the optimizers and builds their state.

        Args:
            optimizer: what Keras takes for an optimizer, a copy of which serves each group of
                `trainable_groups()` that has none of its own; "auto" stands for the paper's Adam.
            jit_compile: whether XLA compiles the steps; on a CPU it makes them slower.
            run_eagerly: whether steps run without tracing.
            steps_per_execution: int, steps that one call of the traced function takes.
            **optimizers: an optimizer for a group, by its name; "auto" as above.

        Raises:
            ValueError: there is no group of such a name.
        """
        groups = self.trainable_groups()
        if unknown := sorted(set(optimizers) - set(groups)):
            raise ValueError(
                f"compile: expected optimizers for {', '.join(sorted(groups))}; losses and metrics "
                f"are the method's own. Received: {', '.join(unknown)}"
            )
        # Keras's own optimizer would be created, saved and never used.
        super().compile(
            optimizer=None,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
        )
        shared = self._optimizer(optimizer)
        made = {
            name: self._optimizer(optimizers[name])
            if name in optimizers
            else type(shared).from_config(shared.get_config())
            for name in groups
        }
        for name, own in made.items():
            # Without build, load_weights drops the optimizer's state with only a warning.
            own.build(groups[name])
            setattr(self, f"{name}_optimizer", own)

    def _optimizer(self, given) -> keras.optimizers.Optimizer:
        """What Keras takes for an optimizer, or "auto", as an optimizer."""
        if isinstance(given, str) and given == "auto":
            return adam(self.learning_rate, self.beta_1)
        return keras.optimizers.get(given)

    def get_compile_config(self):
        """What `compile` takes, so that a saved model comes back compiled."""
        if not self.compiled:
            return None
        own = {name: getattr(self, f"{name}_optimizer") for name in self.trainable_groups()}
        return {
            "jit_compile": self.jit_compile,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            **{name: keras.saving.serialize_keras_object(one) for name, one in own.items()},
        }

    def compile_from_config(self, config):
        """Compiles as the saved model was."""
        names = self.trainable_groups()
        made = {
            name: keras.saving.deserialize_keras_object(value) if name in names else value
            for name, value in config.items()
        }
        self.compile(**made)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A model from what `get_config` returned."""
        return cls(**{name: restored(value) for name, value in config.items()})

    def get_build_config(self):
        """Nothing: the networks come built."""
        return None

    @property
    def optimizer(self):
        """All of them as `Optimizers`, for Keras's callbacks; None before `compile`."""
        groups = self.trainable_groups() if self.compiled else ()
        return Optimizers([getattr(self, f"{name}_optimizer") for name in groups]) or None

    @optimizer.setter
    def optimizer(self, value):
        if value is not None:
            raise AttributeError("Optimizers are set by compile.")

    def fit(self, x=None, y=None, *, epochs: int = 1, callbacks=None, shuffle=None, **kwargs):
        """Trains, as `keras.Model.fit`; the progress that schedules depend on moves by itself.

        Args:
            x: batches or arrays: a dataset, a `PyDataset` or a generator of dicts or tuples; a
                dict or a tuple of arrays; see `named`.
            y: arrays of the second name, where `x` holds those of the first alone.
            epochs: int, N of the schedules; epoch i of 0..N-1 has progress i / N.
            callbacks: as Keras takes them. `Progress` among them says for itself how far it is.
            shuffle: whether arrays come in another order in every epoch; None for yes. Batches
                come in the order of what makes them.
            **kwargs: the rest of `keras.Model.fit`.

        Returns:
            `keras.callbacks.History`.
        """
        callbacks = self._with_progress(callbacks, epochs)
        if shuffle is None:
            shuffle = all(hasattr(array, "shape") for array in keras.tree.flatten(x))
        try:
            return super().fit(x, y, epochs=epochs, callbacks=callbacks, shuffle=shuffle, **kwargs)
        except Exception:
            # A backend wraps what went wrong with a picture in an error of its own.
            if (failure := getattr(x, "failure", None)) is not None:
                raise failure from None
            raise

    def evaluate(self, x=None, y=None, *, return_dict: bool = False, **kwargs):
        """Measures, as `keras.Model.evaluate`: every loss, and the scores that judge a run.

        Args:
            x: as in `fit`. What a generator yields comes but once, and gets no scores.
            y: as in `fit`.
            return_dict: whether values come by name.
            **kwargs: the rest of `keras.Model.evaluate`.

        Returns:
            Losses and accuracies; then, with names that begin with `score_`, what the method's
            scorer says of the first `SCORED` pictures; lower is better.
        """
        values = super().evaluate(x, y, return_dict=True, **kwargs)
        batch = self._arrays_of(x, y)
        scorer = self.scorer_for(batch) if batch else None
        scores = scorer(self) if scorer else {}
        values |= {f"score_{name}": value for name, value in scores.items()}
        return values if return_dict else list(values.values())

    def scorer_for(self, batch: dict):
        """One of `training.scorers` for held-back pictures, NumPy arrays by name; None for none."""
        return None

    def _arrays_of(self, x, y):
        """What `evaluate` was given as one batch of NumPy arrays, the first `SCORED` pictures."""
        if all(hasattr(array, "shape") for array in keras.tree.flatten(x)):
            batches = [x if y is None else (x, y)]
        elif isinstance(x, keras.utils.PyDataset):
            batches = (x[index] for index in range(len(x)))
        elif hasattr(x, "__next__"):
            return None
        else:
            batches = iter(x)
        kept, count = [], 0
        for batch in batches:
            arrays = self.named(batch)
            kept.append({name: ops.convert_to_numpy(array) for name, array in arrays.items()})
            count += len(next(iter(kept[-1].values())))
            if count >= SCORED:
                break
        return {name: np.concatenate([b[name] for b in kept])[:SCORED] for name in kept[0]}

    def _with_progress(self, callbacks, epochs):
        """The callbacks, with `Progress` first where it is not among them."""
        progress = Progress(epochs)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            progress.set_model(self)
            callbacks.callbacks.insert(0, progress)
            return callbacks
        # Keras takes a single one as well.
        used = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
        used = [one for one in used if one is not None]
        return used if any(isinstance(one, Progress) for one in used) else [progress, *used]

    def call(self, inputs, training=False):
        """What the averaged generator, the one that is exported, makes of its input."""
        return self.averaged_generator(self.generator_input(inputs), training=training)

    def generator_input(self, inputs):
        """What a generator takes, from what `predict` and `call` are given."""
        return inputs

    def losses_of(self, batch: dict) -> dict:
        """Every loss and accuracy of a batch, without an update."""
        raise TypeError(f"{type(self).__name__} must say what it measures.")

    def test_step(self, data):
        """The losses of one batch, as `train_step` reports them, without any update."""
        return self.report(self.losses_of(self.named(data)))

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

    def update(self, group: str, *loss_functions, after=()):
        """Takes one optimizer step.

        Args:
            group: name of an optimizer and its variables.
            *loss_functions: callables without arguments that return `(loss, rest)`; `loss` a
                float32 scalar, `rest` whatever the caller wants back. The losses are added up.
                Their planes are in memory one after the other: what loses nothing by it, because no
                network's call serves two of them, is cut into several.
            after: tensors that are computed before anything here, so that the planes of two steps
                are not in memory at the same time.

        Returns:
            `rest`, computed with the weights before the step; of several a list.
        """
        # Asked for again rather than kept: Keras would save whatever is kept a second time.
        variables = self.trainable_groups()[group]
        gradients, rests = summed_gradients(loss_functions, variables, after)
        getattr(self, f"{group}_optimizer").apply(gradients, variables)
        return rests if len(rests) > 1 else rests[0]

    def average_generator(self):
        """Moves `averaged_generator` towards `generator`, after a step of its optimizer."""
        steps = self.generator_optimizer.iterations
        average_weights(self.averaged_generator, self.generator, self.average_decay, steps)

    def report(self, values: dict) -> dict:
        """Feeds the trackers and returns their running means."""
        for name, value in values.items():
            self.trackers[name].update_state(value)
        means = {name: tracker.result() for name, tracker in self.trackers.items()}
        # What Keras's callbacks ask for by name; discriminators have no part in it.
        total = sum(means[name] for name in self.loss_names if not name.startswith("d_"))
        return {**means, "loss": total}


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
