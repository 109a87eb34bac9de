"""Folders of photos and drawings made ready for training: aligned squares, masks, a manifest.

Photos pass through the same code as at drawing time (`keras_portrait.alignment.prepare_face`).
One picture is in memory at a time, every file is written whole or not at all, and what is done
is not done again, so a run may be interrupted at any moment and started anew.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from keras_portrait.alignment import find_faces, prepare_face
from keras_portrait.data.drawings import InkLimits, align_drawing, find_face_in_drawing
from keras_portrait.data.manifest import UNREADABLE, Ledger, Row
from keras_portrait.data.preview import write_preview
from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.faces import Detector, find_detector, largest_face
from keras_portrait.geometry import (
    TEMPLATE_512,
    face_template,
    invert,
    part_mask,
    scale_of,
    square_to_photo,
    transform_points,
    warp,
)
from keras_portrait.imaging import list_images, read_image, write_image
from keras_portrait.segmentation import PersonSegmenter

# Raised when the pictures that come out of the same input change.
FORMAT = 1
PARTS = ("eyes", "nose", "lips")
# Side in pixels of the smallest face to look for; drawings are shown to the detector much smaller.
LEAST_FACE = {"photo": 40, "drawing": 20}
# Whitening may change the middle of a face by so many gray levels on average, not more: there the
# segmentation took a part of the face for background.
MOST_FACE_LOSS = 12


@dataclass(frozen=True)
class FaceLimits:
    """What a face must be like to be kept.

    Attributes:
        least_score: the detector's confidence, 0..1.
        most_misfit_photo: root mean square distance of the five points from the template, pixels
            of a 512 x 512 square, for photos.
        most_misfit_drawing: the same for drawings, whose poses should vary less.
        most_yaw: distance of the nose from the middle between the eyes, in the square's x
            direction, over the distance between the template's eyes.
        most_upscaling: pixels of the square for each pixel of the picture.
    """

    least_score: float = 0.8
    most_misfit_photo: float = 18.0
    most_misfit_drawing: float = 14.0
    most_yaw: float = 0.32
    most_upscaling: float = 2.6


@dataclass(frozen=True)
class _Source:
    """One picture of the input and the name that it gets in the output."""

    path: Path
    relative: str
    kind: str
    style: str | None
    file: str
    mask: str

    def stamp(self) -> str:
        status = self.path.stat()
        return f"{status.st_size}-{status.st_mtime_ns}"


@dataclass
class Summary:
    """What a run did.

    Attributes:
        rows: one for each picture of the input, in order.
        reused: pictures that an earlier run had finished.
        output: the data folder.
    """

    output: Path
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
    detector: Detector | None = None,
    segmenter: PersonSegmenter | None = None,
    progress: Callable[[Row, int, int], None] | None = None,
) -> Summary:
    """Aligns two folders for training.

    `output` gets `photos/*.png` (RGB, background white), `drawings/STYLE/*.png` (gray, paper
    white), `masks/` with an RGB picture (eyes, nose, lips) for each under the same name,
    `manifest.jsonl` and `preview.png`. The subfolders of `drawings` are the styles; files that
    lie in it directly form a style named after it.

    Args:
        photos: folder of photos, with or without subfolders.
        drawings: folder of drawings.
        output: the data folder; made when it is not there.
        size: side of the squares in pixels, a multiple of 4.
        holdout: share of the pictures that go to the test split, chosen by a hash of their names.
        dry_run: look at everything and write nothing.
        face_limits: which faces are good enough; None for the defaults.
        ink_limits: which drawings are good enough; None for the defaults.
        detector: finds faces; None for the package's own.
        segmenter: finds persons in photos; None for the package's own.
        progress: called after each picture with its row, its number from 1, and how many there
            are.

    Returns:
        What was kept and what was dropped.

    Raises:
        InputError: an input folder is missing, cannot be read or holds no picture, or the output
            folder lies in an input folder or holds one.
        SettingError: a size or a holdout out of range.
    """
    photos, drawings, output = Path(photos), Path(drawings), Path(output)
    _check_settings(size, holdout)
    _check_apart(photos, drawings, output)
    sources = _sources(photos, drawings)
    face_limits, ink_limits = face_limits or FaceLimits(), ink_limits or InkLimits()
    worker = _Worker(
        output=None if dry_run else output,
        size=size,
        holdout=holdout,
        face_limits=face_limits,
        ink_limits=ink_limits,
        detectors={
            kind: detector or find_detector(min_face=least) for kind, least in LEAST_FACE.items()
        },
        segmenter=segmenter or PersonSegmenter(),
    )
    ledger = None
    if not dry_run:
        _make_folder(output)
        ledger = Ledger(output, worker.options())
    summary = Summary(output)
    for number, source in enumerate(sources, start=1):
        row = _finished_row(ledger, source, output)
        if row is None:
            row = worker.make(source)
            if ledger is not None:
                ledger.add(row)
        else:
            summary.reused += 1
        summary.rows.append(row)
        if progress is not None:
            progress(row, number, len(sources))
    if ledger is not None:
        ledger.finish(summary.rows)
        write_preview(output, summary.rows)
    return summary


@dataclass
class _Worker:
    """Makes the squares, one picture after the other."""

    output: Path | None
    size: int
    holdout: float
    face_limits: FaceLimits
    ink_limits: InkLimits
    detectors: dict[str, Detector]
    segmenter: PersonSegmenter

    def options(self) -> dict:
        """All that decides how a picture comes out."""
        return {
            "format": FORMAT,
            "size": self.size,
            "holdout": self.holdout,
            "face_limits": asdict(self.face_limits),
            "ink_limits": asdict(self.ink_limits),
        }

    def make(self, source: _Source) -> Row:
        """Prepares one picture; what is wrong with it ends up in the row."""
        row = Row(
            file=None,
            kind=source.kind,
            style=source.style,
            source=source.relative,
            split="test" if _name_share(source.relative) < self.holdout else "train",
            kept=False,
            reason=None,
            score=None,
            landmarks=None,
            mask=None,
            size=self.size,
            stamp="",
        )
        values = asdict(row)
        try:
            values["stamp"] = source.stamp()
            values["reason"] = self._fill(source, values)
        except (PortraitError, OSError) as error:
            values["reason"] = f"{UNREADABLE} ({error})"
        if values["reason"] is None:
            values.update(kept=True, file=source.file, mask=source.mask)
        return Row(**values)

    def _fill(self, source: _Source, values: dict) -> str | None:
        picture = read_image(source.path)
        found = self._find(source, picture)
        if found is None:
            return "no face found"
        landmarks, score = found
        transform = square_to_photo(landmarks, self.size)
        aligned = transform_points(landmarks, invert(transform))
        values["score"] = round(float(score), 4)
        values["landmarks"] = np.round(aligned, 2).tolist()
        fault = self._face_fault(source.kind, score, aligned, scale_of(transform))
        if fault is not None:
            return fault
        if source.kind == "photo":
            square, _ = prepare_face(picture, landmarks, self.size, self.segmenter)
            fault = _face_lost(square, warp(picture, transform, self.size), aligned)
        else:
            square, fault = align_drawing(picture, transform, self.size, self.ink_limits)
        if fault is not None:
            return fault
        if self.output is not None:
            masks = [part_mask(aligned, self.size, part) for part in PARTS]
            _write(self.output / source.mask, np.rint(np.dstack(masks) * 255).astype(np.uint8))
            _write(self.output / source.file, square)
        return None

    def _find(self, source: _Source, picture: np.ndarray) -> tuple[np.ndarray, float] | None:
        if source.kind == "drawing":
            return find_face_in_drawing(picture, self.detectors["drawing"])
        face = largest_face(find_faces(picture, self.detectors["photo"]))
        return None if face is None else (face.landmarks, face.score)

    def _face_fault(
        self, kind: str, score: float, aligned: np.ndarray, photo_pixels: float
    ) -> str | None:
        limits = self.face_limits
        offset = (aligned - face_template(self.size)) * (512 / self.size)
        misfit = float(np.sqrt((offset**2).sum(axis=1).mean()))
        eye_distance = float(TEMPLATE_512[1, 0] - TEMPLATE_512[0, 0])
        yaw = float(offset[2, 0] - offset[:2, 0].mean()) / eye_distance
        most_misfit = (
            limits.most_misfit_photo if kind == "photo" else limits.most_misfit_drawing
        )
        if score < limits.least_score:
            return f"unsure face (confidence {score:.2f}, at least {limits.least_score:g})"
        if abs(yaw) > limits.most_yaw:
            return f"turned head (yaw {yaw:.2f}, at most {limits.most_yaw:g})"
        if misfit > most_misfit:
            return f"points far from the template ({misfit:.1f} px, at most {most_misfit:g})"
        if 1 / photo_pixels > limits.most_upscaling:
            return (
                f"face too small (enlarged {1 / photo_pixels:.1f} times, "
                f"at most {limits.most_upscaling:g})"
            )
        return None


def _face_lost(square: np.ndarray, before: np.ndarray, aligned: np.ndarray) -> str | None:
    """Says so where the whitening of the background took away a part of the face."""
    middle = np.maximum.reduce([part_mask(aligned, len(square), part) for part in PARTS]) > 0.5
    loss = np.abs(square[middle].astype(np.float32) - before[middle]).mean()
    return f"face lost in the segmentation ({loss:.0f} levels)" if loss > MOST_FACE_LOSS else None


def _check_settings(size: int, holdout: float) -> None:
    if size % 4 or not 32 <= size <= 2048:
        raise SettingError(
            f"The size must be a multiple of 4 from 32 to 2048 pixels. Received: {size}"
        )
    if not 0 <= holdout < 1:
        raise SettingError(f"The holdout must be from 0 to below 1. Received: {holdout}")


def _check_apart(photos: Path, drawings: Path, output: Path) -> None:
    target = output.resolve()
    for folder in (photos, drawings):
        source = folder.resolve()
        if source.is_relative_to(target) or target.is_relative_to(source):
            raise InputError(
                f"The output folder must lie apart from the input folders. Received: {output} "
                f"and {folder}"
            )


def _sources(photos: Path, drawings: Path) -> list[_Source]:
    sources = []
    for path in _pictures(photos):
        relative = path.relative_to(photos)
        sources.append((path, relative.as_posix(), "photo", None, "-".join(relative.parts)))
    for path in _pictures(drawings):
        relative = path.relative_to(drawings)
        style, *rest = (drawings.resolve().name, *relative.parts)
        if len(rest) > 1:
            style, *rest = rest
        sources.append((path, relative.as_posix(), "drawing", style, "-".join(rest)))
    return _named(sources)


def _named(sources: list[tuple]) -> list[_Source]:
    """Gives every picture a file of its own; a hash parts names that would fall together."""

    def target(kind: str, style: str | None, name: str) -> str:
        return f"photos/{name}" if kind == "photo" else f"drawings/{style}/{name}"

    # Case does not part names on every file system.
    taken = Counter(
        target(kind, style, Path(name).stem).casefold() for _, _, kind, style, name in sources
    )
    named = []
    for path, relative, kind, style, name in sources:
        stem = Path(name).stem
        if taken[target(kind, style, stem).casefold()] > 1:
            stem += "-" + hashlib.sha256(relative.encode()).hexdigest()[:8]
        file = target(kind, style, f"{stem}.png")
        named.append(_Source(path, relative, kind, style, file, f"masks/{file}"))
    return named


def _pictures(folder: Path) -> list[Path]:
    pictures = list_images(folder)
    if not pictures:
        raise InputError(
            f"No pictures in the folder. Expected JPEG, PNG, WebP, TIFF, BMP or GIF files. "
            f"Received: {folder}"
        )
    return pictures


def _finished_row(ledger: Ledger | None, source: _Source, output: Path) -> Row | None:
    """The row of an earlier run, where the source and the files are still as they were."""
    row = ledger and ledger.find((source.kind, source.relative))
    if not row:
        return None
    try:
        unchanged = row.stamp == source.stamp() and row.style == source.style
    except OSError:
        return None
    if not unchanged or (row.kept and (row.file, row.mask) != (source.file, source.mask)):
        return None
    if row.kept and not all((output / name).is_file() for name in (row.file, row.mask)):
        return None
    return row


def _name_share(name: str) -> float:
    """A number in [0, 1) that depends on nothing but the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the output folder ({error.strerror}). Received: {folder}"
        ) from error


def _write(path: Path, picture: np.ndarray) -> None:
    _make_folder(path.parent)
    write_image(path, picture)
