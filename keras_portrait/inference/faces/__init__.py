"""Faces in photos: where they are and where their eyes, nose and mouth are."""

from keras_portrait.inference.faces.detector import Detector, find_detector, largest_face
from keras_portrait.inference.faces.finder import (
    DETECTION_SIDE,
    LEAST_FACE,
    FaceFinder,
    find_faces,
    quarter_turns,
    smallest_faces,
    sure_faces,
)
from keras_portrait.inference.faces.types import Box, Face

__all__ = [
    "DETECTION_SIDE",
    "LEAST_FACE",
    "Box",
    "Detector",
    "Face",
    "FaceFinder",
    "find_detector",
    "find_faces",
    "largest_face",
    "quarter_turns",
    "smallest_faces",
    "sure_faces",
]
