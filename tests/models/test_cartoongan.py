"""CartoonGAN: three sets of pictures, losses that can be switched on, the initialization."""

import copy
from dataclasses import dataclass, replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

import small_methods
from keras_portrait import losses
from keras_portrait.models.cartoongan.config import CartoonGANWeights
from keras_portrait.models.cartoongan.heat_maps import landmark_network, peaks
from keras_portrait.models.cartoongan.landmark_regressor import LandmarkRegressor
from keras_portrait.models.cartoongan.model import CartoonGAN, ContentStart
from keras_portrait.models.cartoongan.networks import cartoon_discriminator, cartoon_generator
from keras_portrait.perceptual.vgg import VGGFeatures
from keras_portrait.training.backend import gradients_of

SIZE = 16
EXTRAS = {"style": 2.0, "gray_style": 3.0, "colour": 4.0, "landmarks": 5.0}


@dataclass(frozen=True)
class Weights:
    adversarial: float = 1.0
    content: float = 10.0
    style: float = 0.0
    gray_style: float = 0.0
    colour: float = 0.0
    landmarks: float = 0.0
    relative: bool = False
    mode: str = "log"


class Edges:
    """Stands in for VGG: differences between neighbours, with the number of times it was asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, pictures):
        self.asked += 1
        shifted = [ops.roll(pictures, 1, axis=axis) for axis in (1, 2)]
        return [ops.concatenate([pictures - other for other in shifted], axis=-1)]


def find_dark(pictures):
    """Stands in for a landmark network: five maps of how dark a picture is."""
    return ops.repeat(0.5 - 0.5 * ops.mean(pictures, axis=-1, keepdims=True), 5, axis=-1)


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


def tiny(generator_rate=1e-3, discriminator_rate=1e-3, weights=None, own=False, **settings):
    keras.utils.set_random_seed(0)
    model = CartoonGAN(
        settings.pop("size", SIZE),
        generator=cartoon_generator(filters=2, blocks=1) if own else plain_generator(),
        discriminator=cartoon_discriminator(filters=2) if own else plain_discriminator(),
        weights=replace(weights or Weights(), mode=settings.pop("mode", "log")),
        **{"features": Edges(), "landmarks": find_dark, **settings},
    )
    model.compile(
        generator=optimizer(generator_rate),
        discriminator=optimizer(discriminator_rate),
    )
    return model


def batch_of(count=1, seed=0, size=SIZE):
    rng = np.random.default_rng(seed)
    blocks = rng.uniform(-1, 1, (3, count, size // 4, size // 4, 3))
    a, b, e = blocks.repeat(4, axis=2).repeat(4, axis=3)
    points = rng.uniform(0, size, (count, 5, 2))
    batch = {"a": a, "b": b, "e": e, "landmarks": losses.heat_maps(points, (size, size), 2.0)}
    return {name: ops.convert_to_tensor(value, "float32") for name, value in batch.items()}


def values_of(weights):
    return [ops.convert_to_numpy(weight).copy() for weight in weights]


def reported_by(model, batch):
    model.reset_metrics()
    return {
        name: float(value) for name, value in model.train_step((batch,)).items() if name != "loss"
    }


@pytest.mark.parametrize("mode", ["lsgan", "log"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_step_changes_both_networks_and_reports_every_name(count, mode):
    model = tiny(own=True, weights=Weights(**EXTRAS), mode=mode, pool_size=2)
    before = {name: values_of(group) for name, group in model.trainable_groups().items()}
    reported = reported_by(model, batch_of(count))
    assert set(reported) == {*CartoonGAN.loss_names, *CartoonGAN.accuracy_names}
    assert all(np.isfinite(value) for value in reported.values())
    assert all(reported[name] > 0 for name in CartoonGAN.loss_names)
    assert set(CartoonGAN.headline_names) <= set(reported)
    for name, group in model.trainable_groups().items():
        kernels = [(b, v) for b, v in zip(before[name], group, strict=True) if len(v.shape) == 4]
        assert all(np.any(old != ops.convert_to_numpy(new)) for old, new in kernels), name


def test_reported_terms_are_those_of_the_table():
    model, batch = tiny(0.0, 0.0, weights=Weights(**EXTRAS)), batch_of(2)
    fake = model.generator(batch["a"])
    real, made, smooth = (
        ops.convert_to_numpy(model.discriminator(x)) for x in (batch["b"], fake, batch["e"])
    )
    maps, of_a, of_b = (Edges()(x) for x in (fake, batch["a"], batch["b"]))
    gray = Edges()(losses.grayscale(batch["b"]))
    expected = {
        "g_adversarial": np.log(1 + np.exp(-made)).mean(),
        "content": 10 * np.mean(np.abs(maps[0] - of_a[0])),
        "style": 2 * np.mean(np.abs(losses.gram(maps[0]) - losses.gram(of_b[0]))),
        "gray_style": 3 * np.mean(np.abs(losses.gram(maps[0]) - losses.gram(gray[0]))),
        "colour": 4 * float(losses.colour(fake, batch["a"])),
        "landmarks": 5 * np.mean(np.square(find_dark(fake) - batch["landmarks"])),
        "d_real": np.log(1 + np.exp(-real)).mean(),
        "d_fake": np.log(1 + np.exp(made)).mean(),
        "d_smooth": np.log(1 + np.exp(smooth)).mean(),
        "real_accuracy": (real > 0).mean(),
        "fake_accuracy": (made <= 0).mean(),
        "smooth_accuracy": (smooth <= 0).mean(),
    }
    assert reported_by(model, batch) == pytest.approx(expected, rel=1e-3)
    gray_style = losses.gray_style(maps, batch["b"], Edges())
    assert expected["gray_style"] == pytest.approx(3 * float(gray_style), rel=1e-4)


def test_relative_losses_are_shares_of_what_they_aim_at():
    model = tiny(0.0, 0.0, weights=Weights(style=2.0, gray_style=3.0, relative=True))
    batch = batch_of(2)
    maps, of_a, of_b = (
        Edges()(x)[0] for x in (model.generator(batch["a"]), batch["a"], batch["b"])
    )
    gray = losses.gram(Edges()(losses.grayscale(batch["b"]))[0])

    def share(made, wanted):
        made, wanted = (ops.convert_to_numpy(x).reshape(2, -1) for x in (made, wanted))
        return np.mean(np.abs(made - wanted).mean(axis=1) / np.abs(wanted).mean(axis=1))

    reported = reported_by(model, batch)
    expected = {
        "content": 10 * share(maps, of_a),
        "style": 2 * share(losses.gram(maps), losses.gram(of_b)),
        "gray_style": 3 * share(losses.gram(maps), gray),
    }
    assert {name: reported[name] for name in expected} == pytest.approx(expected, rel=1e-3)


def test_weights_without_a_choice_of_their_scale_mean_what_they_meant():
    weights = SimpleNamespace(**{n: v for n, v in vars(Weights()).items() if n != "relative"})
    model = CartoonGAN(
        SIZE,
        generator=plain_generator(),
        discriminator=plain_discriminator(),
        features=Edges(),
        weights=weights,
    )
    assert not model.relative and CartoonGANWeights().relative


def test_models_saved_before_there_was_a_choice_take_features_as_they_are():
    config = small_methods.cartoongan().get_config()
    assert CartoonGAN.from_config(copy.deepcopy(config)).relative
    earlier = {name: value for name, value in config["weights"].items() if name != "relative"}
    assert not CartoonGAN.from_config(config | {"weights": earlier}).relative


def test_lsgan_mode_is_squared_error_everywhere():
    model, batch = tiny(0.0, 0.0, mode="lsgan"), batch_of()
    fake = ops.convert_to_numpy(model.discriminator(model.generator(batch["a"])))
    smooth = ops.convert_to_numpy(model.discriminator(batch["e"]))
    reported = reported_by(model, batch)
    assert reported["g_adversarial"] == pytest.approx(np.mean((fake - 1) ** 2), rel=1e-4)
    assert reported["d_smooth"] == pytest.approx(np.mean(smooth**2), rel=1e-4)
    assert reported["smooth_accuracy"] == pytest.approx(np.mean(smooth <= 0.5), rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "asked"),
    [
        (Weights(), 2),
        (Weights(content=0.0), 0),
        (Weights(style=1.0), 3),
        (Weights(content=0.0, gray_style=1.0), 2),
        (Weights(content=0.0, colour=1.0), 0),
    ],
)
def test_what_is_switched_off_is_zero_and_not_computed(weights, asked):
    features = Edges()
    model = tiny(weights=weights, features=features, landmarks=None)
    batch = batch_of()
    del batch["landmarks"]
    reported = reported_by(model, batch)
    optional = ("content", "style", "gray_style", "colour", "landmarks")
    assert {n for n in optional if reported[n] == 0.0} == {
        n for n in optional if getattr(weights, n) == 0.0
    }
    assert features.asked == asked


def test_a_landmark_weight_needs_a_landmark_network():
    with pytest.raises(ValueError, match="landmarks.*Received: None, weight 5"):
        tiny(weights=Weights(landmarks=5.0), landmarks=None)


def norms_in_generator(model, loss):
    gradients, _ = gradients_of(lambda: (loss(), None), model.generator.trainable_variables)
    return [float(ops.norm(ops.reshape(g, (-1,)))) for g in gradients if g is not None]


@pytest.mark.parametrize("name", ["content", *EXTRAS])
def test_the_gradient_of_every_loss_reaches_the_generator(name):
    """The trap of a known implementation: landmarks found outside of the gradient's way."""
    weights = Weights(**{"adversarial": 0.0, "content": 0.0, name: 1.0})
    model, batch = tiny(own=True, weights=weights), batch_of()
    targets = model._targets(batch)

    def loss():
        return sum(model._generator_losses(batch, targets)[0].values())

    norms = norms_in_generator(model, loss)
    kernels = [v for v in model.generator.trainable_variables if len(v.shape) == 4]
    assert sum(norm > 0 for norm in norms) >= len(kernels)
    assert np.all(np.isfinite(norms))


