"""Folders of photos, drawings and avatars made ready for training: squares, masks, a manifest.

One picture is in memory at a time, every file is written whole or not at all, and what is done
is not done again, so a run may be interrupted at any moment and started again.
"""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from keras_portrait.data.edge_promoting import promote_edges
from keras_portrait.data.folder_options import FORMAT, OPTIONS_NAME, read_alignment
from keras_portrait.data.manifest import UNREADABLE, Row, Summary
from keras_portrait.data.prepare.avatars import avatar_square
from keras_portrait.data.prepare.drawings import VERSION, InkLimits
from keras_portrait.data.prepare.given_landmarks import GivenLandmarks, match_landmarks
from keras_portrait.data.prepare.prepared_folder import PreparedFolder
from keras_portrait.data.prepare.preview import write_preview
from keras_portrait.data.prepare.release_layout import release_folders
from keras_portrait.data.prepare.sources import Source, check_apart, find_sources
from keras_portrait.data.prepare.squares import FaceLimits, Square, SquareMaker
from keras_portrait.data.shards.writer import check_count, pack_shards, remove_shards
from keras_portrait.errors import PortraitError, SettingError
from keras_portrait.files import make_folder
from keras_portrait.inference.alignment import ALIGNMENT, ALIGNMENTS
from keras_portrait.inference.faces.face_mesh import FaceMesh
from keras_portrait.inference.folders import PassedOver
from keras_portrait.inference.imaging import read_image, write_image

# Where masks are from.
MASKS = ("boxes", "facemesh")


