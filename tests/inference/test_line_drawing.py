import cv2
import numpy as np
import pytest

from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.inference.filters import line_drawing as module
from keras_portrait.inference.filters import line_filters
from keras_portrait.inference.filters.flow import FLOW_SIGMA, edge_tangent_flow
from keras_portrait.inference.filters.hatching import hatching
from keras_portrait.inference.filters.line_drawing import line_drawing
from keras_portrait.inference.filters.line_filters import LINE_FILTERS
from keras_portrait.recipe import LINE_FILTER_NAMES


def stroke(angle: float, size: int = 64, width: float = 1.5) -> np.ndarray:
    """A dark line through the middle of light paper, its direction in degrees; uint8."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    turn = np.deg2rad(angle)
    distance = np.abs(-np.sin(turn) * x + np.cos(turn) * y)
    return np.where(distance < width, 60, 220).astype(np.uint8)


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120])
def test_the_flow_runs_along_the_line(angle):
    flow = edge_tangent_flow(stroke(angle).astype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(flow, axis=-1), 1, atol=1e-5)
    x, y = flow[32, 32]
    cosine = abs(x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle)))
    assert cosine > 0.99


@pytest.mark.parametrize("level", [0, 30, 128, 255])
def test_flat_areas_are_paper(level):
    drawing = line_drawing(np.full((40, 30), level, np.uint8))
    assert drawing.shape == (40, 30) and drawing.dtype == np.float32
    assert (drawing == 1).all()


@pytest.mark.parametrize("angle", [0, 45, 75])
def test_a_line_becomes_ink_and_its_surroundings_stay_paper(angle):
    drawing = line_drawing(stroke(angle))
    assert drawing[31:33, 31:33].max() < 0.1
    assert drawing[4, 59] > 0.95
    assert 0 <= drawing.min() and drawing.max() <= 1


def test_the_average_along_the_line_closes_gaps_and_drops_noise():
    rng = np.random.default_rng(0)
    picture = stroke(0).astype(float)
    picture[:, 31:33] = 200  # a gap in the line
    picture = np.clip(picture + rng.normal(0, 15, (64, 64)), 0, 255).astype(np.uint8)
    short, long = line_drawing(picture, line_sigma=0.3), line_drawing(picture, line_sigma=3.0)
    gap, paper = np.s_[31:33, 31:33], np.s_[4:20]
    assert long[gap].mean() < 0.1 < short[gap].mean()
    assert np.mean(long[paper] < 0.5) < 0.5 * np.mean(short[paper] < 0.5)


def test_gray_and_colour_give_the_same_drawing():
    gray = stroke(20)
    assert (line_drawing(gray) == line_drawing(np.dstack([gray] * 3))).all()


def test_shade_fills_dark_parts_and_leaves_dark_skin():
    picture = np.full((80, 80), 90, np.uint8)  # dark skin
    picture[:16] = 10  # darker hair
    outline, filled = line_drawing(picture), line_drawing(picture, shade=0.5)
    assert outline[2:8].min() > 0.9 and filled[2:8].max() < 0.1
    assert filled[40:].min() > 0.9


def test_a_face_is_mostly_paper_with_ink_at_the_eyes():
    face = draw_face(2, 128)
    drawing = line_drawing(face.photo)
    assert drawing.mean() > 0.75
    for x, y in face.landmarks[:2].round().astype(int):
        assert drawing[y - 4 : y + 5, x - 4 : x + 5].min() < 0.2


def test_recipes_may_name_every_line_filter():
    assert set(LINE_FILTERS) == set(LINE_FILTER_NAMES)


@pytest.mark.parametrize("name", LINE_FILTERS)
def test_every_filter_leaves_a_blank_picture_blank_and_draws_eyes(name):
    blank = LINE_FILTERS[name](np.full((64, 64, 3), 200, np.uint8))
    assert blank.shape == (64, 64) and blank.min() == 1
    face = draw_face(2, 128)
    drawing = LINE_FILTERS[name](face.photo, 0.5)
    assert 0 <= drawing.min() and drawing.max() <= 1 and drawing.mean() > 0.5
    for x, y in face.landmarks[:2].round().astype(int):
        assert drawing[y - 4 : y + 5, x - 4 : x + 5].min() < 0.2


@pytest.mark.parametrize("name", LINE_FILTERS)
def test_all_widths_grow_together(name, monkeypatch):
    seen = []

    def spy(gray, **widths):
        seen.append(widths)
        return line_drawing(gray, **widths)

    monkeypatch.setattr(line_filters, "line_drawing", spy)
    for width in (1.0, 2.0):
        LINE_FILTERS[name](draw_face(2, 64).photo, width)
    for key in ("sigma", "line_sigma", "flow_sigma"):
        assert seen[1][key] == 2 * seen[0][key]
    assert seen[0]["flow_sigma"] == FLOW_SIGMA


def test_flow_and_fills_are_as_smooth_as_asked_for(monkeypatch):
    picture, seen = draw_face(2, 64).photo, []
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    monkeypatch.setattr(
        module,
        "edge_tangent_flow",
        lambda *given: seen.append(given[1]) or edge_tangent_flow(*given),
    )
    monkeypatch.setattr(module, "_fill", lambda smooth, *_: seen.append(smooth) or smooth)
    line_drawing(picture, shade=0.5, flow_sigma=4.0)
    assert seen[0] == 4 and np.array_equal(seen[1], cv2.GaussianBlur(gray, (0, 0), 2.0))


def test_strokes_grow_denser_with_the_dark_and_follow_the_flow():
    picture = np.full((96, 96), 200, np.float32)
    picture[:, :24], picture[:, 72:] = 120, 20
    drawing = hatching(picture)
    light, middle, dark = drawing[:, 30:66], drawing[:, 4:20], drawing[:, 76:92]
    assert light.min() == 1
    assert 0.05 < 1 - middle.mean() < 1 - dark.mean() - 0.2
    # The edges run down, and so do the strokes beside them.
    down = np.abs(np.diff(dark, axis=0)).mean()
    assert down < 0.5 * np.abs(np.diff(dark, axis=1)).mean()
    assert (hatching(picture) == drawing).all() and (hatching(picture, seed=1) != drawing).any()


@pytest.mark.parametrize("name", LINE_FILTERS)
def test_parts_get_fainter_details_and_the_rest_stays(name):
    photo = np.full((128, 128, 3), 200, np.uint8)
    # A fifth darker than what is around them: too faint for the rest of the face.
    for x in (40, 88):
        cv2.circle(photo, (x, 64), 4, (156, 156, 156), -1)
    photo = cv2.GaussianBlur(photo, (0, 0), 1.5)
    parts = np.zeros((128, 128), np.float32)
    parts[:, :64] = 1
    plain, drawn = LINE_FILTERS[name](photo), LINE_FILTERS[name](photo, 1.0, parts)
    assert drawn[64, 40] < 0.5 < plain[64, 40]
    np.testing.assert_array_equal(drawn[:, 64:], plain[:, 64:])
    np.testing.assert_array_equal(LINE_FILTERS[name](photo, 1.0, 0 * parts), plain)
