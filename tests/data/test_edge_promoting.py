import cv2
import numpy as np
import pytest

from keras_portrait.data.edge_promoting import promote_edges
from keras_portrait.data.synthetic_faces import draw_face


def mirrored(index: int, length: int) -> int:
    """Index into a row that goes on as its mirror image; the outermost pixel is not repeated."""
    if length == 1:
        return 0
    index %= 2 * (length - 1)
    return min(index, 2 * (length - 1) - index)


def pixel_by_pixel(picture: np.ndarray) -> np.ndarray:
    """The definition, one pixel at a time."""
    height, width, _ = picture.shape
    edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 100, 200)
    weights = [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16]
    result = picture.copy()
    for y in range(height):
        for x in range(width):
            if not edges[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].any():
                continue
            total = np.zeros(3)
            for row in range(5):
                for column in range(5):
                    place = mirrored(y + row - 2, height), mirrored(x + column - 2, width)
                    total += weights[row] * weights[column] * picture[place]
            result[y, x] = [round(value) for value in total]
    return result


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_weights_are_those_of_opencv():
    weights = cv2.getGaussianKernel(5, 0).ravel()
    assert (weights * 16).tolist() == [1, 4, 6, 4, 1]


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 2), (2, 1), (2, 2), (1, 9), (9, 1), (3, 3), (2, 7), (4, 5), (5, 5), (31, 18)],
)
def test_noise_of_every_size_equals_the_definition(shape):
    for seed in range(5):
        picture = noise(*shape, seed=seed)
        assert (promote_edges(picture) == pixel_by_pixel(picture)).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_drawn_pictures_equal_the_definition(seed):
    face = draw_face(seed, 64)
    for picture in (face.photo, np.dstack([face.drawing] * 3)):
        smoothed = promote_edges(picture)
        assert (smoothed == pixel_by_pixel(picture)).all()
        assert (smoothed != picture).any()


def test_only_the_edge_is_smoothed():
    picture = np.full((20, 30, 3), 20, np.uint8)
    picture[:, 15:] = (240, 200, 180)
    smoothed = promote_edges(picture)
    changed = (smoothed != picture).any(axis=(0, 2))
    assert changed[13:17].all()
    assert not changed[:13].any() and not changed[17:].any()
    steps = np.abs(np.diff(smoothed.astype(int), axis=1)).max()
    assert steps < 0.5 * 220


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_stays_as_it_is(level):
    picture = np.full((12, 17, 3), level, np.uint8)
    smoothed = promote_edges(picture)
    assert (smoothed == picture).all()
    assert not np.shares_memory(smoothed, picture)


def test_a_picture_with_soft_shading_alone_stays_as_it_is():
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    picture = np.repeat(np.tile(ramp, (40, 1))[..., None], 3, axis=2)
    assert (promote_edges(picture) == picture).all()


def test_the_input_is_not_changed():
    picture = noise(16, 16)
    kept = picture.copy()
    picture.flags.writeable = False
    smoothed = promote_edges(picture)
    assert (picture == kept).all()
    assert smoothed.dtype == np.uint8 and smoothed.shape == picture.shape


@pytest.mark.parametrize(
    "view",
    [np.s_[::-1], np.s_[:, ::-1], np.s_[..., ::-1], np.s_[1::2, 2::3]],
    ids=["upside down", "mirrored", "colours reversed", "every second row"],
)
def test_views_of_a_larger_array_are_read_in_their_own_order(view):
    picture = noise(24, 30)[view]
    assert (promote_edges(picture) == promote_edges(np.ascontiguousarray(picture))).all()
