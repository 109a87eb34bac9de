"""What the style classifier learns from: drawings with and without a tag, and views of them."""

import hashlib
import math
import os
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.data.fingerprint import file_length
from keras_portrait.data.manifest import NAME, read_manifest
from keras_portrait.data.prepare.drawings import whiten_paper
from keras_portrait.data.prepare.sources import find_tagged
from keras_portrait.data.shards.reader import refuse_shards
from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import read_image, resize
from keras_portrait.models.style_classifier.config import StyleDataSettings

PAPER = 255
# Blur before a view is sampled, in pixels of the view: keeps hatching from turning into moire, and
# lets turned and upright views look equally sharp.
_BLUR = 0.6


@dataclass(frozen=True)
class TaggedDrawing:
    """One drawing.

    Attributes:
        file: its path in the data folder, with forward slashes.
        tag: name of its style; None where it is not known.
        held: whether it is kept back from the training, to measure the accuracy.
    """

    file: str
    tag: str | None
    held: bool = False


@dataclass(frozen=True)
class TaggedDrawings:
    """All drawings of a data folder.

    Attributes:
        folder: the data folder.
        drawings: those with and those without a tag.
        styles: names of all styles, sorted.
        prepared: whether `portrait prepare` made the folder.
    """

    folder: Path
    drawings: list[TaggedDrawing]
    styles: list[str]
    prepared: bool

    def indices(self, held: bool) -> list[np.ndarray]:
        """For each style which drawings are kept back, or which are there to learn from."""
        return [
            np.array(
                [i for i, d in enumerate(self.drawings) if d.tag == style and d.held == held], int
            )
            for style in self.styles
        ]

    def labelled(self, held: bool) -> tuple[np.ndarray, np.ndarray]:
        """The same as one array, int (M,), and beside it the style of each, int (M,)."""
        groups = self.indices(held)
        return np.concatenate(groups), np.repeat(np.arange(len(groups)), list(map(len, groups)))

    def square(self, drawing: TaggedDrawing) -> np.ndarray:
        """A drawing on white paper, uint8 (S, S), S its longer side in pixels.

        Raises:
            InputError: the picture cannot be read.
        """
        picture = read_image(self.folder / drawing.file)
        if self.prepared:
            return picture[..., 0]
        return letterbox(whiten_paper(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)))

    def fingerprint(self) -> dict[str, list]:
        """What tells that a drawing is still the same, by file: its length in bytes, its tag.

        Raises:
            InputError: a picture cannot be looked at.
        """
        return {
            drawing.file: [file_length(self.folder / drawing.file), drawing.tag]
            for drawing in self.drawings
        }


def load_tagged(folder: str | Path, holdout: float) -> TaggedDrawings:
    """Finds the drawings of a data folder.

    Args:
        folder: made by `portrait prepare`, or a folder of drawings whose subfolders are the tags.
        holdout: share of a style that is kept back where the manifest's test split has none of it,
            chosen by a hash of the names; at least one drawing, never all.

    Returns:
        `TaggedDrawings`.

    Raises:
        InputError: there is no such folder, no drawing, no tag, or fewer than two drawings of a
            style.
    """
    refuse_shards(folder, "A style classifier")
    folder = Path(folder)
    prepared = os.path.isfile(folder / NAME)
    drawings = _prepared(folder) if prepared else _plain(folder)
    members = defaultdict(list)
    for drawing in drawings:
        if drawing.tag is not None:
            members[drawing.tag].append(drawing)
    if not members:
        raise InputError(
            f"{folder}: expected drawings in folders that are named after their styles. "
            f"Received: {len(drawings)} drawings, none with a tag"
        )
    for style, found in sorted(members.items()):
        if len(found) < 2:
            raise InputError(
                f"{folder}: expected at least two drawings of each style, one to learn from and "
                f"one to measure the accuracy with. Received: 1 of {style}"
            )
    held = {drawing.file for found in members.values() for drawing in _held(found, holdout)}
    drawings = [replace(drawing, held=drawing.file in held) for drawing in drawings]
    return TaggedDrawings(folder, drawings, sorted(members), prepared)


def _prepared(folder):
    rows = [row for row in read_manifest(folder) if row.kept and row.kind == "drawing"]
    if not rows:
        raise InputError(f"{folder}: expected drawings in {NAME}. Received: none that was kept")
    for row in rows:
        if not os.path.isfile(folder / row.file):
            raise InputError(
                f"{folder}: expected every picture that the manifest names; `portrait prepare` "
                f"makes them again. Received: no {row.file}"
            )
    return [TaggedDrawing(row.file, row.style, row.split == "test") for row in rows]


def _plain(folder):
    if all(os.path.isdir(folder / name) for name in ("photos", "drawings")):
        raise InputError(
            f"{folder}: expected a folder made by `portrait prepare`, or a folder of drawings "
            "alone. Received: one with photos and drawings"
        )
    return [
        TaggedDrawing(path.relative_to(folder).as_posix(), tag) for path, tag in find_tagged(folder)
    ]


def _held(drawings, holdout):
    """Which drawings of one style are kept back."""
    test = [drawing for drawing in drawings if drawing.held]
    if 0 < len(test) < len(drawings):
        return test
    count = min(max(round(holdout * len(drawings)), 1), len(drawings) - 1)
    return sorted(drawings, key=_lot)[:count]


def _lot(drawing):
    return hashlib.sha256(os.fsencode(f"held {drawing.file}")).digest()


def letterbox(gray: np.ndarray) -> np.ndarray:
    """Puts a drawing, uint8 (H, W), in the middle of a square sheet of white paper."""
    height, width = gray.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side), PAPER, np.uint8)
    square[top : top + height, left : left + width] = gray
    return square


def drawing_view(
    square: np.ndarray, settings: StyleDataSettings, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Reduces a drawing to what the classifier looks at.

    Args:
        square: uint8 (S, S), paper white.
        settings: the size, and how far a view may be turned, moved and scaled.
        rng: draws the view; None for the drawing as it is.

    Returns:
        uint8 (size, size), what was outside of the sheet white.
    """
    size = settings.size
    if len(square) > 2 * size:
        square = resize(square, 2 * size, 2 * size)
    side = len(square)
    angle, scale, shift, mirrored = 0.0, 1.0, np.zeros(2), False
    if rng is not None:
        angle = rng.uniform(-settings.rotation, settings.rotation)
        scale = math.exp(rng.uniform(-1, 1) * math.log(settings.scale))
        shift = rng.uniform(-settings.translation, settings.translation, 2)
        mirrored = bool(rng.random() < 0.5) and settings.flip
    if mirrored:
        square = np.ascontiguousarray(square[:, ::-1])
    scale *= size / side
    square = cv2.GaussianBlur(square, (0, 0), max(_BLUR / scale, 1e-2))
    middle = (side - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), angle, scale)
    matrix[:, 2] += (size - side) / 2 + shift * size
    return cv2.warpAffine(square, matrix, (size, size), borderValue=PAPER)
