import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_portrait.errors import InputError
from keras_portrait.inference import geometry

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "alignment.json").read_text())


def smooth_picture(height, width, seed=0):
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 8)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    return (noise * 255).astype(np.uint8)


def similarity(scale, angle, dx, dy):
    a = scale * np.exp(1j * angle)
    return np.array([[a.real, -a.imag, dx], [a.imag, a.real, dy]])


def test_template_is_the_reference():
    np.testing.assert_allclose(geometry.TEMPLATE_512, REFERENCE["template_512"], atol=1e-9)


def test_alignment_is_the_reference():
    points = np.array(REFERENCE["source_points"]) - 1
    transform = geometry.square_to_photo(points, 512)
    # The reference maps 1-based to 1-based pixels: T(p) + 1 = R(p + 1).
    reference = np.array(REFERENCE["target_to_source"])
    expected = reference.copy()
    expected[:, 2] += reference[:, :2].sum(axis=1) - 1
    np.testing.assert_allclose(transform, expected, atol=1e-6)
    aligned = geometry.transform_points(points, geometry.invert(transform))
    np.testing.assert_allclose(aligned + 1, REFERENCE["aligned_points"], atol=1e-5)


def test_fitting_the_other_way_differs():
    points = np.array(REFERENCE["source_points"]) - 1
    other = geometry.fit_similarity(points, geometry.face_template(512))
    aligned = geometry.transform_points(points, other)
    assert np.abs(aligned + 1 - REFERENCE["aligned_points"]).max() > 0.5


def test_alignment_is_the_same_at_every_size():
    points = np.array(REFERENCE["source_points"]) - 1
    at_512 = geometry.square_to_photo(points, 512)
    at_256 = geometry.square_to_photo(points, 256)
    # Pixel p of the small square covers pixels 2 p and 2 p + 1 of the large one.
    centre = geometry.transform_points([[100.5, 60.5]], at_512)
    np.testing.assert_allclose(geometry.transform_points([[50, 30]], at_256), centre, atol=1e-9)


def test_fit_recovers_a_similarity():
    true = similarity(1.7, 0.4, 30, -12)
    source = geometry.face_template(256)
    fitted = geometry.fit_similarity(source, geometry.transform_points(source, true))
    np.testing.assert_allclose(fitted, true, atol=1e-9)
    assert geometry.scale_of(fitted) == pytest.approx(1.7)
    np.testing.assert_allclose(
        geometry.transform_points(geometry.transform_points(source, true), geometry.invert(true)),
        source,
        atol=1e-9,
    )


@pytest.mark.parametrize("points", [np.zeros((4, 2)), np.full((5, 2), np.nan)], ids=["four", "nan"])
def test_bad_landmarks_are_named(points):
    with pytest.raises(InputError, match="Landmarks must"):
        geometry.square_to_photo(points, 256)
    with pytest.raises(InputError, match="same point"):
        geometry.fit_similarity(np.ones((5, 2)), np.ones((5, 2)))


def test_warp_by_whole_pixels_is_a_crop_with_white_outside():
    photo = smooth_picture(50, 40)
    square = geometry.warp(photo, similarity(1, 0, 10, 20), 40)
    np.testing.assert_array_equal(square[:30, :30], photo[20:, 10:])
    assert (square[31:] == 255).all() and (square[:, 31:] == 255).all()


def test_warp_by_an_even_factor_is_the_mean_of_areas():
    photo = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    square = geometry.warp(photo, similarity(4, 0, 1.5, 1.5), 20)
    means = photo.reshape(20, 4, 20, 4, 3).mean(axis=(1, 3))
    assert np.abs(square - means).max() <= 1


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.9])
def test_warp_then_paste_is_identity_inside(scale):
    photo = smooth_picture(340, 340)
    transform = similarity(scale, 0.3, 85, 10)
    square = geometry.warp(photo, transform, 128)
    canvas = np.full_like(photo, 255)
    pasted = geometry.paste_back(canvas, square, transform, feather=0.1)
    across, down = np.meshgrid(np.arange(340), np.arange(340))
    in_square = geometry.transform_points(
        np.stack([across.ravel(), down.ravel()], axis=1), geometry.invert(transform)
    )
    depth = np.minimum(in_square, 127 - in_square).min(axis=1).reshape(340, 340)
    inside, outside = depth > 16, depth < -1
    assert np.abs(pasted[inside].astype(int) - photo[inside]).max() <= 5
    assert (pasted[outside] == 255).all()
    assert (canvas == 255).all()


def test_paste_of_a_small_face_is_averaged():
    square = np.indices((256, 256)).sum(axis=0) % 2 * np.uint8(255)
    canvas = np.full((64, 64, 3), 255, np.uint8)
    pasted = geometry.paste_back(canvas, square.astype(np.uint8), similarity(1 / 8, 0, 16, 16))
    assert np.abs(pasted[24:40, 24:40].astype(int) - 128).max() <= 2


def test_paste_outside_the_canvas_changes_nothing():
    canvas = smooth_picture(30, 30)
    square = np.zeros((16, 16, 3), np.uint8)
    for dx in (-500, 500):
        np.testing.assert_array_equal(
            geometry.paste_back(canvas, square, similarity(1, 0.1, dx, 3)), canvas
        )


@pytest.mark.parametrize("size", [128, 512])
@pytest.mark.parametrize("part", ["eyes", "nose", "lips"])
def test_part_masks_are_the_boxes_and_follow_the_landmarks(part, size):
    template = geometry.face_template(size)
    mask = geometry.part_mask(template, size, part)
    assert mask.shape == (size, size) and mask.dtype == np.float32
    assert mask.min() == 0 and mask.max() == 1
    area = sum((r - le) * (b - t) for (le, t, r, b), _ in geometry.PART_BOXES[part]) / 512**2
    assert mask.mean() == pytest.approx(area, rel=0.05)
    moved = geometry.part_mask(template + [size / 16, -size / 32], size, part)
    np.testing.assert_allclose(
        moved, np.roll(mask, (-size // 32, size // 16), axis=(0, 1)), atol=1e-5
    )


def test_part_masks_cover_their_landmarks():
    aligned = np.array(REFERENCE["aligned_points"]) - 1
    for part, points in (("eyes", (0, 1)), ("nose", (2,)), ("lips", (3, 4))):
        mask = geometry.part_mask(aligned, 512, part)
        for x, y in aligned[list(points)]:
            assert mask[int(y), int(x)] == 1


@pytest.mark.parametrize("scale", [1.5, 60.0])
def test_warp_out_of_a_very_wide_picture(scale):
    photo = np.zeros((400, 40_000, 3), np.uint8)
    photo[:, 20_000:] = 200
    square = geometry.warp(photo, similarity(scale, 0, 20_000 - scale * 31.5, 100), 64)
    assert (square[0, :31] == 0).all() and (square[0, 33:] == 200).all()
    off = geometry.warp(photo, similarity(scale, 0, 50_000, 500), 64)
    assert (off == 255).all()
