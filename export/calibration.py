"""Aligned faces: what full int8 measures its ranges on, and what artefacts are compared on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.data.folder_options import require_alignment
from keras_portrait.data.manifest import NAME, read_manifest
from keras_portrait.errors import InputError
from keras_portrait.inference.alignment import ALIGNMENT, prepare_face
from keras_portrait.inference.faces import FaceFinder, largest_face, sure_faces
from keras_portrait.inference.folders import PassedOver, list_images
from keras_portrait.inference.imaging import read_image, resize, to_signed
from keras_portrait.inference.segmentation import PersonSegmenter
from keras_portrait.training.experiment import spread

# Fewer give ranges that miss what other faces need: 3 ruined the pictures of another project,
# whose people then advised about 100.
LEAST = 100
# More change the ranges no longer, and take their time.
MOST = 200
# Faces that are kept from the calibration and compared on instead.
MOST_HELD = 40
# Where nothing else parts them, each face of this number is kept from the calibration.
_EVERY = 5


@dataclass(frozen=True)
class Faces:
    """Faces in the form that a generator sees.

    Attributes:
        folder: where they come from.
        calibration: squares uint8 (S, S, 3) to measure ranges on.
        held: squares uint8 (S, S, 3) of other photos, to compare on.
        held_names: their files, for the report.
        left_out: lines on photos of the folder that could not be used.
    """

    folder: Path
    calibration: list[np.ndarray]
    held: list[np.ndarray]
    held_names: list[str]
    left_out: tuple[str, ...] = ()


def load_faces(folder: str | Path, size: int, alignment: int = ALIGNMENT) -> Faces:
    """Reads faces from a folder.

    Args:
        folder: made by `portrait prepare`, whose held-back photos are kept apart; or any folder of
            photos, which are aligned as `portrait stylize` does it, and of which every fifth is.
        size: side of the squares in pixels.
        alignment: what the generator was trained on, one of `alignment.ALIGNMENTS`.

    Returns:
        At most `MOST` and `MOST_HELD` of them, taken evenly from all.

    Raises:
        InputError: the folder cannot be read, or holds no photo with a face.
        SettingError: it was prepared with another alignment.
    """
    folder, left_out = Path(folder), ()
    if (folder / NAME).is_file():
        require_alignment(folder, alignment, "The generator")
        found = _prepared(folder)
    else:
        found, left_out = _aligned(folder, size, alignment)
    calibration, held = spread(found["calibration"], MOST), spread(found["held"], MOST_HELD)
    if not calibration:
        raise InputError(f"Expected photos with a face to calibrate with. Received: {folder}")

    def squares(faces):
        return [resize(read(), size, size) for _, read in faces]

    names = [name for name, _ in held]
    return Faces(folder, squares(calibration), squares(held), names, left_out)


def image_inputs(squares: list[np.ndarray], styles: int) -> Iterator[dict[str, np.ndarray]]:
    """Inputs of a generator of photos: each face in the next style, every tenth in a mix of all.

    Args:
        squares: uint8 (S, S, 3).
        styles: number of styles of the style input; 1 for none.

    Yields:
        `image` float32 (1, S, S, 3) in [-1, 1], and `style` float32 (1, styles).
    """
    vectors = np.eye(styles, dtype=np.float32)
    mixed = np.full(styles, 1 / styles, np.float32)
    for index, square in enumerate(squares):
        inputs = {"image": to_signed(square)[None]}
        if styles > 1:
            style = mixed if index % 10 == 9 else vectors[index % styles]
            inputs["style"] = style[None]
        yield inputs


def _prepared(folder: Path) -> dict[str, list]:
    rows = [row for row in read_manifest(folder) if row.kept and row.kind == "photo"]

    def chosen(held):
        rows_of = [row for row in rows if (row.split != "train") is held]
        return [(row.source, lambda row=row: read_image(folder / row.file)) for row in rows_of]

    return {"calibration": chosen(False), "held": chosen(True)}


def _aligned(folder: Path, size: int, alignment: int) -> tuple[dict[str, list], tuple[str, ...]]:
    if not folder.is_dir():
        raise InputError(f"Expected a folder of photos to calibrate with. Received: {folder}")
    finder, segmenter, passed = FaceFinder(), PersonSegmenter(), PassedOver()
    # No more than are needed, evenly over the folder: each takes a tenth of a second.
    files = spread(list_images(folder, passed), 2 * (MOST + MOST_HELD))
    found, broken, faceless = {"calibration": [], "held": []}, 0, 0
    for path in files:
        try:
            photo = read_image(path, complete=True)
        except InputError:
            broken += 1
            continue
        faces = sure_faces(finder.find(photo))
        if not faces:
            faceless += 1
            continue
        landmarks = largest_face(faces).landmarks
        square = prepare_face(photo, landmarks, size, segmenter, alignment).square
        count = len(found["calibration"]) + len(found["held"])
        kind = "held" if count % _EVERY == _EVERY - 1 else "calibration"
        found[kind].append((path.name, lambda square=square: square))
    lines = [
        f"{count} of {len(files)} photos to calibrate with {what}"
        for count, what in ((broken, "cannot be read"), (faceless, "show no face"))
        if count
    ]
    lines += [str(error) for error in passed.unreadable.values()]
    return found, (*lines, *([passed.told()] if passed.hidden else []))
