"""Distances between sets of pictures, as pure functions of their features."""

import numpy as np


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
    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    if min(len(a), len(b)) < 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            "kernel_distance expects two rows or more of one length. "
            f"Received: {a.shape} and {b.shape}"
        )
    within = _mean_without_diagonal(_kernel(a, a)) + _mean_without_diagonal(_kernel(b, b))
    return float(within - 2.0 * _kernel(a, b).mean())


def _kernel(a, b):
    return (a @ b.T / a.shape[1] + 1.0) ** 3


def _mean_without_diagonal(kernel):
    count = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))
