"""Distances between sets, and overlap of lines, against closed forms."""

import keras
import numpy as np
import pytest

from keras_portrait.metrics import (
    FrechetDistance,
    KernelDistance,
    frechet_distance,
    kernel_distance,
    line_overlap,
)


def test_two_points_each_by_hand():
    a, b = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [-1.0, 1.0]])
    # Kernel (x . y / 2 + 1) ** 3: a with a 1; b with b 1; a with b (1.5, 0.5, 1.5, 1.5) ** 3.
    expected = 1.0 + 1.0 - 2.0 * (3 * 1.5**3 + 0.5**3) / 4
    assert kernel_distance(a, b) == pytest.approx(expected)


def test_equal_distributions_are_near_zero_and_others_far():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 8)), rng.normal(size=(200, 8))
    assert abs(kernel_distance(a, b)) < 0.05
    assert kernel_distance(a, b + 1.0) > 1.0


@pytest.mark.parametrize("distance", [kernel_distance, frechet_distance])
@pytest.mark.parametrize("shapes", [((1, 4), (5, 4)), ((5, 4), (5, 3))])
def test_what_cannot_be_compared_is_refused(distance, shapes):
    with pytest.raises(ValueError, match="two rows or more of one length. Received"):
        distance(*(np.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("count", [5, 200], ids=["fewer pictures than features", "more"])
def test_frechet_distance_of_a_moved_set_is_the_squared_move(count):
    rows = np.random.default_rng(0).normal(size=(count, 16))
    move = np.linspace(-1, 1, 16)
    assert frechet_distance(rows, rows + move) == pytest.approx(np.sum(move**2))
    assert frechet_distance(rows, rows) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_of_scaled_axes_by_hand():
    # Covariances diag(2/3, 2/3) and diag(8/3, 2/3): (sqrt(8/3) - sqrt(2/3))^2.
    corners = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert frechet_distance(corners, corners * [2, 1]) == pytest.approx(2 / 3)


def test_metrics_agree_with_the_functions_and_start_anew():
    rng = np.random.default_rng(1)
    real, made = rng.normal(size=(12, 2, 2, 1)), rng.normal(0.5, 2.0, size=(12, 2, 2, 1))
    rows = [pictures.reshape(12, 4) for pictures in (real, made)]

    def flat(pictures):
        return keras.ops.reshape(pictures, (-1, 4))

    kid, fid = KernelDistance(flat, "kid_flat"), FrechetDistance(flat, 4, "fid_flat")
    for _ in range(2):
        for metric in (kid, fid):
            metric.reset_state()
            metric.update_state(real[:6], made[:6])
            metric.update_state(real[6:], made[6:])
        halves = [
            kernel_distance(rows[0][part], rows[1][part]) for part in (slice(6), slice(6, 12))
        ]
        assert float(kid.result()) == pytest.approx(np.mean(halves), rel=1e-4)
        assert float(fid.result()) == pytest.approx(frechet_distance(*rows), rel=1e-6)


def test_overlap_counts_lines_within_the_tolerance():
    here, there, none = (np.zeros((20, 20), bool) for _ in range(3))
    here[:, 5] = there[:10, 7] = True
    assert line_overlap(here, here) == line_overlap(none, none) == 1.0
    assert line_overlap(here, there) == line_overlap(here, none) == 0.0
    # All ten pixels there lie near a line; here ten of 20, and one beyond the end of the other.
    assert line_overlap(here, there, tolerance=2) == pytest.approx(2 * 0.55 / 1.55)
    # Without tolerance it is 2 hits / (2 hits + misses + false finds).
    half = here.copy()
    half[10:] = False
    assert line_overlap(here, half) == pytest.approx(2 * 10 / (2 * 10 + 10))
