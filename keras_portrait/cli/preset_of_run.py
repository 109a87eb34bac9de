"""`--preset OUT` of `portrait train` and `portrait distill`: from a finished run to a preset.

The generator is exported, measured on the photos that were held back, and gets its model card.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from keras_portrait.cli.evaluate import import_evaluation, tell_left_out, write_report
from keras_portrait.cli.generators import open_generator
from keras_portrait.cli.preset_options import CARD, EXPORTER, INTEGERS, Wishes, count_photos
from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.errors import InputError
from keras_portrait.inference.litert.silence import silent_stderr
from keras_portrait.terminal import remark

CARD_NAME = "README.md"
# Folder inside the preset: how near it is to Keras, the evaluation, and which run it is of.
REPORT, RUN_NAME = "report", "run.json"
FORMAT = 1
# Settings of a recipe that may be paths, of which the record keeps names alone.
_PATHS = (("teacher",), ("train", "start_from"))
_REPORT_PAGE = "keras_portrait_export.report.page"


def is_made(wishes: Wishes, plan) -> bool:
    """Whether the folder holds what is asked for already, of the run as it would be at its end.

    Args:
        wishes: what is asked for.
        plan: `training.plan.Plan` of the run.

    Raises:
        InputError: the folder holds something else, or lies where it cannot.
    """
    folder = wishes.folder.resolve()
    for what, other in (("run folder", plan.folder), ("data folder", plan.experiment.folder)):
        place = Path(other).resolve()
        if folder.is_relative_to(place) or place.is_relative_to(folder):
            raise InputError(
                f"--preset: expected a place apart from the {what} {other}. "
                f"Received: {wishes.folder}"
            )
    try:
        if not folder.is_dir() or not any(folder.iterdir()):
            return False
    except OSError as error:
        raise InputError(
            f"--preset: cannot read the folder ({error.strerror}). Received: {wishes.folder}"
        ) from None
    known = _read_record(folder)
    if known is None or not _is_same_run(known, plan):
        what = "something else" if known is None else "the preset of another run"
        raise InputError(
            "--preset: expected a new or empty folder, or what this run was made to before. "
            f"Received: {wishes.folder}, which holds {what}"
        )
    return _is_current(known, wishes, plan)


def _read_record(folder: Path) -> dict | None:
    """What `make_preset` noted in a preset's folder; None where it did not."""
    from keras_portrait.model_card.runs import read_json

    try:
        known = read_json(folder / REPORT / RUN_NAME)
    except InputError:
        return None
    fits = known is not None and known.get("format") == FORMAT
    return known if fits and isinstance(known.get("options"), dict) else None


def _is_same_run(known: dict, plan) -> bool:
    same_pictures = known.get("pictures_sha256") == _digest(plan.identity.pictures)
    told = replace(plan.identity, options=_without_paths(plan.options))
    return same_pictures and not told.differences(_without_paths(known["options"]))


def _is_current(known: dict, wishes: Wishes, plan) -> bool:
    """Whether nothing has changed since: neither wishes, nor epochs, nor the generator's file."""
    from keras_portrait.files import require_sha256
    from keras_portrait.inference.metadata import read_metadata
    from keras_portrait.model_card.runs import GENERATOR_FILE

    grows = plan.identity.former_epochs(known["options"]) is not None
    if grows or known.get("wishes") != asdict(wishes) | {"folder": None}:
        return False
    generator = plan.folder / GENERATOR_FILE
    if generator.is_file():
        digest = require_sha256(generator, "the generator")
        if digest != known.get("generator_sha256"):
            return False
    try:
        read_metadata(wishes.folder)
    except InputError:  # made again
        return False
    return True


def make_preset(wishes: Wishes, plan) -> None:
    """Exports, measures and describes the generator of a finished run; all of it or nothing.

    Args:
        wishes: what is asked for.
        plan: of the run.

    Raises:
        InputError, SettingError, PortraitError: as the exporter, the evaluation and the card.
    """
    from keras_portrait.files import new_folder

    folder = wishes.folder.resolve()
    with _put_back(folder) as former, new_folder(wishes.folder, "preset") as part:
        _keep_words(folder, part)
        _export(wishes, plan, part)
        measured = _evaluate(plan, part)
        _write_card(plan, part, measured)
        _write_record(wishes, plan, part / REPORT / RUN_NAME)
        _set_aside(folder, part, former)
    shutil.rmtree(former, ignore_errors=True)


