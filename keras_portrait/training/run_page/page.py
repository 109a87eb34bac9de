"""`index.html` of a run: one page that a browser opens from the disk, without any other file."""

import datetime
import json
import math
import os
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import write_whole
from keras_portrait.training.run_page import curves, loss_log
from keras_portrait.training.run_page.confusion import accuracy_facts, confusion_uri
from keras_portrait.training.run_page.gallery import make_gallery
from keras_portrait.training.templates import load_template

NAME = "index.html"
TEMPLATE = "run.html.j2"
# Epochs from whose seconds the time left is estimated.
_RECENT = 10


def write_run_page(folder: str | Path) -> Path:
    """Writes `index.html`: how far a run is, its grids, curves, losses and settings.

    Of a classifier it shows the accuracy and the confusion matrix.

    Args:
        folder: the run folder. Whatever is not there yet is missing on the page, too.

    Returns:
        The path of the page.

    Raises:
        InputError: the folder is no run, one of its text files cannot be read, or the page cannot
            be written.
        MissingExtra: jinja2 or matplotlib is not installed.
    """
    folder = Path(folder)
    rows = loss_log.current_rows(loss_log.read_losses(folder))
    options = _read(folder / "options.json")
    if not rows and not options and not (folder / "samples").is_dir():
        raise InputError(
            "Neither options nor losses nor samples there. Expected the folder of a run. "
            f"Received: {folder}"
        )
    best = _read(folder / "best.json")
    gallery = make_gallery(folder, also=best.get("epoch"))
    accuracy, confusion = _read(folder / "accuracy.json"), confusion_uri(folder)
    page = load_template(Path(__file__).with_name(TEMPLATE), "The page of a run").render(
        name=folder.resolve().name,
        method=options.get("method"),
        styles=_words(options.get("styles")),
        facts=[*accuracy_facts(accuracy), *_facts(folder, rows, options, best)],
        progress=_progress(rows, options),
        remarks=_remarks(rows, options, bool(gallery.newest or confusion)),
        gallery=gallery,
        confusion=confusion,
        best_epoch=best.get("epoch"),
        start=_start(rows, options),
        captions=_captions(folder),
        panels=[_panel(panel) for panel in loss_log.panels(rows)],
        unused=loss_log.unused(rows),
        settings=_settings(options),
        versions=_read(folder / "versions.json"),
    )
    path = folder / NAME
    write_whole(path, page.encode("utf-8", "replace"))
    return path


