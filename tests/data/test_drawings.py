import cv2
import numpy as np
import pytest

from keras_portrait.data.prepare.drawings import (
    InkLimits,
    align_drawing,
    find_face_in_drawing,
    mid_gray_share,
    paper_and_ink,
    sharpen_ink,
    whiten_paper,
)
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.inference.faces import Box, Face, find_detector
from keras_portrait.inference.geometry import square_to_photo

SIZE = 128


def scan(seed: int = 0, paper: float = 190, ink: float = 40, noise: float = 4) -> np.ndarray:
    """A drawing as a scanner sees it: gray paper, gray ink, grain; uint8 RGB (256, 256, 3)."""
    drawing = draw_face(seed).drawing / 255
    rng = np.random.default_rng(seed)
    gray = ink + (paper - ink) * drawing + rng.normal(0, noise, drawing.shape)
    return np.dstack([np.clip(gray, 0, 255).astype(np.uint8)] * 3)


def aligned(sheet, limits=None, seed=0):
    transform = square_to_photo(draw_face(seed).landmarks, SIZE)
    return align_drawing(sheet, transform, SIZE, limits or InkLimits())


def test_paper_and_ink_of_a_known_sheet():
    gray = np.full((100, 100), 200, np.uint8)
    gray[:10] = 30
    # The peak less 6 levels; the 2nd percentile.
    assert paper_and_ink(gray) == (194, 30)


def test_gray_paper_becomes_white_and_gray_ink_black():
    white = whiten_paper(scan()[..., 0])
    paper, ink = draw_face(0).drawing == 255, draw_face(0).drawing < 32
    assert np.median(white[paper]) == 255 and np.mean(white[paper] > 240) > 0.9
    assert np.median(white[ink]) < 10


@pytest.mark.parametrize("level", [0, 7, 128, 255])
def test_a_flat_sheet_does_not_turn_into_noise(level):
    white = whiten_paper(np.full((20, 20), level, np.uint8))
    assert np.ptp(white.astype(int)) == 0


def test_sharpening_takes_the_gray_out_of_a_resampled_drawing():
    strokes = np.full((64, 64), 255, np.uint8)
    strokes[:, 20:44:6] = strokes[:, 21:44:6] = 0
    # Enlarged and reduced again as a resampled scan is.
    blurred = cv2.GaussianBlur(strokes, (0, 0), 0.8)
    sharp = sharpen_ink(blurred)
    assert mid_gray_share(sharp) < 0.6 * mid_gray_share(blurred)
    assert (sharp[:, :10] == 255).all()
    # Hatching stays apart: paper between every two strokes.
    assert (sharp[:, 23:40:6] > 192).all() and (sharp[:, 20:44:6] < 64).all()


def test_align_drawing_gives_black_on_white():
    square, fault = aligned(scan())
    assert fault is None
    assert square.shape == (SIZE, SIZE) and square.dtype == np.uint8
    assert mid_gray_share(square) < 0.15
    assert np.mean(square == 255) > 0.5 and np.mean(square < 64) > 0.05


def with_dark_wall(sheet):
    """The sheet as if cut out of a picture with a dark background."""
    drawing = sheet.copy()
    drawing[:150, :75] = 30
    return drawing[:, 60:]


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        (InkLimits(), None),
        (InkLimits(darkest_paper=200), "dark paper"),
        (InkLimits(most_mid_gray=0.001), "too tonal"),
        (InkLimits(least_ink=0.5), "hardly any ink"),
        (InkLimits(most_ink=0.01), "too little paper"),
        (InkLimits(least_paper=0.99), "too little paper"),
    ],
)
def test_unfit_drawings_are_named(limits, fault):
    assert aligned(scan(noise=0), limits)[1] == fault


@pytest.mark.parametrize(
    ("sheet", "fault"),
    [
        (scan(noise=0) // 2, "dark paper"),
        (np.full((256, 256, 3), 200, np.uint8), "hardly any ink"),
        (255 - scan(paper=250, ink=5), "dark paper"),
    ],
)
def test_the_limits_as_shipped_drop_what_is_plainly_unfit(sheet, fault):
    assert aligned(sheet)[1] == fault


def test_the_size_of_the_square_does_not_decide_which_drawings_are_fit():
    sheet, points = scan(noise=0), draw_face(0).landmarks
    for size in (48, 128, 512):
        square, fault = align_drawing(sheet, square_to_photo(points, size), size, InkLimits())
        assert square.shape == (size, size) and fault is None


def test_a_background_cut_off_at_the_edge_is_named():
    sheet = np.ascontiguousarray(with_dark_wall(scan(noise=0)))
    transform = square_to_photo(draw_face(0).landmarks - (60, 0), SIZE)
    assert align_drawing(sheet, transform, SIZE, InkLimits())[1] == (
        "background cut off at the sheet's edge"
    )
    assert align_drawing(sheet, transform, SIZE, InkLimits(most_edge=9))[1] is None


class Detector:
    """Finds one face whose score is that of the number of calls so far."""

    def __init__(self, scores):
        self.scores = scores
        self.seen = []

    def detect(self, photo):
        self.seen.append(photo)
        score = self.scores[len(self.seen) - 1]
        landmarks = np.full((5, 2), 10 * len(self.seen), np.float32)
        return [Face(Box(0, 0, 1, 1), landmarks, score)] if score else []


def test_the_surest_rendering_counts_and_a_sure_one_ends_the_search():
    sheet = np.full((640, 320, 3), 200, np.uint8)
    unsure = Detector([0.8, 0.9, 0, 0.85])
    landmarks, score = find_face_in_drawing(sheet, unsure)
    assert score == 0.9 and len(unsure.seen) == 4
    # The second call, in a picture of half the size; pixel centres at whole numbers.
    np.testing.assert_allclose(landmarks, 40.5)
    assert {view.shape for view in unsure.seen} == {(320, 160, 3)}
    sure = Detector([0.5, 0.98])
    assert find_face_in_drawing(sheet, sure)[1] == 0.98 and len(sure.seen) == 2
    assert find_face_in_drawing(sheet, Detector([0, 0, 0, 0])) is None


def test_faces_in_drawings_are_found_where_they_are():
    landmarks, score = find_face_in_drawing(scan(), find_detector(20))
    assert score > 0.9
    assert np.abs(landmarks - draw_face(0).landmarks).max() < 10
