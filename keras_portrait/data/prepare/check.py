"""Looks through a prepared data folder for what is wrong with it.

Nothing is changed, and one picture is in memory at a time.
"""

import collections
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_portrait.data.folder_options import read_options
from keras_portrait.data.manifest import NAME, SMOOTH, Row, manifest_lines
from keras_portrait.data.manifest_rows import KINDS, SPLITS, row_fits, shares_fit
from keras_portrait.data.prepare.drawings import find_face_in_drawing
from keras_portrait.data.prepare.duplicates import SquareIndex
from keras_portrait.data.prepare.findings import AGAIN, FAULTS, Finding
from keras_portrait.data.prepare.squares import LEAST_FACE_DRAWING
from keras_portrait.data.shards.reader import refuse_shards
from keras_portrait.errors import InputError, PortraitError
from keras_portrait.files import UNFINISHED_PREFIX
from keras_portrait.inference.faces import Detector, find_detector
from keras_portrait.inference.folders import PassedOver, is_hidden, walk_files
from keras_portrait.inference.imaging import read_image

# Fewer drawings than this are hardly a style: the discriminator learns them by heart.
FEW_DRAWINGS = 20
FOLDERS = ("photos", "drawings", "avatars", "masks", SMOOTH)


def check_prepared(
    folder: str | Path, progress: Callable[[Row, int, int], None] | None = None
) -> list[Finding]:
    """Looks through a folder made by `prepare`; changes nothing.

    Args:
        folder: the data folder.
        progress: called after each kept picture with its row, its number from 1, and how many
            there are.

    Returns:
        What is wrong, serious findings first; empty where nothing is.

    Raises:
        InputError: no such folder, or one of shards.
    """
    folder = Path(folder)
    # They are held to their hashes whenever they are opened.
    refuse_shards(folder, "--check")
    if not os.path.isdir(folder):
        raise InputError(
            f"No such folder. Expected one made by `portrait prepare`. Received: {folder}"
        )
    try:
        rows, broken_lines = _read_rows(folder)
    except OSError as error:
        remedy = "name a folder made by `portrait prepare`, or run `portrait prepare` once more"
        return [Finding(True, f"no {NAME} to read ({error.strerror})", (), remedy)]
    inspection = _Inspection(folder, bool(read_options(folder).get("edge_promote")))
    inspection.found["line"] += [f"line {number}" for number in broken_lines]
    kept = inspection.look_at_rows(rows)
    for number, row in enumerate(kept, start=1):
        inspection.look_at(row)
        if progress is not None:
            progress(row, number, len(kept))
    inspection.found |= inspection.squares.duplicates()
    if not broken_lines:
        named = {name for row in rows for name in (row.file, row.mask)}
        if inspection.edge_promote:
            named |= {row.smooth for row in rows}
        inspection.found["left over"] += _left_over(folder, named)
    findings = [
        Finding(serious, what, tuple(inspection.found[key]), remedy)
        for key, (serious, what, remedy) in FAULTS.items()
        if inspection.found[key]
    ]
    findings += _uneven(kept, {row.kind for row in rows})
    return sorted(findings, key=lambda finding: not finding.serious)


def find_hidden(folder: str | Path) -> PassedOver:
    """Counts the hidden and system files in a prepared folder, which training does not see."""
    passed = PassedOver()
    for top in (Path(folder, name) for name in FOLDERS):
        if os.path.isdir(top):
            collections.deque(walk_files(top, passed), maxlen=0)
    return passed


