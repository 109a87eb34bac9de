"""The only lines of a training step that name TensorFlow or torch."""

import contextlib

import keras
from keras import ops

from keras_portrait.layers.step_kernels import training_step


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
        with training_step():
            loss, rest = loss_function()
        loss = loss / devices
    return tape.gradient(loss, [variable.value for variable in variables]), rest


def summed_gradients(loss_functions, variables, after=()):
    """Differentiates one loss after the other, each with its own planes in memory only.

    The sum of the losses, differentiated at once, has the same gradient and holds the planes of
    all of them at the same time.

    Args:
        loss_functions: callables as `gradients_of` takes them; a loss need not depend on all
            variables, but each variable on some loss.
        variables: list of Keras variables.
        after: tensors that are computed before the first loss is begun.

    Returns:
        `(gradients, rests)`: the sums of the gradients, and what the functions returned as `rest`.
    """
    total, rests = [None] * len(variables), []
    for loss_function in loss_functions:
        with _begun_after(after):
            gradients, rest = gradients_of(loss_function, variables)
        total = [
            new if old is None else old if new is None else old + new
            for old, new in zip(total, gradients, strict=True)
        ]
        rests.append(rest)
        after = [one for one in total if one is not None]
    return total, rests


def _begun_after(tensors):
    """A context whose operations wait for tensors; torch computes one after the other anyway."""
    if keras.backend.backend() == "torch":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.control_dependencies([] if tf.executing_eagerly() else list(tensors))


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
    decay = ops.minimum(decay, (1.0 + steps) / (10.0 + steps)) if decay else 0.0
    if keras.backend.backend() == "tensorflow" and _average_in_place(means, model.weights, decay):
        return
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


def _average_in_place(means, weights, decay):
    """Does it with two operations for each weight, where there is but one device; or not at all."""
    import tensorflow as tf

    if tf.distribute.has_strategy():
        return False
    for mean, value in zip(means, weights, strict=True):
        value = tf.cast(value.value, mean.dtype)
        if isinstance(decay, float):
            mean.value.assign(value)
        else:
            tf.raw_ops.ResourceApplyGradientDescent(
                var=mean.value.handle, alpha=1.0 - decay, delta=mean.value - value
            )
    return True


def _assign(variable, value):
    return variable.assign(value)