@contextlib.contextmanager
def _put_back(folder: Path) -> Iterator[Path]:
    """Gives a place for the former folder, and brings it back where none has come instead."""
    from keras_portrait.files import UNFINISHED_PREFIX

    former = folder.with_name(f"{UNFINISHED_PREFIX}{os.getpid()}-former-{folder.name}")
    try:
        yield former
    except BaseException:
        if former.is_dir() and not os.path.lexists(folder):
            try:
                former.rename(folder)
            except OSError as error:
                remark(f"portrait: {folder} as it was is in {former} now ({error.strerror})")
        raise


def _keep_words(folder: Path, part: Path) -> None:
    """Lays the former contract where the exporter looks for words that nobody gives anew."""
    from keras_portrait.inference.metadata import FILE_NAME

    if (folder / FILE_NAME).is_file():
        shutil.copyfile(folder / FILE_NAME, part / FILE_NAME)


def _export(wishes: Wishes, plan, part: Path) -> None:
    exporter = import_with_keras(EXPORTER, "Exporting")
    report = import_with_keras(_REPORT_PAGE, "The report")
    mode = plan.recipe.preset_mode
    calibration = Path(plan.experiment.folder) if mode == INTEGERS else None
    remark(f"Exporting {plan.folder} as {mode} ...")
    options = exporter.ExportOptions(modes=(mode,), calibration=calibration, **wishes.options)
    with silent_stderr():
        (made,) = exporter.export_generator(plan.folder, part, options)
        report.write_report(part / REPORT, [report.measure_preset(part, made.samples)])


def _evaluate(plan, part: Path) -> bool:
    """Measures the preset on the held-back photos, and says whether there were any."""
    data = plan.experiment.folder
    _, held = count_photos(data)
    if not held:
        remark(f"{data}: no photos were held back, so the preset is not measured")
        return False
    remark(f"Measuring it on {held} held-back photos ...")
    generator = open_generator(str(part))
    source = import_evaluation().Source(generator.metadata.name, generator)
    # Of methods that learn from photos alone no drawing shows what they aim at.
    drawings = data if "drawings" in plan.options else None
    tell_left_out(write_report(part / REPORT, [source], data, drawings=drawings))
    return True


def _write_card(plan, part: Path, measured: bool) -> None:
    card = import_with_keras(CARD, "A model card")
    report = part / REPORT
    evaluation = report if measured else None
    runs = [*_teacher(plan), plan.folder]
    for warning in card.write_model_card(part / CARD_NAME, part, runs, evaluation, None, report):
        remark(f"portrait: {warning}")


def _teacher(plan) -> list[Path]:
    """The run folder of a student's teacher, where that is a run of which a card can tell."""
    from keras_portrait.model_card.runs import read_run

    told = plan.options["recipe"].get("teacher")
    if not told:
        return []
    teacher = Path(told)
    folder = teacher.parent if teacher.suffix == ".keras" else teacher
    try:
        return [folder] if read_run(folder) else []
    except InputError:
        return []


def _write_record(wishes: Wishes, plan, path: Path) -> None:
    from keras_portrait.files import require_sha256, write_whole
    from keras_portrait.model_card.runs import GENERATOR_FILE

    record = {
        "format": FORMAT,
        "run": plan.folder.resolve().name,
        "generator_sha256": require_sha256(plan.folder / GENERATOR_FILE, "the generator"),
        "wishes": asdict(wishes) | {"folder": None},
        "pictures_sha256": _digest(plan.identity.pictures),
        "options": _without_paths(plan.options),
    }
    write_whole(path, (json.dumps(record, indent=1) + "\n").encode())


def _without_paths(options: dict) -> dict:
    """The options of a run without where its pictures, its teacher and its start lie."""
    told = json.loads(json.dumps({key: value for key, value in options.items() if key != "data"}))
    for *sections, key in _PATHS:
        values = told.get("recipe", {})
        for section in sections:
            values = values.get(section, {})
        if values.get(key):
            values[key] = Path(values[key]).name
    return told


def _set_aside(folder: Path, part: Path, former: Path) -> None:
    """Makes room for a preset that replaces a former one; files of others go along with it."""
    from keras_portrait.inference.metadata import FILE_NAME
    from keras_portrait.model_card.card import WORST_NAME

    if not folder.is_dir() or not any(folder.iterdir()):
        return
    # What is not made this time must not stay from last time.
    made = {FILE_NAME, CARD_NAME, REPORT, WORST_NAME}
    for path in folder.iterdir():
        if path.name in made or os.path.lexists(part / path.name):
            continue
        # Links stay links, wherever they lead: beside it they lead to the same.
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, part / path.name, symlinks=True)
        else:
            shutil.copy2(path, part / path.name, follow_symlinks=False)
    folder.rename(former)


def _digest(pictures: dict) -> str:
    return hashlib.sha256(json.dumps(pictures, sort_keys=True).encode()).hexdigest()
