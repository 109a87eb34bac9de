import functools

import cv2
import numpy as np
import pytest

from keras_portrait.data.prepare import small_scans
from keras_portrait.data.prepare.drawings import InkLimits, align_drawing, sharpen_ink, whiten_paper
from keras_portrait.data.prepare.small_scans import cut_small_scan, enlarge_ink, has_tone, is_small
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.evaluation.drawing_measures import INK, softness, stroke_widths, width_quantile
from keras_portrait.inference.geometry import square_to_photo, warp
from keras_portrait.inference.imaging import resize

SIZE = 512
# Blur of the invented scans in their own pixels, and their side: 4 pixels of the square for each.
SIGMA, SIDE = 0.7, 128
QUARTER = np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]])  # corners of the pixels fall together
RADIUS, WIDTH = 180, 12


def scan_of(
    drawing: np.ndarray, side: int = SIDE, paper: float = 255, ink: float = 0
) -> np.ndarray:
    """A drawing, large and crisp, as a scanner sees it: made small, and blurred."""
    small = resize(drawing.astype(np.float32), side, side)
    small = cv2.GaussianBlur(small, (0, 0), SIGMA)
    return np.rint(ink + (paper - ink) * small / 255).astype(np.uint8)


def ring() -> np.ndarray:
    """A ring in the middle of uint8 (4 SIZE, 4 SIZE)."""
    y, x = np.mgrid[: 4 * SIZE, : 4 * SIZE] / 4 + 0.125
    off = np.abs(np.hypot(y - SIZE / 2, x - SIZE / 2) - RADIUS)
    return np.where(off < WIDTH / 2, 0, 255).astype(np.uint8)


def cut(scan, transform=QUARTER, size=SIZE, white=255, black=0):
    return cut_small_scan(scan, white, black, transform, size)


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (190, 60)])
def test_a_blurred_ring_comes_out_crisp_and_where_it_was(paper, ink):
    scan = scan_of(ring(), paper=paper, ink=ink)
    square = cut(scan, white=paper, black=ink)
    # The 10-90 % width of a blurred edge is 2.563 deviations; a pixel of the scan is four here.
    blurred = softness(warp(whiten_paper(scan), QUARTER, SIZE))
    assert blurred > 0.9 * 2.563 * SIGMA * 4
    assert softness(square) < 2
    truth = resize(ring(), SIZE, SIZE)
    assert np.mean((square < INK) != (truth < INK)) < 0.15 * np.mean(truth < INK)
    assert np.mean(square < INK) == pytest.approx(np.mean(truth < INK), rel=0.1)
    assert width_quantile(stroke_widths(square), 0.5) == pytest.approx(WIDTH, abs=1)
    ring_rows, ring_columns = np.nonzero(square < INK)
    assert abs(ring_rows.mean() - 255.5) < 0.3 and abs(ring_columns.mean() - 255.5) < 0.3


def test_fine_hatching_stays_apart_and_thin_gray_lines_stay():
    lines = np.full((4 * SIZE, 4 * SIZE), 255, np.uint8)
    for left in range(256, 1024, 48):  # lines of 1.5 pixels of the scan, every 3 of them
        lines[:, left : left + 24] = 0
    lines[1000:1012, 1200:] = 0  # 0.75 pixels of the scan: nowhere darker than middle gray there
    scan = scan_of(lines)
    assert scan[60:66, 80:].min() > 140
    square = cut(scan)
    row = square[100]
    middles = np.arange(256 + 12, 1024, 48)[1:-1] // 4
    assert (row[middles] < 64).all() and (row[middles + 6] > 192).all()
    assert (square[245:256, 330:500].min(axis=0) < 80).all()


