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

import threading
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.faces.sampling import AreaSums, cut_patches, normalize
from keras_portrait.inference.faces.types import Box, Face
from keras_portrait.inference.litert.runner import Runner

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

# What is done at a time, so that a large photo needs little memory: pixels of a level that PNet
# sees, and patches that are cut.
LEVEL_PIXELS, PATCHES = 60_000, 64

# Candidates that are compared with the better ones at a time, which bounds the memory; and, among
# them, who is better than whom.
COMPARED = 512
BETTER = np.tri(COMPARED, k=-1, dtype=bool)


class Mtcnn:
    """Detects faces and their five landmarks.

    Keeps PNet prepared for the last size of photo, so a sequence of equal sizes is fastest. May be
    called from many threads; searches wait for each other.

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
        self._pnets: dict[tuple[int, int], Runner] = {}
        # The nets stay prepared for one size of photo until its search has ended.
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple:
        return Mtcnn, (self.min_face, self.thresholds, self._threads)

    def detect(self, photo: np.ndarray) -> list[Face]:
        """Finds the faces of one photo.

        Args:
            photo: uint8 (H, W, 3), RGB.

        Returns:
            Faces in pixels of the photo, best score first; boxes do not leave the photo.

        Raises:
            InputError: the array is not such a photo.
        """
        if not (photo.ndim == 3 and photo.shape[2] == 3 and photo.dtype == np.uint8 and photo.size):
            received = f"{photo.dtype} {photo.shape}"
            raise InputError(f"A photo must be uint8 (height, width, 3). Received: {received}")
        with self._lock:
            return self._search(np.ascontiguousarray(photo))

    def _search(self, photo: np.ndarray) -> list[Face]:
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
        self._prepare_pnets({(bottom - top, w) for h, w in sizes for top, bottom in bands(h, w)})
        sums = AreaSums(photo)
        all_boxes, all_scores = [np.empty((0, 4))], [np.empty(0)]
        for scale, size in zip(scales, sizes, strict=True):
            offsets, score = self._run_pnet(normalize(sums.shrink(*size)))
            y, x = np.nonzero(score > self.thresholds[0])
            if not len(x):
                continue
            window = np.stack([x, y, x, y], axis=1) * STRIDE + [1, 1, CELL, CELL]
            boxes = (window + offsets[y, x] * (CELL - 1.0)) / scale
            scores = score[y, x].astype(np.float64)
            keep = suppress(boxes, scores, OVERLAP_LEVEL)
            all_boxes.append(boxes[keep])
            all_scores.append(scores[keep])
        boxes, scores = np.concatenate(all_boxes), np.concatenate(all_scores)
        return square(boxes[suppress(boxes, scores, OVERLAP_PYRAMID)])

    def _run_pnet(self, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Offsets (h, w, 4) and scores (h, w) of the windows of one level (H, W, 3)."""
        width = level.shape[1]
        results = [
            self._pnets[bottom - top, width](level[None, top:bottom])
            for top, bottom in bands(*level.shape[:2])
        ]
        offsets = np.concatenate([result["offsets"][0] for result in results])
        return offsets, np.concatenate([result["scores"][0, :, :, 1] for result in results])

    def _prepare_pnets(self, sizes: set[tuple[int, int]]) -> None:
        self._pnets = {size: net for size, net in self._pnets.items() if size in sizes}
        for size in sizes - self._pnets.keys():
            net = Runner(NETS / "pnet.tflite", self._threads)
            net.resize("image", (1, *size, 3))
            self._pnets[size] = net

    def _refine(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """RNet: fewer and better square candidates."""
        result = _run_patches(self._rnet, pixels, boxes)
        boxes, scores = move(boxes, result["offsets"]), result["scores"][:, 1].astype(np.float64)
        sure = scores > self.thresholds[1]
        boxes, scores = boxes[sure], scores[sure]
        return square(boxes[suppress(boxes, scores, OVERLAP_RNET)])

    def _finish(self, pixels: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, ...]:
        """ONet: boxes (N, 4), landmarks float32 (N, 5, 2) and scores (N,), best first."""
        result = _run_patches(self._onet, pixels, boxes)
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


def bands(height: int, width: int) -> list[tuple[int, int]]:
    """Cuts a level into bands of rows from which PNet makes what it makes of the whole level.

    Returns:
        (top, bottom) of each band; they overlap by what a window needs.
    """
    overlap = CELL - STRIDE
    windows = (height - 1) // STRIDE - 4  # an odd last row gives a window too
    step = max(1, LEVEL_PIXELS // width // STRIDE)
    tops = range(0, windows, step)
    return [
        (top * STRIDE, height if top + step >= windows else (top + step) * STRIDE + overlap)
        for top in tops
    ]


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
    if len(order) < 2:
        return order
    boxes = boxes[order]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    keep = np.ones(len(boxes), bool)
    for first in range(0, len(boxes), COMPARED):
        last = first + COMPARED
        some, better = boxes[first:last, None], boxes[None, :last]
        sides = np.minimum(some[..., 2:], better[..., 2:])
        sides -= np.maximum(some[..., :2], better[..., :2])
        sides = np.maximum(sides, 0, out=sides)
        common = sides[..., 0] * sides[..., 1]
        some_area, better_area = area[first:last, None], area[None, :last]
        if of_smaller:
            whole = np.minimum(some_area, better_area)
        else:
            whole = some_area + better_area - common
        covers = common > overlap * whole
        covers[:, first:] &= BETTER[: len(some), : len(some)]
        keep[first:last] = ~covers.any(axis=1)
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


def _run_patches(runner: Runner, pixels: np.ndarray, boxes: np.ndarray) -> dict:
    """Runs a net over the patches of any number of boxes, one at a time."""
    size = runner.inputs[0].shape[1]
    results = {tensor.name: [np.empty((0, *tensor.shape[1:]))] for tensor in runner.outputs}
    for first in range(0, len(boxes), PATCHES):
        for patch in cut_patches(pixels, boxes[first : first + PATCHES], size):
            for name, array in runner(patch[None]).items():
                results[name].append(array)
    return {name: np.concatenate(arrays) for name, arrays in results.items()}
