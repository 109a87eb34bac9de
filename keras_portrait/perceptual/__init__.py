"""Frozen networks that judge pictures: edges, faces (MTCNN) and perceptual distance (LPIPS)."""

from keras_portrait.perceptual.face_finder import FaceFinder
from keras_portrait.perceptual.hed import EdgeDetector
from keras_portrait.perceptual.lpips import PerceptualDistance

__all__ = ["EdgeDetector", "FaceFinder", "PerceptualDistance"]
