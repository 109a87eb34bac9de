"""The judge of pictures in colour: nearer is smaller, and the best epoch's generator is kept."""

import json

import keras
import numpy as np
import pytest

from cartoon_faces import cartoon_of
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.inference.imaging import to_signed
from keras_portrait.metrics import kernel_distance
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training.callbacks import Validation
from keras_portrait.training.scorers import PictureScorer, picture_features

SIZE, COUNT = 48, 20


@pytest.fixture(scope="module")
def sets():
    """Pictures by kind, float (20, 48, 48, 3) in [-1, 1]; the cartoons twice, of other faces."""
    faces = [draw_face(seed, SIZE) for seed in range(2 * COUNT)]
    cartoons = np.stack([to_signed(cartoon_of(face)) for face in faces])
    rng = np.random.default_rng(0)
    return {
        "cartoons": cartoons[:COUNT],
        "others": cartoons[COUNT:],
        "photos": np.stack([to_signed(face.photo) for face in faces[:COUNT]]),
        "noise": rng.uniform(-1, 1, (COUNT, SIZE, SIZE, 3)).astype(np.float32),
        "gray": np.zeros((COUNT, SIZE, SIZE, 3), np.float32),
    }


def test_pictures_of_the_kind_are_nearer_than_others_and_noise(sets):
    distance = PerceptualDistance()
    features = {name: picture_features(pictures, distance) for name, pictures in sets.items()}
    far = {name: kernel_distance(rows, features["cartoons"]) for name, rows in features.items()}
    assert abs(far["others"]) < 0.1
    assert far["others"] < far["photos"] < far["noise"]
    assert far["others"] < 0.1 * far["noise"] and far["others"] < 0.1 * far["gray"]


def test_features_of_many_pictures_are_those_of_each(sets):
    distance = PerceptualDistance()
    pictures = np.concatenate([sets["cartoons"], sets["photos"]])  # more than are taken at once
    rows = picture_features(pictures, distance)
    assert rows.shape == (2 * COUNT, 1152) and rows.dtype == np.float32
    for index in (0, 24, 25, 39):
        one = picture_features(pictures[index : index + 1], distance)
        np.testing.assert_allclose(one[0], rows[index], atol=1e-4)
    # The mean of five cosines at most.
    products = rows @ rows.T / rows.shape[1]
    assert 0.2 < products.min() and products.max() <= 1.0 + 1e-5


class Model:
    """Holds a generator of one convolution, which keeps pictures as they are or does not."""

    def __init__(self):
        self.averaged_generator = keras.Sequential(
            [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1, use_bias=False)]
        )

    def keep(self, share):
        kernel = share * np.eye(3, dtype=np.float32)[None, None]
        self.averaged_generator.set_weights([kernel])


def judge(folder, sets):
    callback = Validation(folder, PictureScorer(sets["others"], sets["cartoons"]))
    model = Model()
    callback.set_model(model)
    callback.on_train_begin()
    return callback, model


def measured(callback, model, epoch, share):
    logs = {"content": 1.0}
    model.keep(share)
    callback.on_epoch_end(epoch, logs)
    assert set(logs) == {"content", "val_kid"}
    return logs["val_kid"]


def best_of(folder):
    kept = keras.models.load_model(folder / "best.keras").get_weights()[0]
    return json.loads((folder / "best.json").read_text()), float(kept[0, 0, 0, 0])


def test_the_generator_of_the_best_epoch_is_kept(tmp_path, sets):
    callback, model = judge(tmp_path, sets)
    shares = [0.05, 0.4, 0.0, 0.1]
    found = [measured(callback, model, epoch, share) for epoch, share in enumerate(shares)]
    assert found.index(min(found)) == 1 and min(found) < 0.5 * found[0]
    best, kept = best_of(tmp_path)
    assert best == {"epoch": 2, "val_kid": found[1]} and kept == pytest.approx(0.4)
    # A later start knows what was best.
    callback, model = judge(tmp_path, sets)
    assert measured(callback, model, 4, 0.2) > found[1]
    assert best_of(tmp_path) == (best, kept)
    assert measured(callback, model, 5, 1.0) < found[1]
    best, kept = best_of(tmp_path)
    assert best["epoch"] == 6 and kept == 1.0


@pytest.mark.parametrize("content", [b"", b"[]", b'{"val_patch_kid": 0.1}', b'{"val_kid": null}'])
def test_without_a_figure_that_can_be_read_the_next_epoch_is_the_best(tmp_path, sets, content):
    (tmp_path / "best.json").write_bytes(content)
    callback, model = judge(tmp_path, sets)
    value = measured(callback, model, 2, 0.5)
    assert best_of(tmp_path) == ({"epoch": 3, "val_kid": value}, 0.5)


def test_what_is_no_number_is_never_the_best(tmp_path, sets):
    callback, model = judge(tmp_path, sets)
    assert np.isnan(measured(callback, model, 0, np.nan))
    assert list(tmp_path.iterdir()) == []
    value = measured(callback, model, 1, 0.1)
    assert best_of(tmp_path)[0] == {"epoch": 2, "val_kid": value}
