"""A CSV file of landmarks, for faces that the detector misses or misjudges."""

import csv
import hashlib
import io
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from keras_portrait.data.prepare.sources import Source
from keras_portrait.errors import InputError
from keras_portrait.files import read_bounded

# The file that the points belong to, and the points: 0-based pixels of the picture, left and right
# as seen in it.
FILE = "file"
COLUMNS = tuple(
    f"{point}_{axis}"
    for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    for axis in "xy"
)
# As many rows, or names, are told of; and as many letters of something that is no CSV file.
_NAMED, _LETTERS = 5, 120


@dataclass(frozen=True)
class GivenLandmarks:
    """Which pictures of the input have landmarks of a file.

    Attributes:
        points: by kind and `relative` of a source, float (5, 2), 0-based pixels of the picture.
        remarks: a line each on rows that say nothing of the input.
    """

    points: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def of(self, source: Source) -> np.ndarray | None:
        """The landmarks of a picture, float (5, 2), or None: of the file, else those beside it."""
        return self.points.get((source.kind, source.relative), source.points)

    def stamp(self, source: Source) -> str:
        """What tells other landmarks of a picture from these; "" where it has none."""
        points = self.of(source)
        if points is None:
            return ""
        return f"landmarks {hashlib.sha256(points.tobytes()).hexdigest()[:16]}"


def read_landmarks(path: str | Path) -> dict[str, np.ndarray | None]:
    """Reads the landmarks of a CSV file with the columns `FILE` and `COLUMNS`; others may be there.

    Args:
        path: the file.

    Returns:
        In the order of the file, by what it calls a picture, float (5, 2), 0-based pixels of the
        picture; None where all ten fields are empty.

    Raises:
        InputError: it cannot be read, is no such file, names a picture twice or not at all, or
            holds points that are no finite numbers.
    """
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    found, broken = {}, []
    try:
        columns = [name.strip() for name in reader.fieldnames or []]
        missing = [name for name in (FILE, *COLUMNS) if name not in columns]
        if missing:
            raise InputError(
                f"{path}: expected the columns {FILE} and {COLUMNS[0]} to {COLUMNS[-1]} of "
                f"landmarks, no {', no '.join(missing)} is there. "
                f"Received: {_short(', '.join(columns)) or 'an empty file'}"
            )
        reader.fieldnames = columns
        for row in reader:
            name = PurePosixPath((row[FILE] or "").strip()).as_posix()
            where = f"{path}, line {reader.line_num}"
            if name == ".":
                raise InputError(f"{where}: expected the name of a picture. Received: none")
            if name in found:
                raise InputError(
                    f"{where}: expected a row for each picture. Received: {name} again"
                )
            fields = {column: (row[column] or "").strip() for column in COLUMNS}
            found[name], fault = _points(fields)
            broken += [f"line {reader.line_num}, {name}, {fault}"] if fault else []
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: expected a CSV file of landmarks. Received: {error}"
        ) from None
    if broken:
        more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        raise InputError(
            f"{path}: expected ten finite numbers in each row, or ten empty fields where no points "
            f"are known. Received: {'; '.join(broken[:_NAMED])}{more}"
        )
    if not found:
        raise InputError(f"{path}: expected rows of landmarks. Received: none")
    return found


def match_landmarks(path: str | Path, sources: Iterable[Source]) -> GivenLandmarks:
    """Reads a CSV file of landmarks, and finds the photos and drawings that its rows name.

    A row names a picture by its path inside the input folder, or by the end of that path.

    Args:
        path: see `read_landmarks`.
        sources: the pictures of the input.

    Raises:
        InputError: see `read_landmarks`; or a row names several pictures, several rows name one, or
            none names any.
    """
    rows = read_landmarks(path)
    by_name = defaultdict(list)
    for source in sources:
        if source.kind != "avatar":
            by_name[PurePosixPath(source.relative).name].append(source)
    points, named, absent = {}, {}, []
    for row, landmarks in rows.items():
        parts = PurePosixPath(row).parts
        found = [
            source
            for source in by_name[parts[-1]]
            if PurePosixPath(source.relative).parts[-len(parts) :] == parts
        ]
        if len(found) > 1:
            raise InputError(
                f"{path}: expected names that one picture has, or paths inside the input folder. "
                f"Received: {row}, which may be {_listed([each.relative for each in found])}"
            )
        if not found:
            absent.append(row)
            continue
        key = (found[0].kind, found[0].relative)
        if key in named:
            raise InputError(
                f"{path}: expected a row for each picture. "
                f"Received: {named[key]} and {row} for {found[0].relative}"
            )
        named[key] = row
        if landmarks is not None:
            points[key] = landmarks
    if not named:
        raise InputError(
            f"{path}: expected names of photos or drawings of the input folders, or their paths "
            f"inside them. Received: {_listed(absent)}"
        )
    return GivenLandmarks(points, _remarks(Path(path).name, absent, len(named) - len(points)))


def _remarks(file: str, absent: list[str], blank: int) -> list[str]:
    remarks = []
    if absent:
        count = "1 row names" if len(absent) == 1 else f"{len(absent)} rows name"
        remarks.append(f"{file}: {count} no picture of the input folders: {_listed(absent)}")
    if blank:
        count = "1 row has" if blank == 1 else f"{blank} rows have"
        remarks.append(f"{file}: {count} no points, the face is looked for there")
    return remarks


def _text(path: str | Path) -> str:
    try:
        # Spreadsheets write a mark at the beginning.
        return read_bounded(Path(path)).decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"Cannot read the landmarks ({error.strerror}). Expected a CSV file. Received: {path}"
        ) from error
    except UnicodeDecodeError:
        raise InputError(
            f"The landmarks are no text in UTF-8. Expected a CSV file. Received: {path}"
        ) from None


def _points(fields: dict[str, str]) -> tuple[np.ndarray | None, str | None]:
    """The points of a row, or None, and what is wrong with them, or None."""
    if not any(fields.values()):
        return None, None
    values = []
    for column, text in fields.items():
        try:
            values.append(float(text))
        except ValueError:
            values.append(math.nan)
        if not math.isfinite(values[-1]):
            return None, f"{column} {_short(text) or 'missing'}"
    return np.array(values).reshape(5, 2), None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _short(text: str) -> str:
    """The beginning of a text, as one line."""
    text = " ".join(text.split())
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]} ..."
