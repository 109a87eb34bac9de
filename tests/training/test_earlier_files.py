"""Generators and presets of an earlier layout of the package still give the same pictures."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_portrait
from keras_portrait import Stylizer
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.inference.imaging import to_signed
from keras_portrait.inference.presets import load_preset
from keras_portrait.training.preset_generator import recover_generator

FOLDER = Path(__file__).parents[1] / "reference" / "earlier"
RECORDED = np.load(FOLDER / "outputs.npz")


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.keras")))
def test_a_generator_computes_the_same(name):
    generator = keras.models.load_model(FOLDER / f"{name}.keras")
    inputs = [RECORDED["image"], RECORDED["style"]][: len(generator.inputs)]
    found = generator(inputs if len(inputs) > 1 else inputs[0])
    # Processors add in orders of their own.
    np.testing.assert_allclose(found, RECORDED[f"keras/{name}"], atol=1e-5)


@pytest.mark.parametrize("preset", ["portrait", "portrait-256", "fast", "fine", "fine-256"])
def test_a_preset_draws_the_same(preset):
    stylize = Stylizer(preset)
    example = Path(keras_portrait.__file__).with_name("example.jpg")
    for style in ("ink", "line"):
        drawing = np.asarray(stylize(str(example), style=style))[60:180, 160:300]
        recorded = RECORDED[f"preset/{preset}/{style}"]
        # Another processor may round a level up instead of down, and enlarging makes it more.
        differences = np.abs(drawing.astype(int) - recorded)
        assert differences.max() <= 16 and (differences > 2).mean() < 0.05


def test_a_preset_of_the_first_format_draws_the_same_bits():
    """Style before image, an unnamed result, no metadata but the contract, in a compressed ZIP."""
    earlier = load_preset(FOLDER / "fast-format-1.tflite")
    assert [tensor.name for tensor in earlier.pixel_net.inputs] == ["style", "image"]
    assert earlier.metadata.alignment == 1
    square = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    style = np.float32([[0.25, 0.5, 0.25]])
    drawing = earlier.draw(square, style)
    assert drawing.std() > 10
    # What the student that it holds drew when it was the preset `fast`.
    assert np.array_equal(drawing[:64, :64], RECORDED["preset/fast-format-1"])


def test_a_preset_of_the_first_format_can_be_exported_again():
    earlier = load_preset(FOLDER / "fast-format-1.tflite")
    recovered = recover_generator(FOLDER / "fast-format-1.tflite")
    square = draw_face(0, 256).photo
    style = np.float32([[0, 1, 0]])
    expected = earlier.draw(square, style) / 127.5 - 1
    found = np.asarray(recovered.model([to_signed(square)[None], style]))[0]
    # Weights as they are stored, without the rounding of what lies between them: 40 dB, peak 2.
    assert expected.std() > 0.1
    assert 10 * np.log10(4 / np.square(found - expected).mean()) > 30
