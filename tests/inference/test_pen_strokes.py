"""Drawings as strokes of a pen, measured on shapes whose strokes are known."""

import itertools
import re
import sys
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from conftest import EXAMPLE
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.imaging import write_image
from keras_portrait.inference.plotter.gcode import PenMoves, plot_gcode
from keras_portrait.inference.plotter.joining import join_strokes
from keras_portrait.inference.plotter.ordering import ordered, pen_up_length
from keras_portrait.inference.plotter.page import PAGES, Page, page_size
from keras_portrait.inference.plotter.passes import pen_passes
from keras_portrait.inference.plotter.plot import Plot, plot_drawing
from keras_portrait.inference.plotter.polylines import (
    distance_to_lines,
    is_closed,
    length,
    simplified,
    smoothed,
)
from keras_portrait.inference.plotter.svg import plot_svg
from tiny_preset import write_colour_preset

PEN = 6.0
SVG, INKSCAPE = "{http://www.w3.org/2000/svg}", "{http://www.inkscape.org/namespaces/inkscape}"


def passes(ink, pen=PEN):
    return pen_passes(np.asarray(ink, bool), pen, 1.0)


def grid(height, width):
    return np.mgrid[:height, :width].astype(float)


def ring(size, centre, radius, width):
    y, x = grid(size, size)
    return np.abs(np.hypot(x - centre, y - centre) - radius) <= width / 2


def painted(strokes, shape, pen=PEN):
    """What a pen paints, bool (H, W)."""
    return distance_to_lines(strokes, shape) <= pen / 2


