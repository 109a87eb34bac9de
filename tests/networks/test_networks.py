"""The networks against their published sizes and the recorded numbers of the paper's code."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_portrait import losses
from keras_portrait.models.asymmetric_cycle.parts import show_part
from keras_portrait.models.cartoongan.networks import cartoon_discriminator, cartoon_generator
from keras_portrait.models.dcgan.networks import dcgan_discriminator, dcgan_generator
from keras_portrait.networks import (
    line_generator,
    logits_of,
    pair_discriminator,
    patch_discriminator,
    resnet_generator,
    style_discriminator,
)
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance
from reference_step import ReferenceStep


@pytest.fixture(scope="module")
def step():
    return ReferenceStep()


@pytest.fixture(scope="module")
def generator(step):
    model = resnet_generator(3, 1, styles=3, filters=8)
    step.load_into(model, "generator")
    return model


@pytest.fixture(scope="module")
def inverse_generator(step):
    model = resnet_generator(1, 3, filters=8)
    step.load_into(model, "inverse_generator")
    return model


def relative_error(ours, recorded):
    ours, recorded = np.asarray(ours, "float64"), np.asarray(recorded, "float64")
    return np.linalg.norm(ours - recorded) / np.linalg.norm(recorded)


def test_published_parameter_counts():
    assert resnet_generator(3, 1, styles=3).count_params() == 11_968_897
    assert resnet_generator(1, 3).count_params() == 11_371_907
    assert style_discriminator(1, styles=3, size=512).count_params() == 9_448_388
    assert patch_discriminator(3).count_params() == 2_764_737
    assert patch_discriminator(2).count_params() == 2_763_713


def test_patch_scores_are_62_by_62_at_512():
    assert patch_discriminator(3, filters=2)(np.zeros((1, 512, 512, 3))).shape == (1, 62, 62, 1)


def test_generator_draws_the_recorded_picture(step, generator):
    drawing = generator([step.photo, step.style])
    assert relative_error(drawing[0, ..., 0], step["fake_drawing"]) < 1e-3


def test_inverse_generator_reconstructs_the_recorded_photos(step, generator, inverse_generator):
    rec_photo = inverse_generator(generator([step.photo, step.style]))
    fake_photo = inverse_generator(step.drawing)
    rec_drawing = generator([fake_photo, ops.convert_to_tensor(step.style)])
    assert relative_error(rec_photo[0, ::16, ::16], step["rec_photo_16"]) < 1e-3
    assert relative_error(fake_photo[0, ::16, ::16], step["fake_photo_16"]) < 1e-3
    assert relative_error(rec_drawing[0, ::16, ::16, 0], step["rec_drawing_16"]) < 1e-3


def test_edges_are_the_recorded_ones(step):
    edges = losses.edge_maps(step.photo, EdgeDetector())
    assert relative_error(edges[0, ::4, ::4, 0], step["hed_photo_4"]) < 1e-3


def test_perceptual_distance_is_the_recorded_one(step):
    distance = PerceptualDistance()(step["lpips_a"], step["lpips_b"])
    np.testing.assert_allclose(distance, step["lpips_ab"], rtol=1e-3)


def test_perceptual_distance_of_equal_pictures_is_zero(step):
    assert float(ops.max(PerceptualDistance()(step["lpips_a"], step["lpips_a"]))) == 0.0


def test_truncation_is_the_recorded_one(step):
    truncated = losses.truncate(step["trunc_x"][None, :, None, None])
    np.testing.assert_allclose(truncated[0, :, 0, 0], step["trunc_y"], atol=1e-6)


def test_drawing_discriminator_gives_the_recorded_losses(step, generator):
    model = style_discriminator(1, styles=3, size=512, filters=8)
    step.load_into(model, "drawing_disc")
    scores, style_logits = model(generator([step.photo, step.style]))
    recorded = step.losses[0]
    assert float(losses.adversarial(scores, True)) == pytest.approx(recorded["G_A"], rel=1e-3)
    classified = losses.style_classification(style_logits, step.style)
    assert float(classified) == pytest.approx(recorded["G_A_cls"], rel=1e-3)


def test_photo_discriminator_gives_the_recorded_loss(step, inverse_generator):
    model = patch_discriminator(3, filters=8)
    step.load_into(model, "photo_disc")
    real = losses.adversarial(model(step.photo), True)
    fake = losses.adversarial(model(inverse_generator(step.drawing)), False)
    assert float(0.5 * (real + fake)) == pytest.approx(step.losses[0]["D_B"], rel=1e-3)


@pytest.mark.parametrize(("part", "name"), [("nose", "l"), ("eyes", "le"), ("lips", "ll")])
def test_local_discriminators_give_the_recorded_losses(step, generator, part, name):
    model = patch_discriminator(2, filters=8)
    step.load_into(model, f"{part}_disc")
    drawing = generator([step.photo, step.style])
    fake = model(show_part(drawing, step.mask("photo", part)))
    real = model(show_part(step.drawing, step.mask("drawing", part)))
    adversarial = 0.5 * losses.adversarial(fake, True)
    assert float(adversarial) == pytest.approx(step.losses[0][f"G_A_{name}"], rel=1e-3)
    judged = 0.5 * (losses.adversarial(real, True) + losses.adversarial(fake, False))
    assert float(judged) == pytest.approx(step.losses[0][f"D_A_{name}"], rel=1e-3)


def test_size_of_the_style_head_is_checked():
    with pytest.raises(ValueError, match="multiple of 32.*Received: 100"):
        style_discriminator(1, styles=2, size=100)


def test_unknown_upsampling_is_refused():
    with pytest.raises(ValueError, match="upsampling.*Received"):
        resnet_generator(3, 1, upsampling="bicubic")


def test_unknown_style_input_is_refused():
    with pytest.raises(ValueError, match="style_input.*Received"):
        resnet_generator(3, 1, 2, style_input="added")


def difference_of_styles(style_input):
    """How much a fresh generator's drawing changes with the style, far from the border."""
    keras.utils.set_random_seed(0)
    net = resnet_generator(3, 1, 2, filters=8, blocks=2, style_input=style_input)
    photo = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype("float32")
    one, other = (net([photo, np.eye(2, dtype="float32")[i : i + 1]]).numpy() for i in range(2))
    return np.abs(one - other)[:, 40:56, 40:56].mean() / np.abs(one).mean()


