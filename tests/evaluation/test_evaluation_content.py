"""What a drawing keeps of its photo, with stand-ins for the large networks."""

import keras
import numpy as np
import pytest

from found_faces import FoundFaces
from keras_portrait.evaluation import content
from keras_portrait.evaluation.content import find_landmarks, landmark_error
from keras_portrait.inference.faces import Box, Face
from keras_portrait.inference.geometry import face_template
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance

TEMPLATE = face_template(256)
EYES = np.linalg.norm(TEMPLATE[1] - TEMPLATE[0])


@pytest.fixture
def random_networks(monkeypatch):
    monkeypatch.setattr(content, "EdgeDetector", lambda: EdgeDetector(load=False))
    monkeypatch.setattr(content, "PerceptualDistance", lambda: PerceptualDistance(load=False))


def face(points):
    return Face(Box(0, 0, 9, 9), np.float32(points), 0.9)


def test_the_error_of_a_moved_face_is_the_move_in_percent_of_the_eye_distance():
    assert landmark_error(TEMPLATE, TEMPLATE) == 0
    assert landmark_error(TEMPLATE, TEMPLATE + [3, 4]) == pytest.approx(100 * 5 / EYES)


def test_the_nearest_face_counts_and_one_far_away_does_not():
    drawing = np.full((256, 256), 255, np.uint8)
    near, far = face(TEMPLATE + 2), face(TEMPLATE + EYES)
    assert find_landmarks(drawing, TEMPLATE, FoundFaces([far, near])) == pytest.approx(
        TEMPLATE + 2, abs=1e-4
    )
    assert find_landmarks(drawing, TEMPLATE, FoundFaces([far])) is None
    assert find_landmarks(drawing, TEMPLATE, FoundFaces()) is None


def test_large_drawings_are_looked_at_small():
    class Seen(FoundFaces):
        def detect(self, photo):
            self.shape = photo.shape
            return super().detect(photo)

    detector = Seen([face(face_template(320))])
    found = find_landmarks(np.full((512, 512), 255, np.uint8), face_template(512), detector)
    assert detector.shape == (320, 320, 3)
    assert found == pytest.approx(face_template(512), abs=1e-3)


def test_distance_of_edges_is_zero_for_equal_maps_alone(random_networks):
    judge = content.EdgeDistance()
    rng = np.random.default_rng(0)
    edges = rng.random((3, 64, 64)).astype(np.float32)
    found = judge.distances(judge.features(edges[:1]), edges)
    assert found[0] == pytest.approx(0, abs=1e-6) and (found[1:] > 1e-4).all()


def test_edges_do_not_depend_on_what_is_in_the_batch(random_networks):
    judge = content.EdgeDistance()
    pictures = np.random.default_rng(1).integers(0, 256, (5, 32, 32), np.uint8)
    together = judge.edges(pictures)
    assert together.shape == (5, 32, 32)
    alone = judge.edges(np.repeat(pictures[4:, ..., None], 3, axis=-1))
    assert together[4] == pytest.approx(alone[0], abs=1e-5)


@pytest.mark.parametrize(("flags", "change", "expected"), [
    ("avx2 avx512_bf16", 0.0, "mixed_bfloat16"),
    ("avx2 avx512_bf16", 0.01, "float32"),
    ("avx2", 0.0, "float32"),
])  # fmt: skip
def test_bfloat16_needs_the_cpu_and_must_not_change_the_figure(
    flags, change, expected, tmp_path, monkeypatch
):
    class Judge:
        def __init__(self, precision="float32"):
            self.precision = precision

        def edges(self, pictures):
            return pictures

        def features(self, edges):
            return edges

        def distances(self, features, edges):
            return np.array([0.3 + change * (self.precision != "float32")])

    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    monkeypatch.setattr(content, "_CPU_FLAGS", tmp_path / "cpuinfo")
    monkeypatch.setattr(content, "EdgeDistance", Judge)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    square = np.zeros((8, 8, 3), np.uint8)
    assert content.open_edge_distance(square, square[..., 0]).precision == expected


def test_a_dtype_policy_is_put_back():
    before = keras.config.dtype_policy().name
    with pytest.raises(ZeroDivisionError), content.dtype_policy("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        _ = 1 / 0
    assert keras.config.dtype_policy().name == before
