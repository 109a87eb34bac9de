"""Folders of photos and drawings made ready for training: aligned squares, masks, a manifest.

One picture is in memory at a time, every file is written whole or not at all, and what is done
is not done again, so a run may be interrupted at any moment and started anew.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from keras_portrait.data.drawings import InkLimits
from keras_portrait.data.manifest import UNREADABLE, Ledger, Row, Summary
from keras_portrait.data.preview import write_preview
from keras_portrait.data.sources import Source, check_apart, find_sources
from keras_portrait.data.squares import FaceLimits, Square, SquareMaker
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.imaging import read_image, write_image

# Raised when the same input comes out as other pictures.
FORMAT = 1


def prepare(
    photos: str | Path,
    drawings: str | Path,
    output: str | Path,
    size: int = 256,
    holdout: float = 0.1,
    *,
    dry_run: bool = False,
    face_limits: FaceLimits | None = None,
    ink_limits: InkLimits | None = None,
    progress: Callable[[Row, int, int], None] | None = None,
) -> Summary:
    """Aligns two folders for training.

    `output` gets `photos/*.png` (RGB, background white), `drawings/STYLE/*.png` (gray, paper
    white), `masks/` with an RGB picture (eyes, nose, lips) for each under the same name,
    `manifest.jsonl` and `preview.png`. The subfolders of `drawings` are the styles. Drawings in a
    subfolder `untagged`, and files that lie beside the folders of styles, have none; where no such
    folder is, the files that lie in `drawings` directly form a style named after it.

    Args:
        photos: folder of photos, with or without subfolders.
        drawings: folder of drawings.
        output: the data folder; new, empty, or made by an earlier run.
        size: side of the squares in pixels, a multiple of 4.
        holdout: share of the pictures that go to the test split, chosen by a hash of their names.
        dry_run: look at everything and write nothing.
        face_limits: which faces are good enough; None for the defaults.
        ink_limits: which drawings are good enough; None for the defaults.
        progress: called after each picture with its row, its number from 1, and how many there
            are.

    Returns:
        What was kept and what was dropped.

    Raises:
        InputError: an input folder is missing, cannot be read or holds no picture; the output
            folder lies in an input folder, holds one or holds something else, or cannot be
            written to.
        SettingError: a size or a holdout out of range.
    """
    photos, drawings, output = Path(photos), Path(drawings), Path(output)
    _check_settings(size, holdout)
    check_apart(photos, drawings, output)
    sources = find_sources(photos, drawings)
    face_limits, ink_limits = face_limits or FaceLimits(), ink_limits or InkLimits()
    options = {
        "format": FORMAT,
        "size": size,
        "holdout": holdout,
        "face_limits": asdict(face_limits),
        "ink_limits": asdict(ink_limits),
    }
    maker = SquareMaker(size, face_limits, ink_limits)
    ledger = Ledger(output, options, dry_run=dry_run)
    summary = Summary()
    for number, source in enumerate(sources, start=1):
        row = _finished_row(ledger, source, output)
        if row is None:
            row = _make(source, maker, holdout, None if dry_run else output)
            ledger.add(row)
        else:
            summary.reused += 1
        summary.rows.append(row)
        if progress is not None:
            progress(row, number, len(sources))
    ledger.finish(summary.rows)
    if not dry_run:
        write_preview(output, summary.rows)
    return summary


def _check_settings(size: int, holdout: float) -> None:
    if size % 4 or not 32 <= size <= 2048:
        raise SettingError(
            f"The size must be a multiple of 4 from 32 to 2048 pixels. Received: {size}"
        )
    if not 0 <= holdout < 1:
        raise SettingError(f"The holdout must be from 0 to below 1. Received: {holdout}")


def _finished_row(ledger: Ledger, source: Source, output: Path) -> Row | None:
    """The row of an earlier run, where the source and the files are still as they were."""
    row = ledger.find(source.kind, source.relative)
    # A file that could not be read may be readable now, without any change to it.
    if row is None or row.broken:
        return None
    try:
        if row.stamp != source.stamp() or row.style != source.style:
            return None
    except OSError:
        return None
    if not row.kept:
        return row
    if (row.file, row.mask) != (source.file, source.mask):
        return None
    return row if all((output / name).is_file() for name in (row.file, row.mask)) else None


def _make(source: Source, maker: SquareMaker, holdout: float, output: Path | None) -> Row:
    """Prepares one picture; what is wrong with it ends up in the row."""
    stamp = ""
    try:
        stamp = source.stamp()
        picture = read_image(source.path)
    except (PortraitError, OSError) as error:
        square = Square(f"{UNREADABLE} ({error})")
    else:
        square = maker.photo(picture) if source.kind == "photo" else maker.drawing(picture)
    kept = square.fault is None
    if kept and output is not None:
        # The mask first: whatever finds the square finds its mask too.
        _write(output / source.mask, square.mask)
        _write(output / source.file, square.picture)
    return Row(
        file=source.file if kept else None,
        kind=source.kind,
        style=source.style,
        source=source.relative,
        split="test" if source.share < holdout else "train",
        kept=kept,
        reason=square.fault,
        score=None if square.score is None else round(float(square.score), 4),
        landmarks=None if square.landmarks is None else np.round(square.landmarks, 2).tolist(),
        mask=source.mask if kept else None,
        size=maker.size,
        stamp=stamp,
    )


def _write(path: Path, picture: np.ndarray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the folder ({error.strerror}). Received: {path.parent}"
        ) from error
    write_image(path, picture)
