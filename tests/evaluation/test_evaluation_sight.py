"""What people see first in a drawing: smudges, softness, eyes, the photo's edge, equal styles."""

from statistics import NormalDist

import cv2
import numpy as np
import pytest

from keras_portrait.evaluation.border import border_line, photo_corners
from keras_portrait.evaluation.drawing_measures import (
    contour_length,
    smudge,
    softness,
    style_distance,
)
from keras_portrait.evaluation.eyes import readable_eyes
from keras_portrait.evaluation.photo_measures import DrawingMethod, style_distances
from keras_portrait.evaluation.summary import Entry
from keras_portrait.inference.geometry import face_template, part_mask
from keras_portrait.inference.imaging import enlarge_drawing

SIZE = 512
TEMPLATE = face_template(SIZE)
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def sheet(size=SIZE):
    return np.full((size, size), 255, np.uint8)


def reduced(draw, factor=4):
    """What `draw` puts on a sheet of `factor` times the size, in its pixels, reduced by area."""
    large = sheet(SIZE * factor)
    draw(large, factor)
    return cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def line(start, end, width):
    def draw(canvas, factor):
        ends = [tuple(round(factor * value) for value in point) for point in (start, end)]
        cv2.line(canvas, *ends, 0, factor * width)

    return reduced(draw)


def boxes():
    return sum(part_mask(TEMPLATE, SIZE, part) > 0.5 for part in ("eyes", "nose", "lips")) > 0


def test_a_smudge_is_its_share_of_the_boxes():
    drawing = sheet()
    x, y = TEMPLATE[2].round().astype(int)
    drawing[y - 20 : y + 20, x - 10 : x + 10] = 150
    assert smudge(drawing, TEMPLATE) == pytest.approx(100 * 800 / boxes().sum(), rel=0.01)
    # The same on the forehead is none, and neither is black or the shade of paper.
    moved = np.roll(drawing, -200, axis=0)
    assert smudge(moved, TEMPLATE) == 0
    for level in (0, 63, 192):
        assert smudge(np.where(drawing < 255, level, 255).astype(np.uint8), TEMPLATE) == 0


def test_soft_edges_of_lines_are_no_smudges():
    def strokes(canvas, factor):
        for x in range(150, 360, 7):
            top, bottom = (factor * x, factor * 210), (factor * (x + 40), factor * 420)
            cv2.line(canvas, top, bottom, 0, 2 * factor)

    drawing = reduced(strokes)
    middle = (drawing >= 64) & (drawing < 192)
    assert middle[boxes()].mean() > 0.15 and smudge(drawing, TEMPLATE) == 0
    assert smudge(cv2.GaussianBlur(drawing, (0, 0), 3.0), TEMPLATE) > 50


