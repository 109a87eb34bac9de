"""What the portrait filters know of a photo's tones: calm skin, white teeth, strands of hair.

Lightness is that of CIE Lab, 0 to 255; widths are pixels of a square of 1024.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from keras_portrait.inference.filters.flow import along_flow, edge_tangent_flow
from keras_portrait.inference.geometry import face_template, part_mask

# Side at which the filters work; every width below and in the modules beside this one is in its
# pixels. Found by trial on 40 portraits, unless a source is named.
SIDE = 1024
# Two rounds of a bilateral filter, its widths in gray levels and pixels (Winnemöller, Olsen, Gooch,
# "Real-time video abstraction", SIGGRAPH 2006, iterate it for the same end).
_CALM_LEVELS, _CALM_WIDTH, _CALM_REACH = (16, 12), 4, 9
# Smoothing of the structure tensor that gives the flow of lines, and that of hair.
_FLOW, _HAIR_FLOW = 4.5, 9.0
# Masses are averaged this far along the flow, so that their edges look brushed.
_MASS_ALONG = 6.0
# Strands: lightness against this neighbourhood, averaged this far along the hair.
_STRAND_AROUND, _STRAND_ALONG, _STRAND_SPREAD = 12.0, 14.0, 30.0
# Grain that becomes strands in black hair where the photo shows none, in standard deviations; below
# the chin, where flat and dark is cloth, none. What is fainter than the last figure stays flat.
_GRAIN, _GRAIN_WIDTH, _LEAST_STRAND = 0.35, 1.6, 0.08
# Ellipses around eyes and brows, from the eye's landmark, and around the face, from the middle of
# all; see `ellipse`. The chin lies below the mouth by the last share of the eyes' distance.
_EYE, _BROW, _OVAL = (-0.02, 0.27, 0.16), (-0.24, 0.36, 0.17), (0.0, 1.0, 1.25)
_CHIN_BELOW = 0.75
# The lines between teeth are at most this wide; teeth are lighter than this share of the face, and
# a mouth shows at least so many pixels of them.
_TOOTH_GAP, _TOOTH_SHARE, _LEAST_TEETH = 13, 0.72, 500
# What is lighter is background, where there is no face to go by.
_WHITE = 245
# How far the middle of the teeth lies from that of the mouth at most, across and down.
_TEETH_OFFSET = (70, 50)


@dataclass(frozen=True)
class Tones:
    """The tones of a square of 1024 pixels.

    Attributes:
        lightness: float32 (1024, 1024), 0 to 255; smoothed inside areas, teeth without gaps.
        redness: float32 (1024, 1024), a of CIE Lab less that of the face: lips, of which lightness
            tells little.
        smiles: whether teeth are seen.
        person: float32 (1024, 1024) in [0, 1], 0 on the white background.
        share: float32 (1024, 1024), lightness along the flow, as a share of the face's.
        face: the median lightness of the face.
        tangent: float32 (1024, 1024, 2), the flow of the lines.
        strands: float32 (1024, 1024), in local standard deviations: below 0 where a strand of hair
            is dark, above where it shines.
        skin: float32 (1024, 1024) in [0, 1], 1 where the colour is the face's.
        landmarks: float64 (5, 2), in pixels.
        apart: distance between the eyes, pixels.
        parts: masks float32 (1024, 1024) in [0, 1] of "eyes", "nose" and "lips".
        eyes: narrower than that part, float32 (1024, 1024) in [0, 1]: lashes, iris, lids.
        brows: float32 (1024, 1024) in [0, 1].
        oval: float32 (1024, 1024) in [0, 1], 1 in the middle of the face but for the eyes.
    """

    lightness: np.ndarray
    redness: np.ndarray
    smiles: bool
    person: np.ndarray
    share: np.ndarray
    face: float
    tangent: np.ndarray
    strands: np.ndarray
    skin: np.ndarray
    landmarks: np.ndarray
    apart: float
    parts: dict[str, np.ndarray]
    eyes: np.ndarray
    brows: np.ndarray
    oval: np.ndarray


def read_tones(square: np.ndarray, landmarks: np.ndarray | None) -> Tones:
    """Finds the tones of a square.

    Args:
        square: uint8 RGB (1024, 1024, 3), aligned, exposure evened, background white.
        landmarks: float (5, 2), pixels of the square; None where there is no face.

    Returns:
        `Tones`.
    """
    calm = square
    for levels in _CALM_LEVELS:
        calm = cv2.bilateralFilter(calm, _CALM_REACH, levels, _CALM_WIDTH)
    lab = np.float32(cv2.cvtColor(calm, cv2.COLOR_RGB2LAB))
    # At least 1, so that shares of a black face are 1 as well.
    lightness, red = np.maximum(lab[..., 0], 1), lab[..., 1] - 128
    chroma = _length(lab[..., 1:] - 128)
    has_face = landmarks is not None
    landmarks = np.asarray(landmarks if has_face else face_template(SIDE), np.float64)
    apart = max(float(np.hypot(*(landmarks[1] - landmarks[0]))), 1.0)
    masks = _masks(landmarks, apart) if has_face else _no_masks()
    if has_face:
        face, chin = _face_median(lightness), landmarks[3:, 1].mean() + _CHIN_BELOW * apart
        teeth = _teeth(lightness, red, chroma, face, masks["lips"], landmarks)
        lightness = _without_gaps(lightness, teeth, face)
    else:
        teeth = np.zeros((SIDE, SIDE), bool)
        shown = lightness[lightness < _WHITE]
        face, chin = float(np.median(shown)) if shown.size else 255.0, SIDE
    tangent = edge_tangent_flow(cv2.GaussianBlur(lightness, (0, 0), 1.0), _FLOW)
    mass = along_flow(cv2.GaussianBlur(lightness, (0, 0), 1.2), tangent, _MASS_ALONG)
    return Tones(
        lightness=lightness,
        redness=cv2.GaussianBlur(red - _face_median(red), (0, 0), 3.0),
        smiles=bool(teeth.any()),
        person=_person(square),
        share=mass / np.float32(face),
        face=face,
        tangent=tangent,
        strands=_strands(lightness, chin),
        skin=_skin(lightness, chroma) * masks["face and neck"],
        landmarks=landmarks,
        apart=apart,
        parts={part: masks[part] for part in ("eyes", "nose", "lips")},
        eyes=masks["narrow eyes"],
        brows=masks["brows"],
        oval=masks["oval"],
    )


def _masks(landmarks, apart):
    """Masks float32 (1024, 1024) in [0, 1] by name; `apart` are the eyes, pixels."""
    masks = {part: part_mask(landmarks, SIDE, part) for part in ("eyes", "nose", "lips")}
    for name, shape in (("narrow eyes", _EYE), ("brows", _BROW)):
        masks[name] = np.maximum(*(ellipse(eye, apart, shape) for eye in landmarks[:2]))
    masks["oval"] = ellipse(landmarks.mean(axis=0), apart, _OVAL) * (1 - masks["eyes"])
    # Brown hair has the colour of skin, too; it lies above the eyes or beside the cheeks.
    place = np.arange(SIDE, dtype=np.float32)
    across = np.abs(place - np.float32(landmarks[:, 0].mean())) / np.float32(apart)
    down = (place - np.float32(landmarks[:2, 1].mean())) / np.float32(apart)
    masks["face and neck"] = np.outer(np.clip(4 * down, 0, 1), np.clip(5.5 - 5 * across, 0, 1))
    return masks


def _no_masks():
    names = ("eyes", "nose", "lips", "narrow eyes", "brows", "oval", "face and neck")
    return dict.fromkeys(names, np.zeros((SIDE, SIDE), np.float32))


def locally_normalized(
    lightness: np.ndarray, around: float = 36.0, least: float = 6.0
) -> np.ndarray:
    """Lightness less its local mean, in local standard deviations.

    Args:
        lightness: float32 (H, W), 0 to 255.
        around: width of the Gaussian neighbourhood, pixels.
        least: added to each standard deviation, gray levels, so that flat areas stay flat.

    Returns:
        float32 (H, W).
    """
    mean = cv2.GaussianBlur(lightness, (0, 0), around)
    square = cv2.GaussianBlur(lightness * lightness, (0, 0), around)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    return (lightness - mean) / (deviation + np.float32(least))


def _length(vectors):
    return np.hypot(vectors[..., 0], vectors[..., 1])


def _face_median(values):
    """The median between brows and chin, cheek to cheek, of values (1024, 1024)."""
    template = face_template(SIDE)
    (left, top), (right, bottom) = template.min(axis=0), template.max(axis=0)
    return float(np.median(values[int(top) - 60 : int(bottom) - 40, int(left) : int(right)]))


def _teeth(lightness, red, chroma, face, lips, landmarks):
    """Where teeth are seen, bool (1024, 1024).

    Teeth are the lighter, grayer and less red shapes that lie within the lips' box without
    touching its border.
    """
    red, chroma = (cv2.GaussianBlur(values, (0, 0), 3.0) for values in (red, chroma))
    closed = cv2.morphologyEx(lightness, cv2.MORPH_CLOSE, _gap_kernel())
    box = lips > 0.5
    shapes = np.zeros_like(box)
    if not box.any():
        return shapes
    skin_red = _face_median(red)
    teeth = box & (closed > _TOOTH_SHARE * face) & (chroma < 0.8 * _face_median(chroma) + 1)
    teeth &= red < min(skin_red, (np.percentile(red[box], 80) + skin_red) / 2)
    middle = landmarks[3:].mean(axis=0)
    border = cv2.dilate(np.uint8(~box), np.ones((3, 3), np.uint8)) > 0
    count, labels, stats, centres = cv2.connectedComponentsWithStats(np.uint8(teeth))
    outside = np.unique(labels[border & teeth])
    for label in range(1, count):
        near = (np.abs(centres[label] - middle) < _TEETH_OFFSET).all()
        if near and stats[label, cv2.CC_STAT_AREA] >= _LEAST_TEETH and label not in outside:
            shapes |= labels == label
    # What is dark around them is lip, but for the outermost gaps.
    shapes = cv2.dilate(np.uint8(shapes), _gap_kernel()) > 0
    return shapes & (closed > _TOOTH_SHARE * face)


def _without_gaps(lightness, teeth, face):
    """Lightness whose teeth are one white shape."""
    if not teeth.any():
        return lightness
    closed = cv2.morphologyEx(lightness, cv2.MORPH_CLOSE, _gap_kernel())
    white = max(float(np.median(closed[teeth])), 0.95 * face)
    return lightness + (np.float32(white) - lightness) * cv2.GaussianBlur(
        np.float32(teeth), (0, 0), 2.0
    )


def _gap_kernel():
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_TOOTH_GAP, _TOOTH_GAP))


def _person(square):
    """0 on white, 1 on what is not, but for specks."""
    shown = np.uint8(square.min(axis=-1) < 250)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    shown = cv2.morphologyEx(shown, cv2.MORPH_OPEN, kernel)
    return cv2.GaussianBlur(np.float32(shown), (0, 0), 3.0)


def _strands(lightness, chin):
    """Dark and light strands along the flow, in local standard deviations; `chin` is a row."""
    # They are wide enough for half the side, at an eighth of the time.
    half = cv2.resize(lightness, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    contrast = np.clip(locally_normalized(half, _STRAND_AROUND / 2, 2.5), -2, 2)
    grain = np.random.default_rng(0).standard_normal(half.shape, np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), _GRAIN_WIDTH / 2)
    above = np.clip((chin / 2 - np.arange(len(half))) / 20, 0, 1)[:, None]
    contrast += np.float32(_GRAIN / grain.std()) * grain * np.float32(above)
    tangent = edge_tangent_flow(cv2.GaussianBlur(half, (0, 0), 1.0), _HAIR_FLOW / 2)
    strands = along_flow(contrast, tangent, _STRAND_ALONG / 2)
    strands -= cv2.GaussianBlur(strands, (0, 0), _STRAND_ALONG / 2)
    power = cv2.GaussianBlur(strands * strands, (0, 0), _STRAND_SPREAD / 2)
    strands /= np.sqrt(np.maximum(power, np.float32(_LEAST_STRAND**2)))
    size = lightness.shape[::-1]
    return cv2.resize(strands, size, interpolation=cv2.INTER_CUBIC)


def _skin(lightness, chroma):
    """1 where colour, for its lightness, is at least that of a face in shade."""
    colour = cv2.GaussianBlur(chroma, (0, 0), 4.0) / (lightness + 20)
    usual = _face_median(colour)
    if usual < 0.05:  # a gray photo tells nothing
        return np.zeros_like(lightness)
    return np.clip((colour / np.float32(usual) - 0.55) / 0.25, 0, 1)


def ellipse(middle: np.ndarray, apart: float, shape: tuple[float, float, float]) -> np.ndarray:
    """1 within an ellipse, falling to 0 over its outer quarter.

    Args:
        middle: (x, y) in pixels of 1024.
        apart: distance between the eyes, pixels.
        shape: how far below, half width, half height, as shares of `apart`.

    Returns:
        float32 (1024, 1024) in [0, 1].
    """
    below, half_width, half_height = (np.float32(share * apart) for share in shape)
    place = np.arange(SIDE, dtype=np.float32)
    across = (place - np.float32(middle[0])) / half_width
    down = (place - np.float32(middle[1]) - below) / half_height
    return np.clip(4 - 4 * np.hypot(across[None], down[:, None]), 0, 1)
