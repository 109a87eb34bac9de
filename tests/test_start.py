"""Generators that go on from another run: styles by their names, the plane wave."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.errors import SettingError
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.networks import line_generator, resnet_generator
from keras_portrait.training.initial_weights import Start, check_start, drawings_of, take_weights
from keras_portrait.training.saved_generator import TrainedGenerator


@pytest.mark.parametrize(
    "build",
    [
        functools.partial(resnet_generator, 3, 1, filters=2, blocks=1),
        functools.partial(resnet_generator, 3, 1, filters=2, blocks=1, style_input="modulated"),
        functools.partial(line_generator, filters=2, blocks=1, period=2),
        functools.partial(student_generator, filters=2, blocks=1),
    ],
    ids=["appended", "modulated", "line", "student"],
)
def test_styles_of_a_start_are_found_by_name(build):
    keras.utils.set_random_seed(0)
    model, new = build(styles=2), build(styles=3)
    old = TrainedGenerator(model, "generator.keras", "first", "paired", 32, ("ink", "line"))
    start = Start(old, "", ("line", "brush", "ink"))
    take_weights(new, start)
    photos = ops.convert_to_tensor(
        np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)), "float32"
    )
    # A style that the start does not know begins as the mean of the others.
    mixed, turned = (
        ops.convert_to_tensor([first, [0.5, 0.5], last])
        for first, last in (([0.0, 1.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 1.0]))
    )
    expected = np.asarray(model([photos, mixed]))
    np.testing.assert_allclose(new([photos, ops.eye(3)]), expected, atol=1e-5)
    assert np.abs(np.asarray(model([photos, turned])) - expected).max() > 1e-4
    held = drawings_of(start)(photos, ops.eye(3))
    np.testing.assert_allclose(held, expected, atol=1e-5)


def test_a_start_with_another_wave_is_refused():
    model = line_generator(1, filters=2, blocks=1, period=16)
    old = TrainedGenerator(model, "generator.keras", "first", "paired", 512, ("ink",))
    with pytest.raises(SettingError, match="expected a run of data.size=256.*Received: 512 in fir"):
        check_start(line_generator(1, filters=2, blocks=1, period=8), Start(old, "", ("ink",)))
