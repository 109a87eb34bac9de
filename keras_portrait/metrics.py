"""Distances between sets of pictures, and between the lines of two pictures.

The functions take features that are there already. `KernelDistance` and `FrechetDistance` are the
same distances as Keras metrics, which are handed the feature extractor and fed with pictures.
"""

from collections.abc import Callable

import cv2
import keras
import numpy as np
from keras import ops


def kernel_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Squared maximum mean discrepancy under KID's kernel, unbiased.

    Args:
        features_a: float (M, D), one row a picture or patch, M at least 2.
        features_b: float (N, D), N at least 2.

    Returns:
        About 0 for two samples of one distribution (it may be negative), larger the more they
        differ.

    Raises:
        ValueError: fewer than two rows, or different lengths of rows.

    Reference:
        Binkowski et al., "Demystifying MMD GANs", ICLR 2018: kernel (x . y / D + 1) ** 3.
    """
    a, b = _checked(features_a, features_b, "kernel_distance")
    within = _mean_without_diagonal(_kernel(a, a)) + _mean_without_diagonal(_kernel(b, b))
    return float(within - 2.0 * _kernel(a, b).mean())


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Squared Frechet distance of two normal distributions fitted to features.

    It equals |m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^(1/2)). With centred rows X and
    Y, S_a S_b has the eigenvalues of the squared singular values of X Y^T, over both degrees of
    freedom: so no covariance is inverted or rooted, and fewer pictures than features do no harm to
    the numbers. They do to the meaning: with few pictures the distance comes out too large.

    Args:
        features_a: float (M, D), one row a picture, M at least 2.
        features_b: float (N, D), N at least 2.

    Returns:
        0 or more.

    Raises:
        ValueError: fewer than two rows, or different lengths of rows.

    Reference:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
        Equilibrium", NeurIPS 2017 (FID).
    """
    a, b = _checked(features_a, features_b, "frechet_distance")
    shift = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    x, y = (_centred(rows) for rows in (a, b))
    root = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(max(shift + np.sum(x**2) + np.sum(y**2) - 2.0 * root, 0.0))


def line_overlap(lines_a: np.ndarray, lines_b: np.ndarray, tolerance: int = 0) -> float:
    """How well the lines of two pictures cover each other: F1 of hits, 0 to 1.

    Args:
        lines_a: bool (H, W), true on a line.
        lines_b: bool (H, W).
        tolerance: how many pixels a line may lie off its place and still count.

    Returns:
        The harmonic mean of the shares of each picture's line pixels that have one of the other's
        near; 1 where neither has a line. Without tolerance 2 hits / (2 hits + misses + false
        finds).
    """
    if not (lines_a.any() or lines_b.any()):
        return 1.0
    if not (lines_a.any() and lines_b.any()):
        return 0.0
    precision = lines_a[_widened(lines_b, tolerance)].sum() / lines_a.sum()
    recall = lines_b[_widened(lines_a, tolerance)].sum() / lines_b.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


class KernelDistance(keras.metrics.Metric):
    """KID: the mean of `kernel_distance` over batches, each of which is an unbiased estimate.

    Args:
        extractor: pictures, float (N, H, W, C) in [-1, 1], to features (N, D).
        name: name of the metric; it should tell the extractor.
    """

    def __init__(self, extractor: Callable, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        self.extractor = extractor
        self.total = self.add_weight(name="total", initializer="zeros")
        self.batches = self.add_weight(name="batches", initializer="zeros")

    def update_state(self, real, generated, sample_weight=None):
        """Takes in a batch of each kind, two pictures or more; weights are not looked at."""
        a, b = (ops.cast(self.extractor(images), "float32") for images in (real, generated))
        within = _unbiased_mean(a) + _unbiased_mean(b)
        self.total.assign_add(within - 2.0 * ops.mean(_cubic(a, b)))
        self.batches.assign_add(1.0)

    def result(self):
        """The mean so far, float scalar; 0 before the first batch."""
        return self.total / ops.maximum(self.batches, 1.0)


class FrechetDistance(keras.metrics.Metric):
    """FID over all batches: `frechet_distance` from sums in float64.

    Args:
        extractor: pictures, float (N, H, W, C) in [-1, 1], to features (N, D).
        features: D.
        name: name of the metric; it should tell the extractor.
    """

    def __init__(self, extractor: Callable, features: int, name: str, **kwargs):
        super().__init__(name=name, dtype="float64", **kwargs)
        self.extractor = extractor
        shapes = {"count": (), "sum": (features,), "products": (features, features)}
        self.sums = [
            {
                key: self.add_weight(shape=shape, name=f"{kind}_{key}", initializer="zeros")
                for key, shape in shapes.items()
            }
            for kind in ("real", "generated")
        ]

    def update_state(self, real, generated, sample_weight=None):
        """Takes in a batch of each kind; weights are not looked at."""
        for sums, images in zip(self.sums, (real, generated), strict=True):
            rows = ops.cast(self.extractor(images), "float64")
            sums["count"].assign_add(ops.cast(ops.shape(rows)[0], "float64"))
            sums["sum"].assign_add(ops.sum(rows, axis=0))
            sums["products"].assign_add(ops.matmul(ops.transpose(rows), rows))

    def result(self):
        """The distance, float scalar; of two pictures or more of each kind."""
        (mean_a, a), (mean_b, b) = (_moments(**sums) for sums in self.sums)
        values, vectors = ops.eigh(a)
        root = ops.matmul(vectors * ops.sqrt(ops.maximum(values, 0.0)), ops.transpose(vectors))
        # Similar to S_a S_b, and symmetric: its eigenvalues are real and not negative.
        values, _ = ops.eigh(ops.matmul(root, ops.matmul(b, root)))
        trace = ops.sum(ops.sqrt(ops.maximum(values, 0.0)))
        spread = ops.trace(a) + ops.trace(b)
        return ops.sum(ops.square(mean_a - mean_b)) + spread - 2.0 * trace


def _checked(features_a, features_b, name):
    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    if min(len(a), len(b)) < 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{name} expects two rows or more of one length. Received: {a.shape} and {b.shape}"
        )
    return a, b


def _kernel(a, b):
    base = a @ b.T / a.shape[1] + 1.0
    return base * base * base  # many times faster than a power


def _mean_without_diagonal(kernel):
    count = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))


def _centred(rows):
    """Rows X with X^T X the covariance; not more of them than there are columns."""
    x = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    return np.linalg.qr(x, mode="r") if len(x) > x.shape[1] else x


def _widened(lines, tolerance):
    if not tolerance:
        return lines
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance + 1,) * 2)
    return cv2.dilate(lines.astype(np.uint8), disc) > 0


def _cubic(a, b):
    return (ops.matmul(a, ops.transpose(b)) / a.shape[-1] + 1.0) ** 3


def _unbiased_mean(rows):
    kernel = _cubic(rows, rows)
    count = ops.cast(ops.shape(rows)[0], kernel.dtype)
    return (ops.sum(kernel) - ops.trace(kernel)) / (count * (count - 1.0))


def _moments(count, sum, products):
    mean = sum / count
    return mean, (products - count * ops.outer(mean, mean)) / (count - 1.0)