def test_scales_and_shifts_of_a_style_start_unlike():
    net = resnet_generator(3, 1, 2, filters=2, blocks=2, style_input="modulated")
    kernels = [w.numpy() for w in net.trainable_variables if w.shape[:3] == (1, 1, 2)]
    assert len(kernels) == 2 * 4
    for index, kernel in enumerate(kernels):
        same = [other for other in kernels[index + 1 :] if other.shape == kernel.shape]
        assert not any(np.array_equal(kernel, other) for other in same)


def test_an_appended_style_is_normalized_away_but_for_the_border():
    assert difference_of_styles("appended") < 0.1
    assert difference_of_styles("modulated") > 0.5


def test_nearest_upsampling_keeps_the_shape():
    model = resnet_generator(3, 1, filters=2, blocks=1, upsampling="nearest")
    assert model(np.zeros((1, 32, 48, 3), "float32")).shape == (1, 32, 48, 1)


def convolution(before, after, kernel):
    """Weights of a convolution with a bias."""
    return before * after * kernel**2 + after


def trained_parameters(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def convolution_shapes(model, size):
    """Height and channels after every convolution of a square input."""
    convolutions = [
        x for x in model.layers if isinstance(x, (layers.Conv2D, layers.Conv2DTranspose))
    ]
    taps = keras.Model(model.inputs, [layer.output for layer in convolutions])
    shape = model.inputs[0].shape
    empty = np.zeros((1, *(size if side is None else side for side in shape[1:])), "float32")
    return [(output.shape[1], output.shape[-1]) for output in taps([empty])]


def test_dcgan_has_the_sizes_of_the_report():
    # PyTorch's DCGAN example: 3,576,704 and 2,765,568; then the extra layer, its normalization,
    # and the biases of the layers without one.
    assert trained_parameters(dcgan_generator()) == 3_576_704 + 9 * 64**2 + 2 * 64 + 3
    assert trained_parameters(dcgan_discriminator()) == 2_765_568 + 9 * 512**2 + 2 * 512 + 64 + 1


def test_dcgan_grows_from_noise_and_shrinks_to_one_score():
    # Cropping and padding are part of the convolutions here.
    grown = [(4, 16), (8, 8), (16, 4), (32, 2), (32, 2), (64, 3)]
    assert convolution_shapes(dcgan_generator(filters=2, noise=5), 64) == grown
    judged = [(32, 2), (16, 4), (8, 8), (4, 16), (4, 16), (1, 1)]
    assert convolution_shapes(dcgan_discriminator(filters=2), 64) == judged
    assert not any(isinstance(x, layers.Dense) for x in dcgan_discriminator(filters=2).layers)


def test_dcgan_of_twice_the_size_has_one_layer_more():
    grown = [(4, 16), (8, 16), (16, 8), (32, 4), (64, 2), (64, 2), (128, 3)]
    generator = dcgan_generator(filters=2, noise=5, size=128)
    assert convolution_shapes(generator, 128) == grown
    judged = [(64, 2), (32, 4), (16, 8), (8, 16), (4, 16), (4, 16), (1, 1)]
    assert convolution_shapes(dcgan_discriminator(filters=2, size=128), 128) == judged
    more = 16 * 16**2 + 2 * 16
    assert trained_parameters(generator) == trained_parameters(dcgan_generator(2, 5)) + more


@pytest.mark.parametrize("size", [8, 96, 0])
def test_dcgan_grows_by_doublings_alone(size):
    for build in (dcgan_generator, dcgan_discriminator):
        with pytest.raises(ValueError, match=f"power of two from 16 on. Received: size={size}"):
            build(size=size)


def test_dcgan_upsamples_around_the_pixel_as_pytorch_does():
    model = dcgan_generator(filters=1, noise=2)
    last = [x for x in model.layers if isinstance(x, layers.Conv2DTranspose)][-1]
    last.set_weights([np.ones((4, 4, 3, 1)), np.zeros(3)])
    point = np.zeros((1, 32, 32, 1), "float32")
    point[0, 10, 20] = 1.0
    touched = np.argwhere(ops.convert_to_numpy(last(point))[0, ..., 0])
    assert touched.min(axis=0).tolist() == [19, 39] and touched.max(axis=0).tolist() == [22, 42]


def test_cartoon_networks_have_the_sizes_of_the_paper():
    c = convolution
    down = c(3, 64, 7) + c(64, 128, 3) + c(128, 128, 3) + c(128, 256, 3) + c(256, 256, 3)
    up = c(256, 128, 3) + c(128, 128, 3) + c(128, 64, 3) + c(64, 64, 3) + c(64, 3, 7)
    assert cartoon_generator().count_params() == down + 8 * 2 * c(256, 256, 3) + up
    widths = [(3, 32), (32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 1)]
    judge = cartoon_discriminator()
    assert judge.count_params() == sum(c(*pair, 3) for pair in widths)
    sizes = [(32, 32), (16, 64), (16, 128), (8, 128), (8, 256), (8, 256), (8, 1)]
    assert convolution_shapes(judge, 32) == sizes


def test_cartoon_generator_normalizes_once_for_each_change_of_size():
    model = cartoon_generator(filters=2, blocks=3)
    kinds = [type(x).__name__ for x in model.layers]
    assert kinds.count("InstanceNormalization") == kinds.count("ReLU") + 3 == 1 + 4 + 2 * 3
    plain = kinds.count("Conv2D") + kinds.count("Convolution2D")
    assert plain + kinds.count("Conv2DTranspose") == 2 + 2 * 4 + 2 * 3


def test_the_reports_small_cyclegan_keeps_its_widths_on_the_way_up():
    c = convolution
    model = resnet_generator(3, 3, filters=8, blocks=4, up_filters=(32, 16))
    ends = c(3, 8, 7) + c(8, 16, 3) + c(16, 32, 3) + c(32, 32, 3) + c(32, 16, 3) + c(16, 3, 7)
    assert model.count_params() == ends + 4 * 2 * c(32, 32, 3)
    assert model(np.zeros((1, 32, 32, 3))).shape == (1, 32, 32, 3)


NETWORKS = {
    "dcgan_generator": (lambda: dcgan_generator(2, 7), (7,), (64, 64, 3)),
    "dcgan_discriminator": (lambda: dcgan_discriminator(2), (64, 64, 3), (1,)),
    "cartoon_generator": (lambda: cartoon_generator(2, 1), (20, 28, 3), (20, 28, 3)),
    "nearest": (lambda: cartoon_generator(2, 1, "nearest"), (8, 12, 3), (8, 12, 3)),
    "cartoon_discriminator": (lambda: cartoon_discriminator(2), (20, 28, 3), (5, 7, 1)),
    "resnet_generator": (lambda: resnet_generator(3, 3, 1, 2, 1), (20, 28, 3), (20, 28, 3)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_keep_shapes_and_ranges_and_come_back_from_their_files(name, tmp_path):
    build, shape, expected = NETWORKS[name]
    model = build()
    model.set_weights([50.0 * weight for weight in model.get_weights()])
    inputs = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype("float32")
    output = ops.convert_to_numpy(model(inputs))
    assert output.shape == (2, *expected) and output.dtype == np.float32
    if name.endswith("generator") or name == "nearest":
        assert 0.2 < np.abs(output).max() <= 1.0
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(inputs), output)
    model.save(tmp_path / "network.keras")
    np.testing.assert_array_equal(
        keras.saving.load_model(tmp_path / "network.keras")(inputs), output
    )


# The line generator and the discriminator of pairs.


def test_the_line_generator_is_small():
    assert line_generator(3).count_params() == 547_417
    model = line_generator(1, filters=2, blocks=1)
    assert [x.name for x in model.inputs] == ["image"]
    drawing = np.asarray(model(np.random.default_rng(0).uniform(-1, 1, (2, 32, 48, 3))))
    # It begins near gray: neither ink nor paper has won yet.
    assert drawing.shape == (2, 32, 48, 1) and np.abs(drawing).max() < 0.9


def test_the_drawing_is_the_tanh_of_half_the_logit():
    model = line_generator(2, filters=2, blocks=1)
    inputs = [np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)), np.eye(2)]
    inputs = [ops.convert_to_tensor(x.astype("float32")) for x in inputs]
    logits = np.asarray(logits_of(model)(inputs))
    paper = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(model(inputs), 2 * paper - 1, atol=1e-5)
    assert logits_of(model).trainable_variables[0] is model.trainable_variables[0]


