"""What a drawing is like as a drawing: tones, lines, strokes, ink where a face has it."""

import cv2
import numpy as np

from keras_portrait.data.prepare.drawings import INK_LEVEL, LIGHT_LEVEL, mid_gray_share
from keras_portrait.inference.geometry import PART_BOXES, part_mask
from keras_portrait.metrics import line_overlap

# Below this level a pixel is ink.
INK = 128
# Gray is a smudge where so wide a square of it finds room, pixels of a 512 square: the soft edge of
# a line is narrower.
SMUDGE_512 = 3
# Shares of the way from ink to paper between which the width of an edge is taken, as rise times
# are; and how far from an edge's middle its gray may lie, pixels of a 512 square.
EDGE_SHARES, EDGE_REACH_512 = (0.1, 0.9), 8
# Blur under which two drawings are compared, pixels of a 512 square: half a stroke.
STYLE_BLUR_512 = 2.0
# A gray level counts that this share of the pixels has.
LEAST_SHARE = 1e-3
# How far a line may lie off that of the photo, pixels of a 512 square: about half a stroke.
LINE_TOLERANCE_512 = 3
# Bins of stroke widths, pixels of a 512 square; wider strokes count to the last one.
WIDTH_STEP, WIDEST = 0.25, 64.0
WIDTH_BINS = np.arange(0, WIDEST, WIDTH_STEP) + WIDTH_STEP / 2
# Ink in percent below which a part of the face is empty: about half of what the emptiest of 296
# training drawings has.
LEAST_INK = {"left eye": 4.0, "right eye": 4.0, "nose": 1.4, "lips": 1.2}
# The upper lip between nose tip and mouth, as shares of the way, clear of nostrils and lip; and
# the face around it, in eye distances beyond eyes and mouth.
_LIP_ROWS, _FACE_MARGIN = (0.35, 0.75), 0.5


def gray_figures(drawing: np.ndarray) -> dict[str, float]:
    """Tones of a drawing.

    Args:
        drawing: uint8 (S, S).

    Returns:
        `mid_gray`, the share of pixels that are neither ink nor paper, percent; `gray_levels`, how
        many of the 256 levels hold at least `LEAST_SHARE` of the pixels.
    """
    shares = np.bincount(drawing.ravel(), minlength=256) / drawing.size
    return {
        "mid_gray": 100 * mid_gray_share(drawing),
        "gray_levels": float(np.sum(shares >= LEAST_SHARE)),
    }


