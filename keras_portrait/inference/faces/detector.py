"""The metadata that every face detector keeps, and the detector that the package brings."""

from typing import Protocol

import numpy as np

from keras_portrait.inference.faces.types import Face


class Detector(Protocol):
    """Finds faces in a photo."""

    def detect(self, photo: np.ndarray) -> list[Face]:
        """Finds the faces of one photo.

        Args:
            photo: uint8 (H, W, 3), RGB.

        Returns:
            Faces in pixels of the photo, best score first; empty when there is none.
        """
        ...


def find_detector(min_face: float = 40, threads: int = 1) -> Detector:
    """Opens the detector that the package brings.

    Args:
        min_face: side in pixels of the smallest face to look for, from 12 up. The time for a
            photo grows with the inverse square of it.
        threads: CPU threads to use.

    Returns:
        MTCNN on the packaged nets.

    Raises:
        MissingExtra: no LiteRT runtime is installed.
        SettingError: a setting is out of range.
    """
    from keras_portrait.inference.faces.mtcnn import Mtcnn

    return Mtcnn(min_face=min_face, threads=threads)


def largest_face(faces: list[Face]) -> Face | None:
    """The face with the largest box; None when there is no face."""
    return max(faces, key=lambda face: face.box.area, default=None)
