"""What a drawing keeps of its photo: edges, places of eyes, nose and mouth."""

import contextlib
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_portrait.inference.faces import Detector
from keras_portrait.inference.geometry import DRAWING_DETECTION_SIDE
from keras_portrait.inference.imaging import resize, to_signed
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance

# Pictures that HED sees at a time: more gain nothing on a CPU, and need memory.
BATCH = 4
# How far the distance may change when the networks run in bfloat16.
PRECISION_TOLERANCE = 1e-3
# A face in the drawing whose points lie further off than this share of the eye distance, on
# average, is not the face that was drawn.
FARTHEST = 0.5
_CPU_FLAGS, _FAST = "/proc/cpuinfo", ("avx512_bf16", "amx_bf16")


class EdgeDistance:
    """LPIPS between HED's edge maps.

    Args:
        precision: dtype policy of HED: "float32" or "mixed_bfloat16".

    Raises:
        MissingExtra: the weights of HED are not there.
    """

    def __init__(self, precision: str = "float32"):
        self.precision = precision
        with dtype_policy(precision):
            self._edges = EdgeDetector().network
        with dtype_policy("float32"):
            self._distance = PerceptualDistance()

    def edges(self, pictures: np.ndarray) -> np.ndarray:
        """Edge maps.

        Args:
            pictures: uint8 (N, S, S, 3) RGB, or (N, S, S) gray.

        Returns:
            float32 (N, S, S) in [0, 1].
        """
        if pictures.ndim == 3:
            pictures = np.repeat(pictures[..., None], 3, axis=-1)
        parts = [
            self._edges.predict_on_batch(to_signed(pictures[start : start + BATCH]))
            for start in range(0, len(pictures), BATCH)
        ]
        return np.concatenate(parts)[..., 0]

    def features(self, edges: np.ndarray) -> list:
        """What LPIPS compares of edge maps float32 (N, S, S) in [0, 1]."""
        return self._distance.features(ops.convert_to_tensor(edges[..., None] * 2 - 1))

    def distances(self, photo_features: list, edges: np.ndarray) -> np.ndarray:
        """Distances between the edge map of one photo and those of drawings.

        Args:
            photo_features: from `features`, of one edge map.
            edges: float32 (N, S, S) in [0, 1].

        Returns:
            float32 (N,), 0 for equal maps.
        """
        found = [
            self._distance.distance(self.features(edge[None]), photo_features) for edge in edges
        ]
        return ops.convert_to_numpy(ops.concatenate(found))


def open_edge_distance(photo: np.ndarray, drawing: np.ndarray) -> EdgeDistance:
    """Opens the networks in bfloat16 where the CPU computes in it and the distance stays.

    Args:
        photo: uint8 (S, S, 3), by which it is tried out.
        drawing: uint8 (S, S), a drawing of it.
    """
    exact = EdgeDistance()
    if not has_fast_bfloat16():
        return exact
    fast = EdgeDistance("mixed_bfloat16")
    a, b = (_distance(judge, photo, drawing) for judge in (exact, fast))
    return fast if abs(a - b) < PRECISION_TOLERANCE else exact


def _distance(judge, photo, drawing):
    photo_features = judge.features(judge.edges(photo[None]))
    return float(judge.distances(photo_features, judge.edges(drawing[None]))[0])


def has_fast_bfloat16() -> bool:
    """Whether this is TensorFlow on a CPU that multiplies numbers of bfloat16."""
    if keras.backend.backend() != "tensorflow":
        return False
    try:
        return any(flag in Path(_CPU_FLAGS).read_text() for flag in _FAST)
    except OSError:
        return False


@contextlib.contextmanager
def dtype_policy(name: str):
    """Builds networks in a dtype policy, and puts the former one back."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)


def landmark_error(expected: np.ndarray, found: np.ndarray) -> float:
    """Mean distance of five points, in percent of the expected eye distance.

    Args:
        expected: float (5, 2), the photo's: left eye, right eye, nose, left and right mouth corner.
        found: float (5, 2), the drawing's.
    """
    eyes = np.linalg.norm(expected[1] - expected[0])
    return float(100 * np.linalg.norm(found - expected, axis=1).mean() / eyes)


def find_landmarks(picture: np.ndarray, near: np.ndarray, detector: Detector) -> np.ndarray | None:
    """The points of the face that lies where one is expected.

    The detector samples its patches without averaging, so that single strokes of a large drawing
    decide; it sees the picture as small as it does when drawings are prepared for training.

    Args:
        picture: uint8 (S, S, 3) RGB, or (S, S) gray.
        near: float (5, 2), where the points are expected.
        detector: finds faces.

    Returns:
        float (5, 2) in pixels, of the nearest face; None where no face lies within `FARTHEST`.
    """
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    side = min(len(picture), DRAWING_DETECTION_SIDE)
    scale = len(picture) / side
    faces = detector.detect(resize(picture, side, side))
    found = [(face.landmarks + 0.5) * scale - 0.5 for face in faces]
    best = min(found, key=lambda points: landmark_error(near, points), default=None)
    return best if best is not None and landmark_error(near, best) <= 100 * FARTHEST else None
