"""Takes one photo with a camera, or out of what stands in for one."""

import time

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.inference.faces import LEAST_FACE, find_detector, find_faces
from keras_portrait.inference.video.source import Source

# Seconds in which a camera finds its exposure, and in which a face must come after it.
SETTLE_SECONDS, FACE_SECONDS = 1.0, 10.0


def take_photo(source: Source, settles: bool = True, needs_face: bool = True) -> np.ndarray:
    """The first frame with a face in it.

    Args:
        source: of the frames; it stays open.
        settles: whether it is a camera, whose first second is too dark or too light.
        needs_face: whether somebody must be in it.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        InputError: no face came in time, or the source gives no pictures.
    """
    detector = find_detector(LEAST_FACE) if needs_face else None
    begun = time.monotonic()
    settled = begun + SETTLE_SECONDS if settles else begun
    tried = 0
    while time.monotonic() < settled + FACE_SECONDS:
        photo = source.read()
        if photo is None:
            raise InputError(
                f"No face found in {tried} pictures, all that the source has. Expected a face "
                f"that looks at the camera. Received: {source.name}"
            )
        tried += 1
        if time.monotonic() < settled:
            continue
        # A camera stands upright, and the other turns would cost a Raspberry Pi seconds.
        if detector is None or find_faces(photo, detector):
            return photo
    raise InputError(
        "No face found. Expected a face that looks at the camera within "
        f"{FACE_SECONDS:.0f} seconds. Received: {source.name}"
    )
