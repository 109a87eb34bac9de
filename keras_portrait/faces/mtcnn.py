"""MTCNN without TensorFlow: a cascade of three small nets, in NumPy around the LiteRT runtime.

Method: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016. PNet proposes windows on a
pyramid of reduced photos, RNet sorts out and moves them, ONet gives the boxes and landmarks.

Weights, constants and conventions are those of the PyPI package `mtcnn` 1.0.0 (MIT), whose
results this reproduces, with one difference: that package finds nothing when the smallest level
of its pyramid is too small for PNet, which happens with most `min_face` above 20. Here such
levels are left out.

Candidates are float64 arrays (N, 4) of left, top, right, bottom in pixels of the photo.
"""

from pathlib import Path

import cv2
import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.faces.types import Box, Face
from keras_portrait.runtime import Runner

NETS = Path(__file__).with_name("nets")

# PNet looks at windows of 12 px, two pixels apart, and can run on 11 px.
CELL = 12
STRIDE = 2
SMALLEST_LEVEL = 11

# From one level of the pyramid to the next: about half the area.
SCALE_FACTOR = 0.709

# Scores that PNet, RNet and ONet must exceed.
THRESHOLDS = (0.6, 0.7, 0.8)

# Overlaps from which the weaker of two candidates is dropped: within a level, across levels,
# after RNet, after ONet.
OVERLAP_LEVEL, OVERLAP_PYRAMID, OVERLAP_RNET, OVERLAP_ONET = 0.5, 0.7, 0.7, 0.7

# Pixels of a photo that are summed up at a time, so that a large photo needs little memory
# (and sums stay below 2**31).
BAND_PIXELS = 4_000_000


