"""From a recipe and a data folder to a run folder: builds, fits, resumes. No mathematics."""

from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from keras_portrait import callbacks, run_folder
from keras_portrait.building import (
    build_asymmetric_cycle,
    build_warm_start,
    compile_asymmetric_cycle,
)
from keras_portrait.checkpoints import list_checkpoints, restore_checkpoint
from keras_portrait.data.fingerprint import changes, fingerprint
from keras_portrait.data.pipeline import PortraitBatches, PreparedData, load_prepared
from keras_portrait.devices import device_scope
from keras_portrait.errors import InputError, SettingError
from keras_portrait.settings import AsymmetricCycleRecipe
from keras_portrait.stored_edges import store_edges

FORMAT = 2
# Photos of the sample grids, and held-back pictures that each epoch is judged by.
SAMPLES = 6
JUDGED = 24


@dataclass(frozen=True)
class Plan:
    """A training that is ready to start, and nothing written yet.

    Attributes:
        recipe: the resolved recipe.
        data: the pictures to train on.
        folder: the run folder.
        steps_per_epoch: steps of one epoch.
        devices: how many devices share a batch.
    """

    recipe: AsymmetricCycleRecipe
    data: PreparedData
    folder: Path
    steps_per_epoch: int
    devices: int = 1

    @property
    def total_steps(self) -> int:
        """Steps of the whole training, the warm start left out."""
        return self.recipe.train.epochs * self.steps_per_epoch

    @property
    def options(self) -> dict:
        """What `options.json` holds; two runs with the same recipe and folder agree in it."""
        return {
            "format": FORMAT,
            "method": self.recipe.method,
            "styles": self.data.styles,
            "data": str(self.data.folder.resolve()),
            "photos": len(self.data.photos),
            "drawings": len(self.data.drawings),
            "recipe": asdict(self.recipe),
        }

    @property
    def summary(self) -> str:
        """What a dry run says."""
        return f"{self.recipe.train.epochs} epochs of {self.steps_per_epoch} steps"


def make_plan(
    recipe: AsymmetricCycleRecipe,
    name: str,
    data: str | Path,
    run_dir: str | Path | None = None,
    devices: int = 1,
) -> Plan:
    """Checks recipe and data, and finds the run folder: a new one, or the one to go on with.

    Args:
        recipe: the recipe.
        name: name of the recipe, for new run folders.
        data: folder made by `portrait prepare`.
        run_dir: the run folder, or None for `runs/NNN-NAME`: the unfinished one with the same
            options where there is one, else a new number.
        devices: how many devices share a batch.

    Returns:
        The plan.

    Raises:
        InputError: the data folder cannot be used, or has changed since the run began.
        SettingError: `run_dir` holds a run with other options, or the batch cannot be shared.
    """
    if keras.backend.backend() not in ("tensorflow", "torch"):
        raise SettingError(
            f"KERAS_BACKEND: expected tensorflow or torch. Received: {keras.backend.backend()}"
        )
    if devices < 1 or recipe.data.batch % devices:
        raise SettingError(
            f"--devices: expected a number that divides the batch of {recipe.data.batch}. "
            f"Received: {devices}"
        )
    prepared = load_prepared(data)
    steps = recipe.train.steps_per_epoch or len(PortraitBatches(prepared, recipe.data, 0))
    plan = Plan(recipe, prepared, Path(run_dir or "."), steps, devices)

    def finished(folder):
        done = list_checkpoints(folder)
        return bool(done) and done[-1].step >= plan.total_steps

    folder = Path(run_dir) if run_dir else run_folder.find_run(plan.options, finished, name)
    known = run_folder.read_options(folder)
    if known is not None and (other := run_folder.difference(known, plan.options)):
        raise SettingError(
            f"{folder} holds a run with other options. Expected another --run-dir or the former "
            f"options. Received: {other}"
        )
    before = run_folder.read_pictures(folder)
    if before is not None and (change := changes(before, fingerprint(prepared))):
        raise InputError(
            f"{prepared.folder}: the pictures have changed since {folder} began. Expected the "
            f"former ones, or another --run-dir for a new run. Received: {change}"
        )
    return Plan(recipe, prepared, folder, steps, devices)


