"""Errors as answers: one line and the status that fits."""

from keras_portrait.errors import MissingExtra, PortraitError
from keras_portrait.inference.formats import UnreadableFormat
from keras_portrait.inference.reading import TooLargePicture

# Seconds after which it is worth asking again when the queue is full: a drawing or two.
RETRY_AFTER = 2


class Refusal(PortraitError):
    """A request that is not done.

    Args:
        status: of the answer.
        text: one line: what is wrong, what was expected, what was received.
        headers: of the answer.
    """

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None):
        super().__init__(text)
        self.status, self.headers = status, headers or {}


class QueueFull(Refusal):
    """As many requests wait already as may."""

    def __init__(self, places: int):
        super().__init__(
            503,
            f"Too many requests at once. Expected at most {places}. Ask again in some seconds.",
            {"Retry-After": str(RETRY_AFTER)},
        )


def status_of(error: PortraitError) -> int:
    """The status that says whose fault an error of drawing is."""
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, TooLargePicture):
        return 413
    if isinstance(error, UnreadableFormat):
        return 415
    return 501 if isinstance(error, MissingExtra) else 422


def shortened(text: object, most: int = 80) -> str:
    """What somebody sent, in an error: its begin."""
    text = str(text)
    return text if len(text) <= most else f"{text[:most]}..."
