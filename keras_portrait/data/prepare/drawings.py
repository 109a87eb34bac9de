"""Drawings made ready for training: paper to white, ink to black, unfit sheets named.

A scanned sheet has gray or yellow paper and gray ink. The discriminators would take both for part
of the style, so every drawing is stretched until its paper is white and its ink dark.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from keras_portrait.data.prepare.small_scans import cut_small_scan, has_tone, is_small
from keras_portrait.inference.faces import Detector
from keras_portrait.inference.geometry import DRAWING_DETECTION_SIDE, scale_of, warp
from keras_portrait.inference.imaging import reduced, resize

# Part of the stamp of a drawing's row; raised when the same sheet comes out as another square.
VERSION = "drawing 2"
# White point: the peak of the histogram above this percentile, less this many gray levels; black
# point: this percentile. Found by trial on newspaper pen portraits.
PAPER_PERCENTILE = 40
PAPER_MARGIN = 6
INK_PERCENTILE = 2
# A stretch over fewer levels than this would show grain and compression as ink.
LEAST_CONTRAST = 40
# Unsharp mask and levels that bring a resampled drawing back to nearly two levels. On newspaper
# portraits they halved the share of middle grays and kept the hatching apart.
SHARPEN_SIGMA_512 = 3.0
SHARPEN_AMOUNT = 1.0
SHARPEN_LEVELS = (56, 200)
# Gray levels between which a pixel is neither ink nor paper; paper starts above.
INK_LEVEL, LIGHT_LEVEL, PAPER_LEVEL = 64, 192, 250

# Sides in pixels of the square in which a drawing is judged, and of the one for which a scan has to
# be enlarged to be judged in it.
JUDGED_SIZE, ENLARGED_SIZE = 256, 512

# Where MTCNN is unsure of a drawing it sees it again with more contrast, or with a blur of so many
# pixels.
DETECTION_BLURS = (1.2, 2.0)
SURE = 0.97


@dataclass(frozen=True)
class InkLimits:
    """What an aligned drawing may look like to be kept.

    Attributes:
        darkest_paper: gray level of the sheet's paper before whitening, 0..255.
        least_paper: share of the square that is paper.
        most_mid_gray: share of the square that is neither ink nor paper.
        least_ink: share of the square that is ink; a faint or empty sheet has less.
        most_ink: share of the square that is ink; a picture on black has more.
        most_edge: length of the sheet's left, right and upper edge that lies in the square and is
            dark, over the square's side: a toned background that is cut off in a straight line.
    """

    darkest_paper: float = 110
    least_paper: float = 0.35
    most_mid_gray: float = 0.22
    least_ink: float = 0.03
    most_ink: float = 0.50
    most_edge: float = 0.15


def paper_and_ink(gray: np.ndarray) -> tuple[float, float]:
    """Finds the gray levels of a sheet's paper and ink.

    Args:
        gray: uint8 (H, W).

    Returns:
        The white and the black point, 0..255, at least `LEAST_CONTRAST` apart.
    """
    histogram = np.bincount(gray.ravel(), minlength=256)
    start = int(np.percentile(gray, PAPER_PERCENTILE))
    paper = start + int(np.argmax(histogram[start:]))
    white = float(max(paper - PAPER_MARGIN, LEAST_CONTRAST))
    black = min(float(np.percentile(gray, INK_PERCENTILE)), white - LEAST_CONTRAST)
    return white, black


def whiten_paper(gray: np.ndarray) -> np.ndarray:
    """Stretches a drawing so that its paper becomes 255 and its ink 0.

    Args:
        gray: uint8 (H, W).

    Returns:
        uint8 (H, W).
    """
    white, black = paper_and_ink(gray)
    return _stretch(gray.astype(np.float32), black, white)


def sharpen_ink(square: np.ndarray) -> np.ndarray:
    """Makes a drawing that was resampled nearly black and white again, edges left soft.

    Args:
        square: uint8 (S, S), paper white.

    Returns:
        uint8 (S, S).
    """
    values = square.astype(np.float32)
    sigma = SHARPEN_SIGMA_512 * square.shape[0] / 512
    values += SHARPEN_AMOUNT * (values - cv2.GaussianBlur(values, (0, 0), sigma))
    return _stretch(values, *SHARPEN_LEVELS)


def mid_gray_share(drawing: np.ndarray) -> float:
    """Share of the pixels, 0..1, that are neither ink nor paper: at most gray, never line."""
    return float(np.mean((drawing >= INK_LEVEL) & (drawing < LIGHT_LEVEL)))


def align_drawing(
    sheet: np.ndarray, square_to_photo: np.ndarray, size: int, limits: InkLimits
) -> tuple[np.ndarray, str | None]:
    """Cuts the aligned square out of a drawing, whitens its paper, and checks it.

    Lines of a scan that the square would enlarge are made crisp (`small_scans`); a drawing with
    tone, and a scan that is large enough, is resampled and sharpened.

    Args:
        sheet: uint8 RGB (H, W, 3).
        square_to_photo: float (2, 3), from pixels of the square to those of the sheet.
        size: side of the square in pixels.
        limits: what is still good enough.

    Returns:
        The square, uint8 (size, size), and what is wrong with it, or None.
    """
    gray = cv2.cvtColor(sheet, cv2.COLOR_RGB2GRAY)
    white, black = paper_and_ink(gray)
    whitened = _stretch(gray.astype(np.float32), black, white)
    # Judged at one size: thin lines turn gray in a small square, and the choice of drawings should
    # not depend on the size that was asked for.
    judged_to_photo = _resized(square_to_photo, size, JUDGED_SIZE)
    judged = warp(whitened, judged_to_photo, JUDGED_SIZE)
    lines = not has_tone(judged)
    enlarged_to_photo = _resized(square_to_photo, size, ENLARGED_SIZE)
    if lines and is_small(enlarged_to_photo):
        judged = cut_small_scan(gray, white, black, enlarged_to_photo, ENLARGED_SIZE)
        judged = resize(judged, JUDGED_SIZE, JUDGED_SIZE)
    judged = sharpen_ink(judged)
    edge = _dark_edge(judged, gray.shape, judged_to_photo)
    fault = _fault(judged, white + PAPER_MARGIN, edge, limits)
    if lines and is_small(square_to_photo):
        return cut_small_scan(gray, white, black, square_to_photo, size), fault
    return sharpen_ink(warp(whitened, square_to_photo, size)), fault


def find_face_in_drawing(sheet: np.ndarray, detector: Detector) -> tuple[np.ndarray, float] | None:
    """Looks for the face in several renderings of a drawing and takes the surest one.

    Args:
        sheet: uint8 RGB (H, W, 3).
        detector: finds faces in photos.

    Returns:
        Landmarks, float (5, 2), 0-based pixels of the sheet, and the score in [0, 1]; None where
        no rendering shows a face.
    """
    small = reduced(sheet, DRAWING_DETECTION_SIDE)
    best = None
    for view in _views(small):
        face = max(detector.detect(view), key=lambda face: face.score, default=None)
        if face is not None and (best is None or face.score > best.score):
            best = face
        if best is not None and best.score > SURE:
            break
    if best is None:
        return None
    back = np.array(sheet.shape[1::-1]) / small.shape[1::-1]
    return (best.landmarks + 0.5) * back - 0.5, best.score


def _views(small: np.ndarray):
    """The drawing as it is, with full contrast, and blurred."""
    yield small
    low, high = np.percentile(small, (1, 99))
    stretched = _stretch(small.astype(np.float32), low, max(high, low + LEAST_CONTRAST))
    yield stretched
    for sigma in DETECTION_BLURS:
        yield cv2.GaussianBlur(stretched, (0, 0), sigma)


def _resized(square_to_photo: np.ndarray, size: int, other: int) -> np.ndarray:
    """The transform from a square of another side."""
    matrix, ratio = square_to_photo.copy(), size / other
    matrix[:, 2] += square_to_photo[:, :2].sum(axis=1) * (ratio - 1) / 2
    matrix[:, :2] *= ratio
    return matrix


def _stretch(values: np.ndarray, black: float, white: float) -> np.ndarray:
    stretched = (values - black) * (255.0 / (white - black))
    return np.rint(np.clip(stretched, 0, 255)).astype(np.uint8)


def _dark_edge(square: np.ndarray, shape: tuple[int, int], square_to_photo: np.ndarray) -> float:
    """Length of the sheet's dark edge inside the square, over the square's side.

    The lower edge does not count: there a bust may end in a straight line.
    """
    size = square.shape[0]
    strip = 3  # pixels of the square
    thickness = max(1, round(strip * scale_of(square_to_photo)))
    edge = np.zeros(shape, np.uint8)
    edge[:, :thickness] = edge[:, -thickness:] = edge[:thickness] = 255
    edge = warp(edge, square_to_photo, size, fill=0).astype(np.float32) / 255
    edge[round(0.75 * size) :] = 0
    darkness = 1 - square.astype(np.float32) / 255
    return float((edge * darkness).sum() / (strip * size))


def _fault(square: np.ndarray, paper: float, edge: float, limits: InkLimits) -> str | None:
    if paper < limits.darkest_paper:
        return "dark paper"
    mid_gray = mid_gray_share(square)
    if mid_gray > limits.most_mid_gray:
        return "too tonal"
    ink = float(np.mean(square < INK_LEVEL))
    if ink < limits.least_ink:
        return "hardly any ink"
    if ink > limits.most_ink or float(np.mean(square >= PAPER_LEVEL)) < limits.least_paper:
        return "too little paper"
    if edge > limits.most_edge:
        return "background cut off at the sheet's edge"
    return None