class Mtcnn:
    """Detects faces and their five landmarks.

    Keeps PNet prepared for the last size of photo, so a sequence of equal sizes is fastest.

    Args:
        min_face: side in pixels of the smallest face to look for, from 12 up.
        thresholds: scores that PNet, RNet and ONet must exceed.
        threads: CPU threads to use.

    Raises:
        MissingExtra: no LiteRT runtime is installed.
        SettingError: a setting is out of range.
    """

    def __init__(
        self,
        min_face: float = 20,
        thresholds: tuple[float, float, float] = THRESHOLDS,
        threads: int = 1,
    ):
        if not min_face >= CELL:
            raise SettingError(f"min_face must be {CELL} or more. Received: {min_face}")
        self.min_face = min_face
        self.thresholds = thresholds
        self._threads = threads
        self._rnet = Runner(NETS / "rnet.tflite", threads)
        self._onet = Runner(NETS / "onet.tflite", threads)
        self._pnets: list[Runner] = []

    def detect(self, photo: np.ndarray) -> list[Face]:
        """Finds the faces of one photo.

        Args:
            photo: uint8 (H, W, 3), RGB.

        Returns:
            Faces in pixels of the photo, best score first; boxes do not leave the photo.

        Raises:
            InputError: the array is not such a photo.
        """
        if not (photo.ndim == 3 and photo.shape[2] == 3 and photo.dtype == np.uint8):
            received = f"{photo.dtype} {photo.shape}"
            raise InputError(f"A photo must be uint8 (height, width, 3). Received: {received}")
        boxes = self._propose(photo)
        if not len(boxes):
            return []
        pixels = cv2.cvtColor(photo, cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]
        boxes = self._refine(pixels, boxes)
        boxes, landmarks, scores = self._finish(pixels, boxes)
        height, width = photo.shape[:2]
        boxes = np.clip(boxes, 0, [width - 1, height - 1] * 2)
        return [
            Face(Box(*map(float, (x1, y1, x2 - x1, y2 - y1))), points, float(score))
            for (x1, y1, x2, y2), points, score in zip(boxes, landmarks, scores, strict=True)
        ]

    def _propose(self, photo: np.ndarray) -> np.ndarray:
        """PNet over the pyramid: square candidates."""
        scales = pyramid_scales(*photo.shape[:2], self.min_face)
        sizes = [tuple(int(side * scale) for side in photo.shape[:2]) for scale in scales]
        self._prepare_pnets(sizes)
        sums = AreaSums(photo)
        all_boxes, all_scores = [np.empty((0, 4))], [np.empty(0)]
        for pnet, scale, size in zip(self._pnets, scales, sizes, strict=True):
            level = (sums.shrink(*size) - 127.5) * (1 / 128)
            result = pnet(level.astype(np.float32)[None])
            score = result["scores"][0, :, :, 1]
            y, x = np.nonzero(score > self.thresholds[0])
            if not len(x):
                continue
            offsets = result["offsets"][0, y, x]
            first = np.stack([x, y, x, y], axis=1) * STRIDE + [1, 1, CELL, CELL]
            boxes = (first + offsets * (CELL - 1.0)) / scale
            scores = score[y, x].astype(np.float64)
            keep = suppress(boxes, scores, OVERLAP_LEVEL)
            all_boxes.append(boxes[keep])
            all_scores.append(scores[keep])
        boxes, scores = np.concatenate(all_boxes), np.concatenate(all_scores)
        return square(boxes[suppress(boxes, scores, OVERLAP_PYRAMID)])

    def _prepare_pnets(self, sizes: list[tuple[int, int]]) -> None:
        del self._pnets[len(sizes) :]
        while len(self._pnets) < len(sizes):
            self._pnets.append(Runner(NETS / "pnet.tflite", self._threads))
        for pnet, size in zip(self._pnets, sizes, strict=True):
            pnet.resize("image", (1, *size, 3))

    def _refine(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """RNet: fewer and better square candidates."""
        result = _run_batches(self._rnet, cut_patches(pixels, boxes, 24))
        boxes, scores = move(boxes, result["offsets"]), result["scores"][:, 1].astype(np.float64)
        sure = scores > self.thresholds[1]
        boxes, scores = boxes[sure], scores[sure]
        return square(boxes[suppress(boxes, scores, OVERLAP_RNET)])

    def _finish(self, pixels: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, ...]:
        """ONet: boxes (N, 4), landmarks float32 (N, 5, 2) and scores (N,), best first."""
        result = _run_batches(self._onet, cut_patches(pixels, boxes, 48))
        scores = result["scores"][:, 1].astype(np.float64)
        # Five x, then five y, as fractions of the candidate.
        points = result["landmarks"].reshape(-1, 2, 5).transpose(0, 2, 1)
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points * sides[:, None] + boxes[:, None, :2] - 1
        boxes = move(boxes, result["offsets"])
        sure = scores > self.thresholds[2]
        boxes, landmarks, scores = boxes[sure], landmarks[sure], scores[sure]
        keep = suppress(boxes, scores, OVERLAP_ONET, of_smaller=True)
        return boxes[keep], landmarks[keep].astype(np.float32), scores[keep]


class AreaSums:
    """Reduces one photo to several sizes; each new pixel is the mean of the area it covers.

    The sum over any area, cut pixels included, is a difference of the integral image, read with
    linear interpolation at the area's corners. The integral image serves all sizes.

    Args:
        photo: uint8 (H, W, 3).
    """

    def __init__(self, photo: np.ndarray):
        self._photo = photo
        self._whole = cv2.integral(photo) if photo[..., 0].size <= BAND_PIXELS else None

    def shrink(self, height: int, width: int) -> np.ndarray:
        """Float64 (height, width, 3) in [0, 255]; neither side may grow."""
        rows = np.linspace(0, self._photo.shape[0], height + 1)
        columns = np.linspace(0, self._photo.shape[1], width + 1)
        area = rows[1] * columns[1]
        if self._whole is not None:
            return _area_sums(self._whole, rows, columns) / area
        bands = []
        step = max(1, int(BAND_PIXELS / (self._photo.shape[1] * rows[1])) - 1)
        for first in range(0, height, step):
            edges = rows[first : first + step + 1]
            top, bottom = int(edges[0]), int(np.ceil(edges[-1]))
            sums = cv2.integral(self._photo[top:bottom])
            bands.append(_area_sums(sums, edges - top, columns) / area)
        return np.concatenate(bands)


def _area_sums(integral: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sums over the cells of a grid of edges, from an integral image (H + 1, W + 1, 3)."""
    height, width = integral.shape[0] - 1, integral.shape[1] - 1
    y, x = np.minimum(rows.astype(int), height - 1), np.minimum(columns.astype(int), width - 1)
    y_part, x_part = (rows - y)[:, None, None], (columns - x)[None, :, None]
    flat = integral.reshape(-1, 3)
    corner = y[:, None] * (width + 1) + x
    upper, lower = flat.take(corner, axis=0), flat.take(corner + width + 1, axis=0)
    upper = upper + x_part * (flat.take(corner + 1, axis=0) - upper)
    lower = lower + x_part * (flat.take(corner + width + 2, axis=0) - lower)
    sums = upper + y_part * (lower - upper)
    return np.diff(np.diff(sums, axis=0), axis=1)


def pyramid_scales(height: int, width: int, min_face: float) -> np.ndarray:
    """Factors by which the photo is reduced for PNet, largest first."""
    shorter = min(height, width)
    count = round(-(np.log(shorter / CELL) / np.log(SCALE_FACTOR) + 1))
    scales = CELL / min_face * SCALE_FACTOR ** np.arange(max(count, 0))
    return scales[(shorter * scales).astype(int) >= SMALLEST_LEVEL]


def suppress(
    boxes: np.ndarray, scores: np.ndarray, overlap: float, of_smaller: bool = False
) -> np.ndarray:
    """Leaves out each candidate that overlaps with a better one.

    Unlike the usual greedy way, a candidate that is itself left out still suppresses others.

    Args:
        boxes: (N, 4).
        scores: (N,).
        overlap: largest permitted share of common area.
        of_smaller: whether that is a share of the smaller box, not of the union.

    Returns:
        Indices of the candidates kept, best score first.
    """
    order = np.argsort(scores)[::-1]
    boxes = boxes[order]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    keep = np.ones(len(boxes), bool)
    step = 512  # bounds the memory of the comparison
    for first in range(0, len(boxes), step):
        some, better = boxes[first : first + step, None], boxes[None, : first + step]
        sides = np.minimum(some[..., 2:], better[..., 2:])
        sides -= np.maximum(some[..., :2], better[..., :2])
        sides = np.maximum(sides, 0, out=sides)
        common = sides[..., 0] * sides[..., 1]
        some_area, better_area = area[first : first + step, None], area[None, : first + step]
        if of_smaller:
            whole = np.minimum(some_area, better_area)
        else:
            whole = some_area + better_area - common
        covered = np.tril(common > overlap * whole, first - 1)
        keep[first : first + step] = ~covered.any(axis=1)
    return order[keep]


def square(boxes: np.ndarray) -> np.ndarray:
    """Widens boxes to squares around the same centres."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True)
    first = boxes[:, :2] + sides * 0.5 - side * 0.5
    return np.concatenate([first, first + side], axis=1)


def move(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Moves each side of a box by a fraction of the box's size."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * np.concatenate([sides, sides], axis=1)


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
    upper -= 127.5
    upper *= 1 / 128
    upper *= (y_inside[:, :, None] & x_inside[:, None, :])[..., None]
    return upper


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


def _run_batches(runner: Runner, patches: np.ndarray) -> dict[str, np.ndarray]:
    """Runs a net of fixed batch over any number of patches."""
    batch = runner.inputs[0].shape[0]
    count = len(patches)
    filled = np.zeros((-(-count // batch) * batch, *patches.shape[1:]), np.float32)
    filled[:count] = patches
    results = [runner(filled[i : i + batch]) for i in range(0, len(filled), batch)]
    if not results:
        return {t.name: np.empty((0, *t.shape[1:]), np.float32) for t in runner.outputs}
    return {name: np.concatenate([r[name] for r in results])[:count] for name in results[0]}
