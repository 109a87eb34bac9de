"""Five landmarks in a file of their own, as MATLAB saves them or as a text.

The preprocessing released with Yi et al., "Unpaired Portrait Drawing Generation via Asymmetric
Cycle Mapping", CVPR 2020, keeps the points of NAME.jpg in NAME_facial5point.mat.
"""

import math
import re
from pathlib import Path

import numpy as np

from keras_portrait.data.prepare.matlab_file import MatlabFault, read_array
from keras_portrait.errors import InputError
from keras_portrait.files import read_bounded

# The array in a MATLAB file: x and y of left eye, right eye, nose, left and right mouth corner.
VARIABLE = "facial5point"
# A file with the points alone has some 250 bytes.
MOST_BYTES = 2**16
_SHAPE = (5, 2)
_SEPARATORS = re.compile(r"[\s,;]+")
# Letters of a line that an error shows.
_LETTERS = 60


def read_five_points(path: Path) -> np.ndarray:
    """Reads the landmarks of one picture; MATLAB counts pixels from 1, and so do both files.

    Args:
        path: a MATLAB file up to version 7 (`.mat`) with an array `VARIABLE` (5, 2), or a text of
            five lines with x and y.

    Returns:
        float64 (5, 2), 0-based pixels of the picture.

    Raises:
        InputError: it cannot be read, is no such file, or its points are not finite.
    """
    data = _read(path)
    points = _from_matlab(path, data) if path.suffix.lower() == ".mat" else _from_text(path, data)
    if not np.isfinite(points).all():
        bad = ", ".join(f"{value:g}" for value in points.ravel() if not math.isfinite(value))
        raise InputError(f"{path}: expected five points of finite numbers. Received: {bad}")
    return points - 1


def looks_like_points(path: Path) -> bool:
    """Whether a text begins with a line of two numbers: beside pictures there are captions, too."""
    try:
        first = _read(path).decode("utf-8-sig").split("\n", 1)[0]
    except (InputError, UnicodeDecodeError):
        return False
    try:
        return len([float(word) for word in _words(first)]) == 2
    except ValueError:
        return False


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, MOST_BYTES)
    except OSError as error:
        raise InputError(
            f"Cannot read the five points ({error.strerror}). Expected a small MATLAB file or "
            f"text. Received: {path}"
        ) from error


def _words(line: str) -> list[str]:
    return [word for word in _SEPARATORS.split(line) if word]


def _from_text(path: Path, data: bytes) -> np.ndarray:
    try:
        lines = [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected a text in UTF-8. Received: other bytes") from None
    if len(lines) != 5:
        raise InputError(
            f"{path}: expected five lines, x and y of a point in each. Received: {len(lines)}"
        )
    points = []
    for number, line in enumerate(lines, start=1):
        try:
            points.append([float(word) for word in _words(line)])
        except ValueError:
            points.append([])
        if len(points[-1]) != 2:
            raise InputError(
                f"{path}: expected x and y in line {number}. Received: {line.strip()[:_LETTERS]}"
            )
    return np.array(points)


def _from_matlab(path: Path, data: bytes) -> np.ndarray:
    try:
        points = read_array(data, VARIABLE)
    except MatlabFault as fault:
        raise InputError(
            f"{path}: expected a MATLAB file up to version 7 with an array {VARIABLE}. "
            f"Received: {fault}"
        ) from None
    if points.shape != _SHAPE:
        told = " x ".join(map(str, points.shape))
        raise InputError(f"{path}: expected 5 x 2 numbers in {VARIABLE}. Received: {told}")
    return points
