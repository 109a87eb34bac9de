"""Transposed convolutions, written as plain ones."""

import numpy as np
import pytest
from keras import layers

from keras_portrait.training.stored_kernels import has_subpixel_form, narrow, subpixel_form, widen
from keras_portrait_export.transposed import SubpixelConv2DTranspose

SHAPES = [(side, stride) for side in range(1, 8) for stride in range(1, 5) if side >= stride]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("plane", [(1, 1), (5, 3), (4, 4)])
def test_the_result_is_that_of_the_transposed_convolution(plane, padding):
    rng = np.random.default_rng(0)
    given = rng.normal(size=(1, *plane, 3)).astype("float32")
    for side, stride in SHAPES:
        transposed = layers.Conv2DTranspose(2, side, stride, padding, activation="tanh")
        transposed.build(given.shape)
        transposed.set_weights([rng.normal(0, 0.2, w.shape) for w in transposed.get_weights()])
        assert has_subpixel_form(transposed)
        plain = SubpixelConv2DTranspose(2, side, stride, padding, "tanh")
        plain.build(given.shape)
        plain.set_weights(transposed.get_weights())
        np.testing.assert_allclose(plain(given), transposed(given), atol=1e-5)


def test_the_forms_of_the_trained_generators_waste_little():
    # DCGAN: kernel 4, stride 2: two taps for each pixel, as the transposed convolution has.
    assert subpixel_form(4, 2, "same") == (2, 2, 0, 1)
    # Its first layer makes 4 x 4 pixels out of one: a matrix product.
    assert subpixel_form(4, 1, "valid", one_pixel=True) == (4, 1, 0, 0)
    # CycleGAN: kernel 3, stride 2. Nothing is cut off.
    assert subpixel_form(3, 2, "same") == (2, 2, 0, 0)
    assert subpixel_form(5, 2, "same") == (2, 3, 1, 1)


@pytest.mark.parametrize(("side", "stride"), SHAPES)
def test_the_kernel_comes_back(side, stride):
    kernel = np.random.default_rng(1).integers(-127, 128, (side, side, 2, 3), np.int8)
    form = subpixel_form(side, stride, "same")
    wide = widen(kernel, form)
    assert wide.dtype == np.int8 and wide.shape == (form.taps, form.taps, 3, 2 * form.square**2)
    assert np.array_equal(narrow(wide, form, side), kernel)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": (3, 5)},
        {"kernel_size": 2, "strides": 3},
        {"kernel_size": 3, "strides": 2, "output_padding": 1},
        {"kernel_size": 3, "dilation_rate": 2},
        {"kernel_size": 3, "strides": (1, 2)},
    ],
)
def test_what_has_no_such_form(settings):
    assert not has_subpixel_form(layers.Conv2DTranspose(2, **settings))
    assert not has_subpixel_form(layers.Conv2D(2, 3))
