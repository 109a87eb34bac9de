"""Conducts an experiment: trains its runs one after the other, evaluates them, writes its page.

Whatever is finished is not done again: the same call goes on where the last one ended.
"""

import functools
import gc
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from keras_portrait import evaluation
from keras_portrait.errors import SettingError
from keras_portrait.evaluation.inputs import find_photos
from keras_portrait.evaluation.report import page as evaluation_page
from keras_portrait.evaluation.report.files import (
    PHOTOS,
    PICTURES,
    picture_path,
    remove_photos,
)
from keras_portrait.experiments import page
from keras_portrait.experiments.budget import measure_speed
from keras_portrait.experiments.figures import GENERATOR as DRAWS
from keras_portrait.experiments.noise import measure_noise
from keras_portrait.experiments.outcome import EVALUATION, NOISE, Outcome, read_evaluation
from keras_portrait.experiments.plan import ExperimentPlan, PlannedRun, write_experiment
from keras_portrait.experiments.summary import Line, markdown, table
from keras_portrait.files import make_folder, new_folder, remove_forgotten, write_whole
from keras_portrait.inference.generator import Generator
from keras_portrait.training.run_folder import installed_versions
from keras_portrait.training.run_page.loss_log import current_rows, read_losses

RESULTS = "results.json"
FORMAT = 1
# Drawings are measured at this side in pixels, or at so many times that of the largest generator
# where that is less: to enlarge them further shows nothing, and takes the edge detector long.
SIDE, TIMES = 512, 4
# Whose versions may change a figure.
PACKAGES = ("keras-portrait", "keras", "tensorflow", "torch", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Means:
    """What an experiment is conducted with.

    Attributes:
        open: loads the generator of a run folder, or of a preset.
        tell: called with a line of text for every part of the work.
        progress: gives a context whose value is called while runs are evaluated, with what is done,
            how much of it, and of how much.
        verbose: whether trainings show a bar.
        photos: whether photos may be kept and shown.
        photo: uint8 RGB (H, W, 3) that styles are shown on; None where there are none.
        reference: file of a drawing whose style vector is told.
        command: what was typed, for the page.
    """

    open: Callable[[str], Generator]
    tell: Callable[[str], None] = lambda line: None
    progress: Callable[[], AbstractContextManager] = nullcontext
    verbose: bool = True
    photos: bool = True
    photo: np.ndarray | None = None
    reference: Path | None = None
    command: str = ""


def conduct(plan: ExperimentPlan, means: Means) -> Path:
    """Trains what is not trained yet, evaluates, and writes the page.

    Args:
        plan: from `plan.make_plan`.
        means: what it is conducted with.

    Returns:
        The page.

    Raises:
        InputError: the data cannot be used, or something cannot be written.
        MissingExtra: weights of a frozen network, or jinja2, are not installed.
        SettingError: recipe and data do not fit.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is finished stays, a training saves its state.
    """
    page.require_template()
    if plan.wishes.trained is not None:
        _check_trained(plan, means)
    # All of them first: what does not fit is told before hours are spent.
    runs = [plan.run(row) for row in plan.rows]
    find_photos(_photos(plan), limit=plan.wishes.count)
    make_folder(plan.wishes.folder)
    remove_forgotten(plan.wishes.folder)
    write_experiment(plan)
    if plan.needs_speeds:
        plan = _with_speeds(plan, means)
        runs = [plan.run(row) for row in plan.rows]
    for number, run in enumerate(runs, start=1):
        if run.is_finished:
            means.tell(f"{run.row.key}: finished already")
            continue
        means.tell(f"{run.line()} ({number} of {len(runs)})")
        run.trainer.train(run.plan, verbose=int(means.verbose))
        keras.backend.clear_session()
        gc.collect()
        _write(plan, runs, means)
    outcome = _outcome(plan, runs, means)
    measured = plan.wishes.folder / EVALUATION
    if not means.photos and (measured / PICTURES / PHOTOS).exists():
        shutil.rmtree(measured)  # its pages show photos
    if not measured.exists():
        _evaluate(plan, outcome, means)
    return _write(plan, runs, means)


def describe(plan: ExperimentPlan) -> list[str]:
    """What a dry run says: a line for each run, then what follows.

    Raises:
        InputError: the data cannot be used.
        SettingError: recipe and data do not fit.
    """
    lines, hours = [], 0.0
    for row in plan.rows:
        run = plan.run(row)
        if row in plan.needs_speeds:
            lines.append(
                f"{row.key}: {run.recipe_name}; the steps of {plan.wishes.hours:g} h, "
                "measured at the start"
            )
        else:
            lines.append(run.line())
        if run.speed is not None:
            hours += run.speed.hours_of(run.steps, run.recipe.train.epochs)
    if plan.wishes.trained:
        lines.append(f"{DRAWS}: {plan.wishes.trained}, trained already")
    photos = plan.wishes.photos or f"held-back photos of {plan.wishes.data}"
    lines.append(f"then an evaluation on {photos}, and {plan.wishes.folder / page.NAME}")
    return lines + ([f"about {hours:.2g} h of training together, as measured"] if hours else [])


def markdown_table(plan: ExperimentPlan) -> str:
    """The table of an experiment that was conducted, as Markdown.

    Raises:
        InputError: the evaluation cannot be read.
    """
    evaluated = read_evaluation(plan.wishes.folder)
    return markdown(table(plan.declaration, evaluated), evaluated["measures"])


def _with_speeds(plan: ExperimentPlan, means: Means) -> ExperimentPlan:
    """The plan with the speed of every run that a budget of hours needs."""
    speeds = dict(plan.speeds)
    for row in plan.needs_speeds:
        means.tell(f"{row.key}: measures how fast it trains here")
        recipe = plan.recipes[row.key]
        with tempfile.TemporaryDirectory(dir=plan.wishes.folder, prefix=".part-speed-") as folder:
            run = plan.run(row)
            trial = run.trainer.make_plan(recipe, row.key, plan.wishes.data, Path(folder) / "run")
            speeds[row.key] = measure_speed(trial)
        keras.backend.clear_session()
        plan = replace(plan, speeds=speeds)
        # At once: lengths of runs that began must not change.
        write_experiment(plan)
    return plan


def _check_trained(plan, means):
    """Refuses a generator in the place of a run that knows other styles than the data."""
    styles = set(means.open(plan.wishes.trained).metadata.styles)
    for row in plan.rows:
        learned = set(plan.run(row).plan.data.styles)
        if learned != styles:
            raise SettingError(
                f"--from: expected a generator of the styles of {plan.wishes.data}, "
                f"{', '.join(sorted(learned))}. Received: {plan.wishes.trained}, which knows "
                f"{', '.join(sorted(styles))}"
            )


def _outcome(plan: ExperimentPlan, runs: list[PlannedRun], means: Means) -> Outcome:
    return Outcome(
        declaration=plan.declaration,
        folder=plan.wishes.folder,
        runs={run.row.key: run.folder for run in runs if run.is_finished},
        open=means.open,
        photos=means.photos,
        trained=plan.wishes.trained,
        photo=means.photo,
        reference=means.reference,
        data=Path(plan.wishes.data),
    )


def _sources(outcome: Outcome) -> list[evaluation.Source]:
    """The runs that draw photos, and what takes the place of one."""
    found = []
    for row in outcome.declaration.rows:
        generator = outcome.generator(row.key)
        if generator is not None and generator.metadata.noise == 0:
            found.append(evaluation.Source(row.key, generator, "run"))
    if outcome.trained is not None:
        found.append(evaluation.Source(DRAWS, outcome.open(outcome.trained)))
    return found


def _photos(plan: ExperimentPlan) -> Path:
    return plan.wishes.photos or plan.wishes.data


def _evaluate(plan: ExperimentPlan, outcome: Outcome, means: Means) -> None:
    """Measures all runs on the same photos, and writes the usual report on it."""
    sources = _sources(outcome)
    means.tell(f"evaluates {', '.join(source.name for source in sources)}")
    with new_folder(outcome.folder / EVALUATION, "report") as part, means.progress() as show:
        result = evaluation.evaluate(
            sources,
            _photos(plan),
            part / PICTURES,
            drawings=plan.wishes.data,
            size=min(SIDE, TIMES * max(each.generator.metadata.size for each in sources)),
            limit=plan.wishes.count,
            baselines=False,
            progress=show,
        )
        evaluation_page.write_evaluation(
            part,
            result,
            functools.partial(picture_path, part / PICTURES),
            photos=means.photos,
            command=means.command,
            versions=installed_versions(PACKAGES),
        )
        noise = json.dumps(measure_noise(outcome), indent=1) + "\n"
        write_whole(part / NOISE, noise.encode())
        if not means.photos:
            remove_photos(part / PICTURES, result["entries"])


def _write(plan: ExperimentPlan, runs: list[PlannedRun], means: Means) -> Path:
    """Writes the figures, the results and the page of what there is so far."""
    outcome = _outcome(plan, runs, means)
    lines = table(plan.declaration, outcome.evaluation) if outcome.evaluation else []
    if outcome.evaluation:
        _write_results(plan, runs, outcome, lines)
    facts = {
        "command": means.command,
        "data": plan.wishes.data,
        "photos": str(plan.wishes.photos or "those of the data that were held back"),
        **{
            f"{outcome.title(key)}, {name}": text
            for key, found in outcome.noise.items()
            for name, text in found["words"].items()
        },
        **installed_versions(PACKAGES),
    }
    return page.write_page(
        outcome,
        [_facts(plan, run) for run in runs],
        lines,
        page.write_figures(outcome),
        {label: text for label, text in facts.items() if text},
    )


def _facts(plan: ExperimentPlan, run: PlannedRun) -> page.RunFacts:
    state = f"{run.steps:,} steps"
    seconds = _seconds(run.folder)
    if run.is_finished and seconds:
        state += f" in {seconds / 60:.0f} minutes" if seconds >= 90 else f" in {seconds:.0f} s"
    elif not run.is_finished:
        state += ", not finished"
    own = f"{run.folder.relative_to(plan.wishes.folder).as_posix()}/index.html"
    return page.RunFacts(
        title=run.row.title,
        explanation=run.row.explanation,
        recipe=" ".join([run.recipe_name, *(f"-s {each}" for each in run.row.overrides)]),
        state=state,
        page=own if (plan.wishes.folder / own).is_file() else "",
    )


def _seconds(folder: Path) -> float:
    """Seconds that the epochs of a run took together."""
    rows = current_rows(read_losses(folder)) if folder.is_dir() else []
    return sum(row["seconds"] for row in rows)


def _write_results(plan, runs, outcome, lines: list[Line]) -> None:
    values = {
        "format": FORMAT,
        **{key: value for key, value in plan.options().items() if key != "format"},
        "runs": [
            {
                "key": run.row.key,
                "title": run.row.title,
                "overrides": list(run.row.overrides),
                "steps": run.steps,
                "seconds": round(_seconds(run.folder), 1),
                "method": run.recipe.method,
            }
            for run in runs
        ],
        "photos": outcome.evaluation["photos"],
        "extractor": outcome.evaluation["extractor"],
        "measures": outcome.evaluation["measures"],
        "lines": [asdict(line) for line in lines],
        "noise": {key: found["figures"] for key, found in outcome.noise.items()},
        "versions": installed_versions(PACKAGES),
    }
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(plan.wishes.folder / RESULTS, text.encode("utf-8", "replace"))
