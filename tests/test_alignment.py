"""What is done to a drawing after the network: blank stays blank."""

import numpy as np

from keras_portrait.alignment import keep_paper


def test_lines_along_the_border_of_blank_paper_go():
    square = np.full((64, 64, 3), 255, np.uint8)
    square[16:48, 16:48] = 120
    drawing = np.full((64, 64), 255, np.uint8)
    drawing[-3:] = 0
    drawing[30:34] = 0
    kept = keep_paper(drawing, square)
    assert (kept[-3:] == 255).all()
    assert (kept[30:34, 16:48] == 0).all()
    assert (kept[30:34, :8] == 255).all()


def test_an_outline_just_outside_the_sitter_stays():
    square = np.full((64, 64, 3), 255, np.uint8)
    square[:, 32:] = 120
    drawing = np.full((64, 64), 255, np.uint8)
    drawing[:, 29:32] = 0
    assert (keep_paper(drawing, square)[:, 29:32] < 10).all()


def test_a_picture_without_blank_parts_is_left_as_it_is():
    square = np.full((64, 64, 3), 200, np.uint8)
    drawing = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    np.testing.assert_array_equal(keep_paper(drawing, square), drawing)
