"""Learning rates that drop or fall, and the progress, against their closed forms."""

import keras
import numpy as np
import pytest

from keras_portrait.errors import SettingError
from keras_portrait.models.asymmetric_cycle.experiment import AsymmetricCycleExperiment
from keras_portrait.models.asymmetric_cycle.model import TRUNCATED_SHARE
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.models.picture_experiment import PictureExperiment
from keras_portrait.schedules import LinearDecay, StepDecay
from keras_portrait.training.callbacks import Progress

# Steps of an epoch, of which no drop is to depend.
STEPS = 7


def schedule_of(name, *overrides, kind=PictureExperiment):
    """The learning rate that a recipe asks for; no pictures are needed for it."""
    experiment = kind.__new__(kind)
    experiment.recipe = load_recipe(name, overrides)
    train = experiment.recipe.train
    return experiment.adam(train.learning_rate, train.epochs * STEPS)._learning_rate


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        # The report: 3e-4 for 120 epochs, then 3e-5.
        ("cyclegan", {0: 3e-4, 120: 3e-5, 300: 3e-5}),
        ("cyclegan-tiny", {0: 3e-4, 120: 3e-5, 300: 3e-5}),
        # The report: a tenth of it after 50 epochs, and again after 75.
        ("cartoongan", {0: 2e-4, 50: 2e-5, 75: 2e-6, 100: 2e-6}),
    ],
)
def test_recipes_drop_after_the_reports_epochs(name, rates):
    schedule = schedule_of(name)
    borders = sorted(rates)
    for first, last in zip(borders, borders[1:], strict=False):
        for step in (first * STEPS, first * STEPS + 1, last * STEPS - 1):
            assert float(schedule(step)) == pytest.approx(rates[first], rel=1e-5), step


class Noted:
    """Stands in for a model: notes its progress."""

    def __init__(self):
        self.progress, self.value = self, None

    def assign(self, value):
        self.value = value


def cycle_weights(recipe, epoch):
    """Weights of the relaxed and of the truncated cycle in an epoch, counted from 1."""
    callback, model = Progress(recipe.train.planned_epochs), Noted()
    callback.set_model(model)
    callback.on_epoch_begin(epoch - 1)
    share = TRUNCATED_SHARE * model.value
    return recipe.loss.relaxed * (1 - share), recipe.loss.relaxed * share


def test_the_release_is_constant_to_epoch_100_and_stops_on_the_way_down():
    """`--niter 100 --niter_decay 200 --n_epochs 200`, a rate for each epoch."""
    recipe = load_recipe("portrait-release")
    schedule = schedule_of("portrait-release", kind=AsymmetricCycleExperiment)
    assert recipe.train.epochs == 200
    for epoch in range(1, 201):
        rate = 1.5e-5 * (1 - max(0, epoch - 100) / 201)
        for step in ((epoch - 1) * STEPS, epoch * STEPS - 1):
            assert float(schedule(step)) == pytest.approx(rate, rel=1e-5), step
        progress = (epoch - 1) / 300
        expected = 5 - 4.5 * progress, 4.5 * progress
        assert cycle_weights(recipe, epoch) == pytest.approx(expected)
    assert float(schedule(200 * STEPS - 1)) / 1.5e-5 == pytest.approx(101 / 201, rel=1e-5)
    # Never the weights that the formula ends with.
    assert cycle_weights(recipe, 200) == pytest.approx((2.015, 2.985))


def test_the_formula_of_the_paper_goes_to_its_end():
    recipe = load_recipe("portrait")
    schedule = schedule_of("portrait", kind=AsymmetricCycleExperiment)
    assert recipe.train.epochs == recipe.train.planned_epochs == 300
    for epoch in (0, 50, 100, 101, 150, 200, 299, 300):
        rate = 1.5e-5 * min(1.0, (300 - epoch) / 200)
        assert float(schedule(epoch * STEPS)) == pytest.approx(rate, rel=1e-4, abs=1e-12), epoch
    for epoch in (1, 101, 300):
        progress = (epoch - 1) / 300
        expected = 5 - 4.5 * progress, 4.5 * progress
        assert cycle_weights(recipe, epoch) == pytest.approx(expected)


def test_a_schedule_that_ends_before_the_training_is_refused():
    with pytest.raises(SettingError, match=r"expected 0, or train.epochs \(300\) at least"):
        load_recipe("portrait", ["train.schedule_epochs=299"])
    assert load_recipe("portrait", ["train.schedule_epochs=300"]).train.planned_epochs == 300


def test_a_rate_that_falls_by_the_epoch_is_that_of_its_first_step():
    held, falling = LinearDecay(1.0, 100, 0.5, hold=10), LinearDecay(1.0, 100, 0.5)
    found = [float(held(step)) for step in range(120)]
    assert found == pytest.approx([float(falling(step // 10 * 10)) for step in range(120)])
    assert [float(LinearDecay.from_config(held.get_config())(step)) for step in (69, 70)] == (
        pytest.approx([0.8, 0.6])
    )


def test_without_drops_it_stays_flat():
    assert [float(schedule_of("dcgan")(step)) for step in (0, 10**6)] == [3e-4, 3e-4]


def test_the_factor_is_applied_at_each_drop():
    schedule = StepDecay(0.8, [2, 3, 10], 0.5)
    found = [float(schedule(step)) for step in range(12)]
    np.testing.assert_allclose(found, [0.8, 0.8, 0.4, *[0.2] * 7, 0.1, 0.1], rtol=1e-6)
    # The last step that float32 can count is far away.
    assert float(StepDecay(1.0, [2**24 - 1])(2**24 - 2)) == 1.0
    assert [float(StepDecay(0.8, [2], 0.0)(step)) for step in (1, 2)] == pytest.approx([0.8, 0.0])


def test_the_optimizer_takes_each_step_at_its_rate():
    optimizer = keras.optimizers.SGD(StepDecay(1.0, [2], 0.1))
    weight = keras.Variable(np.zeros((1,), "float32"))
    optimizer.build([weight])
    taken = []
    for _ in range(4):
        before = float(weight[0])
        optimizer.apply([keras.ops.ones((1,))], [weight])
        taken.append(before - float(weight[0]))
    np.testing.assert_allclose(taken, [1.0, 1.0, 0.1, 0.1], rtol=1e-5)


def test_it_comes_back_from_its_configuration():
    schedule = StepDecay(0.5, (4, 9), 0.2)
    again = StepDecay.from_config(schedule.get_config())
    assert [float(again(step)) for step in (3, 4, 9)] == pytest.approx([0.5, 0.1, 0.02])
