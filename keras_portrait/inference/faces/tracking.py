"""Follows faces from frame to frame, so that drawings neither tremble nor need a search each time.

Faces are looked for in every few frames only, and in each while one is missed. In between each face
glides towards where it was found last: an exponential moving average of its box and landmarks.
"""

from dataclasses import dataclass

import numpy as np

from keras_portrait.errors import SettingError
from keras_portrait.inference.faces import (
    DETECTION_SIDE,
    Box,
    Detector,
    Face,
    find_detector,
    find_faces,
)

# Part of the way to where a face was found last that is gone in a frame: 88 % in five.
SMOOTHING = 0.35
# Two boxes with less in common, as a part of their union, are not the same face; a face that
# jumps is a new one, and is followed from where it is.
LEAST_OVERLAP = 0.3
# Seconds from the first search that misses a face until it is given up: heads turn, eyes blink.
# Until then it keeps its place, and only a face that is clearly larger is drawn instead.
KEPT_SECONDS = 1.0
# Seconds after which faces are looked for whatever the number of frames: a slow preset draws two
# frames a second, and where a face was five of them ago tells nothing.
SEARCH_SECONDS = 0.5
# A face found so near to one that was missed, from centre to centre, in sides of the smaller box,
# is that one, which has jumped.
NEAR = 1.0
# Below this score some finds are no faces.
LEAST_SCORE = 0.9
# The smallest face looked for, as a part of the frame's shorter side: 80 pixels of 480.
LEAST_PART = 1 / 6
# A face that is followed already counts this much larger, so that two of nearly the same size do
# not take turns.
LOYALTY = 1.3


@dataclass(frozen=True)
class TrackedFace:
    """A face as it is drawn in one frame.

    Attributes:
        number: the same for the same face as long as it is followed.
        box: where it is, in pixels of the frame.
        landmarks: float32 (5, 2) as in `faces.Face`.
        found: whether the last search saw it; one that was missed is drawn where it was.
    """

    number: int
    box: Box
    landmarks: np.ndarray
    found: bool = True


class Tracker:
    """Follows the largest faces of a sequence of frames.

    Args:
        every: faces are looked for in one of so many frames, but after `SEARCH_SECONDS` at the
            latest; in each frame while there is none or one is missed.
        faces: how many are followed at most, the largest first.
        threads: CPU threads for the search.
        detector: looks for faces; None for MTCNN, for faces down to `LEAST_PART` of a frame.

    Raises:
        SettingError: a number is not from 1 up.
    """

    def __init__(
        self,
        every: int = 5,
        faces: int = 1,
        threads: int = 1,
        detector: Detector | None = None,
    ):
        for name, value in (("every", every), ("faces", faces)):
            if value < 1:
                raise SettingError(f"{name} must be from 1 up. Received: {value}")
        self._every, self._most, self._threads = every, faces, threads
        self._given, self._detector = detector, detector
        self._shape, self._wait, self._count = None, 0, 0
        self._searched = 0.0  # when the frame of the last search was captured
        self._tracks: list[_Track] = []

    def due(self, photo: np.ndarray, captured: float) -> bool:
        """Whether `update` will look for faces in this frame; takes what that takes."""
        return (
            self._wait <= 0
            or captured - self._searched >= SEARCH_SECONDS
            or not all(track.found for track in self._tracks)
            or not self._tracks
            or photo.shape != self._shape
        )

    def update(self, photo: np.ndarray, captured: float) -> list[TrackedFace]:
        """Takes the next frame.

        Args:
            photo: uint8 RGB (H, W, 3); another size than before starts over.
            captured: when the frame was there, seconds of a clock that never goes back.

        Returns:
            The faces in it, largest first.
        """
        if self.due(photo, captured):
            if photo.shape != self._shape:
                self._start(photo.shape)
            self._match(find_faces(photo, self._detector), captured)
            self._wait, self._searched = self._every, captured
        self._wait -= 1
        return [track.step() for track in self._tracks]

    def _start(self, shape: tuple[int, ...]) -> None:
        self._shape, self._tracks = shape, []
        if self._given is None:
            shorter = min(shape[:2]) * min(1.0, DETECTION_SIDE / max(shape[:2]))
            self._detector = find_detector(max(20.0, shorter * LEAST_PART), self._threads)

    def _match(self, found: list[Face], now: float) -> None:
        """Tells which face is which; new ones get a number, lost ones are kept for a while."""
        found = [face for face in found if face.score >= LEAST_SCORE]
        known, missed = [], []
        for track in self._tracks:
            overlaps = [_overlap(track.box, face.box) for face in found]
            best = int(np.argmax(overlaps)) if overlaps else -1
            if best >= 0 and overlaps[best] >= LEAST_OVERLAP:
                track.aim(found.pop(best))
                known.append(track)
            elif track.miss(now) < KEPT_SECONDS:
                missed.append(track)
        known += [one for one in missed if not any(_near(one.box, face.box) for face in found)]
        self._tracks = [*known, *map(self._track, found)]
        self._tracks.sort(
            key=lambda track: track.box.area * (LOYALTY if track in known else 1), reverse=True
        )
        del self._tracks[self._most :]

    def _track(self, face: Face) -> "_Track":
        self._count += 1
        return _Track(self._count, face)


class _Track:
    """One face: where it was found last, and how far it has glided there."""

    def __init__(self, number: int, face: Face):
        self.number = number
        self._now = _numbers(face)
        self.aim(face)

    def aim(self, face: Face) -> None:
        self.box, self._target, self._missed = face.box, _numbers(face), None

    def miss(self, now: float) -> float:
        """Notes a search that missed it; seconds since the first one in a row."""
        self._missed = now if self._missed is None else self._missed
        return now - self._missed

    @property
    def found(self) -> bool:
        return self._missed is None

    def step(self) -> TrackedFace:
        self._now = self._now + SMOOTHING * (self._target - self._now)
        box = Box(*map(float, self._now[:4]))
        landmarks = self._now[4:].reshape(5, 2).astype(np.float32)
        return TrackedFace(self.number, box, landmarks, self.found)


def _numbers(face: Face) -> np.ndarray:
    box = face.box
    return np.concatenate(
        [[box.left, box.top, box.width, box.height], np.ravel(face.landmarks)]
    ).astype(np.float64)


def _overlap(one: Box, other: Box) -> float:
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    common = max(0.0, width) * max(0.0, height)
    return common / max(one.area + other.area - common, 1e-9)


def _near(one: Box, other: Box) -> bool:
    across = one.left + one.width / 2 - other.left - other.width / 2
    down = one.top + one.height / 2 - other.top - other.height / 2
    side = min(one.width, one.height, other.width, other.height)
    return float(np.hypot(across, down)) < NEAR * side
