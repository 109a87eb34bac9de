"""Frozen networks that judge pictures: edges (HED) and perceptual distance (LPIPS)."""

from keras_portrait.perceptual.hed import EdgeDetector
from keras_portrait.perceptual.lpips import PerceptualDistance

__all__ = ["EdgeDetector", "PerceptualDistance"]
