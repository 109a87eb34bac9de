"""`manifest.jsonl`: what was prepared, one picture a line, kept or dropped and why.

Lines are appended while the work goes on, so that an interrupted run can go on where it was; at
the end the file is written anew in order.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_portrait.errors import InputError

NAME = "manifest.jsonl"
OPTIONS_NAME = "prepare.json"
# How the reason of a file begins that is no picture or is broken.
UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class Row:
    """One picture of the input.

    Attributes:
        file: the square, relative to the data folder; None where the picture was dropped.
        kind: "photo" or "drawing".
        style: name of a drawing's style; None for photos.
        source: the picture's path inside its input folder, with forward slashes.
        split: "train" or "test".
        kept: whether the square was written.
        reason: why it was dropped; None where it was kept.
        score: the detector's confidence, 0..1; None without a face.
        landmarks: five points [x, y] in pixels of the square, 0-based: left eye, right eye, nose,
            left and right mouth corner as seen in the picture; None without a face.
        mask: the RGB mask (eyes, nose, lips), relative to the data folder.
        size: side of the square in pixels.
        stamp: the source's length and time of change, by which a changed source is noticed.
    """

    file: str | None
    kind: str
    style: str | None
    source: str
    split: str
    kept: bool
    reason: str | None
    score: float | None
    landmarks: list[list[float]] | None
    mask: str | None
    size: int
    stamp: str

    @property
    def broken(self) -> bool:
        """Whether the picture was dropped because its file cannot be read."""
        return (self.reason or "").startswith(UNREADABLE)

    @property
    def key(self) -> tuple[str, str]:
        """What names the picture among all others."""
        return self.kind, self.source


def read_manifest(folder: str | Path) -> list[Row]:
    """Reads the rows of a data folder.

    A last line that an interruption cut short is left out.

    Args:
        folder: made by `prepare`.

    Returns:
        The rows in the order of the file.

    Raises:
        InputError: no manifest there, or a line that is none of its rows.
    """
    path = Path(folder) / NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(
            f"No {NAME} in the data folder. Expected a folder made by `portrait prepare`. "
            f"Received: {folder}"
        ) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError) as error:
            if number == len(lines):
                break
            raise InputError(
                f"Line {number} is no row of a manifest. Expected what `portrait prepare` wrote. "
                f"Received: {path}"
            ) from error
    return rows


class Ledger:
    """The manifest of a data folder while it is being made.

    Args:
        folder: the data folder; it must exist.
        options: settings that the squares depend on; squares made with others are removed.
    """

    def __init__(self, folder: Path, options: dict):
        self._path = folder / NAME
        self._options_path = folder / OPTIONS_NAME
        rows = read_manifest(folder) if self._path.is_file() else []
        if self._read_options() != options:
            self._remove(rows)
            rows = []
        self._done = {row.key: row for row in rows}
        # Rows first, options last: an interruption in between costs work, never a wrong row.
        self._options_path.unlink(missing_ok=True)
        self._write_all(list(self._done.values()))
        write_text(self._options_path, json.dumps(options, indent=1) + "\n")

    def find(self, key: tuple[str, str]) -> Row | None:
        """The row of a picture that is done, or None."""
        return self._done.get(key)

    def add(self, row: Row) -> None:
        """Appends a row at once, so that an interruption does not lose it."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(row))

    def finish(self, rows: list[Row]) -> None:
        """Replaces the file by these rows, in their order, and removes squares of gone pictures."""
        files = {row.file for row in rows}
        self._remove([row for row in self._done.values() if row.file not in files])
        self._write_all(rows)

    def _remove(self, rows: list[Row]) -> None:
        folder = self._path.parent.resolve()
        for name in {name for row in rows for name in (row.file, row.mask) if name}:
            path = folder / name
            # A manifest from elsewhere must not reach files outside its folder.
            if path.resolve().is_relative_to(folder):
                path.unlink(missing_ok=True)

    def _read_options(self) -> dict | None:
        try:
            return json.loads(self._options_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _write_all(self, rows: list[Row]) -> None:
        write_text(self._path, "".join(map(_line, rows)))


def write_text(path: Path, text: str) -> None:
    """Writes a file that is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _line(row: Row) -> str:
    return json.dumps(asdict(row), ensure_ascii=False) + "\n"
