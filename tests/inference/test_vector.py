import re
import sys
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from conftest import EXAMPLE
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import MissingExtra
from keras_portrait.inference.imaging import read_image
from keras_portrait.inference.ink import SPECKLE, without_speckle
from keras_portrait.inference.svg import trace_drawing
from tiny_preset import write_colour_preset, write_whole_preset

SVG, INKSCAPE = "{http://www.w3.org/2000/svg}", "{http://www.inkscape.org/namespaces/inkscape}"


def disc(size, centre, radius):
    """A black disc with smooth edges on white, uint8 (size, size); pixel 0 spans 0 to 1."""
    y, x = (np.mgrid[: 8 * size, : 8 * size] + 0.5) / 8
    paper = np.hypot(x - centre[0], y - centre[1]) > radius
    return cv2.resize(255 * paper.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)


def page(svg):
    """The parts of an SVG file: its root and its one layer."""
    root = ElementTree.fromstring(svg.encode())
    (layer,) = root.findall(f"{SVG}g")
    assert layer.get("id") == layer.get(f"{INKSCAPE}label") == "ink"
    assert layer.get(f"{INKSCAPE}groupmode") == "layer"
    return root, layer


def outlines(svg, steps=4):
    """Polygons (N, 2) of the outlines of all paths, curves as short lines."""
    polygons = []
    time = np.linspace(0, 1, steps + 1)[1:, None]
    basis = np.hstack([(1 - time) ** 3, 3 * (1 - time) ** 2 * time, 3 * (1 - time) * time**2])
    for path in page(svg)[1]:
        assert set(path.attrib) == {"d"}
        assert re.fullmatch(r"(M[^MZ]+Z ?)+", path.get("d")), "an outline is not closed"
        for outline in path.get("d").split("Z")[:-1]:
            points = []
            for command, text in re.findall(r"([A-Z])([^A-Z]*)", outline):
                given = np.array(text.split(), float).reshape(-1, 2)
                if command == "C":
                    start, first, second, end = points[-1], *given
                    points.extend(basis @ [start, first, second] + time**3 * end)
                else:
                    assert command in "ML"
                    points.extend(given)
            polygons.append(np.array(points))
    return polygons


def area(polygon):
    """Signed area in square pixels; holes have the other sign."""
    x, y = polygon.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def rasterize(polygons, height, width, scale):
    """Pixels whose centre lies inside an odd number of polygons, bool (scale H, scale W).

    Not `cv2.fillPoly`, which paints every pixel that an edge touches.
    """
    starts = np.vstack([scale * polygon - 0.5 for polygon in polygons])
    ends = np.vstack([scale * np.roll(polygon, -1, axis=0) - 0.5 for polygon in polygons])
    low, high = (
        np.ceil(pick(starts[:, 1], ends[:, 1])).astype(int).clip(0, scale * height)
        for pick in (np.minimum, np.maximum)
    )
    # One entry for each row of pixel centres that an edge crosses.
    edge = np.repeat(np.arange(len(starts)), high - low)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(high - low) - high, high - low)
    (x0, y0), (x1, y1) = starts[edge].T, ends[edge].T
    column = np.ceil(x0 + (row - y0) * (x1 - x0) / (y1 - y0)).astype(int).clip(0, scale * width)
    crossings = np.zeros((scale * height, scale * width + 1), np.int32)
    np.add.at(crossings, (row, column), 1)
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1


def overlap(svg, drawing, scale=4):
    """Intersection over union of the paths and the ink, both `scale` times as large."""
    height, width = drawing.shape
    size = (scale * width, scale * height)
    ink = cv2.resize(drawing, size, interpolation=cv2.INTER_CUBIC) < 128
    traced = rasterize(outlines(svg), height, width, scale)
    return (ink & traced).sum() / (ink | traced).sum()


@pytest.mark.parametrize("seed", range(2))
def test_the_paths_are_the_drawing(seed):
    drawing = draw_face(seed, 512).drawing
    assert overlap(trace_drawing(drawing), drawing) > 0.97


@pytest.mark.parametrize("radius", [8, 30])
def test_a_disc_keeps_its_area_and_place(radius):
    (polygon,) = outlines(trace_drawing(disc(96, (40.3, 50.6), radius).astype(np.uint8)))
    assert abs(area(polygon)) == pytest.approx(np.pi * radius**2, rel=0.02)
    np.testing.assert_allclose((polygon.min(0) + polygon.max(0)) / 2, (40.3, 50.6), atol=0.15)
    distance = np.hypot(*(polygon - (40.3, 50.6)).T)
    assert np.abs(distance - radius).max() < 0.35


def test_ink_at_the_borders_and_at_every_pixel():
    drawing = np.full((40, 60), 255, np.uint8)
    drawing[:, :7] = 0
    (bar,) = outlines(trace_drawing(drawing))
    np.testing.assert_allclose([bar.min(0), bar.max(0)], [(0, 0), (7, 40)], atol=0.1)
    (sheet,) = outlines(trace_drawing(np.zeros((40, 60), np.uint8)))
    np.testing.assert_allclose([sheet.min(0), sheet.max(0)], [(0, 0), (60, 40)], atol=0.01)


