"""Distances between sets against closed forms."""

import numpy as np
import pytest

from keras_portrait.metrics import kernel_distance


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


@pytest.mark.parametrize("shapes", [((1, 4), (5, 4)), ((5, 4), (5, 3))])
def test_what_cannot_be_compared_is_refused(shapes):
    with pytest.raises(ValueError, match="two rows or more of one length. Received"):
        kernel_distance(*(np.zeros(shape) for shape in shapes))
