"""How sure a figure is: intervals by drawing the photos again."""

from collections.abc import Callable

import numpy as np

RESAMPLES = 1000
LEVEL = 95  # percent
# Of a normal distribution, either side of the middle `LEVEL` percent.
_DEVIATIONS = 1.96
# Halves, or draws of some, of the pictures that a distance between sets is taken of.
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


def share_interval(hits: np.ndarray) -> tuple[float, float, float]:
    """A share in percent, and Wilson's interval; a bootstrap of 30 hits in 30 would be sure of it.

    Args:
        hits: float (N,), 1 or 0; what is not a number is left out.

    Returns:
        Percent, lower and upper end of the interval of `LEVEL` percent; nan without any value.

    Reference:
        Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
        the American Statistical Association, 1927.
    """
    hits = np.asarray(hits, np.float64)
    hits = hits[np.isfinite(hits)]
    count = len(hits)
    if not count:
        return (np.nan,) * 3
    share, square = hits.mean(), _DEVIATIONS**2 / count
    middle = (share + square / 2) / (1 + square)
    reach = _DEVIATIONS * np.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    low, high = max(middle - reach, 0.0), min(middle + reach, 1.0)
    return 100 * float(share), 100 * float(low), 100 * float(high)


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
    value, reach = distance(a, b), _DEVIATIONS * np.std(halves)
    return float(value), float(value - reach), float(value + reach)


def fixed_size_interval(
    distance: Callable, a: np.ndarray, b: np.ndarray, count: int, seed: int
) -> tuple[float, float, float]:
    """A distance that depends on how many pictures there are, between equally many of both sets.

    Args:
        distance: function of two sets of rows.
        a: float (M, D), `count` rows or more.
        b: float (N, D), `count` rows or more.
        count: of the rows that are drawn from each.
        seed: of the choice.

    Returns:
        Mean over draws, and an interval as of `subset_interval`; nan for a count under four.
    """
    if count < 4:
        return (np.nan,) * 3
    rng = np.random.default_rng((seed, len(a), len(b), count))
    value = np.mean(
        [
            distance(*(rows[rng.permutation(len(rows))[:count]] for rows in (a, b)))
            for _ in range(SUBSETS)
        ]
    )
    middle, low, high = subset_interval(distance, a, b, seed)
    return float(value), float(value - (middle - low)), float(value + (high - middle))


def floor_interval(
    distance: Callable, rows: np.ndarray, count: int, seed: int
) -> tuple[float, float, float]:
    """The distance between two random parts of one set: what chance alone makes of it.

    Args:
        distance: function of two sets of rows.
        rows: float (N, D).
        count: of the rows in each part; at most half of them.
        seed: of the choice.

    Returns:
        Mean over draws, and the middle `LEVEL` percent; nan for a count under four.
    """
    if count < 4:
        return (np.nan,) * 3
    rng = np.random.default_rng((seed, len(rows), count))
    found = []
    for _ in range(SUBSETS):
        order = rng.permutation(len(rows))
        found.append(distance(rows[order[:count]], rows[order[count : 2 * count]]))
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
