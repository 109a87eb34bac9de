"""A training of seconds: its recipe, and what its checkpoints hold."""

import h5py
from keras import ops

from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.training import run as training
from keras_portrait.training.adversarial_model import AdversarialModel

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


def without_tracing(patch):
    """Steps without tracing: faster where only a few are taken."""
    compile_model = AdversarialModel.compile

    def compile_eagerly(self, **optimizers):
        compile_model(self, **optimizers)
        self.run_eagerly = True

    patch.setattr(AdversarialModel, "compile", compile_eagerly)


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


# What the recipes of pictures in colour are reduced to, by method.
_SHORT = [
    *("data.batch=2", "train.epochs=2", "train.steps_per_epoch=2"),
    *("train.precision=float32", "train.average_decay=0.5"),
]
_SMALL = [
    *("data.size=32", "network.filters=2", "network.blocks=1", "network.discriminator_filters=2"),
    "train.pool=2",
]
TINY_PICTURES = {
    "dcgan": [*_SHORT, "network.filters=2", "network.noise=5"],
    "cyclegan": [*_SHORT, *_SMALL],
    "cartoongan": [
        *_SHORT,
        *_SMALL,
        *("network.trunk=vgg16", "train.initialization_steps=2", "train.landmark_steps=2"),
    ],
}


def picture_plan_of(method, data, folder, *overrides):
    """The plan of a toy training of DCGAN, CycleGAN or CartoonGAN."""
    recipe = load_recipe(method, [*TINY_PICTURES[method], *overrides])
    return training.make_plan(recipe, "tiny", data, folder)


def light_features(*_, **__):
    """Stands in for VGG: differences between neighbouring pixels."""

    def features(pictures):
        shifted = [ops.roll(pictures, 1, axis=axis) for axis in (1, 2)]
        return [ops.concatenate([pictures - other for other in shifted], axis=-1)]

    return features
