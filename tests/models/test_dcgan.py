"""DCGAN: what a step changes, and in which direction."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_portrait.models.dcgan.model import DCGAN
from keras_portrait.models.dcgan.networks import dcgan_discriminator, dcgan_generator

NOISE = 6


def optimizer(rate):
    return keras.optimizers.Adam(rate, beta_1=0.5) if rate else keras.optimizers.SGD(0.0)


def tiny(generator_rate=1e-3, discriminator_rate=1e-3, **settings):
    keras.utils.set_random_seed(0)
    model = DCGAN(dcgan_generator(2, NOISE), dcgan_discriminator(2), **settings)
    model.compile(
        generator=optimizer(generator_rate),
        discriminator=optimizer(discriminator_rate),
    )
    return model


def batch_of(count=4, seed=0):
    rng = np.random.default_rng(seed)
    batch = {
        "picture": rng.uniform(-1, 1, (count, 64, 64, 3)),
        "noise": rng.normal(size=(count, NOISE)),
    }
    return {name: ops.convert_to_tensor(value, "float32") for name, value in batch.items()}


def values_of(weights):
    return [ops.convert_to_numpy(weight).copy() for weight in weights]


def reported_by(model, batch):
    model.reset_metrics()
    return {
        name: float(value) for name, value in model.train_step((batch,)).items() if name != "loss"
    }


@pytest.mark.parametrize("count", [1, 3])
def test_a_step_changes_both_networks_and_reports_every_name(count):
    model = tiny()
    before = {name: values_of(group) for name, group in model.trainable_groups().items()}
    reported = reported_by(model, batch_of(count))
    assert set(reported) == {*DCGAN.loss_names, *DCGAN.accuracy_names}
    assert all(np.isfinite(value) and value >= 0 for value in reported.values())
    assert set(DCGAN.headline_names) <= set(reported)
    for name, group in model.trainable_groups().items():
        kernels = [(b, v) for b, v in zip(before[name], group, strict=True) if len(v.shape) == 4]
        assert len(kernels) == 6
        assert all(np.any(old != ops.convert_to_numpy(new)) for old, new in kernels), name


def test_losses_are_binary_cross_entropies_of_the_scores():
    model, batch = tiny(0.0, 0.0), batch_of()
    fakes = model.generator(batch["noise"], training=True)
    real = ops.convert_to_numpy(model.discriminator(batch["picture"], training=True))
    fake = ops.convert_to_numpy(model.discriminator(fakes, training=True))
    reported = reported_by(model, batch)
    entropy = {"d_real": -np.log(1 / (1 + np.exp(-real))), "d_fake": np.log(1 + np.exp(fake))}
    entropy["g_adversarial"] = np.log(1 + np.exp(-fake))
    for name, values in entropy.items():
        assert reported[name] == pytest.approx(values.mean(), rel=1e-4), name
    assert reported["real_accuracy"] == (real > 0).mean()
    assert reported["fake_accuracy"] == (fake <= 0).mean()


@pytest.mark.slow
def test_the_penalty_is_the_squared_slope_at_real_pictures():
    model, batch = tiny(0.0, 0.0, gradient_penalty=3.0), batch_of()
    picture = ops.convert_to_numpy(batch["picture"])
    rng, small = np.random.default_rng(1), 1e-3

    def score(x):
        return np.float64(ops.sum(model.discriminator(ops.convert_to_tensor(x), training=True)))

    def slope(direction):
        return (score(picture + small * direction) - score(picture - small * direction)) / small / 2

    # In N random directions of unit variance, slopes have the gradient's length as their variance.
    slopes = [slope(rng.standard_normal(picture.shape, np.float32)) for _ in range(400)]
    expected = 3.0 * np.mean(np.square(slopes)) / len(picture)
    assert reported_by(model, batch)["d_penalty"] == pytest.approx(expected, rel=0.3)
    assert reported_by(tiny(0.0, 0.0), batch)["d_penalty"] == 0.0


@pytest.mark.slow
def test_the_penalty_flattens_the_discriminator():
    steep, flat = (tiny(0.0, 1e-2, gradient_penalty=weight) for weight in (1e-9, 100.0))
    batch = batch_of()
    for _ in range(8):
        steepness, flatness = (reported_by(model, batch) for model in (steep, flat))
    assert flatness["d_penalty"] / 100 < 0.5 * steepness["d_penalty"] / 1e-9


def test_the_discriminator_alone_learns_to_tell():
    model, batch = tiny(generator_rate=0.0, discriminator_rate=1e-2), batch_of()
    rows = [reported_by(model, batch) for _ in range(6)]
    first, last = (row["d_real"] + row["d_fake"] for row in (rows[0], rows[-1]))
    assert last < 0.7 * first
    assert rows[-1]["real_accuracy"] == rows[-1]["fake_accuracy"] == 1.0
    # The better D gets, the worse it is for G.
    assert rows[-1]["g_adversarial"] > rows[0]["g_adversarial"]


def test_the_generator_alone_learns_to_deceive():
    model, batch = tiny(generator_rate=1e-2, discriminator_rate=1e-2), batch_of()
    for _ in range(3):
        model.train_step((batch,))
    model.discriminator_optimizer.learning_rate = 0.0
    rows = [reported_by(model, batch) for _ in range(6)]
    assert rows[-1]["g_adversarial"] < 0.7 * rows[0]["g_adversarial"]
    assert rows[-1]["d_fake"] > rows[0]["d_fake"]
    assert rows[-1]["d_real"] == pytest.approx(rows[0]["d_real"], rel=1e-4)


def test_statistics_of_batches_move_in_training_only():
    model, batch = tiny(), batch_of()
    networks = (model.generator, model.discriminator, model.averaged_generator)
    before = [values_of(network.non_trainable_variables) for network in networks]
    model.visuals(batch)
    model(batch["noise"])
    model.discriminator(batch["picture"])
    for old, network in zip(before, networks, strict=True):
        for value, variable in zip(old, network.non_trainable_variables, strict=True):
            np.testing.assert_array_equal(value, variable)
    model.train_step((batch,))
    for old, network in zip(before[:2], networks[:2], strict=True):
        assert all(
            np.any(value != ops.convert_to_numpy(variable))
            for value, variable in zip(old, network.non_trainable_variables, strict=True)
        )


def test_the_averaged_generator_averages_statistics_too():
    model = tiny(average_decay=0.75)
    start = values_of(model.generator.weights)
    model.train_step((batch_of(),))
    rows = zip(start, model.generator.weights, model.averaged_generator.weights, strict=True)
    for old, new, mean in rows:
        np.testing.assert_allclose(
            mean, old + 9 / 11 * (ops.convert_to_numpy(new) - old), atol=1e-6
        )
    assert model.averaged_generator.trainable_variables == []


def test_weights_and_optimizers_come_back_from_a_file(tmp_path):
    model, batch = tiny(average_decay=0.5), batch_of()
    model.train_step((batch,))
    model.save_weights(tmp_path / "state.weights.h5")
    other = tiny(average_decay=0.5)
    other.load_weights(tmp_path / "state.weights.h5")
    np.testing.assert_array_equal(other(batch["noise"]), model(batch["noise"]))
    np.testing.assert_array_equal(other.visuals(batch)["picture"], model.visuals(batch)["picture"])
    assert reported_by(other, batch) == pytest.approx(reported_by(model, batch), rel=1e-5)
    np.testing.assert_allclose(other(batch["noise"]), model(batch["noise"]), atol=1e-5)


def test_visuals_are_pictures_of_the_noise():
    model, batch = tiny(), batch_of(count=3)
    pictures = model.visuals({"noise": ops.convert_to_numpy(batch["noise"])})
    assert list(pictures) == ["picture"] and pictures["picture"].shape == (3, 64, 64, 3)
    assert np.abs(pictures["picture"]).max() <= 1.0
    # Alone or together, a noise vector gives the same picture.
    alone = model.visuals({"noise": batch["noise"][1:2]})["picture"]
    np.testing.assert_allclose(alone, pictures["picture"][1:2], atol=1e-6)


def test_trains_through_fit():
    model, batch = tiny(), batch_of(count=2)
    before = values_of(model.generator.trainable_variables)
    history = model.fit(
        ((batch,) for _ in range(2)), steps_per_epoch=2, shuffle=False, verbose=0
    ).history
    assert set(history) == {*DCGAN.loss_names, *DCGAN.accuracy_names, "loss"}
    assert np.any(before[0] != ops.convert_to_numpy(model.generator.trainable_variables[0]))
