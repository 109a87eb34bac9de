"""The files that the release of the paper keeps beside its pictures, found by their names.

The release of Yi et al., "Unpaired Portrait Drawing Generation via Asymmetric Cycle Mapping", CVPR
2020, has photos in `train/A` and drawings in `train/B`; masks under the pictures' names in folders
beside them, `A_eyes`, `A_nose`, `A_lips`, and the softmax of its style classifier in
`B_feat/NAME.npy`. Its preprocessing keeps the five points of NAME.jpg in NAME_facial5point.mat and
the aligned picture in NAME_resized.png, and its example has the mask of the nose in `A`.
"""

import io
import os
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_portrait.data.prepare.five_points import looks_like_points, read_five_points
from keras_portrait.data.prepare.given_masks import GivenMasks
from keras_portrait.errors import InputError
from keras_portrait.files import read_bounded
from keras_portrait.inference.folders import list_images
from keras_portrait.inference.geometry import PARTS

PHOTOS, DRAWINGS, FEATURES = "A", "B", "feat"
# How the names of files of points and of aligned pictures end.
POINTS = ("_facial5point.mat", "_facial5point.txt", ".txt")
RESIZED = "_resized"
# Names of the three styles, in the order of the release's softmax.
STYLES = ("style1", "style2", "style3")
# How far from 1 their sum may lie; they are of 32 bits.
_TOLERANCE = 1e-3
_MOST_FEATURE_BYTES = 4096
_NUMPY = b"\x93NUMPY"
# What NumPy raises at other bytes; a header that is no Python gives a TokenError.
_NO_ARRAY = (
    *(ValueError, TypeError, EOFError, SyntaxError, MemoryError, OverflowError),
    tokenize.TokenError,
)
_NAMED = 5