def test_a_ring_is_one_path_with_a_hole():
    ring = np.maximum(disc(96, (48, 48), 40), 255 - disc(96, (48, 48), 25)).astype(np.uint8)
    svg = trace_drawing(np.minimum(ring, disc(96, (48, 48), 10).astype(np.uint8)))
    assert len(page(svg)[1]) == 2  # the ring, and the disc inside it
    areas = sorted(area(polygon) for polygon in outlines(svg))
    assert areas == pytest.approx(np.pi * np.array([-(25**2), 10**2, 40**2]), rel=0.03)


def test_speckle_goes_and_dots_stay():
    drawing = np.full((200, 200), 255, np.uint8)
    drawing[20:40, 10:190] = drawing[140:180, 20:180] = 0  # 10,000 pixels: the limit is 4
    drawing[100, 40] = drawing[100:104, 80:84] = 0
    drawing[160, 60] = drawing[160:164, 120:124] = 255
    clean = without_speckle(drawing < 128)
    marks = {(100, 40): False, (102, 82): True, (160, 60): True, (162, 122): False}
    assert {place: clean[place] for place in marks} == marks
    areas = [area(polygon) for polygon in outlines(trace_drawing(drawing))]
    assert sorted(areas) == pytest.approx([-16, 16, 3600, 6400], rel=0.2)
    assert min(map(abs, areas)) > SPECKLE * 10_000


def test_thin_gray_lines_do_not_break_off():
    drawing = disc(100, (25, 50), 15).astype(np.uint8)
    drawing[20:80, 60] = 140  # what is left of a line half a pixel wide
    thin, solid = sorted(outlines(trace_drawing(drawing)), key=lambda polygon: abs(area(polygon)))
    assert np.ptp(thin[:, 1]) == pytest.approx(60, abs=1)
    assert abs(area(solid)) == pytest.approx(np.pi * 15**2, rel=0.02)


def test_no_ink_is_an_empty_layer():
    root, layer = page(trace_drawing(np.full((30, 50), 200, np.uint8)))
    assert len(layer) == 0 and root.get("viewBox") == "0 0 50 30"


def test_the_file_says_its_size_and_what_it_is():
    drawing = draw_face(0, 96).drawing[:80]
    svg = trace_drawing(drawing, "a < b", "c & d")
    root, _ = page(svg)
    assert [root.get(key) for key in ("width", "height", "viewBox")] == ["96", "80", "0 0 96 80"]
    assert [child.tag.removeprefix(SVG) for child in root] == ["title", "desc", "g"]
    assert [root[0].text, root[1].text] == ["a < b", "c & d"]
    assert trace_drawing(drawing, "a < b", "c & d") == svg


def test_the_command_draws_the_example(portrait, tmp_path):
    files = [tmp_path / "drawing.svg", tmp_path / "drawing.png", tmp_path / "again.SVG"]
    for file in files:
        options = ("--style", "ink:3,engraving", "--preset", "fast")
        code, out, err = portrait("stylize", EXAMPLE, "-o", file, *options, preset=None)
        assert (code, out, err) == (0, f"{file}\n", "")
    svg, drawing = files[0].read_text(), read_image(files[1])[..., 0]
    assert files[2].read_text() == svg
    root, layer = page(svg)
    assert root.get("viewBox") == "0 0 512 512" and len(layer) > 20
    assert root[0].text == "Portrait in the style ink:0.75,engraving:0.25"
    assert root[1].text.endswith("with the preset fast, style ink:0.75,engraving:0.25.")
    # A network's grays are no clear edges, and its lines in this small face are two pixels wide.
    assert overlap(svg, drawing) > 0.85
    areas = [area(polygon) for polygon in outlines(svg)]
    assert min(map(abs, areas)) > 0.8 * SPECKLE * sum(areas)  # curves round corners off
    assert sum(areas) == pytest.approx(np.sum(1 - drawing / 255), rel=0.1)


def test_what_cannot_become_paths_is_refused(portrait, tmp_path):
    file = tmp_path / "drawing.svg"
    colour = write_colour_preset(tmp_path / "colour")
    code, _, err = portrait("stylize", EXAMPLE, "-o", file, preset=colour)
    assert code == 2 and "in colour. Expected -o with .png or .jpg. Received: --preset" in err
    code, _, err = portrait("stylize", EXAMPLE, "-o", file, "--background", "keep")
    assert code == 2 and "Expected --crop or --whole with it" in err
    code, _, err = portrait("stylize", EXAMPLE.parent, "-o", file)
    assert code == 2 and "-o must be a folder when the photos are a folder" in err
    assert not file.exists()
    assert portrait("stylize", EXAMPLE, "-o", file, "--background", "keep", "--crop")[0] == 0
    pictures = write_whole_preset(tmp_path / "pictures")
    command = "stylize", EXAMPLE, "-o", file, "--background", "keep"
    assert portrait(*command, preset=pictures)[0] == 0, "whole pictures, too"


def test_without_the_tracer_one_line_says_what_to_install(portrait, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vtracer", None)
    with pytest.raises(MissingExtra, match=r'pip install "keras-portrait\[svg\]"'):
        trace_drawing(np.zeros((8, 8), np.uint8))
    code, out, err = portrait("stylize", EXAMPLE, "-o", tmp_path / "new" / "drawing.svg")
    assert code == 2 and out == "" and err.count("\n") == 1 and "keras-portrait[svg]" in err
    assert not (tmp_path / "new").exists()
