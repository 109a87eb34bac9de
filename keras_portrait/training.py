"""From a recipe and a data folder to a run folder: builds, fits, resumes. No mathematics."""

from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from keras_portrait import callbacks, run_folder
from keras_portrait.data.pipeline import PortraitBatches, PreparedData, load_prepared
from keras_portrait.errors import InputError, SettingError
from keras_portrait.masks import PARTS
from keras_portrait.models.asymmetric_cycle import AsymmetricCycle
from keras_portrait.models.warm_start import WarmStart
from keras_portrait.networks import patch_discriminator, resnet_generator, style_discriminator
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance
from keras_portrait.settings import AsymmetricCycleRecipe as Recipe

FORMAT = 1
SAMPLES = 6


@dataclass(frozen=True)
class Plan:
    """A training that is ready to start, and nothing written yet.

    Attributes:
        recipe: the resolved recipe.
        data: the pictures to train on.
        folder: the run folder.
        steps_per_epoch: steps of one epoch.
        finished: epochs that a former start has finished.
    """

    recipe: Recipe
    data: PreparedData
    folder: Path
    steps_per_epoch: int
    finished: int

    @property
    def options(self) -> dict:
        """What `options.json` holds; two runs with the same recipe and pictures agree in it."""
        return {
            "format": FORMAT,
            "method": self.recipe.method,
            "styles": self.data.styles,
            "data": str(self.data.folder.resolve()),
            "photos": len(self.data.photos),
            "drawings": len(self.data.drawings),
            "recipe": asdict(self.recipe),
        }


def make_plan(
    recipe: Recipe, name: str, data: str | Path, run_dir: str | Path | None = None
) -> Plan:
    """Checks recipe and data, and finds the run folder: a new one, or the one to go on with.

    Args:
        recipe: the recipe.
        name: name of the recipe, for new run folders.
        data: folder made by `portrait prepare`.
        run_dir: the run folder, or None for `runs/NNN-NAME`: the unfinished one with the same
            options where there is one, else a new number.

    Returns:
        The plan.

    Raises:
        InputError: the data folder cannot be used.
        SettingError: `run_dir` holds a run with other options.
    """
    if keras.backend.backend() not in ("tensorflow", "torch"):
        raise SettingError(
            f"KERAS_BACKEND: expected tensorflow or torch. Received: {keras.backend.backend()}"
        )
    prepared = load_prepared(data)
    steps = recipe.train.steps_per_epoch or len(PortraitBatches(prepared, recipe.data, 0))
    plan = Plan(recipe, prepared, Path(run_dir or "."), steps, 0)
    folder = (
        Path(run_dir) if run_dir else run_folder.find_run(plan.options, recipe.train.epochs, name)
    )
    known = run_folder.read_options(folder)
    if known is not None and known != plan.options:
        raise SettingError(
            f"{folder} holds a run with other options. Expected another --run-dir or the former "
            f"options. Received: {run_folder.difference(known, plan.options)}"
        )
    finished = run_folder.checkpoints(folder)
    return Plan(recipe, prepared, folder, steps, finished[-1][0] if finished else 0)


def train(plan: Plan, verbose: int | str = "auto") -> Path:
    """Trains, or goes on where a former start was interrupted.

    Args:
        plan: from `make_plan`.
        verbose: as in Keras `fit`.

    Raises:
        InputError: the run folder cannot be written, or its checkpoint is damaged.
        MissingExtra: the HED weights are not installed.

    Returns:
        The run folder, with `options.json`, `losses.jsonl`, `samples/`, checkpoints and
        `generator.keras`.
    """
    recipe, folder = plan.recipe, plan.folder
    keras.utils.set_random_seed(recipe.train.seed)
    former_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.train.precision)
    try:
        model = build_asymmetric_cycle(recipe, len(plan.data.styles))
        _compile(model, recipe, plan.steps_per_epoch)
        run_folder.open_run(plan.folder, plan.options)
        # Also where no epoch is finished: checkpoint 0 is the end of the warm start.
        if run_folder.checkpoints(folder):
            _restore(model, folder)
        elif recipe.train.warm_start_steps:
            _warm_start(model, plan, verbose)
        _fit(model, plan, verbose)
    finally:
        keras.config.set_dtype_policy(former_policy)
    return folder


