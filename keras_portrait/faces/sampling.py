"""The pixels that the nets of the face detector see: reduced photos and patches.

Both follow the operations of TensorFlow that the detector's package uses, `tf.image.resize` with
the method "area" and `tf.image.crop_and_resize`, to float32 accuracy.
"""

from functools import cached_property

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
        rows = np.linspace(0, self._photo.shape[0], height + 1)
        columns = np.linspace(0, self._photo.shape[1], width + 1)
        if self._whole is not None:
            if height * width * PIXELS_PER_AREA < self._photo[..., 0].size:
                return _area_means(self._whole, rows, columns)
            return cv2.resize(self._real, (width, height), interpolation=cv2.INTER_AREA)
        bands = []
        step = max(1, int(SUM_PIXELS / (self._photo.shape[1] * rows[1])) - 1)
        for first in range(0, height, step):
            edges = rows[first : first + step + 1]
            top, bottom = int(edges[0]), int(np.ceil(edges[-1]))
            sums = cv2.integral(self._photo[top:bottom])
            bands.append(_area_means(sums, edges - top, columns))
        return np.concatenate(bands)


def _area_means(integral: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Means over the cells of an even grid of edges, from an integral image (H + 1, W + 1, 3)."""
    height, width = integral.shape[0] - 1, integral.shape[1] - 1
    y, x = np.minimum(rows.astype(int), height - 1), np.minimum(columns.astype(int), width - 1)
    y_part, x_part = (rows - y)[:, None, None], (columns - x)[None, :, None]
    flat = integral.reshape(-1, 3)
    corner = y[:, None] * (width + 1) + x
    upper, lower = flat.take(corner, axis=0), flat.take(corner + width + 1, axis=0)
    upper = upper + x_part * (flat.take(corner + 1, axis=0) - upper)
    lower = lower + x_part * (flat.take(corner + width + 2, axis=0) - lower)
    lower -= upper
    lower *= y_part
    upper += lower
    sums = np.diff(np.diff(upper, axis=0), axis=1)
    sums *= 1 / ((rows[1] - rows[0]) * (columns[1] - columns[0]))
    return sums.astype(np.float32)


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
    flat = pixels.ravel()

    def read(rows, columns):
        index = rows[:, :, None] * width + columns[:, None, :]
        return flat.take(index).view(np.uint8).reshape(*index.shape, 4)[..., :3].astype(np.float32)

    x_part, y_part = x_part[:, None, :, None], y_part[:, :, None, None]
    upper = read(y, x)
    upper += (read(y, x_next) - upper) * x_part
    lower = read(y_next, x)
    lower += (read(y_next, x_next) - lower) * x_part
    upper += (lower - upper) * y_part
    return normalize(upper) * (y_inside[:, :, None] & x_inside[:, None, :])[..., None]


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
