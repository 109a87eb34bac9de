"""What is done to a square before the network, and to a drawing after it."""

import cv2
import numpy as np
import pytest

from cut_photos import cut_photo
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.inference.alignment import (
    FACE_LIGHTNESS,
    MOST_GAIN,
    even_exposure,
    fade_ink,
    fade_rim,
    keep_paper,
    prepare_face,
)
from keras_portrait.inference.geometry import face_template, square_to_photo, warp


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


def test_ink_outside_of_the_photo_goes():
    square = np.full((64, 64, 3), 120, np.uint8)
    drawing = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    inside = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    kept = keep_paper(drawing, square, inside)
    np.testing.assert_array_equal(kept, fade_ink(drawing, inside))
    assert (kept[:, 0] == 255).all() and (kept[:, -1] == drawing[:, -1]).all()


# Exposure.


def lightness(square):
    """L of CIE Lab of nose and cheeks, scaled to 0..255: their median."""
    size = square.shape[0]
    face = square[round(0.57 * size) : round(0.68 * size), round(0.36 * size) : round(0.64 * size)]
    return np.median(cv2.cvtColor(face, cv2.COLOR_RGB2Lab)[..., 0])


def plain(level, size=128):
    return np.full((size, size, 3), level, np.uint8)


@pytest.mark.parametrize("level", [40, 70, 100, 130, 150])
def test_a_dark_face_gets_the_lightness_that_all_have(level):
    square = plain(level)
    square[:8] = 255
    evened = even_exposure(square)
    assert lightness(square) < FACE_LIGHTNESS - 3
    assert lightness(evened) == pytest.approx(FACE_LIGHTNESS, abs=2.5)
    assert (evened[:8] == 255).all()


def test_lightness_is_scaled_up_to_the_highlights():
    square = plain(100)
    square[:16] = np.arange(128, dtype=np.uint8)[:, None]  # across: one gray after the other
    before = cv2.cvtColor(square[:1], cv2.COLOR_RGB2Lab)[0, :, 0].astype(float)
    after = cv2.cvtColor(even_exposure(square)[:1], cv2.COLOR_RGB2Lab)[0, :, 0].astype(float)
    gain = FACE_LIGHTNESS / lightness(square)
    linear = gain * before < 190
    assert 80 < linear.sum() < 128
    np.testing.assert_allclose(after[linear], gain * before[linear], atol=2.5)


def test_highlights_keep_their_shapes():
    square = plain(60)
    square[:1, :, :] = np.arange(128, 256, dtype=np.uint8)[:, None]
    shades = even_exposure(square)[0, :, 0].astype(int)
    assert (np.diff(shades) >= 0).all() and shades[-1] == 255
    assert len(np.unique(shades)) > 12 and shades[64] < 254


@pytest.mark.parametrize("level", [175, 200, 255])
def test_a_light_face_is_left_as_it_is(level):
    square = plain(level)
    square[:8] = 30
    np.testing.assert_array_equal(even_exposure(square), square)


def test_the_darkest_photos_are_not_driven_to_noise():
    assert (even_exposure(plain(0)) == 0).all()
    square = plain(4)
    before = cv2.cvtColor(square, cv2.COLOR_RGB2Lab)[0, 0, 0]
    after = cv2.cvtColor(even_exposure(square), cv2.COLOR_RGB2Lab)[0, 0, 0]
    assert before < after <= MOST_GAIN * (before + 1.0)


@pytest.mark.parametrize("seed", range(6))
def test_skin_of_every_tone_becomes_light(seed):
    face = draw_face(seed, 256)
    for exposure in (0.6, 0.8, 1.0):
        photo = np.uint8(face.photo * exposure)
        square = prepare_face(photo, face.landmarks, 128, None).square
        former = prepare_face(photo, face.landmarks, 128, None, alignment=1).square
        expected = max(lightness(former), FACE_LIGHTNESS)
        assert lightness(square) == pytest.approx(expected, abs=4)


def test_faces_of_one_photo_are_each_evened_by_their_own():
    one, other = draw_face(3, 256), draw_face(3, 256)
    photo = np.hstack([np.uint8(one.photo * 0.6), np.uint8(other.photo * 0.3)])
    left = prepare_face(photo, one.landmarks, 128, None).square
    right = prepare_face(photo, other.landmarks + [256, 0], 128, None).square
    assert lightness(left) == pytest.approx(FACE_LIGHTNESS, abs=4)
    assert lightness(right) == pytest.approx(FACE_LIGHTNESS, abs=4)


# The two versions.


@pytest.mark.parametrize("where", ["chin", "turned"])
def test_the_first_alignment_is_white_outside_and_keeps_the_exposure(where):
    photo, points = cut_photo(where)
    photo = np.uint8(photo * 0.5)
    aligned = prepare_face(photo, points, 128, None, alignment=1)
    np.testing.assert_array_equal(aligned.square, warp(photo, aligned.transform, 128))
    assert (aligned.inside == 1).all()
    assert lightness(prepare_face(photo, points, 128, None).square) > lightness(aligned.square) + 20


def test_the_background_goes_white_outside_of_the_photo_too():
    photo, points = cut_photo("left ear")
    person = np.zeros((128, 128), np.float32)
    person[20:, 40:90] = 1
    aligned = prepare_face(np.uint8(photo * 0.5), points, 128, lambda square: person)
    assert (aligned.square[person == 0] == 255).all()
    assert (aligned.inside[:, :15] == 0).all()
    assert (aligned.square[20:, 45:85] < 255).any(axis=-1).mean() > 0.9


def test_the_person_is_looked_for_before_the_blur():
    photo, points = cut_photo("chin")
    seen = []
    prepare_face(photo, points, 128, lambda square: seen.append(square) or np.ones((128, 128)))
    matrix = square_to_photo(points, 128)
    np.testing.assert_array_equal(seen[0], warp(photo, matrix, 128, fill=None))


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_photos_give_plain_squares(level):
    photo = np.full((90, 90, 3), level, np.uint8)
    points = face_template(100) - 5
    square = prepare_face(photo, points, 100, None).square
    assert np.ptp(square) <= 1


def test_ink_fades_in_strokes_and_not_in_gray():
    black = np.zeros((256, 256), np.uint8)
    np.testing.assert_array_equal(fade_ink(black, np.ones((256, 256), np.float32)), black)
    assert (fade_ink(black, np.zeros((256, 256), np.float32)) == 255).all()
    # Half of a cosine lies below its middle: half of the ink is left, most of it black.
    half = fade_ink(black, np.full((256, 256), 0.5, np.float32))
    assert (half < 128).mean() == pytest.approx(0.5, abs=0.08)
    assert ((half > 64) & (half < 192)).mean() < 0.2
    shares = [
        (255 - np.float32(fade_ink(black, np.full((256, 256), kept, np.float32)))).mean()
        for kept in (0.1, 0.3, 0.7, 0.9)
    ]
    assert shares == sorted(shares)


@pytest.mark.parametrize("size", [64, 512, 1024])
def test_a_placed_drawing_ends_before_its_border(size):
    faded = fade_rim(np.zeros((size, size), np.uint8))
    ends = round(0.03 * size)
    for border in (faded[:ends], faded[-ends:], faded[:, :ends], faded[:, -ends:]):
        assert (border == 255).all()
    middle = slice(size // 8, size * 7 // 8)
    assert (faded[middle, middle] == 0).all()
