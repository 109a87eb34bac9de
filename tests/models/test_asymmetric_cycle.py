"""The method: the recorded step of the paper's code, and what must hold for any networks."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait import losses
from keras_portrait.inference.geometry import PARTS
from keras_portrait.models.asymmetric_cycle.config import AsymmetricCycleWeights
from keras_portrait.models.asymmetric_cycle.model import AsymmetricCycle
from keras_portrait.perceptual import EdgeDetector, FaceFinder
from keras_portrait.training.backend import gradients_of
from reference_step import ReferenceStep
from tiny_cycle import build, tiny, tiny_batch

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


@pytest.mark.slow
def test_two_steps_report_the_recorded_losses():
    step = ReferenceStep()
    model = build(size=512)
    step.load_into(model.generator, "generator")
    step.load_into(model.inverse_generator, "inverse_generator")
    step.load_into(model.drawing_disc, "drawing_disc")
    step.load_into(model.photo_disc, "photo_disc")
    for part in PARTS:
        step.load_into(model.part_discs[part], f"{part}_disc")
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
    assert set(reported) - {"loss"} == {
        *AsymmetricCycle.loss_names,
        *AsymmetricCycle.accuracy_names,
    }
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
        terms = model._cycle_losses(fake, edges) | model._truncated_losses(fake, edges)
        at[progress] = {k: float(v) for k, v in terms.items()}
    assert at[0.0]["truncated_cycle"] == 0.0
    assert at[1.0]["relaxed_cycle"] == pytest.approx(0.1 * at[0.0]["relaxed_cycle"], rel=1e-4)
    assert at[1.0]["truncated_cycle"] > 0.0


@pytest.mark.slow
def test_sampled_truncation_takes_one_of_the_two_terms():
    model = tiny(weights=AsymmetricCycleWeights(sample_truncation=True))
    model.progress.assign(0.5)
    seen = set()
    for seed in range(6):
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


@pytest.mark.parametrize("one_hot", [False, True])
def test_one_hot_maps_leave_the_soft_weights_of_the_style_losses(one_hot):
    weights = AsymmetricCycleWeights(one_hot_maps=one_hot, anchor=1.0)
    model, batch = (
        tiny(weights=weights, draw_anchor=lambda photo, style: anchored(style)),
        (tiny_batch(count=2)),
    )
    seen, anchors, draw = [], [], model.draw

    def anchored(style):
        anchors.append(ops.convert_to_numpy(style))
        return batch["drawing"]

    def noted(photos, style):
        seen.append(ops.convert_to_numpy(style))
        return draw(photos, style)

    model.draw = noted
    soft = np.float32([[0.2, 0.5, 0.3], [0.6, 0.0, 0.4]])
    batch["style"] = ops.convert_to_tensor(soft)
    values, drawing, photo = model._generator_losses(batch, model._seen_of(batch))
    wanted = np.eye(3, dtype=np.float32)[[1, 0]] if one_hot else soft
    assert len(seen) == 2 and len(anchors) == 1
    for style in (*seen, *anchors):
        np.testing.assert_array_equal(style, wanted)
    _, logits = model.drawing_disc(drawing)
    expected = losses.style_classification(logits, soft)
    assert float(values["g_style"]) == pytest.approx(float(expected), rel=1e-5)
    masks = {part: batch[f"photo_{part}"] for part in PARTS}
    values, _ = model._discriminator_losses(batch, drawing, masks, photo)[0]()
    _, real = model.drawing_disc(batch["drawing"])
    expected = 0.5 * (expected + losses.style_classification(real, soft))
    assert float(values["d_style"]) == pytest.approx(float(expected), rel=1e-5)


def test_one_style_needs_no_style_head():
    model = tiny(styles=1)
    reported = model.train_step((tiny_batch(styles=1),))
    assert float(reported["g_style"]) == 0.0 and float(reported["d_style"]) == 0.0
    assert float(reported["g_adversarial"]) > 0.0


@pytest.mark.parametrize("end", [0.0, 0.25])
def test_anchor_fades_with_the_progress_to_its_end(end):
    model = tiny(weights=AsymmetricCycleWeights(anchor=2.0, anchor_end=end))
    batch = tiny_batch(lines=True)
    pull = 2.0 * float(
        ops.mean(model.distance(model.draw(batch["photo"], batch["style"]), batch["lines"]))
    )
    assert pull > 0.0
    for progress in (0.0, 0.5, 1.0):
        model.progress.assign(progress)
        values, *_ = model._generator_losses(batch, model._seen_by_cycle(batch["photo"]))
        expected = pull * (1.0 - progress + end * progress)
        assert float(values["anchor"]) == pytest.approx(expected, rel=1e-4, abs=1e-7)
    model.reset_metrics()
    assert (float(model.train_step((batch,))["anchor"]) == 0.0) == (end == 0.0)


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
        np.testing.assert_allclose(
            mean, old + 9 / 11 * (ops.convert_to_numpy(new) - old), atol=1e-6
        )


def reported_by(model, batch=None):
    return {k: float(v) for k, v in model.train_step((batch or tiny_batch(),)).items()}


@pytest.mark.parametrize(
    ("setting", "gone"),
    [
        ({"local": 0.0}, {"g_eyes", "g_nose", "g_lips", "d_eyes", "d_nose", "d_lips"}),
        ({"style": 0.0}, {"g_style", "d_style"}),
        ({"relaxed": 0.0}, {"relaxed_cycle", "truncated_cycle"}),
        ({"truncation": False}, {"truncated_cycle"}),
        ({"strict": 0.0}, {"strict_cycle"}),
    ],
)
def test_what_is_switched_off_is_gone(setting, gone):
    model = tiny(weights=AsymmetricCycleWeights(**setting))
    model.progress.assign(0.5)
    reported = reported_by(model)
    losses_of_it = set(AsymmetricCycle.loss_names) - {"anchor", "face", "gray"}
    assert {name for name in losses_of_it if reported[name] == 0.0} == gone
    if "local" in setting:
        assert model.part_discs == {} and reported["eyes_accuracy"] == 0.0
    if "style" in setting:
        assert len(model.drawing_disc.outputs) == 1 and len(model.generator.inputs) == 2


def test_without_truncation_the_relaxed_cycle_keeps_its_weight():
    model = tiny(weights=AsymmetricCycleWeights(truncation=False))
    batch = tiny_batch()
    fake = model.draw(batch["photo"], batch["style"])
    real = model._seen_by_cycle(batch["photo"])
    at = []
    for progress in (0.0, 1.0):
        model.progress.assign(progress)
        at.append(float(model._cycle_losses(fake, real)["relaxed_cycle"]))
    assert at[0] == at[1] > 0.0


@pytest.mark.parametrize("forward_cycle", ["edges", "photos", "l1"])
def test_forward_cycle_compares_what_it_is_told_to(forward_cycle):
    weights = AsymmetricCycleWeights(forward_cycle=forward_cycle)
    model = tiny(weights=weights)
    batch = tiny_batch()
    fake = model.draw(batch["photo"], batch["style"])
    photo, back = batch["photo"], model.inverse_generator(fake)
    expected = {
        "edges": lambda: model.distance(
            losses.edge_maps(back, model.edge_detector),
            losses.edge_maps(photo, model.edge_detector),
        )[0],
        "photos": lambda: model.distance(back, photo)[0],
        "l1": lambda: ops.mean(ops.abs(back - photo)),
    }[forward_cycle]()
    reported = reported_by(model, batch)["relaxed_cycle"]
    assert reported == pytest.approx(5 * float(expected), rel=1e-4)


@pytest.mark.slow
def test_edges_computed_beforehand_give_the_same_losses():
    batch = tiny_batch()
    keras.utils.set_random_seed(1)
    plain = reported_by(tiny())
    keras.utils.set_random_seed(1)
    stored = tiny()
    edges = losses.edge_maps(batch["photo"], stored.edge_detector)
    assert reported_by(stored, {**batch, "edges": edges}) == pytest.approx(plain, rel=1e-5)


def test_accuracies_say_how_often_a_discriminator_is_right():
    model = tiny()
    high, low = ops.full((1, 4, 4, 1), 0.9), ops.full((1, 4, 4, 1), 0.1)
    assert float(model._accuracy(high, low)) == 1.0
    assert float(model._accuracy(high, high)) == 0.5
    assert float(model._accuracy(low, high)) == 0.0
    model.weights_of = AsymmetricCycleWeights(adversarial="log")
    assert float(model._accuracy(low, -high)) == 1.0


def gradient_norms(loss_function, variables):
    gradients, _ = gradients_of(lambda: (loss_function(), None), variables)
    return [float(ops.norm(ops.reshape(g, (-1,)))) for g in gradients if g is not None]


def test_frozen_judges_pass_gradient_and_take_none():
    model = tiny()
    model.edge_detector = EdgeDetector(load=False)
    batch = tiny_batch()
    judges = [*model.edge_detector.network.weights, *model.distance.trunk.weights]
    before = [ops.convert_to_numpy(weight) for weight in judges]
    model.train_step((batch,))
    for old, weight in zip(before, judges, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(weight))
    trained = {id(v) for group in model.trainable_groups().values() for v in group}
    assert not trained & {id(weight) for weight in judges}
    assert not any("hed" in v.path or "alexnet" in v.path for v in model.weights)

    def cycle():
        fake = model.draw(batch["photo"], batch["style"])
        return model._forward_cycle(fake, model._seen_by_cycle(batch["photo"]))

    for net in (model.generator, model.inverse_generator):
        assert max(gradient_norms(cycle, net.trainable_variables)) > 0.0


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_blank_pictures_give_finite_gradients(value):
    model = tiny()
    blank = ops.full((1, 64, 64, 1), value)
    batch = {**tiny_batch(), "drawing": blank, "photo": ops.repeat(blank, 3, axis=-1)}
    real = model._seen_by_cycle(batch["photo"])

    def loss():
        return sum(model._generator_losses(batch, real)[0].values())

    norms = gradient_norms(loss, model.trainable_groups()["generator"])
    assert np.all(np.isfinite(norms))


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (64, 3),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in ((128, 2), (256, 1), (512, 1))),
    ],
)
def test_trains_at_other_sizes_and_batches(size, count):
    model = tiny(size=size, pool_size=2)
    batch = tiny_batch(size=size, count=count, seed=1)
    first = reported_by(model, batch)
    assert all(np.isfinite(value) for value in first.values())
    assert first["g_style"] > 0.0


def test_bfloat16_trains():
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny(pool_size=2)
        losses_of_it = [reported_by(model, tiny_batch(seed=seed)) for seed in range(3)]
    finally:
        keras.config.set_dtype_policy(former)
    assert all(np.isfinite(value) for row in losses_of_it for value in row.values())
    assert {str(v.dtype) for group in model.trainable_groups().values() for v in group} == {
        "float32"
    }


def test_visuals_show_every_style():
    model = tiny()
    pictures = model.visuals({"photo": np.zeros((1, 64, 64, 3), np.float32)})
    assert list(pictures)[:4] == ["photo", "style 0", "style 1", "style 2"]
    assert all(picture.shape[1:3] == (64, 64) for picture in pictures.values())


def test_compile_names_the_optimizers_it_wants():
    model = build(size=64, filters=2, blocks=1, load=False)
    with pytest.raises(ValueError, match="discriminator, generator.*Received: loss, teacher"):
        model.compile(loss="mse", teacher=keras.optimizers.Adam())


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


def test_face_and_gray_carry_their_weights_and_the_detector_stays_as_it_is():
    batch = tiny_batch() | {
        "photo_landmarks": np.float32([[[24, 26], [40, 26], [32, 34], [26, 44], [38, 44]]]),
        "photo_boxes": np.float32([[[8, 4, 56, 52], [10, 8, 54, 52], [6, 4, 58, 56]]]),
    }
    reported, finder = [], FaceFinder(load=False)
    before = finder.nets["onet"].get_weights()
    for factor in (1, 2):
        keras.utils.set_random_seed(1)
        weights = AsymmetricCycleWeights(face=factor, gray=3 * factor)
        reported.append(tiny(weights=weights, face_finder=finder).train_step((batch,)))
    for name in ("face", "gray"):
        assert float(reported[1][name]) == pytest.approx(2 * float(reported[0][name]), rel=1e-3)
        assert float(reported[0][name]) > 0
    for old, new in zip(before, finder.nets["onet"].get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
