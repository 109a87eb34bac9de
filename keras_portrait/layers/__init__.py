"""Keras layers that the networks share."""

from keras_portrait.layers.convolution import Convolution2D
from keras_portrait.layers.depth_to_space import DepthToSpace
from keras_portrait.layers.image_pool import ImagePool
from keras_portrait.layers.norm import InstanceNormalization
from keras_portrait.layers.padding import ReflectionPadding2D
from keras_portrait.layers.plane_wave import PlaneWave
from keras_portrait.layers.spectral import SpectralConv2D
from keras_portrait.layers.style import AppendStyle

__all__ = [
    "AppendStyle",
    "Convolution2D",
    "DepthToSpace",
    "ImagePool",
    "InstanceNormalization",
    "PlaneWave",
    "ReflectionPadding2D",
    "SpectralConv2D",
]
