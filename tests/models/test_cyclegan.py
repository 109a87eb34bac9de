"""CycleGAN: its six terms, its pools, and the direction of its steps."""

from dataclasses import dataclass, replace
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.models.cyclegan.model import CycleGAN
from keras_portrait.networks import patch_discriminator, resnet_generator

SIZE = 32


@dataclass(frozen=True)
class Weights:
    adversarial: float = 1.0
    cycle: float = 10.0
    identity: float = 5.0
    mode: str = "lsgan"


def plain_generator():
    """Two convolutions: much faster than the method's own network."""
    picture = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(picture)
    return keras.Model(
        picture, keras.layers.Conv2D(3, 3, padding="same", activation="tanh")(x), name="generator"
    )


def plain_discriminator():
    picture = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, 2, activation="leaky_relu")(picture)
    return keras.Model(picture, keras.layers.Conv2D(1, 3, 2)(x), name="discriminator")


def optimizer(rate):
    return keras.optimizers.Adam(rate, beta_1=0.5) if rate else keras.optimizers.SGD(0.0)


def tiny(
    generator_rate=1e-3, discriminator_rate=1e-3, weights=None, pool_size=0, own=False, **settings
):
    keras.utils.set_random_seed(0)
    generator, discriminator = plain_generator, plain_discriminator
    if own:
        generator = partial(resnet_generator, 3, 3, filters=2, blocks=1)
        discriminator = partial(patch_discriminator, 3, filters=2)
    model = CycleGAN(
        settings.pop("size", SIZE),
        generator=generator(),
        inverse_generator=generator(),
        disc_a=discriminator(),
        disc_b=discriminator(),
        weights=replace(weights or Weights(), mode=settings.pop("mode", "lsgan")),
        pool_size=pool_size,
        **settings,
    )
    model.compile(
        generator=optimizer(generator_rate),
        discriminator=optimizer(discriminator_rate),
    )
    return model