def test_landmarks_move_where_they_should_be():
    weights = Weights(adversarial=0.0, content=0.0, landmarks=1.0)
    model, batch = tiny(1e-2, 0.0, weights=weights), batch_of()
    rows = [reported_by(model, batch) for _ in range(8)]
    assert rows[-1]["landmarks"] < 0.7 * rows[0]["landmarks"]


def test_judges_are_not_trained_and_vgg_is_not_saved():
    vgg = VGGFeatures("vgg16", layers=("block2_conv1",), load=False, activated=False)
    finder = landmark_network(filters=2)
    weights = Weights(landmarks=1.0, style=1.0)
    model = tiny(weights=weights, features=vgg, landmarks=finder)
    before = [*values_of(vgg.network.weights), *values_of(finder.weights)]
    reported = reported_by(model, batch_of())
    assert reported["landmarks"] > 0 and reported["content"] > 0 and reported["style"] > 0
    for old, weight in zip(before, [*vgg.network.weights, *finder.weights], strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(weight))
    kept = {id(weight) for weight in model.weights}
    assert not kept & {id(weight) for weight in vgg.network.weights}
    # Taught before the training proper, it must come back with a checkpoint.
    assert kept >= {id(weight) for weight in finder.weights}


def test_the_discriminator_alone_learns_to_tell_all_three():
    model, batch = tiny(0.0, 1e-2), batch_of()
    rows = [reported_by(model, batch) for _ in range(12)]
    first, last = (row["d_real"] + row["d_fake"] + row["d_smooth"] for row in (rows[0], rows[-1]))
    assert last < 0.9 * first
    assert rows[-1]["content"] == pytest.approx(rows[0]["content"], rel=1e-5)


