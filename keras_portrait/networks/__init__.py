"""Generators, discriminators and others: functions that return functional Keras models."""

from keras_portrait.networks.cartoongan import cartoon_discriminator, cartoon_generator
from keras_portrait.networks.dcgan import dcgan_discriminator, dcgan_generator
from keras_portrait.networks.heat_maps import landmark_network
from keras_portrait.networks.line_generator import line_generator, logits_of
from keras_portrait.networks.patchgan import (
    pair_discriminator,
    patch_discriminator,
    style_discriminator,
)
from keras_portrait.networks.resnet import resnet_generator
from keras_portrait.networks.student import student_generator

__all__ = [
    "cartoon_discriminator",
    "cartoon_generator",
    "dcgan_discriminator",
    "dcgan_generator",
    "landmark_network",
    "line_generator",
    "logits_of",
    "pair_discriminator",
    "patch_discriminator",
    "resnet_generator",
    "student_generator",
    "style_discriminator",
]
