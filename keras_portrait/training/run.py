"""From a recipe and a data folder to a run folder: builds, fits, resumes. No mathematics."""

import functools
import sys
from contextlib import nullcontext
from pathlib import Path

import keras

from keras_portrait.errors import InputError, SettingError
from keras_portrait.recipe import Recipe, check_backend
from keras_portrait.training import callbacks, run_folder
from keras_portrait.training.checkpoints import (
    list_checkpoints,
    newest_step,
    restore_checkpoint,
    wait_for_checkpoint,
)
from keras_portrait.training.distributed.devices import describe_devices, grow_memory
from keras_portrait.training.distributed.workers import WAIT_SECONDS, find_devices
from keras_portrait.training.experiment import experiment_for
from keras_portrait.training.plan import Plan

# Seconds after which a disk shows what another machine has written: NFS keeps listings for 60.
SHARED_DISK_SECONDS = 90.0


def make_plan(
    recipe: Recipe,
    name: str,
    data: str | Path,
    run_dir: str | Path | None = None,
    devices: int = 1,
    strategy: str | None = None,
    wait: float = WAIT_SECONDS,
    jit: bool = False,
    finished_too: bool = False,
) -> Plan:
    """Checks recipe and data, and finds the run folder: a new one, or the one to go on with.

    Args:
        recipe: the recipe.
        name: name of the recipe, for new run folders.
        data: folder made by `portrait prepare`, or the path or URL of a folder of shards.
        run_dir: the run folder, or None for `runs/NNN-NAME`: the unfinished one with the same
            options where there is one, else a new number.
        devices: how many devices of this machine share a batch.
        strategy: None, or a name of `workers.STRATEGIES`.
        wait: seconds to wait for other workers at the start.
        jit: whether XLA compiles the steps.
        finished_too: whether `runs/NNN-NAME` may be a finished run with the same options, where
            none is unfinished.

    Returns:
        The plan.

    Raises:
        InputError: the data folder cannot be used, or its pictures are not those that the run
            began with, or another process trains in the run folder.
        SettingError: `run_dir` holds a run with other options, the batch cannot be shared, there
            are no such devices, or the prepared pictures are smaller than what shall be trained on.
            More epochs than it began with are no other options.
    """
    check_backend(keras.backend.backend())
    grow_memory()
    team = find_devices(strategy, devices, wait)
    team.check_batch(recipe.data.batch)
    if team.name and run_dir is None:
        raise SettingError(
            "--strategy multiworker: expected --run-dir, a folder that all workers see, and the "
            "same one for all. Received: none"
        )
    experiment = experiment_for(recipe, data)
    steps = recipe.train.steps_per_epoch or experiment.steps_per_pass()
    plan = Plan(experiment, Path(run_dir or "."), steps, team, jit=jit)

    def finished(folder):
        done = list_checkpoints(folder)
        return bool(done) and done[-1].step >= plan.total_steps

    identity = plan.identity
    find = functools.partial(
        run_folder.find_run, identity, finished, name, finished_too=finished_too
    )
    folder = Path(run_dir) if run_dir else find()
    run_folder.refuse_other_run(folder, identity)
    if team.is_chief:
        run_folder.refuse_held(folder)
    return Plan(experiment, folder, steps, team, None if run_dir else find, jit)


def train(plan: Plan, verbose: int | str = "auto") -> Path:
    """Trains, or goes on where a former start was interrupted.

    Args:
        plan: from `make_plan`.
        verbose: 0 for silence, anything else for a progress bar.

    Raises:
        InputError: the run folder cannot be written, another process trains in it, its checkpoints
            are damaged, or a worker did not come.
        MissingExtra: weights of a frozen network are not installed.
        TrainingStopped: Ctrl-C or SIGTERM; the state is saved.
        WorkerLost: another worker ended or cannot be reached.

    Returns:
        The run folder: `options.json`, `index.html`, `losses.jsonl`, `losses.csv`, `losses.png`,
        `samples/`, `tensorboard/`, checkpoints, `generator.keras`, `best.keras`.
    """
    settings = plan.recipe.train
    devices = plan.devices
    keras.utils.set_random_seed(settings.seed)
    former_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(settings.precision)
    try:
        # First: TensorFlow takes SIGTERM for itself when it starts on several workers.
        if devices.name:
            devices.start(plan.digest)
        with (
            callbacks.StopRequest(devices.exchange if devices.name else None) as request,
            devices.watch(),
        ):
            with devices.scope():
                model = plan.experiment.build(plan.total_steps, devices.count)
                model.jit_compile = plan.jit
                plan.experiment.check_starts(model)
            if plan.find is not None:
                plan.folder = run_folder.claim_run(plan.folder, plan.find)
            with run_folder.hold_run(plan.folder) if devices.is_chief else nullcontext():
                _run(model, plan, request, verbose)
    finally:
        keras.config.set_dtype_policy(former_policy)
    return plan.folder