def prepare(
    photos: str | Path | None,
    drawings: str | Path | None,
    output: str | Path,
    size: int = 256,
    holdout: float = 0.1,
    *,
    avatars: str | Path | None = None,
    edge_promote: bool = False,
    shards: int | None = None,
    alignment: int | None = None,
    landmarks: str | Path | None = None,
    masks: str = "boxes",
    drawings_alone: bool = False,
    dry_run: bool = False,
    face_limits: FaceLimits | None = None,
    ink_limits: InkLimits | None = None,
    progress: Callable[[Row, int, int], None] | None = None,
) -> Summary:
    """Makes folders ready for training: photos and drawings, avatars, or both.

    `output` gets `photos/*.png` (RGB, background white), `drawings/STYLE/*.png` (gray, paper
    white), `masks/` with an RGB picture (eyes, nose, lips) for each under the same name,
    `avatars/LABEL/*.png` (RGB), `manifest.jsonl` and `preview.png`. The subfolders of `drawings`
    are the styles. Drawings in a subfolder `untagged`, and files that lie beside the folders of
    styles, have none; where no such folder is, the files that lie in `drawings` directly form a
    style named after it. The subfolders of `avatars` are the labels; what lies in it directly has
    none and goes to `avatars/*.png`. Masks, landmarks and style features that lie beside photos and
    drawings as in the release of the paper are taken (`release_layout`).

    Args:
        photos: folder of photos, with or without subfolders; or, without `drawings`, a folder of
            photos and drawings in the layout of the release.
        drawings: folder of drawings; needs photos or avatars beside it.
        output: the data folder; new, empty, or made by an earlier run.
        size: side of the squares in pixels, 32 to 2048.
        holdout: share of the pictures that go to the test split, chosen by a hash of their names.
        avatars: folder of pictures in colour whose middle square is taken as it is.
        edge_promote: write an edge-promoted twin of each avatar and drawing to `smooth/`, under
            the same name; without it, twins of an earlier run are removed.
        shards: how many shards of each kind and split are packed into `output/shards`, beside the
            pictures themselves; None for none, shards of an earlier run are removed then.
        alignment: of photos, one of `alignment.ALIGNMENTS`; None for the one that the output folder
            was made with, as its `prepare.json` tells, and for the newest in a new folder.
        landmarks: CSV file of the landmarks of photos and drawings, see `given_landmarks`; where it
            has those of a picture, no face is looked for, and later runs without it look again.
        masks: where the masks of pictures are from that have none beside them, one of `MASKS`:
            soft boxes around the landmarks, or the parts of a face mesh.
        drawings_alone: let drawings come without photos, for a training whose photos lie elsewhere.
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
            written to; the file of landmarks is none, or does not fit the input; masks, landmarks
            or style features beside the pictures are incomplete or broken.
        SettingError: too few input folders; a size, a holdout, a number of shards or an alignment
            out of range; other masks.
        MissingExtra: the face mesh is asked for and not installed.
    """
    folders = [None if folder is None else Path(folder) for folder in (photos, drawings, avatars)]
    output = Path(output)
    _check_settings(size, holdout, masks)
    if shards is not None:
        check_count(shards)
    _check_given(*folders, drawings_alone)
    check_apart([folder for folder in folders if folder is not None], output)
    *folders[:2], remarks = release_folders(*folders[:2])
    passed = PassedOver()
    sources = find_sources(*folders, passed, remarks)
    given = GivenLandmarks() if landmarks is None else match_landmarks(landmarks, sources)
    face_limits, ink_limits = face_limits or FaceLimits(), ink_limits or InkLimits()
    alignment = _alignment(output, alignment)
    options = {
        # Where nothing is new, an older version may go on as well.
        **({"format": 1} if alignment == 1 else {"format": FORMAT, "alignment": alignment}),
        "size": size,
        "holdout": holdout,
        "face_limits": asdict(face_limits),
        "ink_limits": asdict(ink_limits),
        "edge_promote": edge_promote,
        **({} if masks == MASKS[0] else {"masks": masks}),
    }
    makers = {"avatar": functools.partial(avatar_square, size=size)}
    if photos is not None or drawings is not None:
        mesh = None if masks == MASKS[0] else FaceMesh()
        maker = SquareMaker(size, face_limits, ink_limits, alignment, mesh=mesh)
        makers |= {"photo": maker.photo, "drawing": maker.drawing}
    preparation = _Preparation(
        makers, given, size, holdout, edge_promote, None if dry_run else output
    )
    prepared = PreparedFolder(output, options, dry_run=dry_run)
    summary = Summary(
        alignment=alignment,
        facemesh=masks != MASKS[0],
        remarks=[*remarks, *given.remarks, *([passed.told()] if passed.hidden else ())],
        unreadable_folders=[str(error) for error in passed.unreadable.values()],
    )
    for number, source in enumerate(sources, start=1):
        row = prepared.find(source.kind, source.relative)
        if row is not None and preparation.finished(row, source):
            summary.reused += 1
        else:
            row = preparation.make(source)
            prepared.add(row)
        summary.rows.append(row)
        if progress is not None:
            progress(row, number, len(sources))
    prepared.finish(summary.rows)
    if not dry_run:
        write_preview(output, summary.rows, edge_promote)
        if shards is None:
            remove_shards(output)
        else:
            pack_shards(output, summary.rows, shards, edge_promote)
    return summary


def _alignment(output: Path, wanted: int | None) -> int:
    """A folder keeps the alignment that it was made with: runs on it go on with what they saw."""
    if wanted is not None and wanted not in ALIGNMENTS:
        raise SettingError(
            f"The alignment must be one of {', '.join(map(str, ALIGNMENTS))}. Received: {wanted}"
        )
    made = read_alignment(output) if (output / OPTIONS_NAME).is_file() else ALIGNMENT
    return wanted or made


def _check_settings(size: int, holdout: float, masks: str) -> None:
    if not 32 <= size <= 2048:
        raise SettingError(f"The size must be 32 to 2048 pixels. Received: {size}")
    if not 0 <= holdout < 1:
        raise SettingError(f"The holdout must be from 0 to below 1. Received: {holdout}")
    if masks not in MASKS:
        raise SettingError(f"The masks must be from {' or '.join(MASKS)}. Received: {masks}")


def _check_given(
    photos: Path | None, drawings: Path | None, avatars: Path | None, drawings_alone: bool
) -> None:
    if drawings_alone and drawings is not None:
        return
    if avatars is None and photos is None:
        raise SettingError(
            "Expected photos, alone or with drawings or avatars, or avatars. "
            f"Received: {'none of them' if drawings is None else 'drawings alone'}"
        )


