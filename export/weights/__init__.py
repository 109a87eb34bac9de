"""Weights in the files of other projects, read without running anything from them."""

from keras_portrait_export.weights.read import read_weights

__all__ = ["read_weights"]
