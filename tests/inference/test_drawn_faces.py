import numpy as np
import pytest

from keras_portrait.data.synthetic_faces import draw_face, write_drawn_faces
from keras_portrait.inference.faces import find_detector


def test_the_same_seed_gives_the_same_face_and_another_another():
    first, again, other = draw_face(3, 64), draw_face(3, 64), draw_face(4, 64)
    assert (first.photo == again.photo).all() and (first.drawing == again.drawing).all()
    assert (first.photo != other.photo).any()
    assert first.photo.shape == (64, 64, 3) and first.drawing.shape == (64, 64)
    assert first.photo.dtype == first.drawing.dtype == np.uint8


@pytest.mark.parametrize("seed", range(4))
def test_the_landmarks_lie_on_eyes_and_mouth(seed):
    face = draw_face(seed, 256)
    for x, y in face.landmarks[[0, 1, 3, 4]]:
        column, row = round(float(x)), round(float(y))
        around = face.drawing[row - 2 : row + 3, column - 2 : column + 3]
        assert around.min() < 64
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]


def test_the_detector_takes_them_for_faces():
    detector = find_detector(40)
    for seed in range(4):
        face = draw_face(seed, 256)
        found = detector.detect(face.photo)
        assert len(found) == 1
        # 256 px pictures: the eyes are 54 px apart.
        assert np.abs(found[0].landmarks - face.landmarks).max() < 10


def test_drawings_are_black_on_white():
    drawing = draw_face(0, 256).drawing
    assert np.mean(drawing == 255) > 0.7
    assert np.mean((drawing > 64) & (drawing < 192)) < 0.08


def test_write_drawn_faces(tmp_path):
    write_drawn_faces(tmp_path, 2, size=64)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert names == [
        "drawings/drawn/0000.png",
        "drawings/drawn/0001.png",
        "photos/0000.png",
        "photos/0001.png",
    ]
