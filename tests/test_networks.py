"""The networks against their published sizes and the recorded numbers of the paper's code."""

import numpy as np
import pytest
from keras import ops

from keras_portrait import losses
from keras_portrait.masks import show_part
from keras_portrait.networks import patch_discriminator, resnet_generator, style_discriminator
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


def test_nearest_upsampling_keeps_the_shape():
    model = resnet_generator(3, 1, filters=2, blocks=1, upsampling="nearest")
    assert model(np.zeros((1, 32, 48, 3), "float32")).shape == (1, 32, 48, 1)
