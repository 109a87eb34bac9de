"""Photos that lie on their side, tilted heads, and faces that are small in large photos."""

import warnings

import cv2
import numpy as np
import pytest

from keras_portrait import Stylizer
from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.errors import InputError, TurnedPhotoWarning
from keras_portrait.inference.faces import (
    Box,
    Face,
    FaceFinder,
    find_detector,
    find_faces,
    largest_face,
    quarter_turns,
    smallest_faces,
)
from keras_portrait.inference.geometry import transform_points
from keras_portrait.inference.imaging import write_image

# Clockwise, and how np.rot90 turns by it.
TURNS = {90: 3, 180: 2, 270: 1}


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


def rotated(photo, degrees):
    """A photo turned clockwise on gray, and the transform (2, 3) from its pixels of before."""
    height, width = photo.shape[:2]
    side = int(np.hypot(height, width)) + 2
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1)
    matrix[:, 2] += (side - np.array([width, height])) / 2
    return cv2.warpAffine(photo, matrix, (side, side), borderValue=(128,) * 3), matrix


def upright(photo):
    return largest_face(find_faces(photo, find_detector(40)))


def error(face, landmarks):
    """Mean distance of the landmarks over the distance of the eyes."""
    eyes = np.linalg.norm(landmarks[0] - landmarks[1])
    return np.linalg.norm(face.landmarks - landmarks, axis=1).mean() / eyes


@pytest.mark.parametrize("degrees", [15, 30, 45, 60, -60, 90, 135, 180, 270])
def test_the_face_is_found_whichever_way_it_is_turned(example, finder, degrees):
    photo, matrix = rotated(example[0], degrees)
    face = largest_face(finder.find(photo))
    assert error(face, transform_points(upright(example[0]).landmarks, matrix)) < 0.1
    assert abs((face.turn - degrees + 180) % 360 - 180) < 12


def test_an_upright_face_is_what_one_search_finds(example, finder):
    found = finder.find(example[0])
    wanted = find_faces(example[0], find_detector(40))
    assert found == wanted
    np.testing.assert_array_equal(found[0].landmarks, wanted[0].landmarks)


def test_an_upright_photo_is_searched_once(example, monkeypatch):
    finder, views = FaceFinder(), []
    detector = finder._detector(40)
    detect = detector.detect
    monkeypatch.setattr(detector, "detect", lambda view: views.append(view.shape) or detect(view))
    finder.find(example[0])
    assert views == [example[0].shape]


@pytest.mark.parametrize("degrees", TURNS)
def test_it_is_drawn_as_it_lies_and_that_is_said(tiny_preset, example, degrees):
    stylizer = Stylizer(tiny_preset, threads=1)
    photo = np.ascontiguousarray(np.rot90(example[0], TURNS[degrees]))
    quarters = 180 if degrees == 180 else 90
    with pytest.warns(TurnedPhotoWarning, match=f"turned by {quarters} degrees.*Received: array"):
        drawing = stylizer(photo)
    wanted = np.rot90(stylizer(example[0]), TURNS[degrees])
    # Where the ink lies: landmarks differ by a few pixels.
    ink, wanted_ink = (cv2.blur(255 - picture[..., 0], (25, 25)) for picture in (drawing, wanted))
    assert np.corrcoef(ink.ravel(), wanted_ink.ravel())[0, 1] > 0.9


def test_nothing_is_said_of_a_tilted_head(tiny_preset, example):
    photo, _ = rotated(example[0], 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Stylizer(tiny_preset, threads=1)(photo)


@pytest.mark.parametrize(
    ("turn", "quarters"), [(0, 0), (55, 0), (-55, 0), (70, 90), (-90, 90), (130, 90), (-170, 180)]
)
def test_turns_in_words(turn, quarters):
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    points = np.array([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1.0]])
    face = Face(Box(0, 0, 2, 2), points @ np.array([[cosine, sine], [-sine, cosine]]), 1.0)
    assert face.turn == pytest.approx(turn)
    assert quarter_turns(face) == quarters


def test_preparing_turns_photos_upright(example, tmp_path):
    for name, turns in (("flat", 0), ("left", 1), ("head", 2)):
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        write_image(folder / f"{name}.png", np.rot90(example[0], turns))
    summary = prepare(tmp_path / "photos", None, tmp_path / "data", size=64, holdout=0.0)
    turned = {row.source: row.turn for row in read_manifest(tmp_path / "data") if row.kept}
    assert turned == {"flat.png": 0, "left.png": 90, "head.png": 180}
    assert "turned upright: 1 by 180 degrees, 1 by 90 degrees" in summary.lines()
    squares = [row.read(tmp_path / "data", row.file).astype(float) for row in summary.rows]
    for square in squares[1:]:
        assert np.corrcoef(square.ravel(), squares[0].ravel())[0, 1] > 0.95


def test_a_face_that_is_small_in_a_large_photo(example, finder):
    face = upright(example[0])
    scale = 32 / face.box.width
    small = cv2.resize(example[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    photo = np.full((240, 3600, 3), 128, np.uint8)
    photo[10 : 10 + small.shape[0], 2000 : 2000 + small.shape[1]] = small
    found = largest_face(finder.find(photo))
    wanted = (face.landmarks + 0.5) * scale - 0.5 + (2000, 10)
    assert error(found, wanted) < 0.25  # 4 of its 16 pixels from eye to eye


def test_what_is_too_small_is_said_in_pixels_of_the_photo(tiny_preset):
    wide = np.full((90, 8192, 3), 200, np.uint8)
    assert smallest_faces(wide) == (160, 40)
    assert smallest_faces(np.zeros((100, 100, 3), np.uint8)) == (20, 20)
    text = (
        "turned in any way, from 160 pixels up in this photo, 40 where it stands upright; --whole"
    )
    with pytest.raises(InputError, match=text):
        Stylizer(tiny_preset, threads=1)(wide)
