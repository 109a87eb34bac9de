"""Run folders with generators of a few filters, as trainings leave them; importing needs Keras."""

import json

import keras
import numpy as np

from keras_portrait.models.cartoongan.networks import cartoon_generator
from keras_portrait.models.dcgan.networks import dcgan_generator
from keras_portrait.networks import resnet_generator

NOISE = 5


def tiny_net(method, seed=0, policy="float32"):
    """A generator whose pictures are neither flat nor saturated."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(policy)
    try:
        net = {
            "dcgan": lambda: dcgan_generator(2, NOISE),
            "cyclegan": lambda: resnet_generator(3, 3, filters=2, blocks=1, up_filters=(3, 2)),
            "cartoongan": lambda: cartoon_generator(2, 1),
        }[method]()
    finally:
        keras.config.set_dtype_policy("float32")
    rng = np.random.default_rng(seed)
    for layer in net.layers:
        # Biases and moving averages too, and far from where they start: an export that lost them
        # must not pass.
        values = [rng.normal(0, 0.3, weight.shape) for weight in layer.get_weights()]
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = values
            values = [1 + gamma, beta, mean, 0.2 + np.abs(variance)]
        layer.set_weights(values)
    net.trainable = False
    return net


def write_run(folder, method, size=None, **options):
    """Writes a run folder and returns it; that of cyclegan has two different generators."""
    folder.mkdir(parents=True)
    tiny_net(method).save(folder / "generator.keras")
    if method == "cyclegan":
        tiny_net(method, seed=1).save(folder / "inverse_generator.keras")
    size = size or (64 if method == "dcgan" else 32)
    row = {"method": method, "recipe": {"data": {"size": size}}, **options}
    (folder / "options.json").write_text(json.dumps(row))
    return folder