@pytest.mark.parametrize("mode", ["lsgan", "log"])
def test_the_generator_alone_learns_to_deceive(mode):
    model, batch = tiny(1e-2, 1e-2, Weights(content=0.0), mode=mode), batch_of()
    for _ in range(3):
        model.train_step((batch,))
    model.discriminator_optimizer.learning_rate = 0.0
    before = float(ops.mean(model.discriminator(model.generator(batch["a"]))))
    rows = [reported_by(model, batch) for _ in range(5)]
    assert float(ops.mean(model.discriminator(model.generator(batch["a"])))) > before
    assert rows[-1]["g_adversarial"] < rows[0]["g_adversarial"]
    assert rows[-1]["d_fake"] > rows[0]["d_fake"]


def test_smoothed_cartoons_count_as_false_and_reach_the_discriminator_only():
    model, batch = tiny(0.0, 0.0), batch_of()
    plain = reported_by(model, batch)
    other = reported_by(model, {**batch, "e": batch["b"]})
    changed = {name for name in plain if plain[name] != pytest.approx(other[name], rel=1e-6)}
    assert "d_smooth" in changed and changed <= {"d_smooth", "smooth_accuracy"}
    # A cartoon that is shown as real and as smoothed: the two terms pull in opposite directions.
    scores = ops.convert_to_numpy(model.discriminator(batch["b"]))
    assert other["d_smooth"] == pytest.approx(np.log(1 + np.exp(scores)).mean(), rel=1e-4)


def test_the_discriminator_sees_pooled_fakes():
    model = tiny(0.0, 0.0, pool_size=1)
    first = reported_by(model, batch_of(seed=0))["d_fake"]
    later = []
    for _ in range(8):
        later.append(reported_by(model, batch_of(seed=1))["d_fake"])
    assert any(value == pytest.approx(first, rel=1e-5) for value in later)
    assert any(value != pytest.approx(first, rel=1e-5) for value in later)


def test_averaged_generator_lags_behind():
    model = tiny(average_decay=0.75)
    start = values_of(model.generator.weights)
    model.train_step((batch_of(),))
    rows = zip(start, model.generator.weights, model.averaged_generator.weights, strict=True)
    for old, new, mean in rows:
        np.testing.assert_allclose(
            mean, old + 9 / 11 * (ops.convert_to_numpy(new) - old), atol=1e-6
        )


