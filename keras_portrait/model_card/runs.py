"""What a run folder tells for a model card: recipe, steps, hours, pictures."""

import json
import os
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import parse_json, read_bounded, require_sha256
from keras_portrait.model_card.pictures import picture_rows, source_folders
from keras_portrait.models import methods, recipe_files
from keras_portrait.models.load_recipe import load_recipe
from keras_portrait.recipe import Recipe
from keras_portrait.training.run_folder import read_options
from keras_portrait.training.run_page import loss_log

GENERATOR_FILE = "generator.keras"
# Versions of these are shown, in this order.
_PACKAGES = ("keras-portrait", "keras", "tensorflow", "torch", "numpy")
# A run, as a path.
_START = "train.start_from"
# Not a matter of the recipe: the teacher has a line of its own.
_APART = ("method", "teacher")
_HOUR = 3600


@dataclass(frozen=True)
class RunFacts:
    """A training, in words.

    Attributes:
        name: of the run folder.
        method: key of the method.
        styles: names of the styles.
        network: how the generator is built, and how many parameters it has.
        recipe: the packaged recipe that it comes nearest to.
        settings: triples of a key, its value, and the value that the packaged recipe has.
        rows: pairs of a label and a text, for the table of the training.
        teacher: SHA-256 of the file that it was distilled from; "" where there was none.
        generators: SHA-256 of each generator in the folder.
        warnings: what the card lacks, for the person who makes it.
    """

    name: str
    method: str
    styles: tuple[str, ...]
    network: str
    recipe: str
    settings: list[tuple[str, str, str]]
    rows: list[tuple[str, str]]
    teacher: str
    generators: set[str]
    warnings: list[str]


def read_run(folder: str | Path) -> RunFacts:
    """Reads a run folder.

    Args:
        folder: the run folder of a method that draws photos.

    Returns:
        What it tells. Where the pictures came from is told by the manifest of the data folder, if
        that is still where it was.

    Raises:
        InputError: it is no such run folder, or one of its files is missing or cannot be read.
    """
    folder = Path(folder)
    options = read_options(folder)
    known = {name: kind for name, kind in methods().items() if kind.title}
    if options is None or options.get("method") not in known:
        raise InputError(
            f"Expected the folder of a run of {' or '.join(known)}. Received: {folder}"
        )
    log = loss_log.current_rows(loss_log.read_losses(folder))
    if not log:
        raise InputError(f"Expected a run whose losses are there. Received: {folder}")
    method, recipe = options["method"], options["recipe"]
    sources, warnings = source_folders(options)
    kind = known[method]
    nearest, settings = _nearest_recipe(kind, recipe)
    network = kind.describe_generator(recipe["network"])
    rows = [
        ("method", kind.title),
        *_teacher(options),
        ("recipe", f"`{nearest}`" + (" with the settings below" if settings else "")),
        ("steps", _steps(log, method, recipe)),
        ("time", _time(log, kind)),
        ("precision", f"{recipe['train']['precision']}, seed {recipe['train']['seed']}"),
        *picture_rows(folder, options, sources),
        *_filters(options),
        *_validation(folder, log, method),
        ("versions", _versions(folder)),
    ]
    return RunFacts(
        name=folder.resolve().name,
        method=method,
        styles=tuple(options.get("styles", ())),
        network=f"{network}; {_parameters(folder):,} parameters",
        recipe=nearest,
        settings=settings,
        rows=rows,
        teacher=options.get("teacher_sha256", ""),
        generators={require_sha256(path, "the generator") for path in folder.rglob("*.keras")},
        warnings=warnings,
    )


def _nearest_recipe(kind, recipe) -> tuple[str, list[tuple[str, str, str]]]:
    """The packaged recipe of the method in which fewest keys differ, and those that do."""
    own = _flat({key: value for key, value in recipe.items() if key not in _APART})
    if own.get(_START):
        own[_START] = Path(own[_START]).name  # where it lay is nobody's business
    found = []
    for path in recipe_files().values():
        packaged = load_recipe(path)
        if not isinstance(packaged, kind):
            continue
        # As it is read back: JSON has lists, no tuples.
        there = _flat(json.loads(json.dumps(asdict(packaged))))
        differing = [
            (f"`{key}`", _value(own.get(key)), _value(there.get(key)))
            # A key that the run does not have came with a later version.
            for key in dict.fromkeys([*own, *_under_own_sections(there, own)])
            if own.get(key) != there.get(key) and key not in _APART
        ]
        found.append((len(differing), path.name, differing))
    # A method that brings no recipe is shown by its own settings alone.
    return min(found, default=(0, "", []))[1:]


def _under_own_sections(there, own):
    """Keys of free sections, such as `data.lines`, that the packaged recipe alone fills."""
    sections = {key.rpartition(".")[0] for key in own}
    return [key for key in there if key.count(".") > 1 and key.rpartition(".")[0] in sections]


