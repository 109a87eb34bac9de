"""What every source of frames does, and how long one may take."""

from typing import Protocol

import numpy as np

from keras_portrait.errors import InputError

# Seconds that a camera may keep a reader waiting, so that the demo ends in time even then. OpenCV
# takes 10 unless told otherwise.
READ_SECONDS = 1
# Seconds that a camera has for its first picture: some first find focus and exposure.
FIRST_SECONDS = 5


class SourceLost(InputError):
    """A camera or stream stopped giving pictures; `reopen` may bring it back."""


class Source(Protocol):
    """Gives frames, one at a time. Used from one thread.

    Attributes:
        name: what a status calls it; without passwords.
        skipped: frames that were left out here: they were late, or cannot be read.
    """

    name: str
    skipped: int

    def read(self) -> np.ndarray | None:
        """Waits for the next frame.

        Returns:
            uint8 RGB (H, W, 3); None after the last one of a file.

        Raises:
            SourceLost: the camera was unplugged, the stream broke off, or none comes in time.
        """
        ...

    def reopen(self) -> None:
        """Tries to get a lost camera or stream back, until a picture comes.

        Raises:
            InputError: it is not there yet.
        """
        ...

    def close(self) -> None:
        """Gives the camera, stream or file back; may be called twice."""
        ...
