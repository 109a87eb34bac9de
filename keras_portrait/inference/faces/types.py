"""What a face detector returns."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Box:
    """An upright rectangle in pixels of the photo; x to the right, y down, from 0.

    Attributes:
        left: x of the left side.
        top: y of the upper side.
        width: extent along x.
        height: extent along y.
    """

    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height


@dataclass(frozen=True)
class Face:
    """A face found in a photo.

    Attributes:
        box: where the face is.
        landmarks: float32 (5, 2), (x, y) in pixels of the photo, centre of the first pixel at
            (0, 0): left eye, right eye, nose tip, left and right corner of the mouth, left and
            right as seen in the picture.
        score: how sure the detector is, 0 to 1.
    """

    box: Box
    landmarks: np.ndarray = field(compare=False)
    score: float

    @property
    def turn(self) -> float:
        """Degrees by which the face is turned clockwise in the photo, above -180 up to 180."""
        eyes, mouth = self.landmarks[:2].mean(axis=0), self.landmarks[3:].mean(axis=0)
        down = mouth - eyes
        return float(np.rad2deg(np.arctan2(-down[0], down[1])))
