"""What the style classifier sees of a drawing: letterboxed, turned, moved, scaled, mirrored."""

import numpy as np

from keras_portrait.models.style_classifier.config import StyleDataSettings
from keras_portrait.models.style_classifier.data import drawing_view, letterbox


def test_drawings_are_letterboxed_never_squashed():
    drawing = np.zeros((20, 10), np.uint8)
    square = letterbox(drawing)
    assert square.shape == (20, 20)
    assert (square[:, 5:15] == 0).all() and (square[:, :5] == 255).all()
    assert letterbox(np.zeros((1, 1), np.uint8)).shape == (1, 1)


def test_views_turn_move_and_scale_on_white_paper():
    settings = StyleDataSettings(size=32)
    square = np.full((96, 96), 255, np.uint8)
    square[40:56, 40:56] = 0
    upright = drawing_view(square, settings)
    assert upright.shape == (32, 32) and upright[16, 16] < 20 and upright[0, 0] == 255
    rows, columns = np.nonzero(upright < 128)
    assert abs(rows.mean() - 15.5) < 0.6 and abs(columns.mean() - 15.5) < 0.6
    views = [drawing_view(square, settings, np.random.default_rng(i)) for i in range(40)]
    np.testing.assert_array_equal(
        views[3], drawing_view(square, settings, np.random.default_rng(3))
    )
    ink = [np.mean(view < 128) for view in views]
    assert max(ink) > 1.3 * min(ink) > 0 and np.min([view[0, 0] for view in views]) == 255
    centres = [np.argwhere(view < 128).mean(axis=0) - 15.5 for view in views]
    assert 1 < np.abs(centres).max() < 0.08 * 32 + 1
    still = StyleDataSettings(size=32, rotation=0, translation=0, scale=1)
    view = drawing_view(square, still, np.random.default_rng(0))
    np.testing.assert_array_equal(view, upright)


def test_views_are_mirrored_where_asked_for():
    square = np.full((64, 64), 255, np.uint8)
    square[:, :20] = 0
    calm = {"size": 32, "rotation": 0, "translation": 0, "scale": 1}
    for flip, sides in ((False, {True}), (True, {True, False})):
        settings = StyleDataSettings(**calm, flip=flip)
        views = [drawing_view(square, settings, np.random.default_rng(i)) for i in range(20)]
        assert {bool(view[16, 2] < 128) for view in views} == sides


def test_small_drawings_and_large_ones_become_views():
    for size in (1, 7, 40, 700):
        view = drawing_view(np.full((size, size), 255, np.uint8), StyleDataSettings(size=32))
        assert view.shape == (32, 32) and view.min() == 255
