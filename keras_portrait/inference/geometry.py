"""Where a face lies: similarity transforms, warping, pasting back, part boxes.

Points are (x, y) in pixels, 0-based, with pixel centres at integers. A transform is a float
array (2, 3) that maps (x, y, 1) to (x, y). `square_to_photo` always maps the aligned square to
the photo: the alignment is fitted in that direction (see `align`).
"""

import cv2
import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import resize

# Left eye, right eye, nose tip, left and right mouth corner as seen in the picture, 1-based
# pixels of a 512 x 512 square: the alignment of Yi et al., "Unpaired Portrait Drawing Generation
# via Asymmetric Cycle Mapping", CVPR 2020 (released preprocessing, points of a 480 grid
# put through (t - 240) / 560 * 512 + 256).
TEMPLATE_512 = np.array(
    [
        [201.142857, 246.857143],
        [310.857143, 246.857143],
        [256.0, 311.771429],
        [206.628571, 370.834286],
        [305.371429, 370.834286],
    ]
)
TEMPLATE_512.setflags(write=False)

# Boxes (left, top, right, bottom) in 1-based pixels of the 512 x 512 square, measured on the
# masks of the same release's example, each with the landmarks that it follows.
PART_BOXES = {
    "eyes": (((150, 218, 241, 281), (0,)), ((262, 218, 351, 281), (1,))),
    "nose": (((210, 220, 303, 347), (0, 1, 2)),),
    "lips": (((180, 344, 327, 419), (3, 4)),),
}
# The order of the channels in mask files, too.
PARTS = tuple(PART_BOXES)
# MTCNN was trained on photos: a drawing is shown to it small, in pixels of its longer side, so that
# hatching melts into tone.
DRAWING_DETECTION_SIDE = 320
# Rows that are laid on a photo at a time, so that a large one is not in memory as floats.
_ROWS = 128
# Width of a mask's soft edge in pixels of the 512 x 512 square.
SOFT_EDGE_512 = 8.0


def face_template(size: int) -> np.ndarray:
    """The five template points (5, 2), 0-based, in an aligned square of size x size pixels."""
    return (TEMPLATE_512 - 0.5) * size / 512 - 0.5


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares similarity (turn, scale, shift, no mirror) that maps source to target.

    With points as complex numbers the minimum of sum |a s + b - t|^2 is
    a = sum(conj(s - mean s)(t - mean t)) / sum |s - mean s|^2.

    Args:
        source: float (N, 2), N >= 2.
        target: float (N, 2).

    Returns:
        float64 (2, 3).

    Raises:
        InputError: points that are not finite, or source points that all coincide.
    """
    source, target = (np.asarray(points, np.float64) for points in (source, target))
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("Landmarks must be finite numbers. Received: nan or infinity")
    s, t = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    centred = s - s.mean()
    spread = np.sum(np.abs(centred) ** 2)
    if spread == 0:
        raise InputError("Landmarks must not all be the same point. Received: one point")
    a = np.sum(centred.conj() * (t - t.mean())) / spread
    b = t.mean() - a * s.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def square_to_photo(landmarks: np.ndarray, size: int) -> np.ndarray:
    """The transform from an aligned size x size square to the photo.

    It is fitted from the template to the landmarks, as in the released preprocessing of Yi et
    al. 2020; fitting the other way gives another transform, because the errors are then counted
    in pixels of the square.

    Args:
        landmarks: float (5, 2), 0-based pixels of the photo, in the order of `TEMPLATE_512`.
        size: side of the square in pixels.

    Returns:
        float64 (2, 3).

    Raises:
        InputError: landmarks of another shape or not finite.
    """
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.shape != (5, 2):
        raise InputError(f"Landmarks must be five points (5, 2). Received: {landmarks.shape}")
    return fit_similarity(face_template(size), landmarks)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (N, 2) mapped through a transform (2, 3)."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """The inverse (2, 3) of a similarity (2, 3)."""
    return np.asarray(cv2.invertAffineTransform(np.asarray(matrix, np.float64)))


def scale_of(matrix: np.ndarray) -> float:
    """Pixels of the target for each pixel of the source."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def warp(
    photo: np.ndarray, square_to_photo: np.ndarray, size: int, fill: int | None = 255
) -> np.ndarray:
    """Cuts the aligned square out of a photo.

    Bilinear; a photo that shrinks by more than 2 is first averaged over areas, so that fine
    texture does not turn into noise.

    Args:
        photo: uint8 (H, W, 3) or (H, W).
        square_to_photo: float (2, 3).
        size: side of the square in pixels.
        fill: value outside the photo, 0..255; None mirrors the photo at its edges.

    Returns:
        uint8 (size, size, 3) or (size, size).
    """
    # Bilinear interpolation reads the next pixel, the area average those of two steps.
    margin = 2 * scale_of(square_to_photo) + 2
    photo, matrix = touched_window(photo, square_to_photo, size, margin)
    if photo.size == 0:
        return np.full((size, size, *photo.shape[2:]), 255 if fill is None else fill, np.uint8)
    photo, matrix = _prefiltered(photo, matrix)
    return cv2.warpAffine(
        photo,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT if fill is None else cv2.BORDER_CONSTANT,
        borderValue=(fill or 0,) * 4,
    )


