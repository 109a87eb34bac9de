"""Drawings of known tones, strokes and ink, and the drawings that filters make."""

import cv2
import numpy as np
import pytest

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.evaluation import drawing_measures as measured
from keras_portrait.evaluation.baselines import BASELINES, flow_lines
from keras_portrait.evaluation.drawing_measures import width_distance, width_quantile
from keras_portrait.inference.geometry import face_template
from keras_portrait.metrics import line_overlap

TEMPLATE = face_template(512)


def sheet(size=512):
    return np.full((size, size), 255, np.uint8)


def test_gray_share_and_levels():
    drawing = sheet()
    drawing[:, :256], drawing[:, :64] = 0, 128
    figures = measured.gray_figures(drawing)
    assert figures["mid_gray"] == pytest.approx(12.5)
    assert figures["gray_levels"] == 3
    drawing[:16, :16] = 100  # less than a thousandth of the sheet
    assert measured.gray_figures(drawing)["gray_levels"] == 3


@pytest.mark.parametrize("width", [3, 6, 12])
def test_stroke_widths_of_straight_lines(width):
    drawing = sheet()
    drawing[100 : 100 + width, 40:470] = 0
    histogram = measured.stroke_widths(drawing)
    assert histogram.sum() == pytest.approx(1)
    assert width_quantile(histogram, 0.5) == pytest.approx(width, abs=0.5)
    # The same sheet at half the size has the same widths of a 512 square.
    if width % 2 == 0:
        small = cv2.resize(drawing, (256, 256), interpolation=cv2.INTER_AREA)
        assert width_quantile(measured.stroke_widths(small), 0.5) == pytest.approx(width, abs=0.8)


def test_the_90th_percentile_and_the_distance_tell_bold_from_thin():
    thin, mixed = sheet(), sheet()
    thin[100:104, 40:470] = mixed[100:104, 40:470] = 0
    mixed[200:220, 40:470] = 0
    histograms = [measured.stroke_widths(each) for each in (thin, mixed)]
    assert width_quantile(histograms[1], 0.9) == pytest.approx(20, abs=1)
    assert width_quantile(histograms[0], 0.9) == pytest.approx(4, abs=0.5)
    assert width_distance(histograms[0], histograms[0]) == 0
    # Half of the strokes are 16 px wider.
    assert width_distance(*histograms) == pytest.approx(8, abs=1)


def test_an_empty_sheet_has_no_widths():
    histogram = measured.stroke_widths(sheet())
    assert histogram.sum() == 0
    assert np.isnan(width_quantile(histogram, 0.5)) and np.isnan(
        width_distance(histogram, histogram)
    )


def test_parts_without_ink_are_named():
    drawing = sheet()
    assert measured.empty_parts(measured.part_ink(drawing, TEMPLATE)) == list(measured.LEAST_INK)
    for x, y in TEMPLATE.round().astype(int):
        cv2.circle(drawing, (int(x), int(y)), 14, 0, -1)
    assert measured.empty_parts(measured.part_ink(drawing, TEMPLATE)) == []
    left_x, left_y = TEMPLATE[0].round().astype(int)
    cv2.circle(drawing, (int(left_x), int(left_y)), 15, 255, -1)
    assert measured.empty_parts(measured.part_ink(drawing, TEMPLATE)) == ["left eye"]


def test_ink_of_the_lips_is_their_share_of_the_box():
    drawing = sheet()
    top = round((344 + 419) / 2)
    drawing[top:] = 0
    ink = measured.part_ink(drawing, TEMPLATE)
    assert ink["lips"] == pytest.approx(50, abs=2)
    assert ink["left eye"] == ink["right eye"] == ink["nose"] == 0


def test_the_upper_lip_is_between_nose_and_mouth():
    darkness = np.zeros((512, 512), np.float32)
    darkness[338:350, 200:312] = 1  # a moustache
    lip, face = measured.lip_and_face(darkness, TEMPLATE)
    assert 0.4 < lip <= 0.6 and 0 < face < 0.1
    darkness[:] = 0
    darkness[365:380, 200:312] = 1  # the mouth
    assert measured.lip_and_face(darkness, TEMPLATE)[0] == 0


def test_line_agreement_allows_for_a_few_pixels():
    lines, near, far = sheet(), sheet(), sheet()
    lines[100:104, 40:470] = near[103:107, 40:470] = far[120:124, 40:470] = 0
    assert measured.line_agreement(near, lines) == 1
    assert measured.line_agreement(far, lines) == 0


def test_line_agreement_is_not_had_by_ink_all_over():
    lines = flow_lines(draw_face(3, 256).photo)
    assert line_overlap(np.ones_like(lines, bool), lines < measured.INK, 2) > 0.15
    assert measured.line_agreement(np.zeros_like(lines), lines) < 0.03
    thick = cv2.erode(lines, np.ones((3, 3), np.uint8))
    assert measured.line_agreement(thick, lines) > 0.8


def test_filters_draw_the_face_and_leave_paper_blank():
    face = draw_face(3, 128)
    square = face.photo.copy()
    square[:16] = 255
    edges = np.zeros((128, 128), np.float32)
    edges[60:64] = 1
    for name, draw in BASELINES.items():
        drawing = draw(square, edges)
        assert drawing.shape == (128, 128) and drawing.dtype == np.uint8, name
        assert (drawing[:8] == 255).all(), name
        assert drawing[40:100].min() < 60 and drawing.mean() > 128, name
    assert (BASELINES["HED map"](square, edges)[60:64, 40:80] == 0).all()
