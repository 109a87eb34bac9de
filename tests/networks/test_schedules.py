"""Learning rates that drop, against their closed form at the borders."""

import keras
import numpy as np
import pytest

from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.models.picture_experiment import PictureExperiment
from keras_portrait.schedules import StepDecay

# Steps of an epoch, of which no drop is to depend.
STEPS = 7


def schedule_of(name):
    """The learning rate that a recipe asks for; no pictures are needed for it."""
    experiment = PictureExperiment.__new__(PictureExperiment)
    experiment.recipe = load_recipe(name)
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
