"""Portrait drawings in the styles `ink`, `line` and `engraving`.

Each is a field over the square, below 0 where there is ink. Gray comes from one thing only: the
drawing is black and white at 1024 pixels or more, and reduced by area.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.inference.filters.drawn_features import FacePoints, draw_features
from keras_portrait.inference.filters.engraving import engraved_field
from keras_portrait.inference.filters.features import beard, outline, soft_lines, without_frown
from keras_portrait.inference.filters.irises import are_dark, draw_iris, find_irises
from keras_portrait.inference.filters.lines import SOFT, line_fields, without_specks
from keras_portrait.inference.filters.tones import SIDE, Tones, read_tones
from keras_portrait.inference.geometry import face_template
from keras_portrait.inference.imaging import resize

FILTERS = ("ink", "line", "engraving")
# How eyes, brows, nose, lips and jaw are drawn: by contrast alone, or along points of a face mesh.
FEATURES = ("contrast", "mesh")
# Largest side of a drawing, pixels: a print of 34 cm at 300 dots per inch.
MOST_SIDE = 4096

# Lightness, as a share of the face's, below which `ink` is solid; in the middle of the face and on
# skin, where shadows are no blacks; and in pupils, in every style.
_BLACK, _FACE_BLACK, _SKIN_BLACK, _PUPIL = 0.42, 0.20, 0.16, 0.30
# Gray levels of field for one of that share.
_SHARE_FIELD = 60.0
# Strands that are ink in dark masses, in standard deviations, by lightness as a share of the
# face's: black hair keeps a few highlights, brown hair becomes brush strokes.
_MASS_SHARES = (0.15, 0.30, 0.42, 0.54, 0.60)
_MASS_STRANDS, _STRAND_FIELD = (2.2, 1.3, 0.2, -1.4, -9.0), 3.0
# Brows are solid below this share of what lies around them, which is averaged over so many pixels;
# between the last two shares of the face.
_BROW, _BROW_AROUND, _BROW_SHARES = 0.80, 40.0, (0.36, 0.74)
# Hair in `line` begins below this share, fully within the second figure; strands this much below
# their mean are strokes.
_HAIR, _HAIR_EDGE, _STROKE = 0.55, 0.10, 0.9
# The darkest part of the face is hair as well: a moustache.
_MOUSTACHE, _MOUSTACHE_EDGE = 0.36, 0.05
# Shapes of fewer pixels are specks of ink and of paper.
_INK_SPECK, _PAPER_SPECK = 60, 40
# How bold strokes along the points of a face are, and how far a dark upper lip is shaded.
_FEATURES = {"ink": (1.15, 1.0), "line": (0.95, 0.4), "engraving": (1.05, 0.4)}
# Steepness of the edge between ink and paper, at 1024 pixels.
_STEEPNESS = 0.5 / SOFT


def draw_filters(
    square: np.ndarray,
    names: Sequence[str] = FILTERS,
    size: int | None = None,
    landmarks: np.ndarray | None = None,
    has_face: bool = True,
    points: FacePoints | None = None,
) -> dict[str, np.ndarray]:
    """Draws a face with filters.

    Args:
        square: uint8 RGB (S, S, 3), aligned, exposure evened (`alignment.even_exposure`),
            background white.
        names: which of `FILTERS`.
        size: side of the drawings in pixels, 32 to 4096; the square's by default. Lines grow with
            it and stay sharp.
        landmarks: float (5, 2), pixels of the square; None where they lie at the template's.
        has_face: False for any picture that is no aligned face: nothing is then drawn as a
            feature, and tones count against the whole picture's but for its white.
        points: where eyes, brows, nose, lips and jaw lie, pixels of the square: these are then
            drawn along them, else by contrast alone. Not used without a face.

    Returns:
        For each name the drawing, uint8 (size, size): 255 is paper, 0 is ink.

    Raises:
        SettingError: no such filter, or a size out of range.
        InputError: a picture that is not square.
    """
    check_filters(names)
    square = np.asarray(square)
    if square.ndim != 3 or square.shape[0] != square.shape[1] or square.shape[2] != 3:
        raise InputError(f"Expected a square picture (S, S, 3). Received: {square.shape}")
    size = len(square) if size is None else size
    if not 32 <= size <= MOST_SIDE:
        raise SettingError(f"size: expected 32 to {MOST_SIDE} pixels. Received: {size}")
    landmarks = face_template(len(square)) if landmarks is None else np.asarray(landmarks)
    landmarks = (landmarks + 0.5) * SIDE / len(square) - 0.5
    tones = read_tones(_at_working_side(square), landmarks if has_face else None)
    bold, thin = line_fields(tones)
    if has_face:
        bold, thin = _with_face((bold, thin), tones)
    inked = np.minimum(bold, -_blacks(tones))
    edge = outline(tones, inked)
    points = points.scaled(SIDE / len(square)) if points is not None and has_face else None
    irises = find_irises(tones) if has_face and points is None else []
    dark = are_dark(tones, irises)
    drawings = {}
    for name in names:
        if name == "ink":
            field = inked
        elif name == "line":
            field = np.minimum(thin, _hair_strokes(tones))
        else:
            field = np.minimum(bold, engraved_field(tones, size))
        field = _with_features(np.minimum(field, edge), tones)
        for iris in irises:
            draw_iris(field, tones, iris, dark)
        if points is not None:
            draw_features(field, tones, points, *_FEATURES[name])
        drawings[name] = _as_drawing(_cleaned(field, tones), size)
    return drawings


def _with_face(fields: Sequence[np.ndarray], tones: Tones) -> list[np.ndarray]:
    """Lines with those of chin, nose and lips, a beard of strokes, and no frown."""
    strokes, where = beard(tones)
    added = np.minimum(soft_lines(tones), strokes)
    # In a beard, lines would follow its texture like worms.
    return [
        np.minimum(
            np.where(where > 0.5, np.maximum(lines, np.float32(1)), without_frown(lines, tones)),
            added,
        )
        for lines in fields
    ]


def check_features(features: str, prefix: str = "") -> None:
    """Raises SettingError, which begins with `prefix`, unless it is one of `FEATURES`."""
    if features not in FEATURES:
        expected = " or ".join(FEATURES)
        raise SettingError(f"{prefix}features: expected {expected}. Received: {features}")


def check_filters(names: Sequence[str]) -> None:
    """Raises SettingError, which names near matches, unless all are among `FILTERS`."""
    for name in names:
        if name not in FILTERS:
            raise SettingError(f"No such filter. {nearest(name, FILTERS)}Received: {name}")


def _at_working_side(square):
    if len(square) < SIDE:
        return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return resize(square, SIDE, SIDE)


def _blacks(tones: Tones) -> np.ndarray:
    """Above 0 where `ink` is solid: dark masses, but for the strands that shine in them."""
    limit = _BLACK - (_BLACK - _FACE_BLACK) * tones.oval
    limit = np.minimum(limit, _BLACK - (_BLACK - _SKIN_BLACK) * tones.skin)
    dark = _SHARE_FIELD * (np.maximum(limit, _BLACK * tones.eyes) - tones.share)
    strands = np.interp(tones.share, _MASS_SHARES, _MASS_STRANDS).astype(np.float32)
    mass = _STRAND_FIELD * (strands - tones.strands)
    mass = np.where(tones.skin > 0.5, np.minimum(mass, dark), mass)
    plain = np.maximum.reduce([tones.oval, tones.eyes, tones.parts["nose"], tones.parts["lips"]])
    return np.where(plain > 0.5, dark, mass).astype(np.float32)


def _hair_strokes(tones: Tones) -> np.ndarray:
    """Below 0 on the strokes that `line` draws in dark hair."""
    hair = np.clip((_HAIR - tones.share) / _HAIR_EDGE, 0, 1)
    hair *= 1 - np.maximum(tones.parts["eyes"], tones.parts["lips"])
    skin = np.clip((tones.share - _MOUSTACHE) / _MOUSTACHE_EDGE, 0, 1)
    hair *= 1 - tones.oval * skin
    strokes = 2 * (tones.strands + _STROKE + 2 * (1 - hair))
    return np.where(hair > 0, strokes, np.float32(9))


def _with_features(field, tones):
    """Brows, lashes and pupils are solid in every style."""
    around = _BROW * cv2.GaussianBlur(tones.share, (0, 0), _BROW_AROUND)
    limit = np.maximum(np.clip(around, *_BROW_SHARES) * tones.brows, _PUPIL * tones.eyes)
    return np.minimum(field, _SHARE_FIELD * (tones.share - limit)).astype(np.float32)


def _cleaned(field, tones):
    """Without specks of ink and, but for the eyes, of paper."""
    field = without_specks(field, _INK_SPECK, np.bool_(True))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.uint8(field > 0), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < _PAPER_SPECK
    small[0] = False
    specks = small[labels] & (tones.parts["eyes"] < 0.5)
    return np.where(specks, np.float32(-SOFT), field)


def _as_drawing(field, size):
    """Ink and paper at the drawing's side or above, then reduced by area; uint8 (size, size)."""
    # Twice the size, so that edges are smooth, as long as that is not too large.
    side = max(SIDE, 2 * size if 2 * size <= MOST_SIDE else size)
    if side > SIDE:
        # Cubic weights would overshoot to specks beside steep lines.
        field = cv2.resize(np.clip(field, -3, 3), (side, side), interpolation=cv2.INTER_LINEAR)
        field = cv2.GaussianBlur(field, (0, 0), 0.5 * side / SIDE)
    paper = np.clip(0.5 + _STEEPNESS * side / SIDE * field, 0, 1)
    drawing = np.rint(255 * paper).astype(np.uint8)
    return drawing if side == size else resize(drawing, size, size)