def test_a_crop_is_drawn_as_in_the_whole():
    keras.utils.set_random_seed(0)
    model = line_generator(1, filters=2, blocks=1)
    photo = np.random.default_rng(0).uniform(-1, 1, (1, 160, 160, 3)).astype("float32")
    whole = np.asarray(model(photo))[:, 48:112, 32:96]
    # Its corner is a multiple of the wave's period; what its border reaches is left out.
    crop, shifted = (np.asarray(model(photo[:, 16 + s : 144 + s, :128])) for s in (0, 4))
    np.testing.assert_allclose(crop[:, 32:96, 32:96], whole, atol=1e-5)
    assert np.abs(shifted[:, 28:92, 32:96] - whole).max() > 1e-3


def test_styles_draw_differently_from_the_start():
    keras.utils.set_random_seed(0)
    model = line_generator(3, filters=2, blocks=1)
    photo = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    drawings = model([np.repeat(photo, 3, axis=0), np.eye(3, dtype="float32")])
    assert np.abs(np.diff(drawings, axis=0)).max(axis=(1, 2, 3)).min() > 1e-3


def test_the_discriminator_of_pairs_sees_all_that_it_is_given():
    keras.utils.set_random_seed(0)
    model = pair_discriminator(2, filters=4)
    rng = np.random.default_rng(0)
    given = [rng.uniform(-1, 1, (1, 64, 64, 1)), rng.uniform(-1, 1, (1, 64, 64, 1)), np.eye(2)[:1]]
    given = [ops.convert_to_tensor(x.astype("float32")) for x in given]
    *features, scores = model(given)
    assert [tuple(x.shape[1:]) for x in features] == [
        *((32, 32, 4), (16, 16, 8), (8, 8, 16), (7, 7, 16))
    ]
    assert tuple(scores.shape) == (1, 6, 6, 1)
    for place in range(3):
        other = [-x if at == place else x for at, x in enumerate(given)]
        assert np.abs(np.asarray(model(other)[-1]) - np.asarray(scores)).max() > 1e-4
    assert [x.name for x in pair_discriminator(1, 2).inputs] == ["photo", "drawing"]
