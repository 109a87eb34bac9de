"""Reference drawings and their style vectors, as a trained classifier tells them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare.drawings import InkLimits, align_drawing, find_face_in_drawing
from keras_portrait.errors import NoFaceError, SettingError
from keras_portrait.inference.faces import find_detector
from keras_portrait.inference.geometry import square_to_photo
from keras_portrait.inference.imaging import read_image
from keras_portrait.models.style_classifier.results import VECTORS_NAME
from keras_portrait.models.style_classifier.tell import StyleTeller

CLASSIFIER = "classifier"
# Side in pixels to which a reference drawing is cut, and the smallest face that is looked for.
_SIDE, _LEAST_FACE = 256, 20


def reference_vectors(
    outcome, styles: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Reference drawings with their style vectors.

    Args:
        outcome: of the experiment `styles`; without a reference drawing of its own the first
            held-back drawing of each style stands in.
        styles: those of the generator, in its order.

    Yields:
        The name of a drawing, the drawing, uint8 (S, S), and float (K,), its share of each of
        `styles`.

    Raises:
        NoFaceError: no face was found in the reference drawing.
        SettingError: the classifier knows other styles than the generator.
    """
    run = outcome.runs[CLASSIFIER]
    if outcome.reference is None:
        found = _held_back(run, outcome.data)
    else:
        teller = StyleTeller(run)
        square = aligned_reference(outcome.reference)
        shares = dict(zip(teller.styles, teller(square), strict=True))
        found = [(outcome.reference.name, square, shares)]
    for name, drawing, shares in found:
        if set(shares) != set(styles):
            raise SettingError(
                f"Expected a generator of the styles {', '.join(sorted(shares))}, which the "
                f"classifier learned. Received: {', '.join(styles)}"
            )
        yield name, drawing, np.array([shares[style] for style in styles])


def aligned_reference(path: Path) -> np.ndarray:
    """Cuts a reference drawing as those were that the classifier learned from.

    Args:
        path: a picture file.

    Returns:
        uint8 (S, S), dark lines on white.

    Raises:
        InputError: it cannot be read.
        NoFaceError: there is no face in it.
    """
    sheet = read_image(path)
    face = find_face_in_drawing(sheet, find_detector(_LEAST_FACE))
    if face is None:
        raise NoFaceError(
            f"No face found in the reference drawing. Expected a drawn face that looks at the "
            f"viewer. Received: {path}"
        )
    return align_drawing(sheet, square_to_photo(face[0], _SIDE), _SIDE, InkLimits())[0]


def _held_back(run, data):
    """The first held-back drawing of each style, and what the classifier said of it."""
    lines = (run / VECTORS_NAME).read_text(encoding="utf-8").splitlines()
    told = {row["file"]: row["shares"] for row in map(json.loads, lines)}
    first = {}
    for row in read_manifest(data):
        if row.kept and row.kind == "drawing" and row.split != "train" and row.file in told:
            first.setdefault(row.style, row)
    for style, row in sorted(first.items()):
        yield f"a drawing of {style}", read_image(Path(data) / row.file)[..., 0], told[row.file]
