"""Every method with networks so small that a step takes milliseconds, and batches for it."""

import keras
import numpy as np

from keras_portrait import DCGAN, AsymmetricCycle, CartoonGAN, CycleGAN, Distillation, Paired
from keras_portrait.inference.geometry import PARTS
from keras_portrait.models.cartoongan.networks import cartoon_discriminator, cartoon_generator
from keras_portrait.models.dcgan.networks import dcgan_discriminator, dcgan_generator
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.networks import (
    line_generator,
    pair_discriminator,
    patch_discriminator,
    resnet_generator,
    style_discriminator,
)
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.perceptual.vgg import VGGFeatures

SIZE = 64
STYLES = ("bold", "thin")


def small_edges():
    """Stands in for HED: one frozen convolution, which a saved model can hold."""
    photo = keras.Input((None, None, 3))
    edges = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", trainable=False)
    return keras.Model(photo, edges(photo), name="edges")


def asymmetric_cycle(styles=STYLES, size=SIZE, **settings):
    count = len(styles)
    given = {
        "generator": resnet_generator(3, 1, count, 2, 1, style_input="modulated"),
        "inverse_generator": resnet_generator(1, 3, 1, 2, 1),
        "drawing_disc": style_discriminator(1, count, size, 2)
        if count > 1
        else patch_discriminator(1, 2),
        "photo_disc": patch_discriminator(3, 2),
        "part_discs": {part: patch_discriminator(2, 2, name=f"{part}_disc") for part in PARTS},
        "edge_detector": small_edges(),
        "distance": PerceptualDistance(),
        "pool_size": 3,
    }
    return AsymmetricCycle(styles, size, **{**given, **settings})


def cyclegan(**settings):
    return CycleGAN(
        SIZE,
        generator=resnet_generator(3, 3, 1, 2, 1),
        inverse_generator=resnet_generator(3, 3, 1, 2, 1),
        disc_a=patch_discriminator(3, 2),
        disc_b=patch_discriminator(3, 2),
        **{"pool_size": 3, **settings},
    )


def cartoongan(**settings):
    return CartoonGAN(
        SIZE,
        # torch refuses gradients of thinner convolutions on a CPU.
        generator=cartoon_generator(8, 1),
        discriminator=cartoon_discriminator(8),
        features=VGGFeatures("vgg16", ("block1_conv1",)),
        **{"pool_size": 3, **settings},
    )


def dcgan(**settings):
    return DCGAN(dcgan_generator(2, 5), dcgan_discriminator(2), **settings)


def distillation(styles=STYLES, **settings):
    return Distillation(
        styles,
        generator=student_generator(len(styles), 2, 1, 2),
        discriminator=pair_discriminator(len(styles), 2),
        distance=PerceptualDistance(),
        weights={"adversarial_from": 0},
        **settings,
    )


def paired(styles=STYLES, **settings):
    return Paired(
        styles,
        generator=line_generator(len(styles), 2, 1, 2),
        discriminator=pair_discriminator(len(styles), 2),
        weights={"adversarial_from": 0},
        **settings,
    )


METHODS = {
    "asymmetric_cycle": asymmetric_cycle,
    "cyclegan": cyclegan,
    "cartoongan": cartoongan,
    "dcgan": dcgan,
    "distillation": distillation,
    "paired": paired,
}


def arrays_for(method, count=3, seed=0):
    """Noise in the place of `count` pictures of each kind, by name."""
    rng = np.random.default_rng(seed)

    def noise(channels):
        return rng.uniform(-1, 1, (count, SIZE, SIZE, channels)).astype("float32")

    if method == "dcgan":
        return {"picture": noise(3)}
    if method in ("cyclegan", "cartoongan"):
        arrays = {"photo": noise(3), "picture": noise(3)}
        return arrays | {"smooth": noise(3)} if method == "cartoongan" else arrays
    turns = np.eye(len(STYLES), dtype="float32")[np.arange(count) % len(STYLES)]
    return {"photo": noise(3), "drawing": noise(1), "style": turns}


def inputs_for(method, count=3):
    """What `predict` takes."""
    if method == "dcgan":
        return np.random.default_rng(1).standard_normal((count, 5)).astype("float32")
    arrays = arrays_for(method, count)
    photos = arrays["photo"]
    return {"photo": photos, "style": arrays["style"]} if "style" in arrays else photos
