"""Faces of photos that may lie on their side, hold tilted heads, or are very large.

MTCNN learned upright faces. In a photo that lies on its side it often "finds" the face as well,
with wrong landmarks and a score of up to 0.998: no threshold can tell, and in 9 of 290 portraits a
turned one had the best score of the four. What can tell: an upright face is found again in crops
that are mirrored or turned by 25 degrees. The mean score of six such crops was at most 0.992 for
what was found in turned photos, and 0.995 or more for 262 of the upright ones; in each of the 290
portraits the upright one had the highest mean.
"""

import threading
from typing import NamedTuple

import cv2
import numpy as np

from keras_portrait.inference.faces.detector import Detector, find_detector, largest_face
from keras_portrait.inference.faces.types import Box, Face
from keras_portrait.inference.geometry import transform_points
from keras_portrait.inference.imaging import reduced

# Faces are looked for in a photo of at most this longest side: landmarks gain nothing above it.
DETECTION_SIDE = 1024
# Side in pixels of the smallest face that is looked for at first.
LEAST_FACE = 40
# Where nothing else was found: faces of 60 pixels in a photo of 48 million.
_LARGE_SIDE = 4096
# Mean score of the crops from which a face counts as upright, so that no other turn is looked at.
STEADY = 0.995
# How much surer a turned face must be: its mean must come at least twice as near to 1 as the
# upright one's.
_TURNED_LACK = 0.5
# Below this score some finds are no faces; they count only where there is no better one.
SURE_SCORE = 0.9
# And the least mean with which a turned face counts. Drawn faces have lower ones; of 290
# photographed ones 5 have.
_TURNED_LEAST = 0.98
# Degrees by which two faces that are turned in different ways differ at least: a face that is found
# in two views that lie 45 degrees apart is that of the first.
_ANOTHER_WAY = 45
# The largest faces of a view that are looked at again.
_MOST_TRIED = 3
# Degrees by which crops are turned, mirrored and not; their side in pixels, and in sides of the
# face; and the smallest face that is looked for in them.
_JITTER = (-25, 0, 25)
_CROP, _CROP_FACES = 160, 2.2
_LEAST_IN_CROP = 50
# Degrees from upright up to which a head may be tilted in a photo that is upright itself.
_TILT = 60
# Landmarks of a face that is turned by more are taken from a crop in which it stands upright.
_REFINED_FROM = 20
_FINE_CROP = 320


class _Look(NamedTuple):
    """One way to look for faces.

    Attributes:
        side: longest side of the photo as it is looked at, in pixels.
        least: side of the smallest face there, in pixels.
        turns: degrees by which the photo is turned, one after the other until a face is steady.
    """

    side: int
    least: float
    turns: tuple[int, ...]


# Taken in this order, until one finds something.
LOOKS = (
    _Look(DETECTION_SIDE, LEAST_FACE, (0, 90, 180, 270, 45, 135, 225, 315)),
    _Look(DETECTION_SIDE, 20, (0, 90, 180, 270)),
    _Look(_LARGE_SIDE, 20, (0,)),  # each takes seconds
)


class FaceFinder:
    """Finds faces whichever way they are turned; may be called from many threads.

    Args:
        threads: CPU threads for each search.
        smaller: whether smaller faces are looked for where there is none of `LEAST_FACE` pixels in
            the photo reduced to `DETECTION_SIDE`.
    """

    def __init__(self, threads: int = 1, smaller: bool = True):
        self._threads, self._smaller = threads, smaller
        self._detectors: dict[float, Detector] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple:
        return FaceFinder, (self._threads, self._smaller)

    def find(self, photo: np.ndarray) -> list[Face]:
        """Finds the faces of one photo.

        Args:
            photo: uint8 RGB (H, W, 3), turned and tilted in any way.

        Returns:
            Faces in pixels of the photo, best score first; `Face.turn` says which way they stand.
            Empty where there is none.
        """
        for look in LOOKS if self._smaller else LOOKS[:1]:
            # The last one shows no more of a photo that was not reduced for the others.
            if look.side > DETECTION_SIDE >= max(photo.shape[:2]):
                continue
            small = reduced(photo, look.side)
            found = self._look(small, look)
            if found:
                return [_enlarged(face, small, photo) for face in found]
        return []

    def _look(self, small: np.ndarray, look: _Look) -> list[Face]:
        """Faces in pixels of the reduced photo."""
        best, best_mean = [], 0.0
        for turn in look.turns:
            view, to_small = _turned(small, turn)
            found = self._detector(look.least).detect(view)
            mean = self._steadiness(view, found)
            found = [_moved(face, to_small) for face in found]
            if turn == 0 or (mean >= _TURNED_LEAST and _is_better(found, mean, best, best_mean)):
                best, best_mean = found, mean
            if best_mean >= STEADY:
                break
        return [self._refined(small, face) for face in best]

    def _steadiness(self, view: np.ndarray, found: list[Face]) -> float:
        """The highest mean score, 0 to 1, of crops around one of the larger faces."""
        largest = sorted(sure_faces(found), key=lambda face: -face.box.area)[:_MOST_TRIED]
        return max((self._mean_score(view, face) for face in largest), default=0.0)

    def _mean_score(self, view: np.ndarray, face: Face) -> float:
        scores = []
        for mirrored in (False, True):
            for angle in _JITTER:
                crop, _ = _crop(view, face, _CROP, face.turn + angle, mirrored)
                found = self._detector(_LEAST_IN_CROP).detect(crop)
                scores.append(found[0].score if found else 0.0)
        return float(np.mean(scores))

    def _refined(self, small: np.ndarray, face: Face) -> Face:
        """The face with landmarks as exact as those of an upright one."""
        if abs(face.turn) <= _REFINED_FROM:
            return face
        # Twice: the first crop is turned by what distorted landmarks tell.
        for _ in range(2):
            crop, to_small = _crop(small, face, _FINE_CROP, face.turn)
            found = largest_face(self._detector(_LEAST_IN_CROP).detect(crop))
            face = face if found is None else _moved(found, to_small)
        return face

    def _detector(self, least: float) -> Detector:
        with self._lock:
            if least not in self._detectors:
                self._detectors[least] = find_detector(least, self._threads)
            return self._detectors[least]


