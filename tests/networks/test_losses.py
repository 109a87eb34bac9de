"""The losses at inputs whose answers are known."""

import math

import numpy as np
import pytest
from keras import ops

from keras_portrait import losses
from keras_portrait.models.asymmetric_cycle.parts import show_part


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


def test_cross_entropy_against_its_definition():
    rng = np.random.default_rng(0)
    logits, drawings = rng.normal(0, 3, (2, 4, 4, 1)), rng.uniform(-1, 1, (2, 4, 4, 1))
    paper, target = 1 / (1 + np.exp(-logits)), (drawings + 1) / 2
    expected = -(target * np.log(paper) + (1 - target) * np.log(1 - paper)).mean()
    assert float(losses.cross_entropy(logits, drawings)) == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_does_not_overflow():
    far = np.float32([[1e4, -1e4]]).reshape(1, 1, 2, 1)
    assert float(losses.cross_entropy(far, np.sign(far))) == pytest.approx(0)
    assert float(losses.cross_entropy(far, -np.sign(far))) == pytest.approx(1e4)


def test_feature_matching_is_the_mean_over_the_maps():
    real = [np.zeros((1, 4, 4, 2), "float32"), np.ones((1, 2, 2, 3), "float32")]
    fake = [x + y for x, y in zip(real, (0.5, -0.25), strict=True)]
    assert float(losses.feature_matching(real, fake)) == pytest.approx((0.5 + 0.25) / 2)


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


def scores(*values):
    return np.array(values, "float32").reshape(-1, 1, 1, 1)


def test_half_and_half_is_the_mean_of_the_two_losses():
    assert float(losses.half_and_half(scores(0.5), scores(2.0))) == pytest.approx(0.5 * (0.25 + 4))
    undecided = losses.half_and_half(scores(0.0), scores(0.0), "log")
    assert float(undecided) == pytest.approx(math.log(2), rel=1e-6)


def test_accuracy_counts_what_is_taken_for_what_it_is():
    assert float(losses.accuracy(scores(0.9, 0.9), scores(0.1, 0.1))) == 1.0
    assert float(losses.accuracy(scores(0.9, 0.9), scores(0.9, 0.9))) == 0.5
    assert float(losses.accuracy(scores(0.1), scores(0.9))) == 0.0
    assert float(losses.accuracy(scores(0.1), scores(-0.9), "log")) == 1.0
    assert float(losses.recognized(scores(0.9, 0.9, 0.1, 0.9), True)) == 0.75
    assert float(losses.recognized(scores(-1.0, 1.0, 1.0, 1.0), False, "log")) == 0.25


def test_what_lies_on_the_threshold_counts_as_fake():
    assert float(losses.recognized(scores(0.5), True)) == 0.0
    assert float(losses.recognized(scores(0.0), False, "log")) == 1.0


def test_gram_is_the_mean_product_of_channels():
    features = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype("float32")
    expected = np.einsum("nhwa,nhwb->nab", features, features) / (3 * 5 * 4)
    np.testing.assert_allclose(losses.gram(features), expected, rtol=1e-4, atol=1e-6)
    constant = losses.gram(np.full((1, 7, 2, 2), 3.0))
    np.testing.assert_allclose(constant, np.full((1, 2, 2), 9.0 / 2))


def test_gram_does_not_know_where_things_are():
    features = np.random.default_rng(0).normal(size=(1, 6, 6, 3)).astype("float32")
    shifted = np.roll(features, (2, 3), axis=(1, 2))
    assert float(losses.style([features], [shifted])) < 1e-6
    assert float(losses.content([features], [shifted])) > 0.1


def test_content_and_style_add_the_layers_up():
    a = [np.full((1, 2, 2, 1), 1.0), np.full((1, 1, 1, 2), 1.0)]
    b = [np.full((1, 2, 2, 1), 3.0), np.full((1, 1, 1, 2), 0.0)]
    assert float(losses.content(a, b)) == pytest.approx(2 + 1)
    assert float(losses.style(a, b)) == pytest.approx((9 - 1) + 1 / 2)


def test_relative_losses_do_not_know_the_scale_of_the_features():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 4, 5, 6)).astype("float32")
    for loss, power in ((losses.content, 1), (losses.style, 2)):
        value = float(loss([a, b], [b, a], relative=True))
        assert float(loss([50 * a, b], [50 * b, a], relative=True)) == pytest.approx(value, 1e-4)
        assert float(loss([50 * a], [50 * b])) == pytest.approx(
            50**power * float(loss([a], [b])), 1e-4
        )
    # Each picture counts by its own magnitude: 2 of 4 and 1 of 1; maps without any are no error.
    wanted = np.stack([np.full((2, 2, 1), 4.0), np.full((2, 2, 1), -1.0)])
    made = np.stack([np.full((2, 2, 1), 6.0), np.full((2, 2, 1), 0.0)])
    assert float(losses.content([made], [wanted], relative=True)) == pytest.approx((0.5 + 1) / 2)
    assert float(losses.style([made], [wanted], relative=True)) == pytest.approx((20 / 16 + 1) / 2)
    assert float(losses.content([wanted * 0], [wanted * 0], relative=True)) == 0.0


