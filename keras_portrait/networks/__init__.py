"""Generators, discriminators and others: functions that return functional Keras models."""

from keras_portrait.networks.line_generator import line_generator, logits_of
from keras_portrait.networks.patchgan import (
    pair_discriminator,
    patch_discriminator,
    style_discriminator,
)
from keras_portrait.networks.resnet import resnet_generator

__all__ = [
    "line_generator",
    "logits_of",
    "pair_discriminator",
    "patch_discriminator",
    "resnet_generator",
    "style_discriminator",
]