@dataclass
class _Inspection:
    """What was found so far, and what has to be remembered of each picture."""

    folder: Path
    edge_promote: bool = False
    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    detector: Detector = field(default_factory=lambda: find_detector(LEAST_FACE_DRAWING))
    squares: SquareIndex = field(default_factory=SquareIndex)

    def look_at_rows(self, rows: list[Row]) -> list[Row]:
        """Checks what can be checked without a picture; returns the kept rows, each file once."""
        kept = {}
        for row in rows:
            if not row.kept:
                if row.kind == "drawing" and row.reason == "no face found":
                    self.found["dropped"].append(row.source)
                continue
            if row.file in kept:
                self.found["repeated"].append(row.file)
                continue
            kept[row.file] = row
        sizes = Counter(row.size for row in kept.values()).most_common(1)
        self.found["sizes"] += [row.file for row in kept.values() if row.size != sizes[0][0]]
        tags = _tags(kept.values())
        untagged = "untagged, one style" if len(tags) == 1 else "untagged"
        self.found[untagged] += [
            row.file
            for row in kept.values()
            if row.kind == "drawing" and not row.style and not (tags and row.style_shares)
        ]
        return list(kept.values())

    def look_at(self, row: Row) -> None:
        """Reads a square, its mask and its twin where it has them, and checks them."""
        if row.mask is not None:
            mask = self._read(row.mask, "no mask", row.size)
            if mask is not None:
                self._judge_mask(row.mask, mask)
            del mask
        if self.edge_promote and row.smooth is not None:
            self._read(row.smooth, "no twin", row.size)
        square = self._read(row.file, "no picture", row.size)
        if square is None:
            return
        if row.kind == "drawing":
            if (square != square[..., :1]).any():
                self.found["coloured"].append(row.file)
            known = row.landmarks_given  # a face that the detector may well miss
            if not known and find_face_in_drawing(square, self.detector) is None:
                self.found["no face"].append(row.file)
        self.squares.add(row.file, row.kind, row.split, square)

    def _read(self, name: str, missing: str, size: int) -> np.ndarray | None:
        path = self.folder / name
        if not os.path.isfile(path):
            self.found[missing].append(name)
            return None
        try:
            picture = read_image(path)
        except PortraitError:
            self.found["broken"].append(name)
            return None
        if picture.shape[:2] != (size, size):
            self.found["size"].append(name)
            return None
        return picture

    def _judge_mask(self, name: str, mask: np.ndarray) -> None:
        if not (mask > 127).any(axis=(0, 1)).all():
            self.found["empty part"].append(name)
        elif (mask == mask[..., :1]).all():
            self.found["gray mask"].append(name)


def _read_rows(folder: Path) -> tuple[list[Row], list[int]]:
    """The rows that can be read, and the numbers from 1 of the lines that cannot."""
    rows, broken = [], []
    for number, row in enumerate(manifest_lines(folder), start=1):
        if row is not None and _is_row(row):
            rows.append(row)
        else:
            broken.append(number)
    return rows, broken


def _is_row(row: Row) -> bool:
    """Whether a row is one that `prepare` writes, with the mask and shares that training needs."""
    mask_fits = not row.kept or (row.mask is None) is (row.kind == "avatar")
    return row_fits(row) and mask_fits and shares_fit(row.style_shares)


def _left_over(folder: Path, named: set[str | None]) -> list[str]:
    """Files of the folders that no row names; hidden ones only if a write left them."""
    files = []
    for top in FOLDERS:
        for place, folders, names in os.walk(folder / top):
            folders[:] = [name for name in folders if not is_hidden(name)]
            left = (name for name in names if name.startswith(UNFINISHED_PREFIX))
            files += (Path(place, name) for name in left)
            files += (Path(place, name) for name in names if not is_hidden(name))
    return sorted({file.relative_to(folder).as_posix() for file in files} - named)


def _uneven(kept: list[Row], given: set[str]) -> list[Finding]:
    """Splits and styles with nothing or too little in them, of the kinds that were given."""
    kinds = given or {"photo", "drawing"}
    findings = []
    more = f"add pictures to the input folders or choose another --holdout, then {AGAIN}"
    purposes = ("training has nothing to learn from", "evaluation has nothing to look at")
    for split, purpose in zip(SPLITS, purposes, strict=True):
        for kind in (kind for kind in KINDS if kind in kinds):
            if not any((row.kind, row.split) == (kind, split) for row in kept):
                what = f"no {kind}s in the {split} split: {purpose}"
                findings.append(Finding(split == "train", what, (), more))
    drawings = [row for row in kept if row.kind == "drawing"]
    tags = _tags(drawings)
    counts = Counter(_leading_style(row, tags) for row in drawings)
    trained = {_leading_style(row, tags) for row in drawings if row.split == "train"}
    for style in sorted(tags):
        count = counts[style]
        if style not in trained:
            what = f'no drawings of the style "{style}" in the train split'
            findings.append(Finding(True, what, (), more))
        elif count < FEW_DRAWINGS:
            what = f'few drawings of the style "{style}": {count}, fewer than {FEW_DRAWINGS}'
            findings.append(Finding(False, what, (), f"add drawings of this style, then {AGAIN}"))
    return findings


def _tags(rows: Iterable[Row]) -> set[str]:
    return {row.style for row in rows if row.kind == "drawing" and row.style}


def _leading_style(row: Row, tags: set[str]) -> str | None:
    """The style that training counts a drawing to."""
    if row.style or len(tags) == 1:
        return row.style or min(tags)
    shares = row.style_shares or {}
    return max(shares, key=shares.get, default=None)
