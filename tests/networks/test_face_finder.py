"""The face detector as a loss: its nets, what they see, and what the loss answers."""

import numpy as np
import pytest
from keras import ops

from keras_portrait.data.landmarks import BOXES, boxes_around, cut_landmarks
from keras_portrait.data.manifest import Row
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.inference.faces.mtcnn import NETS as FILES
from keras_portrait.inference.faces.sampling import cut_patches as cut_of_detector
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.perceptual import FaceFinder
from keras_portrait.perceptual.face_finder import cut_patches
from keras_portrait.perceptual.face_nets import load_face_nets

SIDES = {"pnet": 12, "rnet": 24, "onet": 48}


@pytest.mark.parametrize("name", SIDES)
def test_the_nets_in_keras_answer_as_the_model_files_do(name):
    side = SIDES[name]
    patch = np.random.default_rng(0).uniform(-1, 1, (1, side, side, 3)).astype(np.float32)
    runner = Runner(FILES / f"{name}.tflite")
    runner.resize("image", patch.shape)
    expected, found = runner(patch), load_face_nets()[name](patch)
    assert set(found) == set(expected)
    for output, values in expected.items():
        np.testing.assert_allclose(found[output], values, atol=2e-5)


def test_patches_are_those_of_the_detector():
    picture = np.random.default_rng(1).integers(0, 256, (80, 80), dtype=np.uint8)
    boxes = np.array([[5.0, 9.5, 60.0, 64.5], [20.0, 12.0, 70.5, 62.5]])
    pixels = np.repeat(picture[..., None], 4, axis=-1).view(np.uint32)[..., 0]
    expected = cut_of_detector(np.ascontiguousarray(pixels), boxes, 24)
    # The detector's package shrinks boxes towards the origin by this much.
    boxes *= (len(picture) - 1) / len(picture)
    found = cut_patches(picture[None, ..., None] / 127.5 - 1.0, boxes[None], 24)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    flat = np.full((1, 40, 40, 1), 0.5)
    inside = cut_patches(flat, np.array([[[4.0, 4.0, 30.0, 30.0]]]), 12, averaged=True)
    np.testing.assert_allclose(inside, 0.5 * 127.5 / 128, atol=0.02)


def test_averaged_patches_hold_no_single_strokes():
    stripes = np.tile(np.float32([1, -1]), 24)[None, None, :, None].repeat(48, axis=1)
    box = np.array([[[0.0, 0.0, 47.5, 47.5]]])
    assert np.abs(cut_patches(stripes, box, 12, averaged=True)[0, 2:-2, 2:-2]).max() < 0.1
    assert np.abs(cut_patches(stripes, box, 12)).max() > 0.9


def drawn(size=128):
    face = draw_face(3, size)
    drawing = np.float32(face.drawing)[None, ..., None] / 127.5 - 1
    landmarks = np.float32(face.landmarks)[None]
    boxes = boxes_around(landmarks[0], np.random.default_rng(0))[None]
    return drawing, landmarks, boxes


def test_a_drawing_without_a_face_costs_more_and_the_points_must_fit():
    finder = FaceFinder()
    drawing, landmarks, boxes = drawn()
    value = float(finder(drawing, landmarks, boxes))
    assert 0 <= value < float(finder(np.ones_like(drawing), landmarks, boxes))
    moved = landmarks + np.float32([12, 0])
    assert float(finder(drawing, moved, boxes)) > value


def test_the_loss_reaches_every_part_of_the_face():
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("the gradient is taken with TensorFlow")
    import tensorflow as tf

    drawing, landmarks, boxes = drawn()
    drawing = tf.Variable(drawing)
    with tf.GradientTape() as tape:
        value = FaceFinder()(drawing, landmarks, boxes)
    gradient = ops.convert_to_numpy(tape.gradient(value, drawing))[0, ..., 0]
    assert np.isfinite(gradient).all()
    left, top, right, bottom = boxes[0].mean(axis=0).round().astype(int)
    inside = np.abs(gradient[max(top, 0) : bottom, max(left, 0) : right]).mean()
    assert inside > 10 * np.abs(gradient[:4]).mean()


def row(landmarks, size):
    fields = dict(file="a.png", kind="photo", style=None, source="a.jpg", split="train", kept=True)
    rest = dict(reason=None, score=1.0, mask="m.png", stamp=None, style_shares=None)
    return Row(**fields, **rest, landmarks=landmarks, size=size)


def test_landmarks_follow_the_cut():
    points = [[10.0, 20.0], [30.0, 20.0], [20.0, 30.0], [12.0, 40.0], [28.0, 40.0]]
    plain = cut_landmarks(row(points, 64), 32, (64, 4, 6, False))
    np.testing.assert_allclose(plain, np.array(points) - [6, 4])
    mirrored = cut_landmarks(row(points, 64), 32, (64, 4, 6, True))
    np.testing.assert_allclose(mirrored[0], [31 - plain[1][0], plain[1][1]])
    np.testing.assert_allclose(mirrored[3], [31 - plain[4][0], plain[4][1]])
    # Twice as large: the centre of pixel 10 comes to lie between pixels 20 and 21.
    larger = cut_landmarks(row(points, 64), 128, (128, 0, 0, False))
    np.testing.assert_allclose(larger[0], [20.5, 40.5])


def test_boxes_lie_around_the_face_and_differ():
    points = np.array([[40.0, 50.0], [80.0, 50.0], [60.0, 70.0], [45.0, 90.0], [75.0, 90.0]])
    rng = np.random.default_rng(0)
    boxes = np.concatenate([boxes_around(points, rng) for _ in range(300)])
    assert boxes.shape == (300 * BOXES, 4) and boxes.dtype == np.float32
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], rtol=1e-4)
    assert np.median(sides) == pytest.approx(2.44 * 40, rel=0.03)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    np.testing.assert_allclose(centres.mean(axis=0), [60, 70 - 0.185 * 40], atol=1)
    assert centres.std() > 1
