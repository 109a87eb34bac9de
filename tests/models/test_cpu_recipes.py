"""What the headers of the CPU-sized avatar recipes promise, on invented faces; minutes each."""

import json
import re

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from cartoon_faces import write_cartoon_faces
from keras_portrait import losses
from keras_portrait.data.manifest import SMOOTH
from keras_portrait.metrics import kernel_distance
from keras_portrait.models import recipe_files
from keras_portrait.models.dcgan.networks import dcgan_generator
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.perceptual.vgg import VGGFeatures
from keras_portrait.training import run as training
from keras_portrait.training.scorers import picture_features

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """200 photos and 200 cartoons of other faces."""
    return write_cartoon_faces(tmp_path_factory.mktemp("faces"), 200, 112)


def promised(name, figure):
    """A number that the header of a recipe states, as "FIGURE below NUMBER"."""
    text = recipe_files()[f"{name}.toml"].read_text(encoding="utf-8")
    return float(re.search(rf"`{figure}` below ([0-9.]+)", text)[1])


def train(name, data, folder):
    """Trains a shipped recipe as it is: its experiment, its losses, its generator."""
    plan = training.make_plan(load_recipe(name), name, data, folder)
    training.train(plan, verbose=0)
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    return plan.experiment, rows, keras.models.load_model(folder / "generator.keras")


def test_dcgan_comes_nearer_to_the_data_than_noise_and_than_an_untrained_generator(faces, tmp_path):
    experiment, rows, _ = train("dcgan-cpu", faces, tmp_path / "run")
    batches, judge = experiment.batches(tmp_path), PerceptualDistance()
    real = batches.fixed(experiment.data.held_pictures)
    noise = np.random.default_rng(0).uniform(-1, 1, real.shape).astype(np.float32)
    untrained = dcgan_generator(experiment.recipe.network.filters)(
        experiment.judged_inputs(batches)
    )
    distances = [
        kernel_distance(picture_features(np.asarray(made), judge), picture_features(real, judge))
        for made in (noise, untrained)
    ]
    assert rows[-1]["val_kid"] < promised("dcgan-cpu", "val_kid")
    assert rows[-1]["val_kid"] < 0.5 * min(distances)


def test_cyclegan_finds_its_way_back(faces, tmp_path):
    experiment, rows, generator = train("cyclegan-cpu", faces, tmp_path / "run")
    limit = promised("cyclegan-cpu", "cycle_a")
    assert rows[0]["cycle_a"] > limit > rows[-1]["cycle_a"]
    assert rows[-1]["cycle_b"] < promised("cyclegan-cpu", "cycle_b")
    # Not by leaving photos as they are: they come nearer to the cartoons.
    batches, judge = experiment.batches(tmp_path), PerceptualDistance()
    photos = batches.fixed(experiment.data.held_photos)
    real = picture_features(batches.fixed(experiment.data.held_pictures), judge)
    made = ops.convert_to_numpy(generator(photos))
    before, after = (
        kernel_distance(picture_features(pictures, judge), real) for pictures in (photos, made)
    )
    assert after < before


def test_cartoongan_keeps_the_content_and_sharpens_edges(faces, tmp_path):
    experiment, rows, generator = train("cartoongan-cpu", faces, tmp_path / "run")
    batches = experiment.batches(tmp_path)
    photos = batches.fixed(experiment.data.held_photos)
    cartoons = ops.convert_to_numpy(generator(photos))
    features = VGGFeatures("vgg16", ("block4_conv3",), activated=False)
    of_photos = features(ops.convert_to_tensor(photos))
    of_others = features(ops.convert_to_tensor(np.roll(photos, 1, axis=0)))
    content = float(losses.content(features(ops.convert_to_tensor(cartoons)), of_photos))
    assert content < promised("cartoongan-cpu", "content")
    assert content < float(losses.content(of_others, of_photos))
    assert sharpness(cartoons) > 1.2 * sharpness(photos)


def sharpness(pictures):
    """Mean gradient of pictures (N, S, S, 3) where it is steepest, at 5 % of the pixels."""
    grays = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures)
    slopes = [np.hypot(cv2.Sobel(g, -1, 1, 0), cv2.Sobel(g, -1, 0, 1)) for g in grays]
    return np.mean([np.sort(slope, axis=None)[-slope.size // 20 :].mean() for slope in slopes])


def test_sharpness_tells_cartoons_from_their_smooth_twins(faces):
    sharp, smooth = (
        np.stack([read(faces / folder / f"avatars/{i}.png") for i in range(8)])
        for folder in ("", SMOOTH)
    )
    assert sharpness(sharp) > 1.5 * sharpness(smooth)


def read(path):
    return cv2.imread(str(path)).astype(np.float32) / 127.5 - 1
