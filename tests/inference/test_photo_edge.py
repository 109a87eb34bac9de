"""Squares that reach beyond the photo: closed forms, and drawings without a line at the edge."""

import cv2
import numpy as np
import pytest

from cut_photos import CUTS, cut_photo
from keras_portrait.inference.alignment import ALIGNMENTS
from keras_portrait.inference.faces import Box, Face
from keras_portrait.inference.geometry import face_template, square_to_photo, warp
from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.inference.photo_edge import FADE, blur_outside, inside_photo
from keras_portrait.inference.presets import Generator
from keras_portrait.inference.stylizer import Stylizer

SIZE = 100


def shifted(x=0.0, y=0.0, scale=1.0):
    return np.array([[scale, 0, x], [0, scale, y]])


def continue_photo(photo, matrix):
    return blur_outside(warp(photo, matrix, SIZE, fill=None), photo.shape, matrix)


def smooth_step(part):
    part = np.clip(part, 0, 1)
    return 3 * part**2 - 2 * part**3


def turned(degrees, centre, scale=1.0):
    """From a square to a photo in which its middle lies at `centre`, turned."""
    matrix = cv2.getRotationMatrix2D((0, 0), degrees, scale)
    matrix[:, 2] = centre - matrix[:, :2] @ np.full(2, (SIZE - 1) / 2)
    return matrix


# How much is kept.


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_drawing_fades_before_the_edge_of_the_photo(scale):
    # The photo's left edge lies 20 pixels into the square, half a pixel before a centre.
    matrix = shifted(-20 * scale + 0.5 * (scale - 1), 0.5 * (scale - 1), scale)
    side = round(SIZE * scale)
    inside = inside_photo((side, side, 3), matrix, SIZE)
    expected = smooth_step((np.arange(SIZE) - 19.5) / (FADE * SIZE))
    np.testing.assert_allclose(inside, np.tile(expected, (SIZE, 1)), atol=1e-5)
    assert (inside[:, :20] == 0).all() and (inside[:, 23:] == 1).all()


def test_two_edges_meet_in_a_corner():
    inside = inside_photo((60, 70), shifted(-10, -30), SIZE)
    right = smooth_step((79.5 - np.arange(SIZE)) / 3) * smooth_step((np.arange(SIZE) - 9.5) / 3)
    down = smooth_step((89.5 - np.arange(SIZE)) / 3) * smooth_step((np.arange(SIZE) - 29.5) / 3)
    np.testing.assert_allclose(inside, np.outer(down, right), atol=1e-5)


def test_all_is_kept_where_the_square_lies_in_the_photo():
    assert (inside_photo((SIZE, SIZE), shifted(), SIZE) == 1).all()
    for degrees in (0, 20, 45, 90):
        assert (inside_photo((142, 142), turned(degrees, (70.5, 70.5)), SIZE) == 1).all()


def test_nothing_leaps_while_a_face_moves_out_of_the_photo():
    moved = [inside_photo((SIZE, SIZE), shifted(x), SIZE) for x in np.arange(0, 12, 0.05)]
    steps = [np.abs(one - other).mean() for one, other in zip(moved, moved[1:], strict=False)]
    assert max(steps) < 1.5 / SIZE  # a column that goes, and a little of its neighbours
    assert (moved[0] == 1).all() and (moved[-1][:, -11:] == 0).all()


def test_a_turned_square_is_cut_along_the_photo():
    inside = inside_photo((60, 60), turned(30, (29.5, 29.5)), SIZE)
    kept = warp(np.full((60, 60), 255, np.uint8), turned(30, (29.5, 29.5)), SIZE, fill=0)
    assert (inside[kept == 0] == 0).all()
    deep = cv2.erode(kept, np.ones((9, 9), np.uint8), borderValue=0) == 255
    assert deep.any() and (inside[deep] == 1).all()


# What is filled in.


def test_a_square_within_the_photo_is_the_warped_one():
    photo = np.random.default_rng(0).integers(0, 256, (200, 220, 3), np.uint8)
    for matrix in (shifted(3, 5), turned(20, (110, 100)), shifted(10, 0, 1.7)):
        np.testing.assert_array_equal(continue_photo(photo, matrix), warp(photo, matrix, SIZE))


def test_the_photo_itself_stays_as_it_is():
    photo = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    square = continue_photo(photo, shifted(-10, -10))
    np.testing.assert_array_equal(square[10:90, 10:90], photo)