def train(plan: Plan, verbose: int | str = "auto") -> Path:
    """Trains, or goes on where a former start was interrupted.

    Args:
        plan: from `make_plan`.
        verbose: 0 for silence, anything else for a progress bar.

    Raises:
        InputError: the run folder cannot be written, or its checkpoints are damaged.
        MissingExtra: the HED weights are not installed.
        TrainingStopped: Ctrl-C or SIGTERM; the state is saved.

    Returns:
        The run folder: `options.json`, `index.html`, `losses.jsonl`, `losses.csv`, `losses.png`,
        `samples/`, `tensorboard/`, checkpoints, `generator.keras`, `best.keras`.
    """
    recipe, folder = plan.recipe, plan.folder
    keras.utils.set_random_seed(recipe.train.seed)
    former_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.train.precision)
    try:
        with callbacks.StopRequest() as request:
            with device_scope(plan.devices):
                model = build_asymmetric_cycle(recipe, plan.data.styles, plan.devices)
                compile_asymmetric_cycle(model, recipe, plan.total_steps)
            run_folder.open_run(folder, plan.options, fingerprint(plan.data))
            edges = None
            if recipe.data.stored_edges and recipe.loss.forward_cycle == "edges":
                data = plan.data
                edges = store_edges(folder, data.folder, data.photos, model.edge_detector)
            step = restore_checkpoint(model, folder)
            if not list_checkpoints(folder) and recipe.train.warm_start_steps:
                _warm_start(model, plan, request, verbose)
            _fit(model, plan, step, edges, request, verbose)
    finally:
        keras.config.set_dtype_policy(former_policy)
    return folder


def _warm_start(model, plan, request, verbose):
    settings = plan.recipe.train
    with device_scope(plan.devices):
        starter = build_warm_start(model, plan.recipe)
    batches = PortraitBatches(plan.data, plan.recipe.data, settings.seed + 1, lines=True)
    steps = settings.warm_start_steps
    bar = [callbacks.ProgressBar("warm start", 0, steps, 1)] if verbose else []
    log = callbacks.LossLog(plan.folder / "losses.jsonl", "warm start", steps, 0, batches)
    _feed(
        starter,
        batches,
        0,
        [log, *bar, callbacks.StopWhenAsked(request)],
        steps_per_epoch=steps,
    )
    model.averaged_generator.set_weights(model.generator.get_weights())


def _fit(model, plan, step, edges, request, verbose):
    recipe, folder, steps = plan.recipe, plan.folder, plan.steps_per_epoch
    settings = recipe.train
    batches = PortraitBatches(
        plan.data, recipe.data, settings.seed, lines=recipe.loss.anchor > 0, edges=edges
    )
    photos = plan.data.held_photos or plan.data.photos
    total, epochs = plan.total_steps, settings.epochs
    bar = [callbacks.ProgressBar(recipe.method, step, total, epochs)] if verbose else []
    used = [
        callbacks.Progress(settings.epochs),
        *_validation(plan, batches),
        callbacks.SampleGrid(folder, {"photo": batches.fixed(_spread(photos, SAMPLES))}),
        callbacks.LossLog(folder / "losses.jsonl", recipe.method, steps, step, batches),
        callbacks.RunPage(folder),
        callbacks.TensorBoardLog(folder / "tensorboard", steps),
        *bar,
        # Last: what a checkpoint goes with is there before it.
        callbacks.CheckpointWriter(
            folder, step, steps, settings.checkpoint_steps, settings.keep_every, request
        ),
    ]
    # What is left of an epoch that was interrupted, then whole epochs.
    done, within = divmod(step, steps)
    if within:
        _feed(model, batches, step, used, steps - within, initial_epoch=done, epochs=done + 1)
        done += 1
    if done < settings.epochs:
        _feed(model, batches, done * steps, used, steps, initial_epoch=done, epochs=settings.epochs)


def _feed(model, batches, start, used, steps_per_epoch, **epochs):
    """Fits, and passes on what was wrong with a picture instead of what TensorFlow makes of it."""
    try:
        model.fit(
            batches.for_fit(start),
            shuffle=False,
            steps_per_epoch=steps_per_epoch,
            callbacks=used,
            verbose=0,
            **epochs,
        )
    except Exception:
        if batches.failure is not None:
            raise batches.failure from None
        raise
    finally:
        for callback in used:
            if isinstance(callback, callbacks.ProgressBar):
                callback.close()


def _validation(plan, batches):
    """The callback that judges epochs, where enough pictures were held back."""
    photos = _spread(plan.data.held_photos, JUDGED)
    drawings = _spread(plan.data.held_drawings, JUDGED)
    if not photos or len(drawings) < 2:
        return []
    turn = np.arange(len(photos)) % len(plan.data.styles)
    styles = np.eye(len(plan.data.styles), dtype=np.float32)[turn]
    return [
        callbacks.Validation(plan.folder, batches.fixed(photos), styles, batches.fixed(drawings))
    ]


def _spread(rows, count):
    """Some of the rows, evenly over all of them."""
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows)))
    return [rows[round(index)] for index in chosen]