def test_weights_optimizers_and_pool_come_back_from_a_file(tmp_path):
    def fresh():
        model = tiny(weights=Weights(**EXTRAS), pool_size=1, average_decay=0.5)
        return model

    model, other = fresh(), fresh()
    for seed in range(2):
        model.train_step((batch_of(seed=seed),))
    model.save_weights(tmp_path / "state.weights.h5")
    other.load_weights(tmp_path / "state.weights.h5")
    batch = batch_of(seed=5)
    np.testing.assert_array_equal(other(batch["a"]), model(batch["a"]))
    np.testing.assert_array_equal(other.visuals(batch)["cartoon"], model.visuals(batch)["cartoon"])
    for seed in range(2):
        ours, theirs = (reported_by(m, batch_of(seed=seed)) for m in (model, other))
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_visuals_show_photo_and_cartoon():
    pictures = tiny().visuals({"a": np.zeros((2, SIZE, SIZE, 3), np.float32)})
    assert list(pictures) == ["photo", "cartoon"]
    assert all(picture.shape == (2, SIZE, SIZE, 3) for picture in pictures.values())


def test_trains_through_fit():
    model = tiny(weights=Weights(**EXTRAS), pool_size=1)
    history = model.fit(
        ((batch_of(),) for _ in range(2)), steps_per_epoch=2, shuffle=False, verbose=0
    ).history
    assert set(history) == {*CartoonGAN.loss_names, *CartoonGAN.accuracy_names, "loss"}


def test_the_initialization_teaches_the_generator_in_place():
    model, batch = tiny(), batch_of(2)
    starter = ContentStart(model.generator, model.features, weight=10.0)
    starter.compile(generator=keras.optimizers.Adam(1e-2))
    before = values_of(model.generator.trainable_variables)
    judge = values_of(model.discriminator.weights)
    rows = [reported_by(starter, batch) for _ in range(8)]
    assert set(rows[0]) == set(ContentStart.loss_names)
    assert rows[-1]["content"] < 0.9 * rows[0]["content"]
    np.testing.assert_array_equal(starter(batch["a"]), model.generator(batch["a"]))
    assert np.any(before[0] != ops.convert_to_numpy(model.generator.trainable_variables[0]))
    for old, weight in zip(judge, model.discriminator.weights, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(weight))
    assert list(starter.visuals(batch)) == ["photo", "cartoon"]


def test_the_initialization_reports_the_loss_that_follows():
    model, batch = tiny(0.0, 0.0), batch_of()
    starter = ContentStart(model.generator, model.features, weight=10.0, relative=False)
    starter.compile(generator=keras.optimizers.SGD(0.0))
    expected = reported_by(model, batch)["content"]
    assert reported_by(starter, batch)["content"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (20, 28)])
def test_landmark_network_gives_a_map_for_each_point(size):
    model = landmark_network(points=5, filters=2)
    maps = ops.convert_to_numpy(model(np.zeros((2, *size, 3), np.float32)))
    assert maps.shape == (2, *size, 5) and 0 <= maps.min() <= maps.max() < 0.2


def test_peaks_of_heat_maps_are_their_landmarks():
    points = np.random.default_rng(0).integers(0, 12, (3, 5, 2))
    np.testing.assert_array_equal(peaks(losses.heat_maps(points, (12, 13), 1.5)), points)


def test_the_regressor_learns_where_a_dot_is():
    rng = np.random.default_rng(0)
    points = rng.integers(4, 28, (8, 1, 2))
    photos = np.full((8, 32, 32, 3), -0.5, np.float32)
    for photo, (x, y) in zip(photos, points[:, 0], strict=True):
        photo[y - 1 : y + 2, x - 1 : x + 2] = 1.0
    wanted = losses.heat_maps(points, (32, 32), 2.0)
    batch = {"photo": ops.convert_to_tensor(photos), "landmarks": ops.convert_to_tensor(wanted)}
    keras.utils.set_random_seed(0)
    model = LandmarkRegressor(landmark_network(points=1, filters=4))
    model.compile(network=keras.optimizers.Adam(1e-2))
    rows = [reported_by(model, batch) for _ in range(25)]
    assert set(rows[0]) == {*LandmarkRegressor.loss_names, *LandmarkRegressor.accuracy_names}
    assert rows[-1]["heat_maps"] < 0.5 * rows[0]["heat_maps"]
    assert rows[-1]["landmark_accuracy"] >= 0.75
    shown = model.visuals(batch)
    assert list(shown) == ["photo", "landmarks"] and shown["landmarks"].shape == (8, 32, 32, 1)
