"""The pixels that the nets of the face detector see: reduced photos and patches.

Both follow the operations of TensorFlow that the detector's package uses, `tf.image.resize` with
the method "area" and `tf.image.crop_and_resize`, to float32 accuracy.
"""

from functools import cached_property, lru_cache
from typing import NamedTuple

import cv2
import numpy as np

# Pixels of a photo that are summed up at a time: bounds the memory that a large photo needs, and
# their sum stays below 2**31.
SUM_PIXELS = 4_000_000

# Photo pixels that OpenCV averages in the time in which one area is read from the integral image
# (measured: 3 ns against 55 ns).
PIXELS_PER_AREA = 18


class AreaSums:
    """Reduces one photo to several sizes; each new pixel is the mean of the area it covers.

    Small sizes are read from the photo's integral image, which serves all of them: the sum over
    any area, cut pixels included, is a difference of it, with linear interpolation at the area's
    corners. For large sizes OpenCV's own averaging is faster.

    Args:
        photo: uint8 (H, W, 3).
    """

    def __init__(self, photo: np.ndarray):
        self._photo = photo
        self._whole = cv2.integral(photo) if photo[..., 0].size <= SUM_PIXELS else None

    @cached_property
    def _real(self) -> np.ndarray:
        return self._photo.astype(np.float32)

    def shrink(self, height: int, width: int) -> np.ndarray:
        """Float32 (height, width, 3) in [0, 255]; neither side may grow."""
        if self._whole is not None:
            if height * width * PIXELS_PER_AREA < self._photo[..., 0].size:
                return _area_means(self._whole, _even_grid(self._photo.shape[:2], (height, width)))
            return cv2.resize(self._real, (width, height), interpolation=cv2.INTER_AREA)
        rows = np.linspace(0, self._photo.shape[0], height + 1)
        columns = np.linspace(0, self._photo.shape[1], width + 1)
        bands = []
        step = max(1, int(SUM_PIXELS / (self._photo.shape[1] * rows[1])) - 1)
        for first in range(0, height, step):
            edges = rows[first : first + step + 1]
            top, bottom = int(edges[0]), int(np.ceil(edges[-1]))
            sums = cv2.integral(self._photo[top:bottom])
            bands.append(_area_means(sums, _grid(sums.shape, edges - top, columns)))
        return np.concatenate(bands)


class Grid(NamedTuple):
    """Where an even grid of edges reads an integral image (H + 1, W + 1, 3).

    Attributes:
        corners: int (4, h + 1, w + 1), the pixels around each crossing: upper left, upper right,
            lower left, lower right; indices into the flattened image.
        y_part: float64 (h + 1, 1), distance below the upper pixels.
        x_part: float64 (3 w + 3,), distance right of the left pixels, of each value of a row.
        cells: cells in a pixel, the inverse of a cell's area.
    """

    corners: np.ndarray
    y_part: np.ndarray
    x_part: np.ndarray
    cells: float


@lru_cache(maxsize=16)  # the levels of a camera's frames
def _even_grid(photo: tuple[int, int], level: tuple[int, int]) -> Grid:
    rows, columns = (np.linspace(0, photo[i], level[i] + 1) for i in range(2))
    return _grid((photo[0] + 1, photo[1] + 1), rows, columns)


def _grid(integral_shape: tuple[int, ...], rows: np.ndarray, columns: np.ndarray) -> Grid:
    height, width = integral_shape[0] - 1, integral_shape[1] - 1
    y, x = np.minimum(rows.astype(int), height - 1), np.minimum(columns.astype(int), width - 1)
    corner = y[:, None] * (width + 1) + x
    corners = np.stack([corner, corner + 1, corner + width + 1, corner + width + 2])
    cells = 1 / ((rows[1] - rows[0]) * (columns[1] - columns[0]))
    return Grid(corners, (rows - y)[:, None], np.repeat(columns - x, 3), cells)


def _area_means(integral: np.ndarray, grid: Grid) -> np.ndarray:
    """Means over the cells of a grid, float32 (h, w, 3), from an integral image."""
    corners = integral.reshape(-1, 3).take(grid.corners, axis=0)
    # Rows of values: NumPy is slow where the last axis is short.
    upper, upper_right, lower, lower_right = corners.reshape(*corners.shape[:2], -1)
    # The differences are whole numbers, exact in 32 bits.
    upper = upper + grid.x_part * (upper_right - upper)
    lower = lower + grid.x_part * (lower_right - lower)
    lower -= upper
    lower *= grid.y_part
    upper += lower
    sums = upper[1:] - upper[:-1]
    sums = sums[:, 3:] - sums[:, :-3]
    sums *= grid.cells
    return sums.astype(np.float32).reshape(len(sums), -1, 3)


def normalize(pixels: np.ndarray) -> np.ndarray:
    """What the nets take, float32 in [-1, 1], from float32 in [0, 255]; works in place."""
    pixels -= 127.5
    pixels *= 1 / 128
    return pixels


def cut_patches(pixels: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cuts boxes out of a photo and resizes them, with linear interpolation between pixels.

    Args:
        pixels: uint32 (H, W), each the four bytes red, green, blue and any.
        boxes: (N, 4).
        size: side of the patches in pixels.

    Returns:
        Float32 (N, size, size, 3), (value - 127.5) / 128; zero outside the photo.
    """
    height, width = pixels.shape
    x, x_part, x_inside = _sample_points(boxes[:, 0], boxes[:, 2], width, size)
    y, y_part, y_inside = _sample_points(boxes[:, 1], boxes[:, 3], height, size)
    x_next, y_next = np.minimum(x + 1, width - 1), np.minimum(y + 1, height - 1)
    # (2, 2, N, size, size): above and below, left and right.
    rows, columns = np.stack([y, y_next]) * width, np.stack([x, x_next])
    index = rows[:, None, ..., None] + columns[..., None, :]
    read = pixels.ravel().take(index)[..., None].view(np.uint8)[..., :3].astype(np.float32)
    # Rows of values: NumPy is slow where the last axis is short.
    read = read.reshape(*read.shape[:-2], 3 * size)
    left, right = read[:, 0], read[:, 1]
    right -= left
    right *= np.repeat(x_part, 3, axis=1)[:, None]
    left += right
    upper, lower = left
    lower -= upper
    lower *= y_part[..., None]
    upper += lower
    normalize(upper)
    if not (x_inside.all() and y_inside.all()):
        upper *= y_inside[..., None] & np.repeat(x_inside, 3, axis=1)[:, None]
    return upper.reshape(-1, size, size, 3)


def _sample_points(first: np.ndarray, last: np.ndarray, length: int, size: int):
    """Where patches read along one axis: pixel before, distance to it, whether inside.

    The scale (length - 1) / length, by which boxes shrink towards the origin, is that of the
    package the weights come with: it hands boxes / length to a function that takes 1 as the
    centre of the last pixel.
    """
    first = (first / length).astype(np.float32)
    last = (last / length).astype(np.float32)
    steps = (last - first) * np.float32(length - 1) / np.float32(size - 1)
    start = first[:, None] * np.float32(length - 1)
    position = start + np.arange(size, dtype=np.float32) * steps[:, None]
    inside = (position >= 0) & (position <= length - 1)
    position = np.where(inside, position, 0)
    before = position.astype(np.intp)
    return before, (position - before).astype(np.float32), inside
