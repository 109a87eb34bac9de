"""`losses.jsonl` of a run: read back, as a table, and put in order for curves."""

import csv
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import write_whole

NAME = "losses.jsonl"
CSV_NAME = "losses.csv"
# What every row must have, and of which type.
REQUIRED = {"phase": str, "epoch": int, "step": int, "seconds": (int, float)}
# Entries of a row that tell about the training's course, not about what it learns.
BOOKKEEPING = (*REQUIRED, "steps", "loading_share")

VALIDATION, ACCURACY = "Validation", "Discriminator accuracy"
# Which panel a loss belongs to, by its name: the first pattern that is found decides.
_GROUPS = {
    VALIDATION: r"^val_",
    ACCURACY: r"_accuracy$",
    "Discriminator losses": r"^d_|discriminator",
    "Cycle and content losses": r"cycle|content|identity|anchor",
    "Generator losses": r"^[gf]_|generator",
    "Losses": r"",
}
# The order on paper: what the generators are asked for, then the discriminators, then the outcome.
_ORDER = (
    *("Generator losses", "Cycle and content losses", "Losses"),
    *("Discriminator losses", ACCURACY, VALIDATION),
)


@dataclass(frozen=True)
class Panel:
    """Curves that belong into one picture.

    Attributes:
        title: what they are; of a phase before the last one, the phase as well.
        group: "Generator losses", "Discriminator accuracy" and so on.
        unit: "epoch" or "step", what the positions count.
        series: by name, positions and values, floats; values may be NaN or infinite.
    """

    title: str
    group: str
    unit: str
    series: dict[str, tuple[list[float], list[float]]]


def read_losses(folder: str | Path) -> list[dict]:
    """Reads the rows of `losses.jsonl`.

    A last line that a crash cut short is left out. So is the beginning of a line to which a later
    start appended its first row.

    Args:
        folder: the run folder.

    Returns:
        The rows in the order of the file: "phase" (str), "epoch" (int, from 1), "step" (int, done
        in the phase by then), "seconds" (float, of the row) and whatever was measured (floats).
        Empty where there is no such file yet.

    Raises:
        InputError: no such folder, the file cannot be read, or a line is no row.
    """
    folder = Path(folder)
    path = folder / NAME
    try:
        if not folder.is_dir():
            raise InputError(f"No such folder. Expected the folder of a run. Received: {folder}")
        lines = path.read_bytes().splitlines() if path.exists() else []
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"Cannot read the losses ({reason}). Received: {path}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        row = _parse(line)
        if row is not None:
            rows.append(row)
        elif number < len(lines):
            raise InputError(
                f"Line {number} is no row of losses. Expected JSON with "
                f"{', '.join(REQUIRED)}. Received: {path}"
            )
    return rows


def _parse(line: bytes) -> dict | None:
    # A row holds no other braces: the last one opens what was appended to a line cut short.
    for part in (line, line[max(line.rfind(b"{"), 0) :]):
        try:
            row = json.loads(part.decode("utf-8"))
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and all(
            isinstance(row.get(name), types) for name, types in REQUIRED.items()
        ):
            return row
    return None


def write_csv(folder: str | Path) -> Path:
    """Writes `losses.csv`: all rows, all columns in the order of their first appearance.

    Args:
        folder: the run folder.

    Returns:
        The path of the file. Cells of what a row does not have are blank.

    Raises:
        InputError: the losses cannot be read, or the file cannot be written.
    """
    rows = read_losses(folder)
    columns = list(dict.fromkeys(name for row in [REQUIRED, *rows] for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    path = Path(folder) / CSV_NAME
    write_whole(path, text.getvalue().encode("utf-8", "replace"))
    return path


def current_rows(rows: list[dict]) -> list[dict]:
    """Leaves out what a later start did again: rows of a phase at or after a later row's step."""
    kept, least = [], {}
    for row in reversed(rows):
        if row["step"] < least.get(row["phase"], math.inf):
            kept.append(row)
            least[row["phase"]] = row["step"]
    return kept[::-1]


def phases(rows: list[dict]) -> list[str]:
    """The phases of training in the order in which they began."""
    return list(dict.fromkeys(row["phase"] for row in rows))


def unused(rows: list[dict]) -> list[str]:
    """Names of what is 0 in every row that has it: terms that the recipe switched off."""
    names = dict.fromkeys(name for row in rows for name in _measured(row))
    return [name for name in names if all(row.get(name, 0) == 0 for row in rows)]


def panels(rows: list[dict]) -> list[Panel]:
    """Sorts what was measured into panels, those of the newest phase first.

    Args:
        rows: from `current_rows`.

    Returns:
        Panels without what is 0 throughout; a panel that would be empty is not there.
    """
    order = phases(rows)
    found = []
    for phase in reversed(order):
        own = [row for row in rows if row["phase"] == phase]
        epochs = [row["epoch"] for row in own]
        unit = "epoch" if len(set(epochs)) == len(epochs) else "step"
        groups = _series_by_group(own, unit)
        for group in _ORDER:
            if group in groups:
                title = group if phase == order[-1] else f"{_capital(phase)}: {group.lower()}"
                found.append(Panel(title, group, unit, groups[group]))
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _series_by_group(rows, unit):
    off = unused(rows)
    groups: dict[str, dict] = {}
    for row in rows:
        for name, value in _measured(row).items():
            if name not in off:
                series = groups.setdefault(_group(name), {}).setdefault(name, ([], []))
                series[0].append(float(row[unit]))
                series[1].append(value)
    return groups


def _group(name: str) -> str:
    return next(group for group, pattern in _GROUPS.items() if re.search(pattern, name))


def _measured(row: dict) -> dict[str, float]:
    """The numbers of a row, bookkeeping left out."""
    return {
        name: _as_float(value)
        for name, value in row.items()
        if name not in BOOKKEEPING
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    }


def _as_float(value) -> float:
    try:
        return float(value)
    except OverflowError:  # JSON has integers of any length
        return math.inf
