"""From a recipe and a data folder to a run folder: builds, fits, resumes. No mathematics."""

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from keras_portrait import callbacks, run_folder
from keras_portrait.checkpoints import list_checkpoints, restore_checkpoint
from keras_portrait.data.fingerprint import changes
from keras_portrait.devices import device_scope
from keras_portrait.errors import InputError, SettingError
from keras_portrait.settings import Recipe
from keras_portrait.settings.base import check_backend
from keras_portrait.setups import Setup, setup_for

FORMAT = 2


@dataclass
class Plan:
    """A training that is ready to start, and nothing written yet.

    Attributes:
        setup: the recipe and the pictures, and what the method makes of them.
        folder: the run folder. `train` takes the next number where another start was quicker.
        steps_per_epoch: steps of one epoch.
        devices: how many devices share a batch.
        find: finds the run folder once more; None where its name was given.
    """

    setup: Setup
    folder: Path
    steps_per_epoch: int
    devices: int = 1
    find: Callable[[], Path] | None = None

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self.setup.recipe

    @property
    def total_steps(self) -> int:
        """Steps of the whole training, earlier phases left out."""
        return self.recipe.train.epochs * self.steps_per_epoch

    @property
    def options(self) -> dict:
        """What `options.json` holds; two runs with the same recipe and folder agree in it."""
        return {
            "format": FORMAT,
            "method": self.recipe.method,
            "data": str(self.setup.folder.resolve()),
            **self.setup.description(),
            # As it is read back: JSON has lists, no tuples.
            "recipe": json.loads(json.dumps(asdict(self.recipe))),
        }

    @property
    def summary(self) -> str:
        """What a dry run says."""
        return f"{self.recipe.train.epochs} epochs of {self.steps_per_epoch} steps"


def make_plan(
    recipe: Recipe,
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
        InputError: the data folder cannot be used, or has changed since the run began, or another
            process trains in the run folder.
        SettingError: `run_dir` holds a run with other options, the batch cannot be shared, or the
            prepared pictures are smaller than what shall be trained on.
    """
    check_backend(keras.backend.backend())
    if devices < 1 or recipe.data.batch % devices:
        raise SettingError(
            f"--devices: expected a number that divides the batch of {recipe.data.batch}. "
            f"Received: {devices}"
        )
    setup = setup_for(recipe, data)
    steps = recipe.train.steps_per_epoch or setup.steps_per_pass()
    plan = Plan(setup, Path(run_dir or "."), steps, devices)

    def finished(folder):
        done = list_checkpoints(folder)
        return bool(done) and done[-1].step >= plan.total_steps

    find = functools.partial(run_folder.find_run, plan.options, finished, name)
    folder = Path(run_dir) if run_dir else find()
    known = run_folder.read_options(folder)
    if known is not None and (other := run_folder.difference(known, plan.options)):
        raise SettingError(
            f"{folder} holds a run with other options. Expected another --run-dir or the former "
            f"options. Received: {other}"
        )
    before = run_folder.read_pictures(folder)
    if before is not None and (change := changes(before, setup.pictures())):
        raise InputError(
            f"{setup.folder}: the pictures have changed since {folder} began. Expected the "
            f"former ones, or another --run-dir for a new run. Received: {change}"
        )
    run_folder.refuse_held(folder)
    return Plan(setup, folder, steps, devices, None if run_dir else find)


def train(plan: Plan, verbose: int | str = "auto") -> Path:
    """Trains, or goes on where a former start was interrupted.

    Args:
        plan: from `make_plan`.
        verbose: 0 for silence, anything else for a progress bar.

    Raises:
        InputError: the run folder cannot be written, another process trains in it, or its
            checkpoints are damaged.
        MissingExtra: weights of a frozen network are not installed.
        TrainingStopped: Ctrl-C or SIGTERM; the state is saved.

    Returns:
        The run folder: `options.json`, `index.html`, `losses.jsonl`, `losses.csv`, `losses.png`,
        `samples/`, `tensorboard/`, checkpoints, `generator.keras`, `best.keras`.
    """
    settings = plan.recipe.train
    keras.utils.set_random_seed(settings.seed)
    former_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(settings.precision)
    try:
        with callbacks.StopRequest() as request:
            with device_scope(plan.devices):
                model = plan.setup.build(plan.total_steps, plan.devices)
            if plan.find is not None:
                plan.folder = run_folder.claim_run(plan.folder, plan.find)
            with run_folder.hold_run(plan.folder):
                _run(model, plan, request, verbose)
    finally:
        keras.config.set_dtype_policy(former_policy)
    return plan.folder


def _run(model, plan, request, verbose):
    """Everything that happens in the run folder, which nobody else writes to meanwhile."""
    setup, folder = plan.setup, plan.folder
    run_folder.open_run(folder, plan.options, setup.pictures())
    setup.prepare_run(model, folder, request.heed)
    step = restore_checkpoint(model, folder)
    if verbose:
        print(_greeting(folder, step, plan.total_steps), file=sys.stderr)
    if not list_checkpoints(folder):
        _go_through_phases(model, plan, request, verbose)
    _fit(model, plan, step, request, verbose)


def _greeting(folder, step, total):
    if step >= total:
        return f"{folder} is finished."
    how = f"goes on after step {step}" if step else "begins"
    return f"{folder} {how}; watch it in {folder / 'index.html'}"


def _go_through_phases(model, plan, request, verbose):
    with device_scope(plan.devices):
        phases = plan.setup.phases(model)
    for phase in phases:
        steps = phase.steps
        bar = [callbacks.ProgressBar(phase.name, 0, steps, 1)] if verbose else []
        log = callbacks.LossLog(plan.folder / "losses.jsonl", phase.name, steps, 0, phase.batches)
        used = [log, *bar, callbacks.StopWhenAsked(request)]
        _feed(phase.model, phase.batches, 0, used, steps_per_epoch=steps)
    model.averaged_generator.set_weights(model.generator.get_weights())


def _fit(model, plan, step, request, verbose):
    setup, folder, steps = plan.setup, plan.folder, plan.steps_per_epoch
    settings, method = plan.recipe.train, plan.recipe.method
    batches = setup.batches(folder)
    total, epochs = plan.total_steps, settings.epochs
    bar = [callbacks.ProgressBar(method, step, total, epochs)] if verbose else []
    used = [
        callbacks.Progress(epochs),
        *setup.judges(batches, folder),
        callbacks.SampleGrid(folder, setup.samples(batches)),
        callbacks.LossLog(folder / "losses.jsonl", method, steps, step, batches),
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
    if done < epochs:
        _feed(model, batches, done * steps, used, steps, initial_epoch=done, epochs=epochs)


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
