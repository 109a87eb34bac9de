"""Generators and discriminators: functions that return functional Keras models."""

from keras_portrait.networks.patchgan import patch_discriminator, style_discriminator
from keras_portrait.networks.resnet import resnet_generator

__all__ = ["patch_discriminator", "resnet_generator", "style_discriminator"]
