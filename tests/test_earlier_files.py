"""Generators and presets of an earlier layout of the package still give the same pictures."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_portrait
from keras_portrait import Stylizer

FOLDER = Path(__file__).parent / "reference" / "earlier"
RECORDED = np.load(FOLDER / "outputs.npz")


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.keras")))
def test_a_generator_computes_the_same(name):
    generator = keras.models.load_model(FOLDER / f"{name}.keras")
    inputs = [RECORDED["image"], RECORDED["style"]][: len(generator.inputs)]
    found = generator(inputs if len(inputs) > 1 else inputs[0])
    np.testing.assert_allclose(found, RECORDED[f"keras/{name}"], atol=1e-6)


@pytest.mark.parametrize("preset", ["portrait", "portrait-256", "fast", "fine"])
def test_a_preset_draws_the_same(preset):
    stylize = Stylizer(preset)
    example = Path(keras_portrait.__file__).with_name("example.jpg")
    for style in ("ink", "line"):
        drawing = np.asarray(stylize(str(example), style=style))[60:180, 160:300]
        recorded = RECORDED[f"preset/{preset}/{style}"]
        # Another processor may round a level up instead of down.
        assert np.abs(drawing.astype(int) - recorded).max() <= 2