def test_style_is_taken_picture_by_picture():
    a = np.stack([np.full((2, 2, 1), 1.0), np.full((2, 2, 1), 2.0)])
    assert float(losses.style([a], [a])) == 0.0
    assert float(losses.style([a], [a[::-1]])) == pytest.approx(4 - 1)


def test_feature_lists_of_different_length_are_refused():
    a = np.zeros((1, 2, 2, 1))
    for loss in (losses.content, losses.style):
        with pytest.raises(ValueError, match="zip"):
            loss([a, a], [a])


def test_grayscale_weighs_green_most():
    pure = np.eye(3, dtype="float32").reshape(1, 1, 3, 3)
    gray = ops.convert_to_numpy(losses.grayscale(pure))
    np.testing.assert_allclose(gray[0, 0], np.repeat([[0.299], [0.587], [0.114]], 3, axis=1))
    white = np.ones((1, 2, 2, 3))
    np.testing.assert_allclose(losses.grayscale(white), white, rtol=1e-6)


def test_gray_style_ignores_the_colours_of_the_target():
    target = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 3)).astype("float32")
    plain = losses.grayscale(target)

    def pixels(pictures):
        return [ops.convert_to_tensor(pictures)]

    assert float(losses.gray_style(pixels(plain), target, pixels)) < 1e-6
    assert float(losses.gray_style(pixels(target), target, pixels)) > 1e-3


def test_colour_of_a_gray_shift_is_its_brightness():
    a = np.zeros((1, 2, 3, 3), "float32")
    assert float(losses.colour(a, a)) == 0.0
    # 0.5 of the range [-1, 1] is a quarter of the range of Y; U and V stay.
    assert float(losses.colour(a, a + 0.5)) == pytest.approx(0.25, rel=1e-5)


def test_colour_of_red_is_that_of_its_yuv():
    black, red = -np.ones((1, 1, 1, 3)), np.array([1.0, -1, -1]).reshape(1, 1, 1, 3)
    y, u, v = 0.299, -0.14714119, 0.61497538
    assert float(losses.colour(black, red)) == pytest.approx(y + (u**2 + v**2) / 2, rel=1e-5)
    # From green to red V differs by more than 1, where Huber's loss turns linear.
    green = np.array([-1.0, 1, -1]).reshape(1, 1, 1, 3)
    u, v = u + 0.28886916, v + 0.51496512
    expected = 0.587 - y + u**2 / 2 + v - 0.5
    assert float(losses.colour(green, red)) == pytest.approx(expected, rel=1e-5)


def test_heat_maps_peak_at_their_landmarks():
    points = np.array([[[3, 1], [0, 4]], [[2.5, 2], [5, 0]]], float)
    maps = losses.heat_maps(points, size=(5, 6), sigma=1.5)
    assert maps.shape == (2, 5, 6, 2) and maps.dtype == np.float32
    assert maps[0, 1, 3, 0] == maps[0, 4, 0, 1] == maps[1, 0, 5, 1] == 1.0
    assert maps[0, 2, 5, 0] == pytest.approx(math.exp(-0.5 * (1 + 4) / 1.5**2), rel=1e-6)
    assert maps[1, 2, 2, 0] == maps[1, 2, 3, 0] == maps[1, ..., 0].max()
    np.testing.assert_array_equal(losses.heat_maps(points[0], (5, 6), 1.5), maps[0])


def test_a_landmark_far_outside_leaves_an_empty_map():
    assert losses.heat_maps([[-500.0, 2.0]], (4, 4), 1.0).max() == 0.0


@pytest.mark.parametrize("points", [[1.0, 2.0], np.zeros((2, 5, 3)), [[np.nan, 1.0]]])
def test_what_are_no_landmarks_is_refused(points):
    with pytest.raises(ValueError, match="landmarks.*Received"):
        losses.heat_maps(points, (4, 4), 1.0)


def test_heat_maps_need_a_width():
    with pytest.raises(ValueError, match="sigma.*Received: 0"):
        losses.heat_maps([[1.0, 1.0]], (4, 4), 0)


def test_landmark_loss_is_the_mean_square():
    found, wanted = np.zeros((2, 4, 4, 5)), np.zeros((2, 4, 4, 5))
    wanted[0, 1, 1, 0] = 0.5
    assert float(losses.landmark_loss(found, wanted)) == pytest.approx(0.25 / 160)


def test_gray_is_what_is_neither_ink_nor_paper():
    drawing = np.array([[[[-1.0], [1.0], [0.0], [0.5]]]])
    assert float(losses.grayness(drawing)) == pytest.approx((0 + 0 + 1 + 0.75) / 4)
    assert float(losses.grayness(np.sign(drawing + 0.1))) == 0