def touched_window(
    photo: np.ndarray, square_to_photo: np.ndarray, size: int, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """The part of a photo that an aligned square can touch: OpenCV takes no side above 32766.

    Args:
        photo: (H, W, 3) or (H, W).
        square_to_photo: float (2, 3).
        size: side of the square in pixels.
        margin: pixels of the photo to be had around the square too, where the photo has them.

    Returns:
        The part, empty where the square lies outside, and the transform (2, 3) to its pixels.
    """
    matrix = np.array(square_to_photo, np.float64)
    low, high = _extent(matrix, size, margin, photo.shape)
    matrix[:, 2] -= low
    return photo[low[1] : high[1], low[0] : high[0]], matrix


def _extent(matrix: np.ndarray, size: int, margin: float, shape: tuple) -> tuple:
    """First and last-but-one (x, y) of the photo's pixels that a square covers."""
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]]) - 0.5
    corners = transform_points(corners, matrix)
    limits = (shape[1], shape[0])
    low = np.clip(np.floor(corners.min(axis=0) - margin), 0, limits).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0) + margin) + 1, 0, limits).astype(int)
    return low, high


def _prefiltered(image: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The image shrunk so that `matrix` (to the image) skips at most 2 of its pixels a step."""
    scale = scale_of(matrix)
    if scale <= 2:
        return image, matrix
    height, width = image.shape[:2]
    small = resize(image, max(1, round(width / scale)), max(1, round(height / scale)))
    ratio = np.array([[small.shape[1] / width], [small.shape[0] / height]])
    matrix = matrix * ratio
    matrix[:, 2:] += (ratio - 1) / 2  # pixel centres at integers: p' = (p + 1/2) ratio - 1/2
    return small, matrix


def paste_back(
    canvas: np.ndarray, square: np.ndarray, square_to_photo: np.ndarray, feather: float = 0.06
) -> np.ndarray:
    """Puts an aligned square back at its place in the photo, bicubic where it grows.

    Args:
        canvas: uint8 (H, W, 3), as large as the photo; it stays as it is.
        square: uint8 (S, S, 3) or (S, S).
        square_to_photo: float (2, 3), as the square was cut out.
        feather: width of the soft edge as a part of the square's side.

    Returns:
        uint8 (H, W, 3), the canvas with the square on it.
    """
    size = square.shape[0]
    (left, top), (right, bottom) = _extent(square_to_photo, size, 0, canvas.shape)
    result = canvas.copy()
    if left >= right or top >= bottom:
        return result
    window_to_square = invert(square_to_photo)
    window_to_square[:, 2] += window_to_square[:, :2] @ (left, top)
    edge = _feathered_edge(size, feather)
    # Three colours, and how much of the square lies there.
    layer = np.empty((size, size, 4), np.float32)
    np.outer(edge, edge, out=layer[..., 3])
    colours = square[..., None] if square.ndim == 2 else square
    np.multiply(colours, layer[..., 3:], out=layer[..., :3])
    layer, matrix = _prefiltered(layer, window_to_square)
    layer = cv2.warpAffine(
        layer,
        matrix,
        (int(right - left), int(bottom - top)),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(0, 0, 0, 0),
    )
    window = result[top:bottom, left:right]
    for rows in (slice(at, at + _ROWS) for at in range(0, len(layer), _ROWS)):
        mixed = layer[rows, :, :3] + window[rows] * (1 - np.clip(layer[rows, :, 3:], 0, 1))
        window[rows] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result


def _feathered_edge(size: int, feather: float) -> np.ndarray:
    """float32 (size,): 1 inside, falling to 0 over the outer `feather` x size pixels."""
    return smooth_step(border_distance(size) / max(feather * size, 0.5)).astype(np.float32)


def border_distance(size: int) -> np.ndarray:
    """How far each of a row of pixels lies from the nearer end of the row, float64 (size,)."""
    return np.minimum(np.arange(size) + 0.5, size - np.arange(size) - 0.5)


def smooth_step(part: np.ndarray) -> np.ndarray:
    """0 up to 0, 1 from 1, and 3 x^2 - 2 x^3 in between."""
    part = np.clip(part, 0, 1)
    return part * part * (3 - 2 * part)


def part_mask(landmarks: np.ndarray, size: int, part: str) -> np.ndarray:
    """The mask of the eyes, the nose or the lips in an aligned square.

    The boxes of `PART_BOXES` move with the landmarks: by how far these lie from the template.

    Args:
        landmarks: float (5, 2), 0-based pixels of the aligned square.
        size: side of the square in pixels.
        part: "eyes", "nose" or "lips".

    Returns:
        float32 (size, size) in [0, 1], 1 inside, with an edge that falls linearly.
    """
    shift = np.asarray(landmarks, np.float64) - face_template(size)
    mask = np.zeros((size, size), np.float32)
    for box, followed in PART_BOXES[part]:
        left, top, right, bottom = (np.array(box) - 0.5) * size / 512 - 0.5
        dx, dy = shift[list(followed)].mean(axis=0)
        across = _soft_box(size, left + dx, right + dx)
        down = _soft_box(size, top + dy, bottom + dy)
        mask = np.maximum(mask, np.outer(down, across))
    return mask


def _soft_box(size: int, start: float, stop: float) -> np.ndarray:
    """float32 (size,): 1 between start and stop, 1/2 at them, linear in between."""
    soft = SOFT_EDGE_512 * size / 512
    where = np.arange(size)
    rise = np.clip((where - start) / soft + 0.5, 0, 1)
    fall = np.clip((stop - where) / soft + 0.5, 0, 1)
    return (rise * fall).astype(np.float32)
