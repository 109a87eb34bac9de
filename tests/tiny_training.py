"""A training of seconds: its recipe, and what its checkpoints hold."""

import h5py
from keras import ops

from keras_portrait import training
from keras_portrait.config import load_recipe

TINY = [
    *("data.size=64", "network.filters=2", "network.blocks=1", "network.discriminator_filters=2"),
    *("network.inverse_filters=2", "network.inverse_blocks=1", "network.part_filters=2"),
    *("train.epochs=2", "train.steps_per_epoch=3", "train.pool=2", "train.warm_start_steps=2"),
    *("train.precision=float32", "train.average_decay=0.5", "loss.anchor=1"),
    *("data.stored_edges=false", "train.checkpoint_steps=2"),
]


def light_edges(photos):
    """Stands in for HED: differences between neighbouring columns, as probability of an edge."""
    gray = ops.mean(photos, axis=-1, keepdims=True)
    return ops.sigmoid(4.0 * (gray - ops.roll(gray, 1, axis=2)))


def plan_of(data, folder, *overrides):
    """The plan of a toy training; the packaged recipe of small generators, smaller still."""
    recipe = load_recipe("portrait-cpu", [*TINY, *overrides])
    return training.make_plan(recipe, "tiny", data, folder)


def state_of(checkpoint):
    """Every array of a checkpoint by its name."""
    arrays = {}
    with h5py.File(checkpoint.path, "r") as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]} if hasattr(item, "shape") else {})
        )
    return arrays
