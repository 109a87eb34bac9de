"""The method: the recorded step of the paper's code, and what must hold for any networks."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait import losses
from keras_portrait.masks import PARTS
from keras_portrait.models.asymmetric_cycle import AsymmetricCycle
from keras_portrait.models.base import gradients_of
from keras_portrait.networks import patch_discriminator, resnet_generator, style_discriminator
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance
from keras_portrait.settings import AsymmetricCycleWeights
from reference_step import ReferenceStep

# Ours: the recording's name.
RECORDED = {
    "g_adversarial": "G_A",
    "g_style": "G_A_cls",
    "g_nose": "G_A_l",
    "g_eyes": "G_A_le",
    "g_lips": "G_A_ll",
    "f_adversarial": "G_B",
    "relaxed_cycle": "cycle_A",
    "truncated_cycle": "cycle_A2",
    "strict_cycle": "cycle_B",
    "d_drawing": "D_A",
    "d_style": "D_A_cls",
    "d_nose": "D_A_l",
    "d_eyes": "D_A_le",
    "d_lips": "D_A_ll",
    "d_photo": "D_B",
}


def build(size, styles=3, filters=8, blocks=9, weights=None, pool_size=0, load=True, **settings):
    return AsymmetricCycle(
        generator=resnet_generator(3, 1, styles, filters, blocks),
        inverse_generator=resnet_generator(1, 3, 1, filters, blocks),
        drawing_disc=style_discriminator(1, styles, size, filters)
        if styles > 1
        else patch_discriminator(1, filters),
        photo_disc=patch_discriminator(3, filters),
        part_discs={part: patch_discriminator(2, filters) for part in PARTS},
        edge_detector=EdgeDetector(load=load),
        distance=PerceptualDistance(load=load),
        weights=weights or AsymmetricCycleWeights(),
        styles=styles,
        pool_size=pool_size,
        **settings,
    )


def tiny(**settings):
    model = build(size=64, filters=2, blocks=1, load=False, **settings)
    model.compile(generator=keras.optimizers.Adam(1e-3), discriminator=keras.optimizers.Adam(1e-3))
    return model


def tiny_batch(styles=3, seed=0, lines=False):
    rng = np.random.default_rng(seed)
    batch = {
        "photo": rng.uniform(-1, 1, (1, 64, 64, 3)),
        "drawing": rng.uniform(-1, 1, (1, 64, 64, 1)),
        "style": np.eye(styles)[:1],
    }
    for domain in ("photo", "drawing"):
        for part in PARTS:
            batch[f"{domain}_{part}"] = rng.uniform(0, 1, (1, 64, 64, 1)).round()
    if lines:
        batch["lines"] = rng.uniform(-1, 1, (1, 64, 64, 1))
    return {name: ops.convert_to_tensor(value, "float32") for name, value in batch.items()}


@pytest.mark.slow
def test_two_steps_report_the_recorded_losses():
    step = ReferenceStep()
    model = build(size=512)
    step.load_into(model.generator, "generator")
    step.load_into(model.inverse_generator, "inverse_generator")
    step.load_into(model.drawing_disc, "drawing_disc")
    step.load_into(model.photo_disc, "photo_disc")
    for part in PARTS:
        step.load_into(getattr(model, f"{part}_disc"), f"{part}_disc")
    settings = {"learning_rate": 2e-4, "beta_1": 0.5, "epsilon": 1e-8}
    model.compile(
        generator=keras.optimizers.Adam(**settings), discriminator=keras.optimizers.Adam(**settings)
    )
    model.progress.assign(0.5)
    batch = {"photo": step.photo, "drawing": step.drawing, "style": step.style}
    for part in PARTS:
        batch[f"photo_{part}"] = step.mask("photo", part)
        batch[f"drawing_{part}"] = step.mask("drawing", part)
    batch = {name: ops.convert_to_tensor(value) for name, value in batch.items()}
    # The second step comes after a real update of every network.
    for recorded, tolerance in zip(step.losses, (1e-3, 1e-2), strict=True):
        model.reset_metrics()
        reported = model.train_step((batch,))
        for ours, theirs in RECORDED.items():
            assert float(reported[ours]) == pytest.approx(recorded[theirs], rel=tolerance), ours


def test_a_step_changes_every_network_and_reports_every_loss():
    model = tiny()
    before = {
        name: [ops.convert_to_numpy(v) for v in group]
        for name, group in model.trainable_groups().items()
    }
    reported = model.train_step((tiny_batch(),))
    assert set(reported) == set(AsymmetricCycle.loss_names)
    assert all(np.isfinite(float(value)) for value in reported.values())
    for name, group in model.trainable_groups().items():
        kernels = [(b, v) for b, v in zip(before[name], group, strict=True) if len(v.shape) == 4]
        assert all(np.any(old != ops.convert_to_numpy(new)) for old, new in kernels), name


def test_progress_moves_weight_from_the_relaxed_to_the_truncated_cycle():
    model = tiny()
    at = {}
    for progress in (0.0, 1.0):
        model.progress.assign(progress)
        model.reset_metrics()
        fake = model.draw(tiny_batch()["photo"], tiny_batch()["style"])
        edges = model.distance.features(model.edge_detector(tiny_batch()["photo"]))
        at[progress] = {k: float(v) for k, v in model._cycle_losses(fake, edges).items()}
    assert at[0.0]["truncated_cycle"] == 0.0
    assert at[1.0]["relaxed_cycle"] == pytest.approx(0.1 * at[0.0]["relaxed_cycle"], rel=1e-4)
    assert at[1.0]["truncated_cycle"] > 0.0


def test_sampled_truncation_takes_one_of_the_two_terms():
    model = tiny(weights=AsymmetricCycleWeights(sample_truncation=True))
    model.progress.assign(0.5)
    seen = set()
    for seed in range(12):
        model.reset_metrics()
        reported = model.train_step((tiny_batch(seed=seed),))
        pair = float(reported["relaxed_cycle"]) > 0, float(reported["truncated_cycle"]) > 0
        assert pair in ((True, False), (False, True))
        seen.add(pair)
    assert len(seen) == 2


@pytest.mark.parametrize("straight_through", [False, True])
def test_gradient_through_truncation_only_where_asked(straight_through):
    model = tiny()
    batch = tiny_batch()

    def loss():
        fake = model.draw(batch["photo"], batch["style"])
        return ops.mean(ops.square(losses.truncate(fake, straight_through))), None

    gradients, _ = gradients_of(loss, model.generator.trainable_variables)
    assert (
        any(g is not None and np.any(ops.convert_to_numpy(g)) for g in gradients)
        is straight_through
    )


def test_one_style_needs_no_style_head():
    model = tiny(styles=1)
    reported = model.train_step((tiny_batch(styles=1),))
    assert float(reported["g_style"]) == 0.0 and float(reported["d_style"]) == 0.0
    assert float(reported["g_adversarial"]) > 0.0


def test_anchor_fades_with_the_progress():
    model = tiny(weights=AsymmetricCycleWeights(anchor=2.0))
    batch = tiny_batch(lines=True)
    assert float(model.train_step((batch,))["anchor"]) > 0.0
    model.progress.assign(1.0)
    model.reset_metrics()
    assert float(model.train_step((batch,))["anchor"]) == 0.0


def test_blank_drawings_give_finite_losses():
    model = tiny()
    batch = {**tiny_batch(), "drawing": ops.ones((1, 64, 64, 1))}
    assert all(np.isfinite(float(value)) for value in model.train_step((batch,)).values())


def test_averaged_generator_lags_behind():
    model = tiny(average_decay=0.75)
    start = [ops.convert_to_numpy(v) for v in model.generator.trainable_variables]
    model.train_step((tiny_batch(),))
    rows = zip(
        start,
        model.generator.trainable_variables,
        model.averaged_generator.weights,
        strict=True,
    )
    for old, new, mean in rows:
        np.testing.assert_allclose(mean, 0.75 * old + 0.25 * ops.convert_to_numpy(new), atol=1e-6)


def test_compile_names_the_optimizers_it_wants():
    model = build(size=64, filters=2, blocks=1, load=False)
    with pytest.raises(ValueError, match="discriminator.*generator.*Received"):
        model.compile(generator=keras.optimizers.Adam())


def test_a_pooled_drawing_keeps_its_masks():
    model = tiny(pool_size=1)
    for seed in range(8):
        batch = tiny_batch(seed=seed)
        fake = ops.full((1, 64, 64, 1), float(seed))
        for part in PARTS:
            batch[f"photo_{part}"] = ops.full((1, 64, 64, 1), float(seed))
        drawing, masks, _ = model._pooled(batch, fake, ops.zeros((1, 64, 64, 3)))
        for part in PARTS:
            np.testing.assert_array_equal(masks[part], drawing)
