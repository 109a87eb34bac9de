"""What the original of an imported preset made of some pictures, kept beside its model.

`recorded.txt` holds the SHA-256 of the model, then the weights of the styles of each picture, a
line each; `recorded-1-input.png` and `recorded-1-output.png` are the first picture, and so on. A
model that has come into the folder since then has no recording.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.files import read_bounded, write_whole
from keras_portrait.inference.imaging import encode_image, read_image
from keras_portrait.inference.metadata import PresetMetadata

_LIST_NAME = "recorded.txt"
# Pictures that are kept.
MOST_RECORDED = 4
# Weights of styles that anybody would draw with.
_MOST_WEIGHT = 1000.0


@dataclass(frozen=True)
class RecordedPicture:
    """A picture, and what the original made of it.

    Attributes:
        square: what it took, uint8 RGB (S, S, 3), of the preset's size.
        output: what it returned, uint8 (S, S, channels).
        style: float32 (1, K), the weights of the styles; (1, 1) where there is one alone.
    """

    square: np.ndarray
    output: np.ndarray
    style: np.ndarray


def write_recording(
    folder: Path, metadata: PresetMetadata, pictures: list[RecordedPicture]
) -> None:
    """Keeps the first pictures of a recording beside the model, in place of a former one.

    Args:
        folder: of the preset.
        metadata: of it, as written.
        pictures: of its size and channels; none removes a former recording.

    Raises:
        InputError: a file cannot be written or removed.
    """
    try:
        # The list first: pictures without it are no recording.
        numbers = range(1, MOST_RECORDED + 1)
        for former in (_LIST_NAME, *(name for number in numbers for name in _names(number))):
            (folder / former).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot remove the former recording ({error.strerror}). Received: {folder}"
        ) from error
    lines = [metadata.sha256]
    for number, picture in enumerate(pictures[:MOST_RECORDED], 1):
        for name, pixels in zip(_names(number), (picture.square, picture.output), strict=True):
            write_whole(folder / name, encode_image(pixels))
        lines.append(" ".join(f"{weight:.9g}" for weight in picture.style[0]))
    if pictures:
        # Last: what is not finished is no recording.
        write_whole(folder / _LIST_NAME, ("\n".join(lines) + "\n").encode())


def read_recording(folder: Path, metadata: PresetMetadata) -> list[RecordedPicture]:
    """What was recorded of the original of a preset.

    Args:
        folder: of the preset; a model file alone has none.
        metadata: of it.

    Returns:
        The pictures; none where there is no recording, or it is of another model.

    Raises:
        InputError: the recording is damaged.
    """
    listed = folder / _LIST_NAME
    try:
        sha256, *lines = read_bounded(listed).decode().split("\n")
        styles = [[float(word) for word in line.split()] for line in lines if line]
        if not all(0 <= weight <= _MOST_WEIGHT for style in styles for weight in style):
            raise ValueError("no weights")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a list of numbers"
        raise InputError(f"Cannot read the recording ({reason}). Received: {listed}") from error
    if sha256 != metadata.sha256:
        return []
    found = []
    for number, style in enumerate(styles[:MOST_RECORDED], 1):
        square, output = (read_image(folder / name) for name in _names(number))
        side, count = (metadata.size, metadata.size, 3), len(metadata.styles)
        if not square.shape == output.shape == side or len(style) != count:
            raise InputError(
                f"The recording does not fit the preset. Expected pictures {side} and {count} "
                f"weight(s) of styles. Received: {square.shape}, {output.shape} and {len(style)} "
                f"in {folder / _names(number)[0]}"
            )
        # Drawings are read as RGB, three times the same.
        weights = np.array([style], np.float32)
        found.append(RecordedPicture(square, output[..., : metadata.channels], weights))
    return found


def _names(number):
    return f"recorded-{number}-input.png", f"recorded-{number}-output.png"
