"""Strokes and shapes in a field over the square: closed forms."""

import cv2
import numpy as np
import pytest

from keras_portrait.inference.filters.strokes import (
    clear,
    depth,
    ink,
    rounded,
    smooth_curve,
    stroke,
)
from keras_portrait.inference.filters.tones import SIDE


def paper():
    return np.full((SIDE, SIDE), 9, np.float32)


def circle(radius, middle=(500, 520), count=200):
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.array(middle) + radius * np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def test_a_curve_goes_through_its_points_and_is_smooth():
    points = np.array([[0, 0], [40, 10], [80, 0], [120, 30]], float)
    curve = smooth_curve(points)
    assert curve.shape == (3 * 16 + 1, 2)
    np.testing.assert_allclose(curve[::16], points, atol=1e-12)
    steps = np.diff(curve, axis=0)
    turns = np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])))
    assert np.abs(turns).max() < 0.2  # the polygon turns by 0.6


def test_a_curve_through_points_of_a_line_is_that_line():
    curve = smooth_curve(np.array([[0, 5], [10, 10], [20, 15]], float))
    np.testing.assert_allclose(curve[:, 1], 5 + curve[:, 0] / 2, atol=1e-12)


def test_rounding_keeps_ends_and_lines():
    corner = smooth_curve(np.array([[0, 0], [50, 0], [50, 50]], float))
    soft = rounded(corner, 6)
    np.testing.assert_allclose(soft[[0, -1]], corner[[0, -1]], atol=1e-9)
    assert np.hypot(*(soft - [50, 0]).T).min() > 4  # the corner itself is cut
    line = smooth_curve(np.array([[0, 0], [30, 60], [60, 120]], float))
    np.testing.assert_allclose(rounded(line, 6), line, atol=1e-9)


def test_a_stroke_is_twice_its_half_width():
    field = paper()
    line = np.stack([np.linspace(200, 600, 401), np.full(401, 300.0)], axis=-1)
    stroke(field, line, [2.5, 7.5])
    inked = (field < 0).sum(axis=0)
    assert inked[201] == 5 and inked[599] == 15 and inked[400] == pytest.approx(10, abs=1)
    # Near its edge the field counts pixels; far from it nothing changed.
    np.testing.assert_allclose(np.diff(field[304:312, 400]), 1, atol=0.03)
    assert field[400, 400] == 9 and field[300, 100] == 9


def test_a_thin_stroke_along_few_points_is_one_line():
    field = paper()
    stroke(field, np.array([[300.0, 300.0], [340.0, 310.0], [420.0, 300.0]]), [1.2, 1.2])
    count, _ = cv2.connectedComponents(np.uint8(field < 0), connectivity=8)
    assert count == 2  # paper and one line


def test_a_stroke_beyond_the_square_leaves_what_is_inside():
    field = paper()
    stroke(field, np.array([[-60.0, -60.0], [-40.0, -40.0]]), [2, 2])
    assert (field == 9).all()
    stroke(field, np.array([[-5.0, 300.0], [0.0, 300.0], [3.0, 300.0]]), [4, 4])
    assert field[300, 0] < 0


def test_depth_inside_a_circle_is_the_way_to_its_rim():
    deep = depth(circle(80))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    expected = 80 - np.hypot(columns - 500, rows - 520)
    near = np.abs(expected) < 60
    # OpenCV's 3 x 3 distances are up to 4 % long or short.
    assert np.abs(deep - expected)[near].max() < 0.05 * 60 + 1.5
    assert deep[520, 500] > 70 and deep[0, 0] < -400


def test_a_short_curve_is_rounded_as_far_as_it_goes():
    line = smooth_curve(np.array([[0, 0], [50, 0]], float), 8)
    assert line.shape == (17, 2)
    np.testing.assert_allclose(line[:, 1], 0, atol=1e-12)


def test_ink_and_paper():
    field = paper()
    ink(field, depth(circle(50)))
    assert field[520, 500] < -40 and field[520, 560] > 0
    clear(field, depth(circle(20)))
    assert field[520, 500] == 3 and field[520, 535] < 0
