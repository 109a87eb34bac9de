"""Generators that go on from another run: styles by their names, the plane wave."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.errors import SettingError
from keras_portrait.inference.presets import load_preset
from keras_portrait.models.dcgan.networks import dcgan_generator
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.networks import line_generator, resnet_generator
from keras_portrait.training.initial_weights import (
    Start,
    check_start,
    drawings_of,
    open_start,
    take_weights,
)
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


@pytest.mark.parametrize(
    ("preset", "build"),
    [
        ("portrait", functools.partial(line_generator, 2, 8, 6, 16)),
        ("artists", functools.partial(line_generator, 2, 8, 6, 16)),
        ("fast", functools.partial(student_generator, 2, 8, 4, 16)),
        (
            "portrait-256",
            functools.partial(
                *(resnet_generator, 3, 1, 2, 32, 6, "nearest"), style_input="modulated"
            ),
        ),
    ],
)
def test_a_preset_is_a_start(preset, build):
    start, new = open_start(preset, ("line", "ink")), build()
    take_weights(new, start)
    photos = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype("float32")
    known = load_preset(preset).metadata
    assert start.sha256 == known.sha256 and start.folder is None
    style = np.float32([[name == other for name in known.styles] for other in ("line", "ink")])
    expected = np.asarray(start.model([photos, style]))
    assert expected.std() > 0.1
    np.testing.assert_allclose(new([photos, np.eye(2, dtype="float32")]), expected, atol=1e-5)


def test_a_preset_without_its_normalization_is_no_start():
    start = open_start("avatars", ())
    with pytest.raises(SettingError, match="the run that the preset was.*: preset avatars$"):
        check_start(dcgan_generator(), start)


@pytest.mark.parametrize(
    ("source", "styles", "text"),
    [
        ("filter:ink", ("ink",), "expected a generator; filters have no weights. Received: filt"),
        (
            "portrait",
            ("pen", "brush"),
            "styles pen, brush. Received: ink, line, engraving, vallotton in por",
        ),
        ("avatars", ("pen", "brush"), "styles pen, brush. Received: none in avatars"),
    ],
)
def test_what_is_no_start_is_named(source, styles, text):
    with pytest.raises(SettingError, match=f"train.start_from: .*{text}"):
        open_start(source, styles)


def test_a_file_alone_tells_no_names_of_styles(tmp_path):
    line_generator(2, 2, 1, 2).save(tmp_path / "two.keras")
    with pytest.raises(SettingError, match=r"styles ink, line. Received: none in .*two.keras"):
        open_start(str(tmp_path / "two.keras"), ("ink", "line"))


def test_a_start_with_another_wave_is_refused():
    model = line_generator(1, filters=2, blocks=1, period=16)
    old = TrainedGenerator(model, "generator.keras", "first", "paired", 512, ("ink",))
    with pytest.raises(SettingError, match="expected a run of data.size=256.*Received: 512 in fir"):
        check_start(line_generator(1, filters=2, blocks=1, period=8), Start(old, "", ("ink",)))