def build_asymmetric_cycle(recipe: Recipe, styles: int) -> AsymmetricCycle:
    """Builds every network of the method, with the frozen ones' weights loaded.

    Args:
        recipe: sizes, weights and seeds.
        styles: int, number of styles.

    Returns:
        The model, not compiled.

    Raises:
        MissingExtra: the HED weights are not installed.
    """
    net, size = recipe.network, recipe.data.size
    drawing_disc = (
        style_discriminator(1, styles, size, net.discriminator_filters, name="drawing_disc")
        if styles > 1
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
            part: patch_discriminator(2, net.part_filters, name=f"{part}_disc") for part in PARTS
        },
        edge_detector=EdgeDetector(),
        distance=PerceptualDistance(),
        weights=recipe.loss,
        styles=styles,
        batch=recipe.data.batch,
        pool_size=recipe.train.pool,
        average_decay=recipe.train.average_decay,
        seed=recipe.train.seed,
    )


@keras.saving.register_keras_serializable(package="keras_portrait")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that stays flat and then falls linearly to 0.

    Args:
        learning_rate: float, the flat value.
        total_steps: int, step at which it reaches 0.
        decay_from: float in [0, 1], share of the steps after which it falls.
    """

    def __init__(self, learning_rate: float, total_steps: int, decay_from: float = 0.5):
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.decay_from = decay_from

    def __call__(self, step):
        """The learning rate at a step."""
        done = keras.ops.cast(step, "float32") / self.total_steps
        left = (1.0 - done) / max(1.0 - self.decay_from, 1e-9)
        return self.learning_rate * keras.ops.clip(left, 0.0, 1.0)

    def get_config(self):
        """The constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "decay_from": self.decay_from,
        }


def _compile(model, recipe, steps_per_epoch):
    train_settings = recipe.train
    steps = train_settings.epochs * steps_per_epoch

    def adam(learning_rate):
        schedule = LinearDecay(learning_rate, steps, train_settings.decay_from)
        # PyTorch's epsilon, which the paper's code trains with; Keras has 1e-7.
        return keras.optimizers.Adam(schedule, beta_1=train_settings.beta_1, epsilon=1e-8)

    model.compile(
        generator=adam(train_settings.learning_rate),
        discriminator=adam(train_settings.discriminator_learning_rate),
    )
    # Pools are built here, so that a checkpoint finds them.
    size = recipe.data.size
    model.drawing_pool.build((None, size, size, 1 + len(PARTS)))
    model.photo_pool.build((None, size, size, 3))


def _warm_start(model, plan, verbose):
    settings = plan.recipe.train
    starter = WarmStart(
        model.generator, model.inverse_generator, model.distance, len(plan.data.styles)
    )
    starter.compile(generator=keras.optimizers.Adam(settings.learning_rate, settings.beta_1))
    batches = PortraitBatches(plan.data, plan.recipe.data, settings.seed + 1, lines=True)
    steps = settings.warm_start_steps
    _feed(
        starter,
        batches,
        steps_per_epoch=steps,
        verbose=verbose,
        callbacks=[callbacks.LossLog(plan.folder / "losses.jsonl", "warm start", steps)],
    )
    model.averaged_generator.set_weights(model.generator.get_weights())


def _fit(model, plan, verbose):
    recipe, folder, steps = plan.recipe, plan.folder, plan.steps_per_epoch
    batches = PortraitBatches(
        plan.data, recipe.data, recipe.train.seed, lines=recipe.loss.anchor > 0
    )
    chosen = np.linspace(0, len(plan.data.photos) - 1, min(SAMPLES, len(plan.data.photos)))
    samples = batches.fixed([plan.data.photos[round(index)] for index in chosen])
    _feed(
        model,
        batches,
        start=plan.finished * steps,
        steps_per_epoch=steps,
        epochs=recipe.train.epochs,
        initial_epoch=plan.finished,
        verbose=verbose,
        callbacks=[
            callbacks.Progress(recipe.train.epochs),
            callbacks.SampleGrid(folder, samples),
            callbacks.Checkpoint(folder),
            # Last: an epoch that is repeated after an interruption must not be logged twice.
            callbacks.LossLog(folder / "losses.jsonl", recipe.method, steps),
        ],
    )


def _feed(model, batches, start=0, **settings):
    """Fits, and passes on what was wrong with a picture instead of what TensorFlow makes of it."""
    try:
        model.fit(batches.stream(start), shuffle=False, **settings)
    except Exception:
        if batches.failure is not None:
            raise batches.failure from None
        raise


def _restore(model, folder):
    """Loads the newest checkpoint."""
    _, path = run_folder.checkpoints(folder)[-1]
    try:
        model.load_weights(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: expected a checkpoint of this run. Received: {str(error).splitlines()[0]}"
        ) from error
