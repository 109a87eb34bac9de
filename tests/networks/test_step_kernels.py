"""The quicker ways through a training step compute what the plain layers compute."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.layers import ImagePool, InstanceNormalization, step_kernels
from keras_portrait.layers import image_pool as image_pool_module
from keras_portrait.networks import patch_discriminator, resnet_generator, style_discriminator
from keras_portrait.training.backend import gradients_of, summed_gradients

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="they are TensorFlow's"
)


@pytest.fixture
def everywhere(monkeypatch):
    """Uses them on every processor: in float32 all have them."""
    monkeypatch.setattr(step_kernels, "_has_onednn", lambda: True)


def outputs_and_gradients(network, x):
    def loss():
        outputs = keras.tree.flatten(network(x))
        return sum(ops.mean(ops.square(one - 0.3)) for one in outputs), outputs

    gradients, outputs = gradients_of(loss, network.trainable_variables)
    return [np.asarray(one) for one in (*outputs, *gradients)]


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: resnet_generator(3, 1, filters=4, blocks=1), (2, 32, 48, 3)),
        (lambda: patch_discriminator(2, 4), (2, 32, 32, 2)),
        (lambda: style_discriminator(1, 3, 64, 4), (1, 64, 64, 1)),
    ],
)
def test_networks_and_their_gradients_are_the_same(build, shape, everywhere, monkeypatch):
    rng = np.random.default_rng(0)
    network = build()
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.1, weight.shape))
    x = ops.convert_to_tensor(rng.normal(0, 0.5, shape), "float32")
    quick = outputs_and_gradients(network, x)
    monkeypatch.setattr(step_kernels, "in_use", lambda: False)
    for own, plain in zip(quick, outputs_and_gradients(network, x), strict=True):
        np.testing.assert_allclose(own, plain, atol=2e-5 * max(1.0, np.abs(plain).max()))


def test_normalization_with_weights_is_the_same(everywhere):
    rng = np.random.default_rng(1)
    layer = InstanceNormalization(epsilon=1e-3, affine=True)
    x = ops.convert_to_tensor(rng.normal(2, 3, (2, 9, 7, 3)), "float32")
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=3), rng.normal(size=3)])
    with step_kernels.training_step():
        quick = layer(x)
    np.testing.assert_allclose(quick, layer(x), atol=1e-5)


@pytest.mark.parametrize("sides", [((1, 1), (1, 1)), ((3, 0), (0, 2)), ((0, 0), (3, 3))])
def test_reflection_is_the_same(sides):
    x = ops.convert_to_tensor(np.random.default_rng(2).normal(size=(1, 5, 6, 2)), "float32")
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        quick = step_kernels.reflect(x, sides)
        plain = ops.pad(x, ((0, 0), *sides, (0, 0)), mode="reflect")
        values = ops.sum(ops.square(quick)), ops.sum(ops.square(plain))
    np.testing.assert_array_equal(quick, plain)
    quick, plain = (tape.gradient(value, x) for value in values)
    np.testing.assert_allclose(quick, plain, rtol=1e-6)


def test_what_draws_takes_the_plain_layers(everywhere, monkeypatch):
    monkeypatch.setattr(step_kernels, "normalize", None)  # would fail
    InstanceNormalization()(ops.ones((1, 4, 4, 1)))
    assert not step_kernels.in_use()


def test_a_pool_written_in_place_holds_the_same(monkeypatch):
    seen = []
    for in_place in (True, False):
        monkeypatch.setattr(image_pool_module, "_writes_in_place", lambda now=in_place: now)
        pool = ImagePool(3, seed=5)
        pictures = np.arange(24, dtype="float32").reshape(12, 2, 1, 1, 1)
        answers = [np.asarray(pool(ops.convert_to_tensor(one))) for one in pictures]
        seen.append([*answers, np.asarray(pool.images)])
    for own, plain in zip(*seen, strict=True):
        np.testing.assert_array_equal(own, plain)


def test_gradients_one_after_the_other_are_those_of_the_sum():
    a, b = keras.Variable([1.0, 2.0]), keras.Variable([3.0])

    def first():
        return ops.sum(ops.square(a)) * 2.0, "first"

    def second():
        return ops.sum(a) * ops.sum(b), "second"

    gradients, rests = tf.function(lambda: summed_gradients([first, second], [a, b])[0])(), None
    _, rests = summed_gradients([first, second], [a, b])
    assert rests == ["first", "second"]
    np.testing.assert_allclose(gradients[0], [4 + 3, 8 + 3])
    np.testing.assert_allclose(gradients[1], [3])