def _flat(values, prefix="") -> dict:
    flat = {}
    for key, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat


def _value(value) -> str:
    """A setting as TOML writes it; nothing where there is none."""
    return "–" if value is None else f"`{json.dumps(value)}`"


def _teacher(options) -> list[tuple[str, str]]:
    if "teacher_sha256" not in options:
        return []
    path = Path(options["recipe"]["teacher"])
    name = path.parent.name if path.suffix else path.name
    return [("teacher", f"`{name}`, SHA-256 `{options['teacher_sha256']}`")]


def _filters(options) -> list[tuple[str, str]]:
    """Whose drawings were learned: names of filters, or the share of them beside a teacher."""
    filters = options["recipe"]["data"].get("filters")
    if not filters:
        return []
    whose = "by the filters" if isinstance(filters, list) else f"{filters:.0%} by the filters"
    names = ", ".join(f"`{name}`" for name in options["styles"])
    others = "" if isinstance(filters, list) else "the others by the teacher; "
    return [("drawings", f"of these photos, {whose} {names}; {others}none by an artist")]


def _steps(log, method, recipe) -> str:
    """Steps of each phase, and how many epochs of the method were left out at the end."""
    texts, epochs = [], recipe["train"]["epochs"]
    for phase in loss_log.phases(log):
        last = [row for row in log if row["phase"] == phase][-1]
        cut = phase == method and last["epoch"] < epochs
        goal = f" ({last['epoch']:,} of {epochs:,} epochs)" if cut else ""
        texts.append(f"{last['step']:,} of {_spaced(phase)}{goal}")
    return f"{', '.join(texts)}; batch {recipe['data']['batch']}"


def _time(log, kind: type[Recipe]) -> str:
    """Hours of each phase, as far as they were logged: a crash takes those of its epoch along."""
    hours = Counter()
    for row in log:
        hours[row["phase"]] += row["seconds"] / _HOUR
    text = f"{hours.total():.2f} hours"
    if len(hours) > 1:
        text += f" ({', '.join(f'{_spaced(phase)} {hours[phase]:.2f}' for phase in hours)})"
    if kind.waits_for:
        text += f", the {kind.waits_for} drawings not counted"
    breaks, untimed = _interruptions(log)
    if breaks:
        times = "once" if breaks == 1 else f"{breaks} times"
        text += f"; broken off within an epoch {times}, {untimed:,} steps before that are not timed"
    return text


def _interruptions(log) -> tuple[int, int]:
    """How many rows tell of the rest of an epoch only, and how many steps no row tells of."""
    breaks, untimed, before = 0, 0, {}
    for row in log:
        missing = row["step"] - before.get(row["phase"], 0) - row.get("steps", 0)
        # Rows of former versions do not say of how many steps they are.
        if "steps" in row and missing > 0:
            breaks, untimed = breaks + 1, untimed + missing
        before[row["phase"]] = row["step"]
    return breaks, untimed


def _validation(folder, log, method) -> list[tuple[str, str]]:
    """What the held-back pictures said, of the last epoch and of the best one."""
    last = [row for row in log if row["phase"] == method][-1:]
    texts = [f"last epoch ({row['epoch']}): {words}" for row in last if (words := _judged(row))]
    best = read_json(folder / "best.json")
    if best is not None and (words := _judged(best)):
        texts.append(f"best epoch ({best['epoch']}): {words}")
    return [("validation", "; ".join(texts))] if texts else []


def _judged(row) -> str:
    return ", ".join(f"{key} {row[key]:.3f}" for key in row if key.startswith("val_"))


def _versions(folder) -> str:
    versions = read_json(folder / "versions.json") or {}
    return ", ".join(f"{name} {versions[name]}" for name in _PACKAGES if name in versions)


def _parameters(folder) -> int:
    """Numbers in the saved generator; counted in its file, which takes no TensorFlow."""
    import h5py

    path, count = folder / GENERATOR_FILE, 0

    def add(_, item):
        nonlocal count
        count += item.size if isinstance(item, h5py.Dataset) else 0

    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open("model.weights.h5") as weights,
            h5py.File(weights, "r") as file,
        ):
            file.visititems(add)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"Cannot read the generator ({reason}). Received: {path}") from None
    return count


def read_json(path: Path) -> dict | None:
    """The dictionary in a JSON file, or None where there is no file.

    Raises:
        InputError: the file cannot be read, or is none.
    """
    try:
        values = parse_json(read_bounded(path)) if os.path.exists(path) else None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected JSON. Received: {error}") from None
    if values is not None and not isinstance(values, dict):
        raise InputError(f"{path}: expected a JSON object. Received: {type(values).__name__}")
    return values


def _spaced(name: str) -> str:
    return name.replace("_", " ")
