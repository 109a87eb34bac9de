"""The asymmetric cycle with networks of a few channels, and a batch for it."""

import keras
import numpy as np
from keras import ops

from keras_portrait.inference.geometry import PARTS
from keras_portrait.models.asymmetric_cycle.config import AsymmetricCycleWeights
from keras_portrait.models.asymmetric_cycle.model import AsymmetricCycle
from keras_portrait.networks import patch_discriminator, resnet_generator, style_discriminator
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance
from tiny_training import light_edges


def build(size, styles=3, filters=8, blocks=9, weights=None, pool_size=0, load=True, **settings):
    weights = weights or AsymmetricCycleWeights()
    return AsymmetricCycle(
        [f"style {index}" for index in range(styles)],
        size,
        generator=resnet_generator(3, 1, styles, filters, blocks),
        inverse_generator=resnet_generator(1, 3, 1, filters, blocks),
        drawing_disc=style_discriminator(1, styles, size, filters)
        if styles > 1 and weights.style
        else patch_discriminator(1, filters),
        photo_disc=patch_discriminator(3, filters),
        part_discs={
            part: patch_discriminator(2, filters, name=f"{part}_disc")
            for part in (PARTS if weights.local else ())
        },
        edge_detector=EdgeDetector() if load else light_edges,
        distance=PerceptualDistance(load=load),
        weights=weights,
        pool_size=pool_size,
        **settings,
    )


def tiny(size=64, **settings):
    model = build(size=size, filters=2, blocks=1, load=False, **settings)
    model.compile(generator=keras.optimizers.Adam(1e-3), discriminator=keras.optimizers.Adam(1e-3))
    return model


def tiny_batch(styles=3, seed=0, lines=False, size=64, count=1):
    rng = np.random.default_rng(seed)
    plane = (count, size, size, 1)
    batch = {
        "photo": rng.uniform(-1, 1, (*plane[:3], 3)),
        "drawing": rng.uniform(-1, 1, plane),
        "style": np.eye(styles)[np.arange(count) % styles],
    }
    for domain in ("photo", "drawing"):
        for part in PARTS:
            batch[f"{domain}_{part}"] = rng.uniform(0, 1, plane).round()
    if lines:
        batch["lines"] = rng.uniform(-1, 1, plane)
    return {name: ops.convert_to_tensor(value, "float32") for name, value in batch.items()}


def networks_of(model):
    """Every network of the method by name, the frozen one of LPIPS too."""
    return {
        "generator": model.generator,
        "inverse_generator": model.inverse_generator,
        "averaged_generator": model.averaged_generator,
        "drawing_disc": model.drawing_disc,
        "photo_disc": model.photo_disc,
        **model.part_discs,
        "alexnet": model.distance.trunk,
    }
