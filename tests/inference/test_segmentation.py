import hashlib

import numpy as np
import pytest

from keras_portrait.inference import imaging, segmentation
from keras_portrait.inference.alignment import prepare_face
from keras_portrait.inference.geometry import face_template, square_to_photo, warp


@pytest.fixture(scope="module")
def segmenter():
    return segmentation.PersonSegmenter()


def test_the_notice_names_these_weights():
    notice = segmentation.WEIGHTS.with_name("selfie_segmentation.NOTICE.txt").read_text()
    assert hashlib.sha256(segmentation.WEIGHTS.read_bytes()).hexdigest() in notice
    assert "Apache License, Version 2.0" in notice


def test_a_person_is_found_and_the_wall_is_not(segmenter, example):
    photo, face = example
    alpha = segmenter(photo)
    assert alpha.shape == photo.shape[:2] and alpha.dtype == np.float32
    assert alpha.min() >= 0 and alpha.max() <= 1
    for x, y in face:
        assert alpha[int(y), int(x)] == 1
    assert 0.2 < alpha.mean() < 0.8


def test_nobody_is_found_in_a_plain_picture(segmenter):
    assert segmenter(np.full((90, 120, 3), 128, np.uint8)).mean() < 0.05


def test_whiten_background_mixes_with_white():
    photo = np.full((1, 3, 3), 100, np.uint8)
    alpha = np.array([[0, 0.5, 1]], np.float32)
    assert segmentation.whiten_background(photo, alpha)[0, :, 0].tolist() == [255, 178, 100]


def test_keep_region_drops_what_is_not_connected():
    alpha = np.zeros((60, 80), np.float32)
    alpha[10:50, 10:40] = 1
    alpha[10:50, 40:42] = 0.3  # a soft rim
    alpha[10:50, 60:75] = 0.9
    kept = segmentation.keep_region(alpha, 20, 30)
    np.testing.assert_array_equal(kept[:, :50], alpha[:, :50])
    assert (kept[:, 50:] == 0).all()
    np.testing.assert_array_equal(segmentation.keep_region(alpha, 5, 5), alpha)


def test_prepare_face_aligns_then_whitens(segmenter, example):
    photo, face = example
    aligned = prepare_face(photo, face, 256, None, alignment=1)
    plain = aligned.square
    np.testing.assert_array_equal(aligned.transform, square_to_photo(face, 256))
    np.testing.assert_array_equal(plain, warp(photo, aligned.transform, 256))
    square = prepare_face(photo, face, 256, segmenter, alignment=1).square
    inner = face_template(256).astype(int)
    for x, y in inner:
        np.testing.assert_array_equal(square[y, x], plain[y, x])
    white = [(picture == 255).all(axis=-1).mean() for picture in (plain, square)]
    assert white[1] > white[0] + 0.1


def test_prepare_face_does_not_depend_on_the_photo_size(segmenter, example):
    photo, face = example
    large = imaging.resize(photo, photo.shape[1] * 2, photo.shape[0] * 2)
    one = prepare_face(photo, face, 128, segmenter).square
    two = prepare_face(large, (face + 0.5) * 2 - 0.5, 128, segmenter).square
    assert np.abs(one.astype(int) - two).mean() < 5


def test_a_face_that_the_segmentation_misses_is_not_whitened(example):
    photo, face = example
    plain = prepare_face(photo, face, 64, None)
    missed = prepare_face(photo, face, 64, lambda square: np.zeros(square.shape[:2], np.float32))
    np.testing.assert_array_equal(missed.square, plain.square)
