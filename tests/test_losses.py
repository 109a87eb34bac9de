"""The losses at inputs whose answers are known."""

import math

import numpy as np
import pytest
from keras import ops

from keras_portrait import losses
from keras_portrait.masks import show_part


def test_lsgan_is_the_squared_distance_to_the_label():
    scores = np.array([0.0, 2.0]).reshape(2, 1, 1, 1)
    assert float(losses.adversarial(scores, True)) == pytest.approx((1 + 1) / 2)
    assert float(losses.adversarial(scores, False)) == pytest.approx((0 + 4) / 2)


def test_log_loss_of_an_undecided_discriminator_is_log_2():
    for real in (True, False):
        loss = losses.adversarial(np.zeros((1, 3, 3, 1)), real, "log")
        assert float(loss) == pytest.approx(math.log(2), rel=1e-6)


def test_log_loss_does_not_overflow():
    assert float(losses.adversarial(np.full((1, 1, 1, 1), -1e4), True, "log")) == pytest.approx(1e4)


def test_unknown_adversarial_loss_is_refused():
    with pytest.raises(ValueError, match="lsgan.*Received: 'wgan'"):
        losses.adversarial(np.zeros((1, 1, 1, 1)), True, "wgan")


def test_l1_of_a_shift_is_the_shift():
    a = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)).astype("float32")
    assert float(losses.l1(a, a + 0.25)) == pytest.approx(0.25, rel=1e-5)


def test_truncation_leaves_64_levels():
    x = np.linspace(-1, 1, 4001, dtype="float32").reshape(1, -1, 1, 1)
    levels = np.unique(ops.convert_to_numpy(losses.truncate(x)))
    assert len(levels) == 64
    assert levels[0] == -1.0 and levels[-1] == pytest.approx(63 / 31.875 - 1)


def test_soft_style_label_weighs_the_classes():
    logits = np.log([[0.5, 0.25, 0.25]]).astype("float32")
    style = np.array([[0.5, 0.5, 0.0]], "float32")
    expected = 0.5 * math.log(2) + 0.5 * math.log(4)
    assert float(losses.style_classification(logits, style)) == pytest.approx(expected, rel=1e-5)


def test_edge_maps_fill_the_signed_range():
    maps = losses.edge_maps(np.zeros((1, 2, 2, 3)), lambda photos: np.array([[[[0.0]], [[1.0]]]]))
    assert maps.min() == -1.0 and maps.max() == 1.0


def test_part_is_shown_on_white_with_its_mask():
    drawing = np.full((1, 1, 3, 1), -1.0)
    mask = np.array([1.0, 0.5, 0.0]).reshape(1, 1, 3, 1)
    shown = ops.convert_to_numpy(show_part(drawing, mask))
    np.testing.assert_allclose(shown[0, 0, :, 0], [-1.0, 0.0, 1.0])
    np.testing.assert_allclose(shown[0, 0, :, 1], [1.0, 0.5, 0.0])