def smudge(drawing: np.ndarray, landmarks: np.ndarray) -> float:
    """Gray wash on eyes, nose and lips, percent of their boxes.

    Gray from ink's to paper's level counts where it is wider than the soft edge of a line: what
    is left of it after a morphological opening with a square of `SMUDGE_512`.

    Args:
        drawing: uint8 (S, S).
        landmarks: float (5, 2), the photo's, in pixels of the square.
    """
    size = len(drawing)
    gray = ((drawing >= INK_LEVEL) & (drawing < LIGHT_LEVEL)).view(np.uint8)
    side = max(2, round(SMUDGE_512 * size / 512))
    wide = cv2.morphologyEx(gray, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    parts = np.max([part_mask(landmarks, size, part) for part in PART_BOXES], axis=0) > 0.5
    return 100 * float(wide[parts].sum() / max(parts.sum(), 1))


def softness(drawing: np.ndarray) -> float:
    """How wide the change from ink to paper is on average, pixels of a 512 square.

    The area of the gray between `EDGE_SHARES`, near the contours of the ink, over the contours'
    length: by the coarea formula that is the mean 10-90 % width. A step that is blurred by a
    Gaussian of deviation s has 2.563 s; one that lies between pixels, otherwise sharp, 0.8.

    Args:
        drawing: uint8 (S, S).

    Returns:
        nan for a sheet without ink, or without paper.
    """
    scale, ink = len(drawing) / 512, drawing < INK
    length = contour_length(ink)
    if not length:
        return float("nan")
    low, high = (255 * share for share in EDGE_SHARES)
    edges = cv2.morphologyEx(ink.view(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    side = 2 * round(EDGE_REACH_512 * scale) + 1
    near = cv2.dilate(edges, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0
    return float(np.sum(near & (drawing > low) & (drawing < high)) / length / scale)


def contour_length(ink: np.ndarray) -> float:
    """Length of the border between true and false, pixels, within 6 % in any direction.

    Args:
        ink: bool (H, W).

    Reference:
        Crofton's formula with lines in four directions: the length is pi / 2 of the mean, over
        directions, of the crossings with lines one pixel apart.
    """
    straight = np.sum(ink[1:] != ink[:-1]) + np.sum(ink[:, 1:] != ink[:, :-1])
    slanted = np.sum(ink[1:, 1:] != ink[:-1, :-1]) + np.sum(ink[1:, :-1] != ink[:-1, 1:])
    # Diagonals of the grid lie a pixel over the root of two apart.
    return float(np.pi / 8 * (straight + slanted / np.sqrt(2)))


def style_distance(a: np.ndarray, b: np.ndarray) -> float:
    """How differently two styles draw one photo, percent: 0 where equally, 100 without overlap.

    The sum of the differences of darkness over the sum of darkness (Bray-Curtis), both blurred by
    `STYLE_BLUR_512`, so that a line is not another one because it lies a pixel off.

    Args:
        a: uint8 (S, S).
        b: uint8 (S, S).

    Returns:
        0 for two empty sheets.
    """
    blur = STYLE_BLUR_512 * len(a) / 512
    first, second = (
        cv2.GaussianBlur(255 - each.astype(np.float32), (0, 0), blur) for each in (a, b)
    )
    return 100 * float(np.abs(first - second).sum() / max((first + second).sum(), 1))


def colour_figures(picture: np.ndarray, photo: np.ndarray) -> dict[str, float]:
    """Figures of a picture in colour.

    Args:
        picture: uint8 RGB (S, S, 3).
        photo: uint8 RGB (S, S, 3), what it was made of.

    Returns:
        `colour`, the mean difference of the largest and the smallest channel, percent of the
        range: 0 for gray; `photo_difference`, the mean absolute difference to the photo, percent of
        the range: 0 for the photo itself.
    """
    spread = picture.max(axis=-1).astype(np.float32) - picture.min(axis=-1)
    difference = np.abs(picture.astype(np.float32) - photo)
    return {
        "colour": 100 * float(spread.mean()) / 255,
        "photo_difference": 100 * float(difference.mean()) / 255,
    }


def runs(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the runs of true in bool (N,) begin, and one past where they end: int (R,) each."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
    return steps[::2], steps[1::2]


def line_agreement(drawing: np.ndarray, lines: np.ndarray) -> float:
    """Line F1 of a drawing against a drawing of the photo's lines, see `metrics.line_overlap`.

    Middle lines are compared: ink that covers everything has few, and a fill has not more of them
    than its outline has.

    Args:
        drawing: uint8 (S, S).
        lines: uint8 (S, S).
    """
    tolerance = round(2 * LINE_TOLERANCE_512 * len(drawing) / 512)
    return line_overlap(middle_lines(drawing)[0], middle_lines(lines)[0], tolerance)


def middle_lines(drawing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the middle of each stroke is: the ridges of the distance to paper.

    Args:
        drawing: uint8 (S, S).

    Returns:
        The ridges, bool (2 S + 2, 2 S + 2), found at twice the size inside a rim of paper, and the
        distance, float32 of the same shape, in its pixels.
    """
    side = 2 * len(drawing)
    ink = cv2.resize(drawing, (side, side), interpolation=cv2.INTER_LINEAR) < INK
    # A rim of paper, so that a stroke may end at the border.
    ink = np.pad(ink.astype(np.uint8), 1)
    distance = cv2.distanceTransform(ink, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    highest = cv2.dilate(distance, np.ones((3, 3), np.uint8))
    return (ink > 0) & (distance >= highest - 1e-3), distance


def stroke_widths(drawing: np.ndarray) -> np.ndarray:
    """How wide the strokes are: a histogram over the pixels of their middle lines.

    Args:
        drawing: uint8 (S, S).

    Returns:
        float64 (B,), shares by `WIDTH_BINS`, 1 together; zeros for an empty sheet.
    """
    ridge, distance = middle_lines(drawing)
    # The middle pixel of a stroke of 2 r - 1 lies r from paper, either middle one of 2 r too: half
    # a pixel in between is right on average. Halved, for twice the size, and put to a 512 square.
    widths = (distance[ridge] - 0.25) * 512 / len(drawing)
    bins = np.minimum(widths / WIDTH_STEP, len(WIDTH_BINS) - 1).astype(int)
    counts = np.bincount(bins, minlength=len(WIDTH_BINS)).astype(np.float64)
    return counts / max(counts.sum(), 1)


def width_quantile(histogram: np.ndarray, quantile: float) -> np.ndarray:
    """Stroke width, pixels of a 512 square, below which so much of the strokes lies.

    Args:
        histogram: float (..., B), of `stroke_widths`, or sums of such.
        quantile: 0 to 1.

    Returns:
        float (...); nan without any stroke.
    """
    total = np.cumsum(histogram, axis=-1)
    first = np.argmax(total >= quantile * total[..., -1:], axis=-1)
    return np.where(total[..., -1] > 0, WIDTH_BINS[first], np.nan)


def width_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Wasserstein distance of two distributions of stroke widths, pixels of a 512 square.

    Args:
        a: float (..., B), of `stroke_widths`, or sums of such.
        b: float (..., B).

    Returns:
        float (...); nan where one has no stroke.
    """
    sums = [np.cumsum(h, axis=-1) for h in (a, b)]
    empty = (sums[0][..., -1] == 0) | (sums[1][..., -1] == 0)
    shares = [s / np.where(s[..., -1:] > 0, s[..., -1:], 1) for s in sums]
    return np.where(empty, np.nan, np.abs(shares[0] - shares[1]).sum(axis=-1) * WIDTH_STEP)


def part_ink(drawing: np.ndarray, landmarks: np.ndarray) -> dict[str, float]:
    """Ink in each part of the face, percent of the part's box.

    The boxes are those of `geometry.PART_BOXES`; of the nose's the lower half.

    Args:
        drawing: uint8 (S, S).
        landmarks: float (5, 2), the photo's, in pixels of the square.

    Returns:
        By the keys of `LEAST_INK`.
    """
    ink, size = drawing < INK, len(drawing)
    eyes, nose, lips = (part_mask(landmarks, size, part) > 0.5 for part in PART_BOXES)
    left = np.arange(size) < (landmarks[0, 0] + landmarks[1, 0]) / 2
    # The upper half of the nose's box holds the inner corners of the eyes.
    below = np.arange(size)[:, None] > (landmarks[:2, 1].mean() + landmarks[2, 1]) / 2
    masks = {"left eye": eyes & left, "right eye": eyes & ~left, "nose": nose & below, "lips": lips}
    # A box may lie outside of the square altogether.
    return {part: 100 * float(ink[mask].sum() / max(mask.sum(), 1)) for part, mask in masks.items()}


def empty_parts(ink: dict[str, float]) -> list[str]:
    """The parts without enough ink for an eye, a nose or lips, of `part_ink`."""
    return [part for part, least in LEAST_INK.items() if ink[part] < least]


def lip_and_face(darkness: np.ndarray, landmarks: np.ndarray) -> tuple[float, float]:
    """How dark the upper lip is, and how dark the face around it.

    Args:
        darkness: float (S, S) in [0, 1], 1 is ink or edge.
        landmarks: float (5, 2), in pixels of the square.

    Returns:
        Means over the region between nose and mouth, and over the box around eyes and mouth.
    """
    eyes, nose, mouth = landmarks[:2], landmarks[2], landmarks[3:]
    rows = nose[1] + np.array(_LIP_ROWS) * (mouth[:, 1].mean() - nose[1])
    margin = _FACE_MARGIN * np.linalg.norm(eyes[1] - eyes[0])
    low, high = landmarks.min(axis=0) - margin, landmarks.max(axis=0) + margin
    lip = _mean(darkness, mouth[:, 0].min(), rows[0], mouth[:, 0].max(), rows[1])
    return lip, _mean(darkness, low[0], low[1], high[0], high[1])


def _mean(values, left, top, right, bottom):
    box = np.clip(np.rint([left, top, right, bottom]).astype(int), 0, len(values))
    window = values[box[1] : max(box[3], box[1] + 1), box[0] : max(box[2], box[0] + 1)]
    return float(window.mean()) if window.size else 0.0
