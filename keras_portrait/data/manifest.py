"""`manifest.jsonl`: what was prepared, one picture a line, kept or dropped and why.

Lines are appended while the work goes on, so that an interrupted run can go on where it was; at
the end the file is written anew in order.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from keras_portrait.atomic import write_whole
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
        style: name of a drawing's style; None for photos and for drawings without a tag.
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
        style_shares: what a style classifier says of a drawing, a share in [0, 1] for each style,
            1 together; None where none has looked at it.
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
    style_shares: dict[str, float] | None = None

    @property
    def broken(self) -> bool:
        """Whether the picture was dropped because its file cannot be read."""
        return (self.reason or "").startswith(UNREADABLE)


@dataclass
class Summary:
    """What a run did.

    Attributes:
        rows: one for each picture of the input, in order.
        reused: pictures that an earlier run had finished.
    """

    rows: list[Row] = field(default_factory=list)
    reused: int = 0

    def kept(self, kind: str, split: str | None = None) -> int:
        """Counts the kept photos or drawings, of one split or of both."""
        return sum(
            row.kept and row.kind == kind and split in (None, row.split) for row in self.rows
        )

    def dropped(self, kind: str) -> Counter:
        """Counts the dropped photos or drawings by reason, figures left out."""
        return Counter(
            row.reason.split(" (")[0] for row in self.rows if row.kind == kind and not row.kept
        )

    def lines(self) -> list[str]:
        """The summary as text: what was kept, then what was dropped, most frequent reason first."""
        lines = []
        for kind in ("photo", "drawing"):
            train, test = self.kept(kind, "train"), self.kept(kind, "test")
            dropped = self.dropped(kind)
            lines.append(
                f"{kind}s: {train + test} kept ({train} train, {test} test), "
                f"{dropped.total()} dropped"
            )
            lines += [f"  {count:5d}  {reason}" for reason, count in dropped.most_common()]
        if self.reused:
            lines.append(f"{self.reused} were done by an earlier run")
        return lines


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
        lines = path.read_bytes().splitlines()
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


def write_style_shares(folder: str | Path, shares: dict[str, dict[str, float]]) -> None:
    """Writes what a style classifier says into the manifest; all else in it stays.

    Args:
        folder: made by `prepare`.
        shares: by `file` of a row, a share for each style.

    Raises:
        InputError: the manifest cannot be read or written; it is the former one then.
    """
    folder = Path(folder)
    rows = [
        replace(row, style_shares=shares[row.file]) if row.file in shares else row
        for row in read_manifest(folder)
    ]
    _write_rows(folder, rows)


class Ledger:
    """The manifest of a data folder while it is being made.

    Args:
        folder: the data folder; made when it is not there.
        options: settings that the squares depend on; squares made with others are removed.
        dry_run: keep nothing and touch nothing.

    Raises:
        InputError: the folder holds something that no earlier run made, or cannot be written to.
    """

    def __init__(self, folder: Path, options: dict, dry_run: bool = False):
        self._folder = folder
        self._dry_run = dry_run
        self._done: dict[tuple[str, str], Row] = {}
        _check_ours(folder)
        if dry_run:
            return
        _make_folder(folder)
        rows = read_manifest(folder) if (folder / NAME).is_file() else []
        if self._read_options() != options:
            self._remove(rows)
            rows = []
        self._done = {(row.kind, row.source): row for row in rows}
        # Rows before options: an interruption in between costs work, but never keeps a wrong row.
        _write_rows(folder, rows)
        write_whole(folder / OPTIONS_NAME, (json.dumps(options, indent=1) + "\n").encode())

    def find(self, kind: str, source: str) -> Row | None:
        """The row of a picture that an earlier run finished, or None."""
        return self._done.get((kind, source))

    def add(self, row: Row) -> None:
        """Appends a row at once, so that an interruption does not lose it."""
        if self._dry_run:
            return
        path = self._folder / NAME
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(_line(row))
        except OSError as error:
            raise InputError(
                f"Cannot write the file ({error.strerror}). Received: {path}"
            ) from error

    def finish(self, rows: list[Row]) -> None:
        """Replaces the file by these rows, in their order, and removes squares of gone pictures."""
        if self._dry_run:
            return
        files = {row.file for row in rows}
        self._remove([row for row in self._done.values() if row.file not in files])
        _write_rows(self._folder, rows)

    def _read_options(self) -> dict | None:
        try:
            return json.loads((self._folder / OPTIONS_NAME).read_bytes())
        except (OSError, ValueError):
            return None

    def _remove(self, rows: list[Row]) -> None:
        folder = self._folder.resolve()
        for name in {name for row in rows for name in (row.file, row.mask) if name}:
            path = folder / name
            # A manifest from elsewhere must not reach files outside its folder.
            if path.resolve().is_relative_to(folder):
                path.unlink(missing_ok=True)


def _check_ours(folder: Path) -> None:
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise InputError(
            f"Cannot read the output folder ({error.strerror}). Received: {folder}"
        ) from error
    if names and not names & {NAME, OPTIONS_NAME}:
        raise InputError(
            "The output folder holds something else. Expected a new or empty folder, or one made "
            f"by `portrait prepare`. Received: {folder}"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the output folder ({error.strerror}). Received: {folder}"
        ) from error


def _write_rows(folder: Path, rows: list[Row]) -> None:
    write_whole(folder / NAME, "".join(map(_line, rows)).encode())


def _line(row: Row) -> str:
    return json.dumps(asdict(row)) + "\n"