@dataclass(frozen=True)
class _Preparation:
    """Makes the files of one picture after the other.

    Attributes:
        makers: by kind of picture, what makes a square of one, uint8 RGB (H, W, 3), and of its
            landmarks where they are given.
        given: landmarks.
        size: side of the squares in pixels.
        holdout: share of the test split.
        edge_promote: whether avatars and drawings get edge-promoted twins.
        output: the data folder; None to write nothing.
    """

    makers: dict[str, Callable[..., Square]]
    given: GivenLandmarks
    size: int
    holdout: float
    edge_promote: bool
    output: Path | None

    def finished(self, row: Row, source: Source) -> bool:
        """Whether the row of an earlier run holds: source and files are still as they were.

        A twin that is missing alone is made of the square.
        """
        # A file that could not be read may be readable now, without any change to it.
        if row.broken:
            return False
        try:
            if row.stamp != self.stamp(source) or row.style != source.style:
                return False
        except OSError:
            return False
        if not row.kept:
            return True
        if (row.file, row.mask) != (source.file, source.mask):
            return False
        if not all(_written(self.output / name) for name in (row.file, row.mask) if name):
            return False
        if not self.edge_promote or row.smooth is None or _written(self.output / row.smooth):
            return True
        try:
            square = read_image(self.output / row.file)
        except PortraitError:
            return False
        _write(self.output / row.smooth, promote_edges(square))
        return True

    def stamp(self, source: Source) -> str:
        """What a picture's square depends on, beside the options of the folder.

        Raises:
            OSError: the picture cannot be looked at.
        """
        version = VERSION if source.kind == "drawing" else ""
        masks = "" if source.masks is None else source.masks.stamp()
        shares = "" if source.shares is None else f"shares {sorted(source.shares.items())}"
        parts = source.stamp(), version, self.given.stamp(source), masks, shares
        return ", ".join(part for part in parts if part)

    def make(self, source: Source) -> Row:
        """Prepares one picture; what is wrong with it ends up in the row.

        Raises:
            InputError: masks that lie beside it cannot be read, or do not fit it.
        """
        stamp, landmarks = "", self.given.of(source)
        try:
            stamp = self.stamp(source)
            picture = read_image(source.path, complete=True)
        except (PortraitError, OSError) as error:
            square = Square(f"{UNREADABLE} ({error})")
        else:
            given = {"given": landmarks, "masks": source.masks}
            given = {name: value for name, value in given.items() if value is not None}
            square = self.makers[source.kind](picture, **given)
        by_template = square.landmarks is not None and square.score is None
        kept = square.fault is None
        if kept and self.output is not None:
            self._write_files(source, square)
        return Row(
            file=source.file if kept else None,
            kind=source.kind,
            style=source.style,
            source=source.relative,
            split="test" if source.share < self.holdout else "train",
            kept=kept,
            reason=square.fault,
            score=None if square.score is None else round(float(square.score), 4),
            landmarks=None if square.landmarks is None else np.round(square.landmarks, 2).tolist(),
            mask=source.mask if kept else None,
            size=self.size,
            stamp=stamp,
            style_shares=source.shares,
            landmarks_given=landmarks is not None or by_template,
            turn=square.turn,
            scale=None if square.scale is None else round(float(square.scale), 4),
            mask_source=square.mask_source,
        )

    def _write_files(self, source: Source, square: Square) -> None:
        """The square comes last: whatever finds it finds its mask and its twin too."""
        if source.mask is not None:
            _write(self.output / source.mask, square.mask)
        if self.edge_promote and source.smooth is not None:
            picture = square.picture
            if picture.ndim == 2:
                picture = np.dstack([picture] * 3)
            _write(self.output / source.smooth, promote_edges(picture))
        elif source.smooth is not None and (twin := self.output / source.smooth).is_file():
            twin.unlink()  # of another picture, left by a folder that lost its manifest
        _write(self.output / source.file, square.picture)


def _written(path: Path) -> bool:
    """Whether a file is there; a power cut may leave an empty one."""
    return path.is_file() and path.stat().st_size > 0


def _write(path: Path, picture: np.ndarray) -> None:
    make_folder(path.parent)
    write_image(path, picture)
