"""`manifest.jsonl`: what was prepared, one picture a line, kept or dropped and why.

How it comes to be: `keras_portrait.data.prepare.prepared_folder`.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from keras_portrait.data.folder_options import refuse_newer
from keras_portrait.data.manifest_rows import KINDS, row_fits
from keras_portrait.errors import InputError
from keras_portrait.files import whole_file
from keras_portrait.inference.alignment import ALIGNMENT
from keras_portrait.inference.imaging import read_image

NAME = "manifest.jsonl"
# How the reason of a file begins that is no picture or is broken.
UNREADABLE = "cannot be read"
# Folder of the edge-promoted twins of avatars and drawings; each is named like its picture.
SMOOTH = "smooth"
# What the summary calls masks by their `mask_source`.
_MASKS = {"files": "masks given", "facemesh": "masks from FaceMesh"}
# Names of files that cannot be read which the summary tells of each kind.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of the input.

    Attributes:
        file: the square, relative to the data folder; None where the picture was dropped.
        kind: "photo", "drawing" or "avatar".
        style: name of a drawing's style or of an avatar's label; None for photos and for what has
            no tag.
        source: the picture's path inside its input folder, with forward slashes.
        split: "train" or "test".
        kept: whether the square was written.
        reason: why it was dropped; None where it was kept.
        score: the detector's confidence, 0..1; None without a face, and where the landmarks were
            given.
        landmarks: five points [x, y] in pixels of the square, 0-based: left eye, right eye, nose,
            left and right mouth corner as seen in the picture; None without a face, and for
            avatars, in which none is looked for.
        mask: the RGB mask (eyes, nose, lips), relative to the data folder; None for avatars.
        size: side of the square in pixels.
        stamp: what tells another source from this one, such as its length and time of change.
        style_shares: what a style classifier says of a drawing, a share in [0, 1] for each style,
            1 together; None where none has looked at it.
        landmarks_given: whether the landmarks were given, and not found by the detector.
        turn: degrees by which the face stood turned in the picture, 0, 90 or 180; the square holds
            it upright.
        scale: pixels of the picture along one of the square; below 1 it was enlarged. None where
            no face was looked for, or found, and in folders of earlier versions.
        mask_source: where the mask is from: "files" beside the picture, "facemesh", or "" for the
            boxes around the landmarks.
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
    landmarks_given: bool = False
    turn: int = 0
    scale: float | None = None
    mask_source: str = ""

    @property
    def broken(self) -> bool:
        """Whether the picture was dropped because its file cannot be read."""
        return (self.reason or "").startswith(UNREADABLE)

    @property
    def smooth(self) -> str | None:
        """Where a kept avatar's or drawing's edge-promoted twin belongs, made or not."""
        return smooth_twin(self.kind, self.file) if self.kept else None

    def read(self, folder: str | Path, name: str) -> np.ndarray:
        """Reads one of its pictures.

        Args:
            folder: the data folder.
            name: `file`, `mask` or `smooth`.

        Returns:
            uint8 RGB (size, size, 3).

        Raises:
            InputError: it is missing or broken.
        """
        return read_image(Path(folder) / name)


_FIELDS = tuple(each.name for each in fields(Row))


def smooth_twin(kind: str, file: str) -> str | None:
    """Where the edge-promoted twin of a picture belongs, relative to the data folder.

    Args:
        kind: "photo", "drawing" or "avatar".
        file: the square, relative to the data folder.

    Returns:
        A name below `SMOOTH`; None for photos, which have none.
    """
    return None if kind == "photo" else f"{SMOOTH}/{file}"


@dataclass
class Summary:
    """What a run did.

    Attributes:
        rows: one for each picture of the input, in order.
        reused: pictures that an earlier run had finished.
        alignment: of the photos, one of `alignment.ALIGNMENTS`.
        facemesh: whether masks from FaceMesh were asked for.
        remarks: lines on the input that no picture tells of.
        unreadable_folders: why folders of the input could not be read, a line each.
    """

    rows: list[Row] = field(default_factory=list)
    reused: int = 0
    alignment: int = ALIGNMENT
    facemesh: bool = False
    remarks: list[str] = field(default_factory=list)
    unreadable_folders: list[str] = field(default_factory=list)

    @property
    def unreadable(self) -> int:
        """How many pictures and folders of the input could not be read."""
        return sum(row.broken for row in self.rows) + len(self.unreadable_folders)

    def kept(self, kind: str, split: str | None = None) -> int:
        """Counts the kept pictures of a kind, of one split or of both."""
        return sum(
            row.kept and row.kind == kind and split in (None, row.split) for row in self.rows
        )

    def dropped(self, kind: str) -> Counter:
        """Counts the dropped pictures of a kind by reason, figures left out."""
        return Counter(
            row.reason.split(" (")[0] for row in self.rows if row.kind == kind and not row.kept
        )

    def lines(self) -> list[str]:
        """The summary as text: what was kept, then what was dropped, most frequent reason first.

        Only kinds that the input held are told of. Files that cannot be read are named.
        """
        lines = []
        given = {row.kind for row in self.rows}
        for kind in (kind for kind in KINDS if kind in given):
            train, test = self.kept(kind, "train"), self.kept(kind, "test")
            dropped = self.dropped(kind)
            lines.append(
                f"{kind}s: {train + test} kept ({train} train, {test} test), "
                f"{dropped.total()} dropped"
            )
            for reason, count in dropped.most_common():
                lines.append(f"  {count:5d}  {reason}")
                if reason == UNREADABLE:
                    lines += [f"         {name}" for name in self._broken(kind, count)]
        aligned = sum(row.landmarks_given for row in self.rows)
        if aligned:
            lines.append(f"landmarks given: {aligned}")
        masks = Counter(row.mask_source for row in self.rows if row.mask is not None)
        lines += [f"{told}: {masks[name]}" for name, told in _MASKS.items() if masks[name]]
        if self.facemesh and masks[""]:
            lines.append(f"masks of boxes, no mesh was found there: {masks['']}")
        turned = Counter(row.turn for row in self.rows if row.turn)
        if turned:
            ways = ", ".join(f"{count} by {turn} degrees" for turn, count in turned.items())
            lines.append(f"turned upright: {ways}")
        lines += [*self.remarks, *(f"left out: {reason}" for reason in self.unreadable_folders)]
        if self.alignment < ALIGNMENT and "photo" in given:
            lines.append(
                f"photos have the folder's alignment, {self.alignment}; those of a new folder get "
                f"{ALIGNMENT}"
            )
        if self.reused:
            lines.append(f"{self.reused} were done by an earlier run")
        return lines

    def _broken(self, kind: str, count: int) -> list[str]:
        """Names the first files of a kind that cannot be read, of so many."""
        broken = (row.source for row in self.rows if row.kind == kind and row.broken)
        names = list(itertools.islice(broken, _NAMED))
        return names if count <= _NAMED else [*names, f"and {count - _NAMED} more, see {NAME}"]


def read_manifest(folder: str | Path) -> list[Row]:
    """Reads the rows of a data folder.

    A last line that an interruption cut short is left out.

    Args:
        folder: made by `prepare`.

    Returns:
        The rows in the order of the file.

    Raises:
        InputError: no manifest there, a line that is none of its rows, or a newer version made
            the folder.
    """
    refuse_newer(folder)
    rows, cut = [], None
    try:
        for number, row in enumerate(manifest_lines(folder), start=1):
            if row is not None and not row_fits(row):
                cut = number
            if cut is not None:
                raise InputError(
                    f"Line {cut} is no row of a manifest. Expected what `portrait prepare` wrote. "
                    f"Received: {Path(folder) / NAME}"
                )
            if row is None:
                cut = number
            else:
                rows.append(row)
    except OSError as error:
        raise InputError(
            f"No {NAME} in the data folder. Expected a folder made by `portrait prepare`. "
            f"Received: {folder}"
        ) from error
    return rows


def manifest_lines(folder: str | Path) -> Iterator[Row | None]:
    """Reads the manifest of a data folder line by line.

    Yields:
        The row of each line; None for a line that is none. Fields may hold anything.

    Raises:
        OSError: there is no manifest, or it cannot be read.
    """
    with (Path(folder) / NAME).open("rb") as file:
        for line in file:
            try:
                yield Row(**json.loads(line))
            except (ValueError, TypeError, RecursionError):
                yield None


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
    write_rows(folder, rows)


def write_rows(folder: Path, rows: list[Row]) -> None:
    """Writes the manifest of a data folder again, whole or not at all.

    Raises:
        InputError: it cannot be written; it is the former one then.
    """
    with whole_file(folder / NAME) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(map(_line, rows))


def append_row(folder: Path, row: Row) -> None:
    """Adds a line to the manifest of a data folder.

    Raises:
        InputError: it cannot be written.
    """
    path = folder / NAME
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(_line(row))
    except OSError as error:
        raise InputError(f"Cannot write the file ({error.strerror}). Received: {path}") from error


def row_fields(row: Row) -> dict:
    """The fields of a row, as a line of the manifest holds them."""
    values = {name: getattr(row, name) for name in _FIELDS}
    for name in ("landmarks_given", "turn", "mask_source"):
        if not values[name]:  # an older version reads the row, too
            del values[name]
    return values


def _line(row: Row) -> str:
    return json.dumps(row_fields(row)) + "\n"