def test_a_plain_photo_goes_on_plain():
    photo = np.full((40, 50, 3), (10, 120, 230), np.uint8)
    for matrix in (shifted(-30, -40), turned(20, (25, 20)), shifted(-300, -300)):
        square = continue_photo(photo, matrix)
        expected = (10, 120, 230) if inside_photo(photo.shape, matrix, SIZE).any() else 255
        assert np.abs(square.astype(int) - expected).max() <= 1


def test_there_is_no_step_at_the_edge_and_no_detail_beyond_it():
    columns = np.arange(60)
    stripes = 128 + 100 * np.sin(columns / 2.0)  # 12 pixels from crest to crest
    photo = np.rint(np.tile(stripes[:, None], (60, 1, 3))).astype(np.uint8)
    square = continue_photo(photo, shifted(0, 0))[10, :, 0].astype(float)
    steps = np.abs(np.diff(square))
    assert steps[55:].max() <= steps[:55].max()
    assert np.ptp(square[:60]) > 190 and np.ptp(square[75:]) < 15


def test_photos_wider_than_opencv_takes_are_continued_too():
    photo = np.full((50, 40_000, 3), 90, np.uint8)
    square = continue_photo(photo, shifted(39_950, -25))
    assert np.abs(square.astype(int) - 90).max() <= 1


# Drawings of cut photos.


def edge_generator(alignment, size=256):
    """A generator whose drawing is known: ink where the square has an edge."""

    def net(image):
        gray = cv2.GaussianBlur(image[0].mean(axis=2), (0, 0), 1.0)
        across, down = (
            cv2.Sobel(gray, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1))
        )
        return (1 - 2 * np.clip((np.hypot(across, down) - 0.02) / 0.03, 0, 1))[None, ..., None]

    metadata = PresetMetadata(
        "edges", "none", "none.tflite", size, "fp32", ("edges",), alignment=alignment
    )
    return Generator(metadata, net)


def longest_run(drawing, matrix, shape):
    """The longest straight stroke along an edge of the photo, as a part of the square's side.

    Looked for within 4 % of the side before and behind the edge, in pixels of the square.
    """
    size, longest = drawing.shape[0], 0
    to_square = cv2.invertAffineTransform(matrix)
    height, width = shape[:2]
    corners = [(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)]
    corners = np.array(corners) @ to_square[:, :2].T + to_square[:, 2]
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = (end - start) / np.hypot(*(end - start))
        across = np.array([-along[1], along[0]])  # inwards
        for offset in np.arange(-0.04 * size, 0.04 * size, 0.5):
            steps = np.arange(0, np.hypot(*(end - start)))
            x, y = np.rint(start + offset * across + steps[:, None] * along).astype(int).T
            seen = (x >= 0) & (y >= 0) & (x < size) & (y < size)
            inked = drawing[y[seen], x[seen]] < 128
            gaps = np.flatnonzero(np.concatenate([[True], ~inked, [True]]))
            longest = max(longest, int(np.diff(gaps).max()) - 1)
    return longest / size


@pytest.fixture(scope="module")
def drawings():
    """Each cut photo, drawn with each alignment: drawing, transform and shape of the photo."""
    stylizers = {alignment: Stylizer(edge_generator(alignment)) for alignment in ALIGNMENTS}
    drawn = {}
    for where in CUTS:
        photo, points = cut_photo(where)
        face = Face(Box(0, 0, 1, 1), points.astype(np.float32), 1.0)
        matrix = square_to_photo(points, 256)
        for alignment, stylizer in stylizers.items():
            drawing = stylizer.draw_face(photo, face, background="keep")
            drawn[where, alignment] = drawing, matrix, photo.shape
    return drawn


@pytest.mark.parametrize("where", CUTS)
def test_no_line_is_drawn_where_the_photo_ends(where, drawings):
    assert longest_run(*drawings[where, 1]) > 0.6  # the fault
    assert longest_run(*drawings[where, 2]) < 0.15  # an eye, cut in half, is 0.12


@pytest.mark.parametrize("where", CUTS)
def test_the_face_itself_is_drawn_as_before(where, drawings):
    left, top = face_template(256).min(axis=0).astype(int) - 5
    right, bottom = face_template(256).max(axis=0).astype(int) + 5
    former, now = (drawings[where, n][0][top:bottom, left:right] for n in ALIGNMENTS)
    assert (former < 128).mean() > 0.02
    assert ((former < 128) != (now < 128)).mean() < 0.05


@pytest.mark.parametrize("where", CUTS)
def test_beyond_the_photo_there_is_paper(where, drawings):
    drawing, matrix, shape = drawings[where, 2]
    outside = warp(np.full(shape[:2], 255, np.uint8), matrix, 256, fill=0) == 0
    assert outside.any() and (drawing[outside] == 255).all()
