"""One photo on its way through a job: read, drawn, written."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from keras_portrait.errors import InputError
from keras_portrait.inference.bulk.drawing import DrawingOptions
from keras_portrait.inference.bulk.errors import JobStopped

# What became of a photo; "" while nothing has yet.
DRAWN, SKIPPED, FAILED = "drawn", "skipped", "failed"


@dataclass(frozen=True)
class Photo:
    """A photo and what is known of it so far.

    Attributes:
        name: name below IN.
        output: name of its drawing below OUT.
        known_work: hash of what that drawing was last made of, in hexadecimal, or "".
        known_length: how many bytes that drawing has.
        data: bytes of the photo, while it is to be drawn.
        drawing: bytes of the drawing, while it is to be written.
        status: `DRAWN`, `SKIPPED`, `FAILED`, or "".
        sha256: hash of the photo's bytes, in hexadecimal.
        length: bytes of the drawing that was written.
        seconds: how long the drawing itself took.
        reason: why it failed.
        remark: what is to be said of a photo that was drawn nevertheless.
    """

    name: str
    output: str
    known_work: str = ""
    known_length: int = 0
    data: bytes = b""
    drawing: bytes = b""
    status: str = ""
    sha256: str = ""
    length: int = 0
    seconds: float = 0.0
    reason: str = ""
    remark: str = ""

    def failed(self, error: InputError) -> "Photo":
        """The photo with the reason why it was not drawn."""
        return replace(self, status=FAILED, reason=str(error), data=b"", drawing=b"")


def read_photo(photo: Photo, source, target, options: DrawingOptions) -> Photo:
    """Reads a photo, unless its drawing is finished.

    Args:
        photo: with its names.
        source: the place of the photos.
        target: the place of the drawings.
        options: what is drawn with.

    Raises:
        JobStopped: a place cannot be reached.
    """
    try:
        data = source.read(photo.name)
        sha256 = hashlib.sha256(data).hexdigest()
        # A job that was killed may have drawn over it without saying so: then its length differs.
        known = photo.known_work == options.work(sha256)
        if known and target.length(photo.output) == photo.known_length:
            return replace(photo, status=SKIPPED, sha256=sha256)
    except JobStopped:
        raise
    except InputError as error:
        return photo.failed(error)
    return replace(photo, data=data, sha256=sha256)


def draw_photo(photo: Photo, draw: Callable[[bytes], tuple[bytes, float, str]]) -> Photo:
    """Draws a photo that was read; passes on any other.

    Args:
        photo: from `read_photo`.
        draw: such as `WorkerPool.draw`.

    Raises:
        JobStopped: no worker starts.
    """
    if photo.status:
        return photo
    try:
        drawing, seconds, remark = draw(photo.data)
    except JobStopped:
        raise
    except InputError as error:
        return photo.failed(error)
    return replace(photo, data=b"", drawing=drawing, seconds=seconds, remark=remark)


def write_photo(photo: Photo, target) -> Photo:
    """Writes a drawing that was made; passes on any other photo.

    Raises:
        JobStopped: the place of the drawings cannot be written to.
    """
    if photo.status:
        return photo
    try:
        target.write(photo.output, photo.drawing)
    except JobStopped:
        raise
    except InputError as error:
        return photo.failed(error)
    return replace(photo, drawing=b"", length=len(photo.drawing), status=DRAWN)