def batch_of(count=1, seed=0):
    rng = np.random.default_rng(seed)
    blocks = rng.uniform(-1, 1, (2, count, SIZE // 4, SIZE // 4, 3)).astype("float32")
    a, b = blocks.repeat(4, axis=2).repeat(4, axis=3)
    return {"a": ops.convert_to_tensor(a), "b": ops.convert_to_tensor(b)}


def values_of(weights):
    return [ops.convert_to_numpy(weight).copy() for weight in weights]


def reported_by(model, batch):
    model.reset_metrics()
    return {
        name: float(value) for name, value in model.train_step((batch,)).items() if name != "loss"
    }


@pytest.mark.parametrize("mode", ["lsgan", "log"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_step_changes_every_network_and_reports_every_name(count, mode):
    model = tiny(own=True, pool_size=2, mode=mode)
    networks = (model.generator, model.inverse_generator, model.disc_a, model.disc_b)
    before = [values_of(network.trainable_variables) for network in networks]
    reported = reported_by(model, batch_of(count))
    assert set(reported) == {*CycleGAN.loss_names, *CycleGAN.accuracy_names}
    assert all(np.isfinite(value) for value in reported.values())
    assert all(reported[name] > 0 for name in CycleGAN.loss_names)
    assert set(CycleGAN.headline_names) <= set(reported)
    for old, network in zip(before, networks, strict=True):
        pairs = zip(old, network.trainable_variables, strict=True)
        kernels = [(b, v) for b, v in pairs if len(v.shape) == 4]
        assert all(np.any(b != ops.convert_to_numpy(v)) for b, v in kernels)


def test_reported_terms_are_those_of_the_table():
    model, batch = tiny(0.0, 0.0), batch_of()
    a, b = batch["a"], batch["b"]
    g, f = (
        lambda x, net=net: ops.convert_to_numpy(net(x))
        for net in (model.generator, model.inverse_generator)
    )
    d_a, d_b = (
        lambda x, net=net: ops.convert_to_numpy(net(x)) for net in (model.disc_a, model.disc_b)
    )
    expected = {
        "g_adversarial": np.mean((d_b(g(a)) - 1) ** 2),
        "f_adversarial": np.mean((d_a(f(b)) - 1) ** 2),
        "cycle_a": 10 * np.mean(np.abs(f(g(a)) - a)),
        "cycle_b": 10 * np.mean(np.abs(g(f(b)) - b)),
        "identity_a": 5 * np.mean(np.abs(f(a) - a)),
        "identity_b": 5 * np.mean(np.abs(g(b) - b)),
        "d_a": 0.5 * (np.mean((d_a(a) - 1) ** 2) + np.mean(d_a(f(b)) ** 2)),
        "d_b": 0.5 * (np.mean((d_b(b) - 1) ** 2) + np.mean(d_b(g(a)) ** 2)),
        "a_accuracy": 0.5 * (np.mean(d_a(a) > 0.5) + np.mean(d_a(f(b)) <= 0.5)),
        "b_accuracy": 0.5 * (np.mean(d_b(b) > 0.5) + np.mean(d_b(g(a)) <= 0.5)),
    }
    assert reported_by(model, batch) == pytest.approx(expected, rel=1e-4)


def test_log_mode_is_cross_entropy_everywhere():
    model, batch = tiny(0.0, 0.0, mode="log"), batch_of()
    fake = model.generator(batch["a"])
    real, made = (ops.convert_to_numpy(model.disc_b(x)) for x in (batch["b"], fake))
    reported = reported_by(model, batch)
    deceived, told = np.log(1 + np.exp(-made)), np.log(1 + np.exp(-real)) + np.log(1 + np.exp(made))
    assert reported["g_adversarial"] == pytest.approx(deceived.mean(), rel=1e-4)
    assert reported["d_b"] == pytest.approx(0.5 * told.mean(), rel=1e-4)
    right = 0.5 * (np.mean(real > 0) + np.mean(made <= 0))
    assert reported["b_accuracy"] == pytest.approx(right, rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "off", "calls"),
    [
        (Weights(), set(), 3),
        (Weights(identity=0.0), {"identity_a", "identity_b"}, 2),
        (Weights(cycle=0.0), {"cycle_a", "cycle_b"}, 2),
        (Weights(cycle=0.0, identity=0.0), set(CycleGAN.loss_names[2:6]), 1),
    ],
)
def test_what_is_switched_off_is_zero_and_not_computed(weights, off, calls, monkeypatch):
    model = tiny(weights=weights)
    reported = reported_by(model, batch_of())
    assert {name for name in CycleGAN.loss_names if reported[name] == 0.0} == off
    asked = []
    generator = model.generator

    class Counting:
        def __call__(self, x):
            asked.append(x)
            return generator(x)

    monkeypatch.setattr(model, "generator", Counting())
    model._generator_losses(**batch_of())
    assert len(asked) == calls


def test_the_discriminators_alone_learn_to_tell():
    model, batch = tiny(generator_rate=0.0, discriminator_rate=1e-2), batch_of()
    rows = [reported_by(model, batch) for _ in range(4)]
    for name in ("d_a", "d_b"):
        assert rows[-1][name] < 0.8 * rows[0][name]
    for name in ("cycle_a", "identity_b"):
        assert rows[-1][name] == pytest.approx(rows[0][name], rel=1e-5)


@pytest.mark.parametrize("mode", ["lsgan", "log"])
def test_the_generators_alone_learn_to_deceive(mode):
    weights = Weights(cycle=0.0, identity=0.0)
    model, batch = tiny(1e-2, 1e-2, weights, mode=mode), batch_of()
    for _ in range(2):
        model.train_step((batch,))
    model.discriminator_optimizer.learning_rate = 0.0

    def scores():
        fakes = model.generator(batch["a"]), model.inverse_generator(batch["b"])
        return [
            float(ops.mean(d(x))) for d, x in zip((model.disc_b, model.disc_a), fakes, strict=True)
        ]

    before = scores()
    rows = [reported_by(model, batch) for _ in range(4)]
    assert all(late > early for early, late in zip(before, scores(), strict=True))
    for name in ("g_adversarial", "f_adversarial"):
        assert rows[-1][name] < rows[0][name]


def test_cycle_and_identity_alone_teach_to_keep_pictures():
    model, batch = tiny(1e-2, 0.0, weights=Weights(adversarial=0.0)), batch_of()
    rows = [reported_by(model, batch) for _ in range(4)]
    for name in ("cycle_a", "cycle_b", "identity_a", "identity_b"):
        assert rows[-1][name] < rows[0][name]
    assert rows[-1]["g_adversarial"] == 0.0


def test_discriminators_see_pooled_fakes():
    model = tiny(0.0, 0.0, pool_size=1)
    fresh, pooled = [], []
    for seed in range(8):
        batch = batch_of(seed=seed)
        fake = model.generator(batch["a"])
        fresh.append(float(ops.mean(ops.square(model.disc_b(fake)))))
        real = float(ops.mean(ops.square(model.disc_b(batch["b"]) - 1.0)))
        pooled.append(2 * reported_by(model, batch)["d_b"] - real)
    old = [not np.isclose(now, seen, rtol=1e-3) for now, seen in zip(fresh, pooled, strict=True)]
    assert not old[0] and any(old) and not all(old)
    # What is not fresh was fresh before.
    for index in np.flatnonzero(old):
        assert np.isclose(fresh[:index], pooled[index], rtol=1e-3).any()


def test_the_pools_draw_apart_and_hold_what_was_made():
    model = tiny(pool_size=2)
    for seed in range(2):
        model.train_step((batch_of(seed=seed),))
    assert int(model.pool_a.filled) == int(model.pool_b.filled) == 2
    assert model.pool_a.seed != model.pool_b.seed
    assert np.abs(ops.convert_to_numpy(model.pool_a.images)).min(axis=(1, 2, 3)).shape == (2,)
    assert np.any(ops.convert_to_numpy(model.pool_a.images)[1])


def test_averaged_generator_lags_behind():
    model = tiny(average_decay=0.75)
    start = values_of(model.generator.weights)
    model.train_step((batch_of(),))
    rows = zip(start, model.generator.weights, model.averaged_generator.weights, strict=True)
    for old, new, mean in rows:
        np.testing.assert_allclose(
            mean, old + 9 / 11 * (ops.convert_to_numpy(new) - old), atol=1e-6
        )


def test_weights_optimizers_and_pools_come_back_from_a_file(tmp_path):
    def fresh():
        return tiny(pool_size=2, average_decay=0.5)

    model, other = fresh(), fresh()
    for seed in range(2):
        model.train_step((batch_of(2, seed),))
    model.save_weights(tmp_path / "state.weights.h5")
    other.load_weights(tmp_path / "state.weights.h5")
    batch = batch_of(2, seed=5)
    for name, picture in model.visuals(batch).items():
        np.testing.assert_array_equal(picture, other.visuals(batch)[name])
    for seed in range(2):
        ours, theirs = (reported_by(m, batch_of(2, seed)) for m in (model, other))
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_visuals_show_both_ways_and_back():
    pictures = tiny().visuals({k: ops.convert_to_numpy(v) for k, v in batch_of(2).items()})
    assert list(pictures) == ["A", "A to B", "back to A", "B", "B to A", "back to B"]
    assert all(picture.shape == (2, SIZE, SIZE, 3) for picture in pictures.values())


def test_sizes_that_are_not_square_train():
    model = tiny(own=True, pool_size=1, size=(36, 44))
    batch = {name: ops.zeros((1, 36, 44, 3)) for name in ("a", "b")}
    assert all(np.isfinite(value) for value in reported_by(model, batch).values())


def test_trains_through_fit():
    model = tiny(pool_size=1)
    history = model.fit(
        ((batch_of(),) for _ in range(2)), steps_per_epoch=2, shuffle=False, verbose=0
    ).history
    assert set(history) == {*CycleGAN.loss_names, *CycleGAN.accuracy_names, "loss"}