def _is_better(found: list[Face], mean: float, best: list[Face], best_mean: float) -> bool:
    """Whether what a turned view shows is surer than what was found before, and something else."""
    if not best:
        return True
    turn, best_turn = (largest_face(sure_faces(faces)).turn for faces in (found, best))
    is_another = abs((turn - best_turn + 180) % 360 - 180) >= _ANOTHER_WAY
    return is_another and 1 - mean <= _TURNED_LACK * (1 - best_mean)


def find_faces(photo: np.ndarray, detector: Detector) -> list[Face]:
    """Finds faces that stand upright, in the time of one search.

    Args:
        photo: uint8 RGB (H, W, 3), of any size.
        detector: it sees the photo reduced to at most `DETECTION_SIDE`.

    Returns:
        Faces in pixels of the photo as given, best score first.
    """
    small = reduced(photo, DETECTION_SIDE)
    return [_enlarged(face, small, photo) for face in detector.detect(small)]


def smallest_faces(photo: np.ndarray) -> tuple[int, int]:
    """Sides of the smallest faces that `FaceFinder` looks for, in pixels of the photo (H, W, 3).

    Returns:
        That of faces that are turned in any way, and that of upright ones.
    """
    side = max(photo.shape[:2])
    return tuple(round(look.least * max(1.0, side / look.side)) for look in LOOKS[1:])


def quarter_turns(face: Face) -> int:
    """How far a face is turned, in degrees of quarter turns: 0 of a tilted head, 90 or 180."""
    return 0 if abs(face.turn) <= _TILT else max(90, round(abs(face.turn) / 90) * 90)


def sure_faces(found: list[Face]) -> list[Face]:
    """Those that surely are faces, or the best one where none is."""
    return [face for face in found if face.score >= SURE_SCORE] or found[:1]


def _enlarged(face: Face, small: np.ndarray, photo: np.ndarray) -> Face:
    """A face of the reduced photo in pixels of the photo."""
    x, y = photo.shape[1] / small.shape[1], photo.shape[0] / small.shape[0]
    box = Box(face.box.left * x, face.box.top * y, face.box.width * x, face.box.height * y)
    landmarks = ((face.landmarks + 0.5) * (x, y) - 0.5).astype(np.float32)
    return Face(box, landmarks, face.score)


def _turned(small: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """A photo in which what stood turned by so many degrees stands upright.

    Returns:
        The photo on white, and the transform (2, 3) from its pixels to those of the one given.
    """
    if turn == 0:
        return small, np.eye(2, 3)
    height, width = small.shape[:2]
    turning = _turning(turn)
    # Of quarter turns whole numbers: no pixel is interpolated.
    sides = np.ceil(np.abs(turning) @ (width, height) - 1e-6).astype(int)
    shift = (np.array([width, height]) - 1) / 2 - turning @ ((sides - 1) / 2)
    matrix = np.column_stack([turning, shift])
    return _warped(small, matrix, tuple(map(int, sides))), matrix


def _crop(
    view: np.ndarray, face: Face, side: int, turn: float, mirrored: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The surroundings of a face, as `_turned` returns them; (side, side, 3)."""
    box = face.box
    centre = np.array([box.left + box.width / 2, box.top + box.height / 2])
    turning = _turning(turn) * (_CROP_FACES * max(box.width, box.height) / side)
    if mirrored:
        turning[:, 0] *= -1
    matrix = np.column_stack([turning, centre - turning @ np.full(2, (side - 1) / 2)])
    return _warped(view, matrix, (side, side)), matrix


def _turning(degrees: float) -> np.ndarray:
    """(2, 2), from upright to turned clockwise."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.round([[cosine, -sine], [sine, cosine]], 12)


def _warped(photo: np.ndarray, matrix: np.ndarray, sides: tuple[int, int]) -> np.ndarray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(photo, matrix, sides, flags=flags, borderValue=(255,) * 3)


def _moved(face: Face, matrix: np.ndarray) -> Face:
    """A face in pixels of another picture; its box stays upright there, around the corners."""
    box = face.box
    right, bottom = box.left + box.width, box.top + box.height
    corners = np.array([[box.left, box.top], [right, box.top], [box.left, bottom], [right, bottom]])
    # A box has sides where pixels end, landmarks lie at their centres.
    corners = transform_points(corners - 0.5, matrix) + 0.5
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    moved = Box(*map(float, (left, top, right - left, bottom - top)))
    landmarks = transform_points(face.landmarks, matrix).astype(np.float32)
    return Face(moved, landmarks, face.score)