def _read(path: Path) -> dict:
    """The dictionary in a JSON file; an empty one where there is no file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if os.path.exists(path) else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected JSON. Received: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a JSON object. Received: {type(values).__name__}")
    return values


def _captions(folder: Path) -> list[str]:
    try:
        captions = json.loads((folder / "samples" / "columns.json").read_bytes())
    except (OSError, ValueError):  # an ornament: the grids are worth showing without
        return []
    known = isinstance(captions, list) and any(captions)
    return [str(caption) for caption in captions] if known else []


def _progress(rows: list[dict], options: dict) -> tuple[int, int] | None:
    """Finished epochs of the method, and all of them; None where the latter is not known."""
    total = _nested(options, "recipe", "train", "epochs")
    if not isinstance(total, int) or total < 1:
        return None
    own = [row for row in rows if row["phase"] == options.get("method")]
    return (own[-1]["epoch"] if own else 0), total


def _nested(values, *keys):
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _facts(folder: Path, rows: list[dict], options: dict, best: dict) -> list[tuple]:
    """What a person asks first: triples of label, answer and further words."""
    facts = []
    progress = _progress(rows, options)
    if rows:
        last = rows[-1]
        goal = f" of {progress[1]}" if progress and last["phase"] == options.get("method") else ""
        facts.append(("Epoch", f"{last['epoch']}{goal}", _spaced(last["phase"])))
        facts.append(("Steps", f"{last['step']:,}", _earlier_steps(rows)))
        facts.append(("Time", _duration(sum(row["seconds"] for row in rows)), _loading(rows)))
    if progress and 0 < progress[0] < progress[1]:
        recent = [row for row in rows if row["phase"] == options.get("method")][-_RECENT:]
        pace = sum(row["seconds"] for row in recent) / len({row["epoch"] for row in recent})
        facts.append(("Left", _duration(pace * (progress[1] - progress[0])), "at this pace"))
    if "epoch" in best:
        values = [f"{key} {_number(best[key])}" for key in best if key.startswith("val_")]
        facts.append(("Best epoch", best["epoch"], ", ".join(values)))
    facts.append(("Updated", *_updated(folder)))
    return facts


def _start(rows, options):
    """What the grid of epoch 0 shows."""
    earlier = [phase for phase in loss_log.phases(rows) if phase != options.get("method")]
    if not options or not earlier:
        return "Before the first step"
    return f"After the {_spaced(' and the '.join(earlier))}"


def _earlier_steps(rows):
    *earlier, _ = loss_log.phases(rows)
    steps = {row["phase"]: row["step"] for row in rows}
    counts = [f"{steps[phase]:,} of {_spaced(phase)}" for phase in earlier]
    return f"after {', '.join(counts)}" if counts else ""


def _loading(rows):
    known = [row for row in rows if isinstance(row.get("loading_share"), int | float)]
    seconds = sum(row["seconds"] for row in known)
    if not seconds > 0:
        return ""
    share = sum(row["loading_share"] * row["seconds"] for row in known) / seconds
    return f"{share:.1%} of it loading data"


def _updated(folder: Path) -> tuple[str, str]:
    places = [folder / "options.json", folder / loss_log.NAME, *(folder / "samples").glob("*.png")]
    times = [os.path.getmtime(place) for place in places if os.path.exists(place)]
    moment = datetime.datetime.fromtimestamp(max(times, default=0)).astimezone()
    return f"{moment:%H:%M}", f"{moment:%Y-%m-%d}, {moment:%Z}"


def _remarks(rows: list[dict], options: dict, pictures: bool) -> list[str]:
    """What a person should know before looking at the rest."""
    remarks = []
    if not options:
        remarks.append("There is no options.json: what was trained on which pictures is unknown.")
    if not rows:
        remarks.append("No losses yet: they come with the end of the first epoch.")
    if not pictures:
        remarks.append("No sample pictures yet.")
    broken: dict[tuple[str, int], list[str]] = {}
    for panel in loss_log.panels([row for row in rows if row["phase"] == rows[-1]["phase"]]):
        for name, (positions, values) in panel.series.items():
            if not math.isfinite(values[-1]):
                since = _first_of_last_gap(positions, values)
                broken.setdefault((panel.unit, int(since)), []).append(name)
    for (unit, since), names in sorted(broken.items()):
        remarks.append(f"No finite number since {unit} {since:,}: {', '.join(names)}.")
    return remarks


def _first_of_last_gap(positions, values):
    finite = [index for index, value in enumerate(values) if math.isfinite(value)]
    return positions[finite[-1] + 1 if finite else 0]


def _panel(panel: loss_log.Panel) -> dict:
    """A panel for the template: its curves, and a table that serves as their legend."""
    lines = []
    for index, (name, (_, values)) in enumerate(panel.series.items()):
        colour, dashes = curves.look(index)
        lines.append(
            {
                "name": name,
                "colour": colour,
                "dashes": " ".join(f"{2 * dash:g}" for dash in dashes),
                "first": _number(values[0], 3),
                "newest": _number(values[-1], 3),
                "change": _change(values, panel.group),
                "broken": not math.isfinite(values[-1]),
            }
        )
    positions = {position for series, _ in panel.series.values() for position in series}
    # A lone point tells nothing that the table does not.
    svg = curves.panel_svg(panel) if len(positions) > 1 else ""
    return {"title": panel.title, "unit": panel.unit, "lines": lines, "svg": svg}


def _change(values: list[float], group: str) -> str:
    first, last = values[0], values[-1]
    if len(values) < 2 or not math.isfinite(first) or not math.isfinite(last):
        return "–"
    if group == loss_log.ACCURACY:
        text = f"{last - first:+.2f}"
    elif first == 0:
        return "–"
    elif abs(last / first) >= 10:
        text = f"×{_number(last / first, 3)}"
    else:
        text = f"{(last - first) / abs(first):+.0%}"
    return text.replace("-", "−")


def _number(value, digits: int = 4) -> str:
    return f"{value:.{digits}g}".replace("-", "−") if isinstance(value, int | float) else str(value)


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "–"
    for limit, unit, length in ((100, "s", 1), (6000, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / length:.{int(unit == 'h')}f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _words(values) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) else str(values or "")


def _settings(options: dict) -> dict[str, dict]:
    """Groups of settings: single ones first, then each section of the recipe."""
    recipe = options.get("recipe")
    recipe = recipe if isinstance(recipe, dict) else {}
    own = {key: value for key, value in options.items() if key != "recipe" or not recipe}
    single = {key: value for key, value in recipe.items() if not isinstance(value, dict)}
    sections = {key: value for key, value in recipe.items() if isinstance(value, dict)}
    groups = {"run": single | own, **sections}
    return {title: values for title, values in groups.items() if values}