def test_tiles_fit_together():
    scan = scan_of(draw_face(5, 512).drawing, side=160)
    turn = np.radians(17)
    scale = 0.31
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    transform = np.column_stack([matrix, [30, -6]])
    size = 300
    # The whole of it at once: from the square at twice its size to the enlarged scan.
    whole = transform.copy()
    whole[:, 2] -= matrix.sum(axis=1) / 4
    whole[:, :2] /= 2
    whole *= 4
    whole[:, 2] += 1.5
    expected = resize(warp(enlarge_ink(scan, 255, 0), whole, 2 * size), size, size)
    square = cut(scan, transform, size)
    assert square.shape == (size, size) and np.ptp(expected) == 255
    # OpenCV places a warp's pixels at whole 32nds.
    assert np.mean(np.abs(square.astype(int) - expected) > 24) < 0.002
    assert np.abs(square.astype(int) - expected).mean() < 0.5


def test_what_lies_outside_of_the_scan_is_white():
    scan = np.zeros((SIDE, SIDE), np.uint8)
    beside = QUARTER + [[0, 0, 1000], [0, 0, 0]]
    assert (cut(scan, beside) == 255).all()
    half = QUARTER + [[0, 0, 64], [0, 0, 0]]
    square = cut(scan, half)
    inner = slice(4, -4)  # the border itself lies between pixels
    assert (square[inner, 4:250] == 0).all() and (square[:, 262:] == 255).all()


def test_of_a_large_scan_only_what_the_square_touches_is_enlarged(monkeypatch):
    seen = []

    def enlarge(window, white, black):
        seen.append(window.size)
        return enlarge_ink(window, white, black)

    monkeypatch.setattr(small_scans, "enlarge_ink", enlarge)
    scan = np.full((6000, 8000), 255, np.uint8)
    scan[3000:3100, 4000:4100] = 0
    square = cut(scan, QUARTER + [[0, 0, 4000], [0, 0, 3000]])
    # Tiles of 128 pixels of the square, 32 of the scan, with 12 around them.
    assert len(seen) == 16 and max(seen) <= (32 + 2 * 12 + 4) ** 2
    assert np.mean(square < INK) == pytest.approx((100 / 128) ** 2, abs=0.01)


def test_tone_is_told_from_lines():
    paper = np.full((256, 256), 255, np.uint8)
    ink = np.zeros_like(paper)
    hatched = paper.copy()
    hatched[:, ::6] = hatched[:, 1::6] = 0
    hatched = cv2.GaussianBlur(hatched, (0, 0), 1)
    for lines in (paper, ink, hatched, draw_face(3, 256).drawing):
        assert not has_tone(lines)
    wash = paper.copy()
    wash[:, :90] = 150
    assert has_tone(wash)
    # Less than a third of the square, but most of the face.
    face = paper.copy()
    face[100:200, 80:170] = 150
    assert np.mean(face < 255) < 0.2 and has_tone(face)
    dot = paper.copy()
    dot[100:130, 80:120] = 150
    assert not has_tone(dot)


@functools.cache
def small_face(gray: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A scan of a drawn face, 112 pixels wide, uint8 RGB, and its five points there."""
    face = draw_face(1, 448)
    drawing = face.drawing.copy()
    if gray:
        drawing[120:380, 120:330] = np.minimum(drawing[120:380, 120:330], 150)
    scan = scan_of(drawing, side=112, paper=225, ink=40)
    return np.dstack([scan] * 3), (face.landmarks + 0.5) / 4 - 0.5


def test_a_small_scan_of_lines_is_drawn_crisp():
    sheet, points = small_face()
    transform = square_to_photo(points, SIZE)
    assert is_small(transform)
    square, fault = align_drawing(sheet, transform, SIZE, InkLimits())
    resampled = sharpen_ink(warp(whiten_paper(sheet[..., 0]), transform, SIZE))
    assert fault is None
    assert softness(square) < 2.2 < 3 < softness(resampled)
    assert np.mean((square < INK) != (resampled < INK)) < 0.05


def test_a_small_scan_with_tone_and_a_large_one_are_resampled():
    for (sheet, points), size in ((small_face(gray=True), SIZE), (small_face(), 64)):
        transform = square_to_photo(points, size)
        assert is_small(transform) == (size == SIZE)
        expected = sharpen_ink(warp(whiten_paper(sheet[..., 0]), transform, size))
        square, _ = align_drawing(sheet, transform, size, InkLimits())
        np.testing.assert_array_equal(square, expected)
