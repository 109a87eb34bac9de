"""How sure a figure is: intervals by drawing the photos anew."""

from collections.abc import Callable

import numpy as np

RESAMPLES = 1000
LEVEL = 95  # percent
# Halves of the pictures that a distance between sets is taken of.
SUBSETS = 50


def resample_counts(count: int, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """How often each of `count` things is drawn, with replacement: int (resamples, count)."""
    rng = np.random.default_rng((seed, count))
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples)


def mean_interval(values: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Mean and bootstrap interval of values, those that are not a number left out.

    Args:
        values: float (N,).
        seed: of the resampling.

    Returns:
        Mean, lower and upper end of the interval of `LEVEL` percent; nan without any value.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return (np.nan,) * 3
    means = resample_counts(len(values), seed) @ values / len(values)
    return float(values.mean()), *percentile_interval(means)


def percentile_interval(samples: np.ndarray) -> tuple[float, float]:
    """The middle `LEVEL` percent of samples (R,)."""
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(samples, (tail, 100 - tail))
    return float(low), float(high)


def subset_interval(
    distance: Callable, a: np.ndarray, b: np.ndarray, seed: int
) -> tuple[float, float, float]:
    """A distance between two sets, and an interval from random halves of both.

    A bootstrap would hold pictures twice, which distances between sets take for likeness. The
    deviation over halves estimates that of the whole (the delete-half jackknife).

    Args:
        distance: function of two sets of rows.
        a: float (M, D).
        b: float (N, D).
        seed: of the choice of halves.

    Returns:
        The distance, and it less and plus 1.96 deviations; nan where a set has fewer than four.
    """
    if min(len(a), len(b)) < 4:
        return (np.nan,) * 3
    rng = np.random.default_rng((seed, len(a), len(b)))
    halves = [
        distance(*(rows[rng.permutation(len(rows))[: len(rows) // 2]] for rows in (a, b)))
        for _ in range(SUBSETS)
    ]
    value, reach = distance(a, b), 1.96 * np.std(halves)
    return float(value), float(value - reach), float(value + reach)


def halves_interval(distance: Callable, rows: np.ndarray, seed: int) -> tuple[float, float, float]:
    """The distance between two random halves of one set: what chance alone makes of it.

    Args:
        distance: function of two sets of rows.
        rows: float (N, D).
        seed: of the splits.

    Returns:
        Mean over splits, and the middle `LEVEL` percent; nan for fewer than eight rows.
    """
    if len(rows) < 8:
        return (np.nan,) * 3
    rng = np.random.default_rng((seed, len(rows)))
    found = []
    for _ in range(SUBSETS):
        order, half = rng.permutation(len(rows)), len(rows) // 2
        found.append(distance(rows[order[:half]], rows[order[half:]]))
    return float(np.mean(found)), *percentile_interval(np.array(found))


def difference_excess(
    drawn: np.ndarray, shown: np.ndarray, first: np.ndarray, seed: int
) -> tuple[float, float, float]:
    """How much more two groups differ in drawings than they do in photos.

    Args:
        drawn: float (N,), a value of each drawing.
        shown: float (N,), the same of each photo.
        first: bool (N,), who belongs to the first group; the others are the second.
        seed: of the resampling, which keeps the size of each group.

    Returns:
        (first - second of the drawings) - (first - second of the photos), and its bootstrap
        interval; nan where a group has fewer than two.
    """
    excess = np.asarray(drawn, np.float64) - np.asarray(shown, np.float64)
    groups = [excess[first], excess[~first]]
    if min(map(len, groups)) < 2:
        return (np.nan,) * 3
    means = [
        resample_counts(len(group), seed + number) @ group / len(group)
        for number, group in enumerate(groups)
    ]
    value = groups[0].mean() - groups[1].mean()
    return float(value), *percentile_interval(means[0] - means[1])
