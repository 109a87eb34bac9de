"""The student: its size, how it takes a style; the layer that turns channels into pixels."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.layers import DepthToSpace
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.models.load_recipe import load_recipe

# The paper's generator of one style at 512 pixels: multiply-adds and parameters.
PAPER = 4 * 56.8e9, 11.37e6


def test_depth_to_space_lays_channels_out_row_by_row():
    x = np.arange(1 * 2 * 1 * 8, dtype=np.float32).reshape(1, 2, 1, 8)
    y = ops.convert_to_numpy(DepthToSpace(2)(x))
    assert y.shape == (1, 4, 2, 2)
    expected = [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]], [[12, 13], [14, 15]]]
    np.testing.assert_array_equal(y[0], expected)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares with TensorFlow")
@pytest.mark.parametrize("factor", [2, 3])
def test_depth_to_space_has_the_order_of_tensorflow(factor):
    import tensorflow as tf

    x = np.random.default_rng(0).normal(size=(2, 3, 5, 2 * factor**2)).astype("float32")
    np.testing.assert_array_equal(DepthToSpace(factor)(x), tf.nn.depth_to_space(x, factor))


def test_depth_to_space_refuses_channels_that_do_not_fit():
    with pytest.raises(ValueError, match="that 4 divides. Received: 6"):
        DepthToSpace(2).build((None, 4, 4, 6))


def count(net, size=512):
    """Multiply-adds, parameters, and the largest plane that a convolution works at."""
    fixed = keras.Model(net.inputs, [layer.output for layer in net.layers])
    # By name: numbers of pixels are open in the net itself.
    shapes = [(1, size, size, 3), *[tuple(x.shape) for x in net.inputs[1:]]]
    shapes = shapes if len(shapes) > 1 else shapes[0]
    outputs = dict(
        zip([layer.name for layer in net.layers], fixed.compute_output_shape(shapes), strict=True)
    )
    macs = largest = 0
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            _, height, width, _ = outputs[layer.name]
            macs += height * width * int(np.prod(layer.kernel.shape))
            largest = max(largest, height)
    return macs, net.count_params(), largest


@pytest.mark.parametrize(
    ("name", "most_macs", "most_parameters"),
    [
        ("student-fast", PAPER[0] / 60, PAPER[1] / 23),
        ("student-fine", PAPER[0] / 30, PAPER[1] / 10),
    ],
)
def test_recipes_keep_within_their_size(name, most_macs, most_parameters):
    network = load_recipe(name).network
    net = student_generator(3, network.filters, network.blocks)
    macs, parameters, largest = count(net)
    assert macs <= most_macs
    assert parameters <= most_parameters
    # Large planes take time: nothing but tanh is at the full size.
    assert largest == 256


@pytest.mark.parametrize("styles", [1, 3])
def test_signature_and_range(styles):
    keras.utils.set_random_seed(0)
    net = student_generator(styles, 4, 1)
    expected = {"image": (None, None, None, 3)}
    if styles > 1:
        expected["style"] = (None, styles)
    assert {x.name: tuple(x.shape) for x in net.inputs} == expected
    assert tuple(net.output_shape) == (None, None, None, 1)
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (2, 24, 32, 3)).astype("float32")
    inputs = [image, np.eye(styles, dtype="float32")[:2]] if styles > 1 else image
    drawing = ops.convert_to_numpy(net(inputs))
    assert drawing.shape == (2, 24, 32, 1)
    assert np.abs(drawing).max() <= 1 and drawing.std() > 0.001


def test_every_block_hears_of_the_style():
    keras.utils.set_random_seed(0)
    net = student_generator(2, 4, 3)
    biases = [x for x in net.layers if isinstance(x, keras.layers.Conv2D) and _of_style(x)]
    # Three at an eighth of the size, and one before and one after them.
    assert len(biases) == 5
    image = np.zeros((1, 16, 16, 3), "float32")
    first, second = (net([image, np.eye(2, dtype="float32")[[k]]]) for k in (0, 1))
    assert np.abs(ops.convert_to_numpy(first - second)).max() > 1e-4
    for layer in biases:
        layer.set_weights([np.ones(layer.kernel.shape, "float32")])
    first, second = (net([image, np.eye(2, dtype="float32")[[k]]]) for k in (0, 1))
    np.testing.assert_allclose(first, second, atol=1e-6)


def _of_style(layer):
    return tuple(layer.kernel.shape[:3]) == (1, 1, 2)


def test_crops_that_begin_where_the_wave_does_teach_whole_squares():
    keras.utils.set_random_seed(0)
    net = student_generator(1, 2, 1, period=8)
    photo = np.random.default_rng(0).uniform(-1, 1, (1, 192, 192, 3)).astype("float32")
    whole = ops.convert_to_numpy(net(photo))
    crop = ops.convert_to_numpy(net(photo[:, 16:176, 24:184]))
    # What the border of the crop reaches is left out.
    inner = np.s_[:, 64:96, 64:96]
    expected = whole[:, 16:176, 24:184][inner]
    np.testing.assert_allclose(crop[inner], expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_saved_and_loaded_it_draws_the_same(policy, tmp_path):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        net = student_generator(2, 4, 1)
    finally:
        keras.config.set_dtype_policy("float32")
    net.save(tmp_path / "student.keras")
    again = keras.models.load_model(tmp_path / "student.keras")
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    inputs = [image, np.float32([[1, 0]])]
    assert keras.backend.standardize_dtype(net(inputs).dtype) == "float32"
    np.testing.assert_array_equal(net(inputs), again(inputs))