@dataclass
class Beside:
    """What lies beside the pictures of an input folder.

    Attributes:
        pictures: those to prepare; without masks, and without what is there twice.
        masks: by picture.
        points: by picture, float (5, 2), 0-based pixels of it.
        shares: by picture, a share in [0, 1] for each of `STYLES`.
        remarks: a line each on what was found.
    """

    pictures: list[Path]
    masks: dict[Path, GivenMasks] = field(default_factory=dict)
    points: dict[Path, np.ndarray] = field(default_factory=dict)
    shares: dict[Path, dict[str, float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def release_folders(
    photos: Path | None, drawings: Path | None
) -> tuple[Path | None, Path | None, list[str]]:
    """Finds photos and drawings where a folder of the whole release is given in place of photos.

    Args:
        photos: as given.
        drawings: as given; with them nothing is looked for.

    Returns:
        The folders of photos and of drawings, and what is worth knowing, a line each.
    """
    if photos is None or drawings is not None:
        return photos, drawings, []
    for root in (photos, photos / "train"):
        both = [root / name for name in (PHOTOS, DRAWINGS)]
        masks = (Path(f"{folder}_{part}") for folder in both for part in PARTS)
        if not (all(map(os.path.isdir, both)) and any(map(os.path.isdir, masks))):
            continue
        remarks = [f"layout of the release: photos in {both[0]}, drawings in {both[1]}"]
        for name in (PHOTOS, DRAWINGS):
            held = photos / "test" / name
            if root != photos and held.is_dir():
                remarks.append(
                    f"{held}: {len(list_images(held))} pictures not taken; see --holdout"
                )
        return *both, remarks
    return photos, drawings, []


def without_masks(folder: Path, pictures: Iterable[Path]) -> list[Path]:
    """The pictures of a folder that are no masks of others in it.

    Raises:
        InputError: folders of some masks are missing.
    """
    folders = {mask for masks in _mask_folders(folder).values() for mask in masks.values()}
    return [path for path in pictures if folders.isdisjoint(Path(os.path.abspath(path)).parents)]


def look_beside(folder: Path, pictures: list[Path], kind: str) -> Beside:
    """Looks for masks, points and style features beside the pictures of an input folder.

    Args:
        folder: the input folder.
        pictures: in it and below it, without masks.
        kind: "photo" or "drawing"; drawings alone have style features.

    Raises:
        InputError: a folder or a file of masks is missing, pictures have no masks where others
            have, several files of points belong to one picture, or one of these files is broken.
    """
    beside = Beside(pictures)
    _find_points(beside)
    homes = _mask_folders(folder)
    for home, masks in homes.items():
        _find_masks(beside, home, {part: _Index(masks[part]) for part in PARTS})
    _pass_over_copies(beside)
    for home in homes:
        _require_all(beside, home)
    if homes and kind == "drawing":
        _find_shares(beside, Path(f"{os.path.abspath(folder)}_{FEATURES}"), folder)
    name = os.path.basename(os.path.abspath(folder))
    count = len(beside.pictures)
    if beside.masks:
        beside.remarks.append(f"{name}: masks of {len(beside.masks)} of {count} pictures")
    if beside.points:
        beside.remarks.append(f"{name}: five points of {len(beside.points)} of {count} pictures")
    if beside.shares:
        beside.remarks.append(f"{name}: style features of {count} pictures")
    return beside


def _mask_folders(folder: Path) -> dict[Path, dict[str, Path]]:
    """By folder of pictures, absolute, the folder of each mask: beside the input, or in it."""
    place = Path(os.path.abspath(folder))
    inner = {
        name.rpartition("_")[0]
        for name in (os.listdir(place) if os.path.isdir(place) else ())
        if name.rpartition("_")[2] in PARTS and os.path.isdir(place / name)
    }
    found = {}
    for parent, base in [(place.parent, place.name), *((place, base) for base in sorted(inner))]:
        named = {part: parent / f"{base}_{part}" for part in PARTS}
        masks = {part: path for part, path in named.items() if os.path.isdir(path)}
        # One folder in the input is a style that is called so.
        if len(masks) < (1 if parent != place else 2):
            continue
        home = parent / base
        if parent == place and set(masks) == {"eyes", "lips"} and home.is_dir():
            masks["nose"], home = home, place
        elif not home.is_dir():
            home = place
        missing = [str(path) for part, path in named.items() if part not in masks]
        if missing:
            raise InputError(
                f"{home}: expected masks of {', '.join(PARTS)}, a folder for each. Received: "
                f"{', '.join(path.name for path in masks.values())}, no {', no '.join(missing)}"
            )
        if home in found:
            raise InputError(
                f"{home}: expected one folder of each mask. Received: "
                f"{found[home]['eyes'].name} and {masks['eyes'].name}"
            )
        found[home] = masks
    return found


class _Index:
    """The masks of a folder by the name of their picture."""

    def __init__(self, folder: Path):
        self.folder = folder
        paths = [(path, path.relative_to(folder)) for path in list_images(folder)]
        self._by_stem = {relative.with_suffix(""): path for path, relative in paths}
        self._by_name = {relative: path for path, relative in paths}

    def find(self, relative: Path) -> Path | None:
        """The mask of the same name, or else of the same name with another suffix."""
        return self._by_name.get(relative) or self._by_stem.get(relative.with_suffix(""))


def _find_points(beside: Beside) -> None:
    for picture in beside.pictures:
        stem = picture.with_suffix("").name
        files = [picture.with_name(stem + ending) for ending in POINTS]
        files = [path for path in files if os.path.isfile(path)]
        files = [path for path in files if path.stem != stem or looks_like_points(path)]
        if len(files) > 1:
            raise InputError(
                f"{picture}: expected one file of five points. "
                f"Received: {', '.join(path.name for path in files)}"
            )
        if files:
            beside.points[picture] = read_five_points(files[0])


def _find_masks(beside: Beside, home: Path, masks: dict[str, _Index]) -> None:
    used = 0
    for picture in beside.pictures:
        inside = Path(os.path.abspath(picture))
        if home not in inside.parents:
            continue
        relative = inside.relative_to(home)
        names = [relative]
        if picture in beside.points:  # masks of the aligned picture will do
            names.append(relative.with_name(f"{relative.stem}{RESIZED}.png"))
        for name in names:
            found = {part: index.find(name) for part, index in masks.items()}
            missing = [part for part in PARTS if found[part] is None]
            if len(missing) == len(PARTS):
                continue
            if missing:
                raise InputError(
                    f"{picture}: expected masks of {', '.join(PARTS)}. Received: none in "
                    f"{', '.join(masks[part].folder.name for part in missing)}"
                )
            paths = tuple(found[part] for part in PARTS)
            beside.masks[picture] = GivenMasks(paths, aligned=name != relative)
            used += 1
            break
    if not used:
        raise InputError(
            f"{home}: expected masks under the names of the pictures. "
            f"Received: no such name in {masks[PARTS[0]].folder.name}"
        )


def _pass_over_copies(beside: Beside) -> None:
    """Of NAME.jpg and NAME_resized.png that one is left out of which less is known."""
    there = {}
    for picture in beside.pictures:
        there.setdefault(picture.with_suffix(""), picture)
    passed = set()
    for stem, copy in there.items():
        original = there.get(stem.with_name(stem.name.removesuffix(RESIZED)))
        if original in (None, copy):
            continue
        if original in beside.points:
            passed.add(copy)
        elif copy in beside.masks:
            passed.add(original)
    if passed:
        beside.pictures = [picture for picture in beside.pictures if picture not in passed]
        for picture in passed:
            beside.masks.pop(picture, None)
            beside.points.pop(picture, None)
        names = _listed(sorted(picture.name for picture in passed))
        beside.remarks.append(
            f"there twice, aligned and as they were: {len(passed)} left out: {names}"
        )


def _require_all(beside: Beside, home: Path) -> None:
    inside = [path for path in beside.pictures if home in Path(os.path.abspath(path)).parents]
    bare = [path.name for path in inside if path not in beside.masks]
    if bare:
        raise InputError(
            f"{home}: expected masks of every picture, or of none. "
            f"Received: none of {_listed(bare)}"
        )


def _find_shares(beside: Beside, features: Path, folder: Path) -> None:
    if not os.path.isdir(features):
        return
    found = {}
    for picture in beside.pictures:
        relative = picture.relative_to(folder).with_suffix(".npy")
        found[picture] = _read_shares(features / relative)
    # A style that leads in no drawing is none that can be trained.
    led = {int(np.argmax(shares)) for shares in found.values()}
    for picture, shares in found.items():
        kept = {STYLES[index]: float(shares[index]) for index in sorted(led)}
        beside.shares[picture] = {
            style: share / sum(kept.values()) for style, share in kept.items()
        }


def _read_shares(path: Path) -> np.ndarray:
    """float64 (3,) from a file that the release's style classifier wrote."""
    try:
        data = read_bounded(path, _MOST_FEATURE_BYTES)
        if not data.startswith(_NUMPY):  # NumPy would unpack a ZIP file
            raise ValueError("no array")
        shares = np.load(io.BytesIO(data), allow_pickle=False)
        if shares.dtype.kind != "f":
            raise ValueError("no real numbers")
        shares = np.asarray(shares, np.float64).ravel()
    except OSError as error:
        raise InputError(
            f"Cannot read the style features ({error.strerror or 'no NumPy file'}). Expected a "
            f"file of three shares for each drawing. Received: {path}"
        ) from error
    except _NO_ARRAY as error:
        raise InputError(
            f"{path}: expected a NumPy file of three shares. Received: other bytes"
        ) from error
    fits = shares.shape == (len(STYLES),) and (shares >= 0).all()
    if not fits or not abs(shares.sum() - 1) <= _TOLERANCE:
        told = ", ".join(f"{share:g}" for share in shares[:_NAMED])
        raise InputError(f"{path}: expected three shares from 0 to 1, 1 together. Received: {told}")
    return shares


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