@pytest.mark.parametrize("deviation", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("turned", [3, 20, 42])
def test_softness_is_the_width_of_a_blurred_step(deviation, turned):
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    angle = np.radians(turned)
    away = (columns * np.cos(angle) + rows * np.sin(angle)) / deviation
    # By the middle of each pixel; the normal distribution out of its values at hundredths.
    places = np.arange(-5, 5.01, 0.01)
    step = np.interp(away, places, [NormalDist().cdf(place) for place in places])
    drawing = np.rint(255 * step).astype(np.uint8)
    # From 10 to 90 % of a normal distribution.
    assert softness(drawing) == pytest.approx(2 * 1.2816 * deviation, rel=0.07)


def test_softness_of_sharp_drawings_and_of_enlarged_ones():
    tilted = line((40, 100), (470, 260), 6)
    assert softness(tilted) == pytest.approx(0.8, abs=0.15)
    assert softness(line((40, 100), (470, 260), 12)) == pytest.approx(0.8, abs=0.15)
    small = cv2.resize(tilted, (256, 256), interpolation=cv2.INTER_AREA)
    # Pixels of a 512 square: without drawing edges together the small one is twice as soft.
    assert softness(small) == pytest.approx(2 * 0.8, rel=0.25)
    plain = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    assert softness(tilted) < softness(enlarge_drawing(small, SIZE, SIZE)) < softness(plain)


def test_gray_far_from_ink_is_not_softness():
    drawing = line((40, 100), (470, 260), 6)
    before = softness(drawing)
    drawing[400:480, 100:400] = 180
    assert softness(drawing) == before
    assert np.isnan(softness(sheet())) and np.isnan(softness(np.zeros_like(drawing)))


@pytest.mark.parametrize("turned", [0, 10, 22.5, 45, 70, 90])
def test_the_length_of_a_contour_is_told_in_any_direction(turned):
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    along = columns * np.cos(np.radians(turned)) + rows * np.sin(np.radians(turned))
    across = rows * np.cos(np.radians(turned)) - columns * np.sin(np.radians(turned))
    bar = (abs(along) < 150) & (abs(across) < 50)
    assert contour_length(bar) == pytest.approx(800, rel=0.06)


def draw_eyes(draw, factor=4):
    def both(canvas, factor):
        for x, y in TEMPLATE[:2]:
            draw(canvas, np.array([x, y]), factor)

    return reduced(both, factor)


def ellipse(canvas, point, factor, across, down, width, start=0, end=360):
    middle = tuple(int(value) for value in np.rint(factor * point))
    axes = (round(factor * across), round(factor * down))
    thickness = -1 if width is None else round(factor * width)
    cv2.ellipse(canvas, middle, axes, 0, start, end, 0, thickness)


def ring(canvas, point, factor):
    ellipse(canvas, point, factor, 25, 11, 2)


def lid(canvas, point, factor):
    ellipse(canvas, point, factor, 25, 11, 2, 180, 360)


def iris(canvas, point, factor):
    ellipse(canvas, point, factor, 8, 8, None)


def pupil_in_a_circle(canvas, point, factor):
    ellipse(canvas, point, factor, 10, 10, 1.5)
    ellipse(canvas, point, factor, 4, 4, None)


def blot(canvas, point, factor):
    ellipse(canvas, point, factor, 25, 11, None)


def together(*parts):
    def draw(canvas, point, factor):
        for part in parts:
            part(canvas, point, factor)

    return draw


@pytest.mark.parametrize(("parts", "expected"), [
    ((ring, iris), True),
    ((lid, iris), True),
    ((ring, pupil_in_a_circle), True),
    ((lid, pupil_in_a_circle), True),
    ((ring,), False),
    ((lid,), False),
    ((iris,), False),
    ((blot,), False),
    ((), False),
])  # fmt: skip
def test_an_eye_has_an_iris_with_white_beside_it_and_a_lid(parts, expected):
    assert readable_eyes(draw_eyes(together(*parts)), TEMPLATE) == (expected, expected)


def test_each_eye_is_told_from_the_other_and_may_look_aside():
    drawing = draw_eyes(together(ring, iris))
    left, _ = TEMPLATE[:2].round().astype(int)
    cv2.ellipse(drawing, tuple(map(int, left)), (25, 11), 0, 0, 360, 0, -1)
    assert readable_eyes(drawing, TEMPLATE) == (False, True)
    aside = draw_eyes(lambda c, p, f: (ring(c, p, f), iris(c, p + [7, 0], f)))
    assert readable_eyes(aside, TEMPLATE) == (True, True)
    # Where no eye is expected there is none.
    assert readable_eyes(aside, TEMPLATE + [0, 40]) == (False, False)


@pytest.mark.parametrize("size", [256, 1024])
def test_eyes_are_read_at_other_sizes(size):
    good, bad = (
        cv2.resize(draw_eyes(together(*parts)), (size, size), interpolation=cv2.INTER_AREA)
        for parts in ((ring, iris), (blot,))
    )
    points = face_template(size)
    assert readable_eyes(good, points) == (True, True)
    assert readable_eyes(bad, points) == (False, False)


def test_eyes_outside_of_the_square_cannot_be_read():
    drawing = draw_eyes(together(ring, iris))
    assert readable_eyes(drawing, TEMPLATE - [600, 0]) == (False, False)
    assert readable_eyes(drawing, TEMPLATE + [0, 600]) == (False, False)


def test_corners_of_the_photo_lie_half_a_pixel_outside_of_its_pixels():
    assert photo_corners((30, 40, 3), IDENTITY) == pytest.approx(
        np.array([[-0.5, -0.5], [39.5, -0.5], [39.5, 29.5], [-0.5, 29.5]])
    )
    twice = np.array([[2.0, 0, 10], [0, 2, 20]])  # a pixel of the square is two of the photo
    assert photo_corners((30, 40), twice)[0] == pytest.approx([-5.25, -10.25])


def turned_photo(degrees, shape=(400, 360)):
    """Corners of a photo that lies in the middle of the square, turned."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = np.array([shape[1] - 1, shape[0] - 1]) / 2
    square_to_photo = np.column_stack([turn, middle - turn @ np.full(2, (SIZE - 1) / 2)])
    return photo_corners((*shape, 3), square_to_photo)


@pytest.mark.parametrize("degrees", [0, 3, -12])
def test_a_line_along_the_edge_of_the_photo_is_as_long_as_it_is(degrees):
    corners = turned_photo(degrees)
    for first, last in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inwards = 3 * (corners.mean(axis=0) - (first + last) / 2) / 180
        start, end = (first + share * (last - first) + inwards for share in (0.2, 0.7))
        drawing = line(start, end, 3)
        expected = 100 * 0.5 * np.linalg.norm(last - first) / SIZE
        assert border_line(drawing, corners) == pytest.approx(expected, abs=1.5)


def test_only_straight_ink_at_the_edge_counts():
    corners = turned_photo(4)
    first, last = corners[:2]
    across = (corners[3] - first) / np.linalg.norm(corners[3] - first)
    middle, inner = (first + last) / 2, (last - first) / 3
    away = line(middle - inner + 30 * across, middle + inner + 30 * across, 4)
    assert border_line(away, corners) == 0
    crossing = line(middle - 40 * across, middle + 40 * across, 4)
    assert 0 < border_line(crossing, corners) < 2


def test_no_edge_in_the_square_has_no_line():
    corners = photo_corners((2000, 2000), np.array([[1.0, 0, 700], [0, 1, 700]]))
    assert border_line(np.zeros((SIZE, SIZE), np.uint8), corners) == 0
    # Just inside, the whole side may be a line.
    corners = photo_corners((2000, 2000), np.array([[1.0, 0, 700], [0, 1, -4]]))
    assert border_line(np.zeros((SIZE, SIZE), np.uint8), corners) == pytest.approx(100, abs=0.5)


def test_equal_styles_have_no_distance_and_separate_ones_all():
    top, bottom = line((40, 100), (470, 100), 6), line((40, 300), (470, 300), 6)
    assert style_distance(top, top) == style_distance(sheet(), sheet()) == 0
    assert style_distance(top, bottom) == pytest.approx(100, abs=0.5)
    both = np.minimum(top, bottom)
    # |a - b| is one line, a + b three.
    assert style_distance(top, both) == pytest.approx(100 / 3, abs=0.5)
    assert style_distance(top, both) == style_distance(both, top)


def test_a_line_that_lies_a_pixel_off_is_nearly_the_same():
    near, far = line((40, 101), (470, 101), 6), line((40, 130), (470, 130), 6)
    drawing = line((40, 100), (470, 100), 6)
    assert style_distance(drawing, near) < 20 < style_distance(drawing, far)


def test_the_next_style_is_the_most_similar_one_of_the_same_source():
    top, bottom = line((40, 100), (470, 100), 6), line((40, 300), (470, 300), 6)
    names = [("a", "ink"), ("a", "line"), ("a", "pen"), ("b", "ink"), ("XDoG", "")]
    methods = [DrawingMethod(Entry(*name, "preset", str(name)), None) for name in names]
    drawings = [top, bottom, np.minimum(top, bottom), top, top]
    found = style_distances(methods, drawings)
    third = pytest.approx(100 / 3, abs=0.5)
    assert [each.get("style_distance") for each in found] == [third, third, third, None, None]