def _run(model, plan, request, verbose):
    """Everything that happens in the run folder, which nobody else writes to meanwhile."""
    devices, news = plan.devices, plan.news()
    if devices.is_chief:
        run_folder.open_run(plan.folder, plan.identity)
        plan.experiment.prepare_run(model, plan.folder, request.check_stop)
    begins, step = _restore(model, plan)
    if verbose:
        print(*news, _first_lines(plan, step), sep="\n", file=sys.stderr)
    if begins:
        _go_through_phases(model, plan, request, verbose)
    _fit(model, plan, step, request, verbose)
    devices.exchange(0)  # nobody says that it is done before the chief has written everything


def _restore(model, plan):
    """Whether the run has just begun, and the steps that the restored checkpoint has taken."""
    folder, devices = plan.folder, plan.devices
    newest, *_ = devices.exchange(newest_step(folder))
    if not devices.is_chief:
        wait_for_checkpoint(folder, newest, SHARED_DISK_SECONDS)
    step = restore_checkpoint(model, folder)
    seen = devices.exchange(-1 if run_folder.read_options(folder) is None else step)
    if len(set(seen)) > 1:
        told = ("none" if steps < 0 else f"one after step {steps}" for steps in seen)
        raise InputError(
            f"{folder}: expected a run folder on a disk that all workers share. Received: what "
            f"they see there, {', '.join(told)}"
        )
    return newest < 0, step


def _first_lines(plan, step):
    folder, name = plan.folder, plan.devices.name
    if step >= plan.total_steps:
        return f"{folder} is finished."
    how = f"goes on after step {step}" if step else "begins"
    who = f", {name}" if name else ""
    where = describe_devices(plan.recipe.train.precision)
    return f"{where}\n{folder} {how}{who}; watch it in {folder / 'index.html'}"


def _go_through_phases(model, plan, request, verbose):
    with plan.devices.scope():
        plan.experiment.begin(model)
        phases = plan.experiment.phases(model)
    for phase in phases:
        steps, written = phase.steps, []
        if plan.devices.is_chief:
            bar = [callbacks.ProgressBar(phase.name, 0, steps, 1)] if verbose else []
            path = plan.folder / "losses.jsonl"
            written = [callbacks.LossLog(path, phase.name, steps, 0, phase.batches), *bar]
        used = [*written, callbacks.StopWhenAsked(request)]
        _feed(plan, phase.model, phase.batches, 0, used, steps_per_epoch=steps)
    model.averaged_generator.set_weights(model.generator.get_weights())


def _fit(model, plan, step, request, verbose):
    steps, epochs = plan.steps_per_epoch, plan.recipe.train.epochs
    batches = plan.experiment.batches(plan.folder)
    used = [callbacks.Progress(plan.recipe.train.planned_epochs)]
    if plan.devices.is_chief:
        used += _writers(plan, batches, step, request, verbose)
    else:
        used.append(callbacks.FollowChief(step, steps, request))
    # What is left of an epoch that was interrupted, then whole epochs.
    done, within = divmod(step, steps)
    if within:
        left = steps - within
        _take_at_once(plan, model, left)
        _feed(plan, model, batches, step, used, left, initial_epoch=done, epochs=done + 1)
        done += 1
    if done < epochs:
        _take_at_once(plan, model, steps)
        _feed(plan, model, batches, done * steps, used, steps, initial_epoch=done, epochs=epochs)


def _take_at_once(plan, model, steps):
    """Sets how many of the steps of an epoch are taken at once."""
    count = plan.steps_at_once(model, steps)
    if count != model.steps_per_execution:
        model.steps_per_execution = count
        model.train_function = None  # it was made for another number


def _writers(plan, batches, step, request, verbose):
    """The callbacks that measure and write: those of one worker, the chief."""
    experiment, folder, steps = plan.experiment, plan.folder, plan.steps_per_epoch
    settings, method = plan.recipe.train, plan.recipe.method
    total, epochs = plan.total_steps, settings.epochs
    return [
        *experiment.validation(batches, folder),
        callbacks.SampleGrid(folder, experiment.samples(batches)),
        callbacks.LossLog(folder / "losses.jsonl", method, steps, step, batches),
        callbacks.RunPage(folder),
        callbacks.TensorBoardLog(folder / "tensorboard", steps),
        *([callbacks.ProgressBar(method, step, total, epochs)] if verbose else []),
        # Last: what a checkpoint goes with is there before it.
        callbacks.CheckpointWriter(
            folder, step, steps, settings.checkpoint_steps, settings.keep_every, request
        ),
    ]


def _feed(plan, model, batches, start, used, steps_per_epoch, **epochs):
    """Fits, and passes on what was wrong with a picture instead of what TensorFlow makes of it."""
    try:
        model.fit(
            plan.devices.feed(batches, start),
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
