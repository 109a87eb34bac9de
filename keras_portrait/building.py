"""From a recipe to a compiled model: networks, frozen judges, optimizers."""

from collections.abc import Sequence

import keras

from keras_portrait.masks import PARTS
from keras_portrait.models.asymmetric_cycle import AsymmetricCycle
from keras_portrait.models.warm_start import WarmStart
from keras_portrait.networks import patch_discriminator, resnet_generator, style_discriminator
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance
from keras_portrait.schedules import LinearDecay
from keras_portrait.settings import AsymmetricCycleRecipe


def build_asymmetric_cycle(
    recipe: AsymmetricCycleRecipe, style_names: Sequence[str], devices: int = 1
) -> AsymmetricCycle:
    """Builds every network of the method, with the frozen ones' weights loaded.

    Args:
        recipe: sizes, weights and seeds.
        style_names: names of the styles.
        devices: int, how many share a batch.

    Returns:
        The model, not compiled.

    Raises:
        MissingExtra: the HED weights are not installed.
    """
    net, size, loss = recipe.network, recipe.data.size, recipe.loss
    styles = len(style_names)
    drawing_disc = (
        style_discriminator(1, styles, size, net.discriminator_filters, name="drawing_disc")
        if styles > 1 and loss.style
        else patch_discriminator(1, net.discriminator_filters, name="drawing_disc")
    )
    return AsymmetricCycle(
        generator=resnet_generator(
            3, 1, styles, net.filters, net.blocks, net.upsampling, "generator"
        ),
        inverse_generator=resnet_generator(
            1, 3, 1, net.inverse_filters, net.inverse_blocks, net.upsampling, "inverse_generator"
        ),
        drawing_disc=drawing_disc,
        photo_disc=patch_discriminator(3, net.discriminator_filters, name="photo_disc"),
        part_discs={
            part: patch_discriminator(2, net.part_filters, name=f"{part}_disc")
            for part in (PARTS if loss.local else ())
        },
        edge_detector=EdgeDetector(),
        distance=PerceptualDistance(),
        weights=loss,
        style_names=style_names,
        batch=recipe.data.batch // devices,
        pool_size=recipe.train.pool,
        average_decay=recipe.train.average_decay,
        seed=recipe.train.seed,
    )


def compile_asymmetric_cycle(
    model: AsymmetricCycle, recipe: AsymmetricCycleRecipe, total_steps: int
) -> None:
    """Gives the model its optimizers, and builds all that a checkpoint must find.

    Args:
        model: from `build_asymmetric_cycle`.
        recipe: learning rates and schedule.
        total_steps: int, steps of the whole training.
    """
    settings, size = recipe.train, recipe.data.size

    def adam(learning_rate):
        schedule = LinearDecay(learning_rate, total_steps, settings.decay_from)
        # PyTorch's epsilon, which the paper's code trains with; Keras has 1e-7.
        return keras.optimizers.Adam(schedule, beta_1=settings.beta_1, epsilon=1e-8)

    model.compile(
        generator=adam(settings.learning_rate),
        discriminator=adam(settings.discriminator_learning_rate),
    )
    model.drawing_pool.build((None, size, size, 1 + len(PARTS)))
    model.photo_pool.build((None, size, size, 3))


def build_warm_start(model: AsymmetricCycle, recipe: AsymmetricCycleRecipe) -> WarmStart:
    """The supervised start for the generators of a model, compiled.

    Args:
        model: from `build_asymmetric_cycle`; its generators are trained in place.
        recipe: the learning rate.
    """
    starter = WarmStart(model.generator, model.inverse_generator, model.distance, model.styles)
    settings = recipe.train
    starter.compile(generator=keras.optimizers.Adam(settings.learning_rate, settings.beta_1))
    return starter