@pytest.mark.parametrize("width", [2, 4, 6, 8])
def test_a_line_as_wide_as_the_pen_is_one_stroke_along_its_middle(width):
    ink = np.zeros((40, 160), bool)
    ink[20 - width // 2 : 20 + width // 2, 20:140] = True
    (stroke,) = passes(ink)
    assert not is_closed(stroke)
    assert np.abs(stroke[:, 1] - 19.5).max() < 0.75
    # The pen reaches half its width beyond.
    assert np.ptp(stroke[:, 0]) == pytest.approx(120 - PEN, abs=2)


def test_a_ring_is_one_stroke_around():
    (stroke,) = passes(ring(200, 100, 60, 5))
    assert is_closed(stroke)
    assert length(stroke) == pytest.approx(2 * np.pi * 60, rel=0.01)
    assert np.abs(np.hypot(*(stroke - 100).T) - 60).max() < 0.8


def test_strokes_go_straight_through_a_crossing():
    y, x = grid(160, 160)
    ink = (np.minimum(np.abs(x - y), np.abs(x + y - 160)) < 4) & (np.abs(x - 80) < 60)
    strokes = passes(ink)
    assert len(strokes) == 2
    for stroke in strokes:
        assert length(stroke) == pytest.approx(120 * np.sqrt(2), abs=8)
    meeting = passes(ink & ((x + y <= 160) | (np.abs(x + y - 160) < 4)))
    assert sorted(map(length, meeting)) == pytest.approx([60 * 2**0.5, 120 * 2**0.5], abs=8)


def test_rough_edges_grow_no_hair():
    random = np.random.default_rng(0)
    ink = np.zeros((60, 400), bool)
    for column in range(20, 380):
        above, below = random.integers(0, 3, 2)
        ink[27 - above : 32 + below, column] = True
    stroke, *dabs = sorted(passes(ink), key=length, reverse=True)
    assert sum(map(length, dabs)) < 2 * PEN
    assert np.ptp(stroke[:, 0]) > 340 and length(stroke) < 1.02 * np.ptp(stroke[:, 0])
    assert np.abs(stroke[:, 1] - 29).max() < 2


def test_a_dot_smaller_than_the_pen_is_a_short_stroke():
    ink = np.zeros((30, 30), bool)
    ink[14:17, 14:17] = True
    (stroke,) = passes(ink)
    np.testing.assert_allclose(stroke.mean(0), [15, 15], atol=0.6)
    assert 0.1 * PEN <= length(stroke) <= 3


def test_a_solid_disc_becomes_even_black_without_lifting_the_pen():
    y, x = grid(300, 300)
    ink = np.hypot(x - 150, y - 150) <= 110
    circles = [stroke for stroke in passes(ink) if is_closed(stroke) and length(stroke) > 50]
    radii = sorted((np.hypot(*(circle - 150).T).mean() for circle in circles), reverse=True)
    assert radii[0] == pytest.approx(110 - PEN / 2, abs=0.7)
    np.testing.assert_allclose(np.diff(radii), -0.8 * PEN, atol=0.2)
    (stroke,) = join_strokes(passes(ink), ink, PEN)
    black = painted([stroke], ink.shape)
    inside = np.hypot(x - 150, y - 150) <= 108
    assert (black & inside).sum() > 0.9995 * inside.sum()
    assert not (black & (np.hypot(x - 150, y - 150) > 112)).any()
    assert length(stroke) < 1.1 * np.pi * 110**2 / (0.8 * PEN)


def test_a_large_black_is_hatched_within_contours():
    ink = np.zeros((500, 420), bool)
    ink[10:490, 10:410] = True
    strokes = passes(ink)
    rows = sorted(stroke[0, 1] for stroke in strokes if len(stroke) == 2 and length(stroke) > 50)
    assert len(rows) > 40 and np.diff(rows).max() <= np.ceil(0.8 * PEN)
    black = painted(join_strokes(strokes, ink, PEN), ink.shape)
    assert black[14:486, 14:406].mean() > 0.999 and not (black & ~ink)[:8].any()
    assert len(join_strokes(strokes, ink, PEN)) <= 3


def test_corners_inside_a_solid_are_filled_too():
    ink = np.zeros((260, 260), np.uint8)
    cv2.fillPoly(ink, [np.array([[20, 30], [240, 60], [110, 235]])], 1)
    deep = cv2.distanceTransform(ink, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > 0.75 * PEN
    black = painted(passes(ink), ink.shape)
    assert (black & deep).sum() > 0.997 * deep.sum()
    paper = cv2.distanceTransform(1 - ink, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > 2
    assert not (black & paper).any()


def test_a_swelling_line_gets_more_passes_side_by_side():
    y, x = grid(80, 600)
    # From 0.8 pens at the left to 4.5 at the right, as an engraver swells a line.
    width = PEN * (0.8 + 3.7 * (x - 20) / 560)
    ink = (np.abs(y - 40) <= width / 2) & (x >= 20) & (x < 580)
    strokes = passes(ink)

    def across(column):
        """How many passes cross a column."""
        sides = [np.sign(stroke[:, 0] - column - 0.25) for stroke in strokes]
        return sum(int(np.count_nonzero(np.diff(side))) for side in sides)

    # Enough of them for the width, and never two where one is enough.
    assert [across(place) for place in (60, 90)] == [1, 1]
    for place in (200, 300, 400, 520):
        pens = 0.8 + 3.7 * (place - 20) / 560
        assert np.ceil(pens - 0.35) <= across(place) <= np.ceil(pens / 0.8)
    black = painted(strokes, ink.shape)
    assert (black & ink).sum() > 0.97 * ink.sum()
    deep = cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 5) > 0.75 * PEN
    assert (black & deep).sum() > 0.99 * deep.sum()


@pytest.mark.parametrize("neck", [1, 3, 8, 40])
def test_a_line_that_is_narrow_in_places_does_not_break_there(neck):
    ink = np.zeros((60, 300), bool)
    ink[27:32, 20:280] = True
    for start in (40, 120, 200):
        ink[25:35, start : start + 80 - neck] = True
    black = painted(passes(ink), ink.shape)
    assert cv2.connectedComponents(black.astype(np.uint8))[0] == 2
    assert black[29, 30:270].all()


def test_strokes_are_joined_where_the_way_is_black_anyway():
    def joined(gap):
        left = np.array([[20.0, 30.0], [80.0, 30.0]])
        right = np.array([[80 + gap, 30.0], [140.0, 30.0]])
        return join_strokes([left, right], np.zeros((60, 160), bool), PEN)

    (stroke,) = joined(0.5 * PEN)
    assert length(stroke) == pytest.approx(120)
    assert len(joined(2 * PEN)) == 2
    side_by_side = [np.array([[20.0, y], [140.0, y]]) for y in (20.0, 20 + 2 * PEN)]
    assert len(join_strokes(side_by_side, np.zeros((60, 160), bool), PEN)) == 2


def test_joining_keeps_every_stroke():
    drawing = draw_face(1, 256).drawing
    ink = np.pad(cv2.resize(drawing, (768, 768), interpolation=cv2.INTER_CUBIC) < 128, 2)
    before = pen_passes(ink, PEN, 3.0)
    after = join_strokes(before, ink, PEN)
    assert len(after) < 0.5 * len(before)
    assert sum(map(length, after)) < 1.15 * sum(map(length, before))
    far = distance_to_lines(after, ink.shape)
    places = np.round(np.vstack(before)).astype(int)
    assert far[places[:, 1], places[:, 0]].max() < 0.25 * PEN
    extra = painted(after, ink.shape) & ~painted(before, ink.shape) & ~ink
    assert extra.sum() < 0.008 * ink.sum()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_is_near_the_best(seed):
    random = np.random.default_rng(seed)
    strokes = list(random.uniform(0, 100, (5, 2, 2)))
    home = np.array([0.0, 100.0])
    best = min(
        pen_up_length([stroke[::way] for stroke, way in zip(order, ways, strict=True)], home)
        for order in itertools.permutations(strokes)
        for ways in itertools.product((1, -1), repeat=5)
    )
    found = ordered(strokes, home)
    assert best - 1e-9 <= pen_up_length(found, home) <= 1.1 * best
    kept = {tuple(sorted(map(tuple, stroke))) for stroke in found}
    assert kept == {tuple(sorted(map(tuple, stroke))) for stroke in strokes}


def test_many_strokes_in_a_row_need_no_detour():
    strokes = [np.array([[x, y], [x + 6.0, y]]) for y in range(20) for x in range(0, 100, 10)]
    random = np.random.default_rng(0)
    shuffled = [strokes[index] for index in random.permutation(len(strokes))]
    home = np.zeros(2)
    # Rows there and back: 9 gaps of 4 in each, a step to each next row, and the way home.
    assert pen_up_length(ordered(shuffled, home), home) < 1.15 * (20 * 36 + 19 + 19)
    assert pen_up_length(shuffled, home) > 7000


def test_a_closed_stroke_begins_where_the_pen_comes_by():
    angle = np.linspace(0, 2 * np.pi, 73)
    circle = 50 + 20 * np.column_stack([np.cos(angle), np.sin(angle)])
    circle[-1] = circle[0]
    (stroke,) = ordered([circle], np.array([50.0, 0.0]))
    np.testing.assert_allclose(stroke[[0, -1]], [[50, 30]] * 2, atol=1e-9)
    assert length(stroke) == pytest.approx(length(circle))


def test_lines_keep_their_place_with_few_points():
    angle = np.linspace(0, 2 * np.pi, 500)
    circle = 100 + 80 * np.column_stack([np.cos(angle), np.sin(angle)])
    circle[-1] = circle[0]
    few = simplified(circle, 0.5)
    assert len(few) < 50 and is_closed(few)
    assert np.abs(np.hypot(*(few - 100).T) - 80).max() < 1e-3
    middles = (few[1:] + few[:-1]) / 2
    assert np.abs(np.hypot(*(middles - 100).T) - 80).max() < 0.55
    stairs = np.repeat(np.arange(60.0), 2)
    line = smoothed(np.column_stack([stairs[1:], stairs[:-1]]), 3.0)
    np.testing.assert_allclose(line[[0, -1]], [[0, 0], [59, 59]], atol=1e-9)
    assert np.abs(line[:, 0] - line[:, 1] - 0.5).max() < 0.55
    assert np.abs(np.diff(line[9:-9, 0] - line[9:-9, 1])).max() < 0.002


@pytest.fixture(scope="module")
def face():
    """A face of 512 pixels and its plot on A6 with a pen of 0.4 mm."""
    drawn = draw_face(2, 512)
    return drawn, plot_drawing(drawn.drawing, Page(*PAGES["A6"], margin=10), 0.4)


def on_page(plot, drawing):
    """A drawing's ink and what the pen paints on the page, ten pixels for each millimetre."""
    rows, columns = (np.flatnonzero((drawing < 128).any(axis)) for axis in (1, 0))
    part = drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = 10 * min(plot.page.drawn_size / np.array(part.shape[::-1]))
    shape = (round(10 * plot.page.height), round(10 * plot.page.width))
    x, y = (np.array(shape[::-1]) - scale * np.array(part.shape[::-1])) / 2
    move = np.array([[scale, 0, x + scale / 2 - 0.5], [0, scale, y + scale / 2 - 0.5]])
    ink = cv2.warpAffine(part, move, shape[::-1], flags=cv2.INTER_CUBIC, borderValue=255) < 128
    black = painted([10 * stroke - 0.5 for stroke in plot.strokes], shape, 10 * plot.pen_width)
    return ink, black, lambda place: (np.array(place) - (columns[0], rows[0])) * scale + (x, y)


def test_the_strokes_are_the_drawing(face):
    drawn, plot = face
    ink, black, moved = on_page(plot, drawn.drawing)
    assert (ink & black).sum() > 0.95 * ink.sum()
    near_ink = cv2.distanceTransform((~ink).astype(np.uint8), cv2.DIST_L2, 5) <= 2.5
    assert (black & near_ink).sum() > 0.99 * black.sum()
    for eye in drawn.landmarks[:2]:
        x, y = np.round(moved(eye)).astype(int)
        part = slice(y - 60, y + 60), slice(x - 80, x + 80)
        assert (ink[part] & black[part]).sum() > 0.85 * (ink[part] | black[part]).sum()
    deep = cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 5) > 4
    assert (black & deep).sum() > 0.99 * deep.sum()


def test_the_ink_fills_the_page_inside_its_margins(face):
    plot = face[1]
    points = np.vstack(plot.strokes)
    low, high = points.min(0), points.max(0)
    assert (low >= 10).all() and (high <= (95, 138)).all()
    np.testing.assert_allclose(low + high, PAGES["A6"], atol=0.5)
    assert max((high - low) / (85, 128)) > 0.98
    assert min(len(stroke) for stroke in plot.strokes) >= 2


def test_lengths_and_time(face):
    page = Page(100, 80, 5)
    plot = Plot([np.array([[0.0, 80], [30, 80]]), np.array([[30.0, 40], [30, 0], [0, 0]])], page, 1)
    assert (plot.drawn_length, plot.up_length, plot.lifts) == (100, 120, 2)
    # 220 mm at 440 a minute, and four times three seconds.
    assert plot.minutes(440, 3) == pytest.approx(0.5 + 0.2)
    plot = face[1]
    shuffled = np.random.default_rng(0).permutation(plot.lifts)
    by_chance = pen_up_length([plot.strokes[index] for index in shuffled], np.zeros(2))
    assert plot.up_length < 0.35 * by_chance and plot.up_length < 0.5 * plot.drawn_length


def test_the_same_drawing_gives_the_same_strokes(face):
    again = plot_drawing(face[0].drawing, face[1].page, 0.4)
    assert plot_svg(again) == plot_svg(face[1])


def test_an_svg_file_is_in_millimetres_with_a_path_for_each_stroke(face):
    plot = face[1]
    root = ElementTree.fromstring(plot_svg(plot, "a < b", "c & d"))
    assert [root.get(key) for key in ("width", "height", "viewBox")] == [
        "105mm",
        "148mm",
        "0 0 105 148",
    ]
    assert [child.text for child in root[:2]] == ["a < b", "c & d"]
    (layer,) = root.findall(f"{SVG}g")
    assert layer.get(f"{INKSCAPE}groupmode") == "layer"
    assert layer.get(f"{INKSCAPE}label") == layer.get("id") == "ink"
    assert (layer.get("fill"), layer.get("stroke-width")) == ("none", "0.4")
    assert len(layer) == len(plot.strokes)
    for path, stroke in zip(layer, plot.strokes, strict=True):
        numbers = np.array(re.findall(r"[\d.]+", path.get("d")), float).reshape(-1, 2)
        np.testing.assert_allclose(numbers, stroke, atol=0.0051)


def test_vpype_reads_it(face, tmp_path):
    vpype = pytest.importorskip("vpype")
    plot = face[1]
    (tmp_path / "drawing.svg").write_bytes(plot_svg(plot))
    document = vpype.read_multilayer_svg(str(tmp_path / "drawing.svg"), quantization=0.1)
    (layer,) = document.layers.values()
    millimetre = 96 / 25.4
    assert document.page_size == pytest.approx((105 * millimetre, 148 * millimetre))
    assert layer.property("vp_name") == "ink"
    assert layer.property("vp_pen_width") == pytest.approx(0.4 * millimetre)
    assert len(layer) == plot.lifts
    assert layer.length() / millimetre == pytest.approx(plot.drawn_length, rel=1e-3)
    for line, stroke in zip(layer, plot.strokes, strict=True):
        first = np.array([line[0].real, line[0].imag]) / millimetre
        np.testing.assert_allclose(first, stroke[0], atol=0.01)


def run_gcode(data, up="M5", down="M3 S255"):
    """A machine that reads G-code: strokes, the way with the pen up, and the seconds it waits."""
    place, is_down, strokes, above, waits, feed = np.zeros(2), None, [], 0.0, 0.0, None
    lines = data.decode("ascii").splitlines()
    assert max(map(len, lines)) <= 79
    for line in (line.split(";")[0].strip() for line in lines):
        if line == up:
            is_down = False
        elif line == down:
            assert is_down is False
            is_down, strokes = True, [*strokes, [place]]
        elif line.startswith("G4"):
            waits += float(line.removeprefix("G4 P"))
        elif found := re.fullmatch(r"(G[01]) X(\S+) Y(\S+)( F\S+)?", line):
            before, place = place, np.array([float(found[2]), float(found[3])])
            assert is_down is (found[1] == "G1"), "the pen is where it should not be"
            if is_down:
                feed = float(found[4].removeprefix(" F")) if found[4] else feed
                assert feed is not None
                strokes[-1].append(place)
            else:
                above += float(np.hypot(*(place - before)))
        else:
            assert line in ("", "G21", "G90", "G94", "M2"), line
    assert lines[-1] == "M2" and is_down is False and not place.any()
    return [np.array(stroke) for stroke in strokes], above, waits, feed


def test_gcode_draws_the_same(face):
    plot = face[1]
    strokes, above, waits, feed = run_gcode(plot_gcode(plot, PenMoves(), "title"))
    assert feed == 3000 and above == pytest.approx(plot.up_length, rel=1e-3)
    assert waits == pytest.approx(0.2 * (2 * plot.lifts + 1))
    for drawn, stroke in zip(strokes, plot.strokes, strict=True):
        np.testing.assert_allclose(drawn, [[x, 148 - y] for x, y in stroke], atol=0.0051)


def test_gcode_with_an_axis_for_the_pen():
    plot = Plot([np.array([[10.0, 20], [30, 20]])], Page(100, 80, 5), 1)
    moves = PenMoves(feed=1200, up="G0 Z5", down="G1 Z0 F300", delay=0)
    strokes, above, waits, feed = run_gcode(plot_gcode(plot, moves), "G0 Z5", "G1 Z0 F300")
    assert (len(strokes), waits, feed) == (1, 0, 1200)
    np.testing.assert_allclose(strokes[0], [[10, 60], [30, 60]])
    assert above == pytest.approx(np.hypot(10, 60) + np.hypot(30, 60), abs=0.01)


def test_a_forged_name_moves_no_pen():
    plot = Plot([np.array([[10.0, 20], [30, 20]])], Page(100, 80, 5), 1)
    forged = plot_gcode(plot, PenMoves(), "a\nG0 X900\r\x85\u2028G1", "b")
    run_gcode(forged)
    assert forged.split(b"\n")[0] == b"; a?G0 X900???G1"
    assert len(forged.splitlines()) == len(plot_gcode(plot, PenMoves(), "a", "b").splitlines())


def test_no_line_is_longer_than_grbl_takes_and_no_number_has_an_exponent():
    plot = Plot([np.array([[10.0, 20], [4990, 4980]])], Page(5000, 5000, 5), 1)
    moves = PenMoves(feed=1e6, up="M" * 78, delay=1e-3)
    lines = plot_gcode(plot, moves, "ink:0.33, " * 20, "a" * 76).decode().splitlines()
    assert max(map(len, lines)) == 78, "79 with its end"
    assert lines[0].startswith("; ink:0.33, ink") and lines[0].endswith("...")
    assert lines[1] == "; " + "a" * 76, "what fits is whole"
    assert "G4 P0.001" in lines and "G1 X4990.00 Y20.00 F1000000" in lines
    numbers = [word[1:] for line in lines for word in line.split(";")[0].split() if word[0] in "PF"]
    assert numbers and not any("e" in number for number in numbers)
    assert b"F0.5\n" in plot_gcode(plot, PenMoves(feed=0.5))


def test_pages():
    assert page_size("a4") == (210, 297) and page_size("Letter") == (215.9, 279.4)
    assert page_size(" 150x99.5 ") == (150, 99.5)
    assert Page(100, 60, 10).drawn_size == (80, 40)


@pytest.mark.parametrize("value", ["B9", "", "150", "150x", "-5x10", "nanx10", "1e9x5", "10x20x30"])
def test_what_is_no_page(value):
    with pytest.raises(SettingError, match=r"^--page is one of A3, A4.*Received: "):
        page_size(value)


def test_a_drawing_without_ink():
    for empty in (np.full((40, 50), 255, np.uint8), np.full((40, 50), 200, np.uint8)):
        with pytest.raises(InputError, match=r"^The drawing is empty\. Expected dark lines"):
            plot_drawing(empty, Page(), 0.4)
    # Dust: more specks than there may be, none of which stays.
    dust = np.full((300, 300), 255, np.uint8)
    dust[::5, ::5] = 0
    with pytest.raises(InputError, match="empty"):
        plot_drawing(dust, Page(), 0.4)


@pytest.mark.slow
def test_a_drawing_that_is_all_ink_or_one_pixel():
    sheet = plot_drawing(np.zeros((30, 60), np.uint8), Page(100, 100, 20), 1.0)
    assert sheet.lifts == 1
    assert sheet.drawn_length == pytest.approx(60 * 30 / 0.8, rel=0.1)
    speck = np.full((50, 50), 255, np.uint8)
    speck[20, 30] = 0
    plot = plot_drawing(speck, Page(30, 30, 10), 1.0)  # as large as the page allows
    assert plot.lifts >= 1 and (np.abs(np.vstack(plot.strokes) - 15) <= 5).all()


def test_a_pen_that_is_too_thin_for_the_page():
    with pytest.raises(SettingError, match=r"too thin for so large a page.*Received: 0\.01$"):
        plot_drawing(draw_face(0, 64).drawing, Page(1000, 1000, 10), 0.01)


STATISTICS = r"[\d.]+ m drawn, [\d.]+ m with the pen up, \d+ pen lifts?, about [\d.]+ minutes at "


def test_the_command_draws_for_plotters(portrait, tmp_path):
    svg, gcode = tmp_path / "new" / "drawing.svg", tmp_path / "drawing.GCODE"
    me = tmp_path / "me.png"
    write_image(me, np.repeat(draw_face(0, 64).drawing[..., None], 3, 2))
    options = ("--margin", "8", "--pen-width", "1", "--whole")
    code, out, err = portrait("stylize", me, "-o", svg, "--single-line", "--page", "A6", *options)
    assert (code, out) == (0, f"{svg}\n")
    assert re.fullmatch(STATISTICS + "3000 mm/min\n", err)
    root = ElementTree.fromstring(svg.read_bytes())
    assert root.get("width") == "105mm" and "style thin" in root[0].text
    options += ("--page", "105x148", "--feed", "1500", "--pen-down", "M3 S90", "--pen-delay", "0")
    code, out, slower = portrait("stylize", me, "-o", gcode, *options)
    assert (code, out) == (0, f"{gcode}\n")
    assert re.fullmatch(STATISTICS + "1500 mm/min\n", slower)
    assert slower.split(" pen lifts")[0] == err.split(" pen lifts")[0]
    strokes, _, waits, feed = run_gcode(gcode.read_bytes(), down="M3 S90")
    assert (len(strokes), waits, feed) == (len(root[2]), 0, 1500)
    points = np.vstack(strokes)
    assert (points.min(0) >= 8).all() and (points.max(0) <= (97, 140)).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("--pen-width 118", "The pen is wider than the page inside its margins. Expected --pen-"),
        ("--pen-width 0", "--pen-width must be a number above 0. Received: 0"),
        ("--pen-width nan", "--pen-width must be a number above 0. Received: nan"),
        ("--margin 74", "The margins leave nothing of a page of 148 x 210 mm. Expected --margin"),
        ("--margin -1", "--margin must be 0 or more. Received: -1"),
        ("--page B9", "--page is one of A3, A4, A5, A6, letter, or width and height in milli"),
        ("--page 0x10", "The sides of a page are above 0 and at most 5000 mm. Received: 0x10"),
        ("--feed inf", "--feed must be a number above 0. Received: inf"),
        ("--pen-delay -1", "--pen-delay must be 0 or more. Received: -1"),
        ("--pen-up M5", "--pen-up is for G-code. Expected -o drawing.gcode with it. Received: -o"),
        ("--background keep", "An .svg file holds lines alone, not the photo around them."),
    ],
)
def test_bad_options_end_in_one_line(portrait, tmp_path, options, text):
    file = tmp_path / "new" / "drawing.svg"
    given = ("--single-line", "--page", "A5", *options.split())
    code, out, err = portrait("stylize", EXAMPLE, "-o", file, *given)
    assert code == 2 and out == "" and err.count("\n") == 1 and text in err
    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("-o x.png --single-line", "--single-line is for one drawing in an .svg or .gcode file"),
        ("--single-line", "Expected -o drawing.svg with it"),
        ("-o - --single-line", "Received: none"),
        ("-o x.svg --page A4", "--page is for pen plotters. Expected --single-line and -o drawing"),
        ("-o x.svg --pen-delay 0", "Received: --pen-delay 0"),
        ("-o out --engine local --single-line", "--single-line is for one drawing"),
        ("me.jpg -o out/ --single-line", "--single-line is for one drawing"),
        ("-o x.gcode --pen-down ", "--pen-down must be one line of G-code, such as"),
        ("-o x.gcode --feed 2e6", "--feed must be from 0.001 to 1,000,000 millimetres a minute."),
        ("-o x.gcode --feed 1e-4", "--feed must be from 0.001 to 1,000,000 millimetres a minute."),
        ("-o x.gcode --pen-delay 1e6", "--pen-delay must be at most 3600 seconds. Received: 1e"),
        ("-o x.gcode --pen-down M3\n", "--pen-down must be one line of G-code, such as"),
        (f"-o x.gcode --pen-up {'M' * 79}", "--pen-up must be at most 78 characters"),
    ],
)
def test_options_of_plotters_elsewhere(portrait, tmp_path, monkeypatch, options, text):
    monkeypatch.chdir(tmp_path)
    code, out, err = portrait("stylize", EXAMPLE, *options.split(" "))
    assert code == 2 and out == "" and err.count("\n") == 1 and text in err
    assert list(tmp_path.glob("*.*")) == []


def test_drawings_that_cannot_be_plotted(portrait, tmp_path):
    file = tmp_path / "new" / "drawing.gcode"
    colour = write_colour_preset(tmp_path / "colour")
    code, _, err = portrait("stylize", EXAMPLE, "-o", file, preset=colour)
    assert code == 2 and "A .gcode file holds lines in black, and pictures of this preset" in err
    write_image(tmp_path / "white.png", np.full((64, 64, 3), 255, np.uint8))
    code, out, err = portrait("stylize", tmp_path / "white.png", "-o", file, "--whole")
    assert (code, out) == (2, "") and "The drawing is empty." in err and err.count("\n") == 1
    assert not file.parent.exists()


def test_without_scikit_image_one_line_says_what_to_install(portrait, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.measure", None)
    with pytest.raises(MissingExtra, match=r'pip install "keras-portrait\[plotter\]"'):
        plot_drawing(np.zeros((8, 8), np.uint8), Page(), 1.0)
    code, out, err = portrait("stylize", EXAMPLE, "-o", tmp_path / "new" / "drawing.gcode")
    assert code == 2 and out == "" and err.count("\n") == 1 and "keras-portrait[plotter]" in err
    assert not (tmp_path / "new").exists()
