"""The layers against closed forms and the recorded numbers of TensorFlow Addons."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.inference.filters import plane_wave
from keras_portrait.layers import (
    AppendStyle,
    ImagePool,
    InstanceNormalization,
    PlaneWave,
    ReflectionPadding2D,
    SpectralConv2D,
)
from keras_portrait.training.backend import gradients_of

ADDONS = Path(__file__).parents[1] / "reference" / "tensorflow_addons.npz"


def test_instance_normalization_equals_tensorflow_addons():
    with np.load(ADDONS) as file:
        layer = InstanceNormalization(epsilon=1e-5, affine=True)
        layer.build(file["x"].shape)
        layer.gamma.assign(file["gamma"])
        layer.beta.assign(file["beta"])
        x = keras.Variable(file["x"])

        def loss():
            y = layer(ops.convert_to_tensor(x))
            return ops.sum(y * ops.sin(y)), y

        (gradient,), y = gradients_of(loss, [x])
        np.testing.assert_allclose(y, file["instance_norm"], atol=2e-5)
        np.testing.assert_allclose(gradient, file["instance_norm_grad_sum_y_sin_y"], atol=2e-4)


def test_instance_normalization_keeps_precision_on_large_flat_planes():
    x = np.full((1, 512, 512, 1), 1.1, "float32")
    x[0, :16] = 1.3
    exact = (x.astype("float64") - x.mean(dtype="float64")) / np.sqrt(x.var(dtype="float64") + 1e-5)
    np.testing.assert_allclose(InstanceNormalization()(x), exact, rtol=1e-4)


def test_reflection_does_not_repeat_the_edge():
    x = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(ReflectionPadding2D(2)(x), padded)


def test_the_plane_wave_is_that_of_the_engraving():
    x = np.random.default_rng(0).normal(size=(2, 48, 80, 3)).astype("float32")
    joined = ops.convert_to_numpy(PlaneWave()(x))
    np.testing.assert_array_equal(joined[..., :3], x)
    np.testing.assert_allclose(joined[0, ..., 3:], plane_wave(48, 80), atol=1e-6)
    # It repeats after its period, in both directions: crops see what the whole sees.
    np.testing.assert_array_equal(joined[:, 16:, :48, 3:], joined[:, :32, 32:, 3:])
    other = ops.convert_to_numpy(PlaneWave(8)(x))
    np.testing.assert_allclose(other[0, :24, :40, 3:], plane_wave(48, 80)[::2, ::2], atol=1e-6)
    # At half of the size each sees the first of its four pixels.
    half = ops.convert_to_numpy(PlaneWave(16, step=2)(x))
    np.testing.assert_allclose(half[0, :24, :40, 3:], plane_wave(48, 80)[::2, ::2], atol=1e-6)
    quarter = ops.convert_to_numpy(PlaneWave(16, step=4)(x))
    np.testing.assert_allclose(quarter[0, :12, :20, 3:], plane_wave(48, 80)[::4, ::4], atol=1e-6)


def spectral_convolution(x):
    layer = SpectralConv2D(6, 4, 2, padding=1)
    for _ in range(200):  # so many steps of the power iteration
        layer(x, training=True)
    return layer


def test_a_spectral_convolution_has_the_norm_of_one():
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    keras.utils.set_random_seed(0)
    layer = spectral_convolution(x)
    layer.bias.assign(np.arange(6))
    kernel = np.asarray(layer.kernel)
    largest = np.linalg.svd(kernel.reshape(-1, 6), compute_uv=False)[0]
    plain = keras.layers.Conv2D(6, 4, 2, "same")  # as much padding on even sizes
    plain.build(x.shape)
    plain.set_weights([kernel / largest, np.arange(6)])
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-4, atol=1e-5)
    assert layer(x).shape == layer.compute_output_shape(x.shape) == (2, 4, 4, 6)
    before = np.array(layer.direction)
    layer(x)
    np.testing.assert_array_equal(layer.direction, before)


def test_the_gradient_of_a_spectral_convolution_knows_its_norm():
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    keras.utils.set_random_seed(0)
    layer = spectral_convolution(x)

    def loss():
        return ops.sum(ops.square(layer(ops.convert_to_tensor(x)))), None

    (gradient,), _ = gradients_of(loss, [layer.kernel])
    # A kernel twice as large computes the same: nothing is gained in its own direction.
    along = np.sum(np.asarray(gradient) * np.asarray(layer.kernel))
    assert abs(along) < 1e-3 * np.linalg.norm(gradient) * np.linalg.norm(layer.kernel)
    assert np.linalg.norm(gradient) > 1


def test_style_is_repeated_over_the_plane():
    features, style = np.zeros((2, 4, 6, 5), "float32"), np.float32([[1, 0, 2], [3, 4, 5]])
    joined = ops.convert_to_numpy(AppendStyle()([features, style]))
    assert joined.shape == (2, 4, 6, 8)
    np.testing.assert_array_equal(joined[1, :, :, 5:], np.broadcast_to(style[1], (4, 6, 3)))


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (InstanceNormalization(affine=True), (1, 8, 8, 3)),
        (ReflectionPadding2D(2), (1, 8, 8, 3)),
        (AppendStyle(), [(1, 8, 8, 3), (1, 2)]),
        (PlaneWave(8), (1, 8, 8, 3)),
        (PlaneWave(8, step=2), (1, 8, 8, 3)),
        (SpectralConv2D(5, 4, 2, 1), (1, 8, 8, 3)),
    ],
)
def test_layers_survive_saving(layer, shapes, tmp_path):
    shapes = shapes if isinstance(shapes, list) else [shapes]
    inputs = [keras.Input(shape[1:]) for shape in shapes]
    model = keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))
    values = [np.random.default_rng(0).normal(size=shape).astype("float32") for shape in shapes]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(values), again(values))


def image(value):
    return ops.full((1, 2, 2, 1), float(value))


def value(picture):
    return float(picture[0, 0, 0, 0])


def test_pool_of_size_0_returns_what_it_gets():
    pool = ImagePool(0)
    assert [value(pool(image(i))) for i in range(5)] == [0, 1, 2, 3, 4]


def test_pool_fills_first_and_then_mixes():
    pool = ImagePool(3, seed=1)
    assert [value(pool(image(i))) for i in range(3)] == [0, 1, 2]
    stored = {0.0, 1.0, 2.0}
    fresh = 0
    for i in range(3, 203):
        answer = value(pool(image(i)))
        assert answer == i or answer in stored
        if answer == i:
            fresh += 1
        else:
            stored = (stored - {answer}) | {float(i)}
    assert {float(v) for v in ops.convert_to_numpy(pool.images)[:, 0, 0, 0]} == stored
    assert 70 < fresh < 130


def test_pool_serves_the_images_of_a_batch_in_turn():
    pool = ImagePool(4)
    batch = ops.concatenate([image(1), image(2)], axis=0)
    np.testing.assert_array_equal(pool(batch), batch)
    assert int(pool.filled) == 2


def test_pool_goes_on_where_it_was_saved(tmp_path):
    def model():
        inputs = keras.Input((2, 2, 1), batch_size=1)
        return keras.Model(inputs, ImagePool(2, seed=3)(inputs))

    one = model()
    for i in range(5):
        one(image(i))
    one.save_weights(tmp_path / "pool.weights.h5")
    two = model()
    two.load_weights(tmp_path / "pool.weights.h5")
    assert [value(one(image(i))) for i in range(5, 30)] == [
        value(two(image(i))) for i in range(5, 30)
    ]
