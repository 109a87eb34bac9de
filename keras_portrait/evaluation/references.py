"""The drawings that somebody drew, or avatars, which generated ones are held against."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.data.manifest import NAME as MANIFEST_NAME
from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare.drawings import InkLimits, align_drawing, find_face_in_drawing
from keras_portrait.errors import InputError
from keras_portrait.evaluation.content import BATCH, find_landmarks
from keras_portrait.evaluation.drawing_measures import (
    empty_parts,
    gray_figures,
    part_ink,
    smudge,
    softness,
    stroke_widths,
)
from keras_portrait.evaluation.eyes import readable_eyes
from keras_portrait.inference.faces import Detector
from keras_portrait.inference.geometry import face_template, square_to_photo
from keras_portrait.inference.imaging import enlarge_drawing, read_image, resize, to_gray
from keras_portrait.models.style_classifier.data import (
    TaggedDrawing,
    TaggedDrawings,
    load_tagged,
)

# Drawings of a style that are looked at: more make the distances hardly surer.
MOST_DRAWINGS = 100
# Share of them that the style classifier does not learn from, by which it is judged.
_HELD = 0.2
# Weight of the squares of the classifier's coefficients, per drawing.
_RIDGE = 1.0
# The style of avatars without a label.
AVATARS = "avatars"
# Name of the reference for what has no style among the drawings.
ALL = "all"


@dataclass(frozen=True)
class References:
    """Measured drawings.

    Attributes:
        styles: their styles, sorted.
        style: int (N,), index of each drawing's style.
        held: bool (N,), which the style classifier does not learn from.
        features: float (N, D).
        texture: float (N, F).
        widths: float (N, B), histograms of stroke widths.
        figures: by key of a measure, float (N,).
    """

    styles: list[str]
    style: np.ndarray
    held: np.ndarray
    features: np.ndarray
    texture: np.ndarray
    widths: np.ndarray
    figures: dict[str, np.ndarray]

    def of(self, style: str) -> np.ndarray:
        """Which drawings have a style, bool (N,); all of them where none has."""
        if style not in self.styles:
            return np.ones(len(self.style), bool)
        return self.style == self.styles.index(style)


def measure_references(
    folder: str | Path,
    size: int,
    seed: int,
    extractor: Callable,
    detector: Detector,
    progress: Callable[[int, int], None],
) -> References:
    """Reads and measures drawings, at most `MOST_DRAWINGS` of a style.

    Args:
        folder: made by `portrait prepare`, of which avatars are taken where it has any; or a
            folder of drawings in subfolders named after styles, which are then aligned by the face
            in them, or left out.
        size: side in pixels at which drawings are measured.
        seed: of the choice among more drawings.
        extractor: drawings to features and texture.
        detector: finds faces.
        progress: called with the number of drawings done, and of all.

    Raises:
        InputError: there are no drawings with a style.
    """
    data = _load(folder)
    chosen = _choose(data, seed)
    aligned = [(drawing, _square(data, drawing, size, detector)) for drawing in chosen]
    aligned = [(drawing, square) for drawing, square in aligned if square is not None]
    if not aligned:
        raise InputError(f"Expected drawings of faces. Received: no face in those of {folder}")
    drawings, squares = zip(*aligned, strict=True)
    native = [to_gray(square) for square in squares]
    # Of the drawings as they are: enlargement steepens the tones.
    grays = [gray_figures(square) for square in native]
    pictures = [_enlarged(square, size) for square in squares]
    with ThreadPoolExecutor(1) as pool:
        larger = (enlarge_drawing(square, size, size) for square in native)
        measured = pool.map(lambda square: _measure(square, detector), larger)
        found = []
        for start in range(0, len(pictures), BATCH):
            progress(start, len(pictures))
            found.append(extractor(np.stack(pictures[start : start + BATCH])))
        widths, figures = zip(*measured, strict=True)
    progress(len(pictures), len(pictures))
    features, texture = (np.concatenate(parts) for parts in zip(*found, strict=True))
    figures = [gray | row for gray, row in zip(grays, figures, strict=True)]
    styles = sorted({drawing.tag for drawing in drawings})
    return References(
        styles=styles,
        style=np.array([styles.index(drawing.tag) for drawing in drawings]),
        held=np.array([drawing.held for drawing in drawings]),
        features=features,
        texture=texture,
        widths=np.stack(widths),
        figures={key: np.array([each[key] for each in figures]) for key in figures[0]},
    )


class StyleClassifier:
    """Tells styles from texture: ridge regression of one-hot styles, each style counting alike.

    It takes the statistics that the classifier of `portrait train style-classifier.toml` takes, and
    is solved at once.

    Args:
        texture: float (N, F).
        style: int (N,), every style from 0 up is there.
    """

    def __init__(self, texture: np.ndarray, style: np.ndarray):
        self._mean, self._scale = texture.mean(axis=0), texture.std(axis=0) + 1e-4
        targets = np.eye(style.max() + 1)[style]
        weights = (1 / targets.sum(axis=0))[style]
        weights *= len(style) / weights.sum()
        self._bias = np.average(targets, axis=0, weights=weights)
        x = self._standardized(texture)
        # The dual form: there are fewer drawings than statistics.
        inner = x @ x.T / x.shape[1] + _RIDGE * np.diag(1 / weights)
        self._coefficients = x.T @ np.linalg.solve(inner, targets - self._bias) / x.shape[1]

    def __call__(self, texture: np.ndarray) -> np.ndarray:
        """The style of drawings with statistics float (M, F), int (M,)."""
        return np.argmax(self._standardized(texture) @ self._coefficients + self._bias, axis=1)

    def _standardized(self, texture):
        return (np.asarray(texture, np.float64) - self._mean) / self._scale


def _choose(data: TaggedDrawings, seed: int) -> list:
    """Drawings with a style, in order; a random choice of those styles that have many."""
    rng, chosen = np.random.default_rng(seed), []
    for style in data.styles:
        members = [index for index, each in enumerate(data.drawings) if each.tag == style]
        chosen += sorted(rng.permutation(members)[:MOST_DRAWINGS].tolist())
    return [data.drawings[index] for index in chosen]


def _load(folder):
    """The drawings with their styles, or avatars with their labels, where there are any."""
    if not os.path.isfile(Path(folder) / MANIFEST_NAME):
        return load_tagged(folder, _HELD)
    rows = [row for row in read_manifest(folder) if row.kept and row.kind == "avatar"]
    if not rows:
        return load_tagged(folder, _HELD)
    drawings = [TaggedDrawing(r.file, r.style or AVATARS, r.split != "train") for r in rows]
    styles = sorted({drawing.tag for drawing in drawings})
    return _Avatars(Path(folder), drawings, styles, prepared=True)


class _Avatars(TaggedDrawings):
    """Avatars of a prepared folder, in colour."""

    def square(self, drawing):
        return read_image(self.folder / drawing.file)


def _enlarged(square, size):
    """A drawing with its lines drawn together again, or a picture in colour as it is."""
    return (enlarge_drawing if square.ndim == 2 else resize)(square, size, size)


def _square(data, drawing, size, detector):
    """The aligned drawing, uint8 (S, S), or None where no face is found in it; avatars in colour.

    S is `size`, or of prepared drawings the side that they have.
    """
    if data.prepared:
        return data.square(drawing)
    sheet = read_image(data.folder / drawing.file)
    face = find_face_in_drawing(sheet, detector)
    if face is None:
        return None
    return align_drawing(sheet, square_to_photo(face[0], size), size, InkLimits())[0]


def _measure(square, detector):
    """Stroke widths and figures of a drawing."""
    template = face_template(len(square))
    ink = part_ink(square, template)
    figures = {
        "smudge": smudge(square, template),
        "softness": softness(square),
        "readable_eyes": float(all(readable_eyes(square, template))),
        "face_found": float(find_landmarks(square, template, detector) is not None),
        "empty_parts": float(len(empty_parts(ink)) > 0),
        "ink_eyes": (ink["left eye"] + ink["right eye"]) / 2,
        "ink_nose": ink["nose"],
        "ink_lips": ink["lips"],
    }
    return stroke_widths(square), figures
