"""Which pictures the input folders hold, and what they are called in the data folder."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_portrait.data.manifest import smooth_twin
from keras_portrait.data.prepare.given_masks import GivenMasks
from keras_portrait.data.prepare.release_layout import Beside, look_beside, without_masks
from keras_portrait.errors import InputError
from keras_portrait.inference.folders import PassedOver, list_images

# Folder of drawings without a tag.
UNTAGGED = "untagged"

# Longest name of a file without suffix, in bytes: with a hash, the suffix and the mark of a file
# that is being written it stays within the 255 of most file systems.
LONGEST = 220


@dataclass(frozen=True, slots=True)
class Source:
    """One picture of the input and the name that it gets in the output.

    Attributes:
        folder: the input folder.
        relative: its path inside the input folder, with forward slashes.
        kind: "photo", "drawing" or "avatar".
        style: name of a drawing's style or of an avatar's label; None for photos and for what has
            no tag.
        file: where its square goes, relative to the data folder.
        masks: the masks that lie beside it, or None.
        points: the landmarks that lie beside it, float (5, 2), 0-based pixels, or None.
        shares: the style features that lie beside a drawing, a share of each style, or None.
    """

    folder: Path
    relative: str
    kind: str
    style: str | None
    file: str
    masks: GivenMasks | None = None
    points: np.ndarray | None = field(default=None, compare=False)
    shares: dict[str, float] | None = None

    @property
    def path(self) -> Path:
        """The picture."""
        return self.folder / self.relative

    @property
    def mask(self) -> str | None:
        """Where its mask goes, relative to the data folder; None for avatars, which have none."""
        return None if self.kind == "avatar" else f"masks/{self.file}"

    @property
    def smooth(self) -> str | None:
        """Where its edge-promoted twin goes, relative to the data folder; None for photos."""
        return smooth_twin(self.kind, self.file)

    @property
    def share(self) -> float:
        """A number in [0, 1) that depends on nothing but the name."""
        digest = hashlib.sha256(os.fsencode(self.relative)).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def stamp(self) -> str:
        """Length and time of change: another stamp, another picture."""
        status = self.path.stat()
        return f"{status.st_size}-{status.st_mtime_ns}"


def check_apart(inputs: Iterable[Path], output: Path) -> None:
    """Sees to it that nothing is ever written into an input folder.

    Raises:
        InputError: the output folder lies in an input folder or holds one.
    """
    target = output.resolve()
    for folder in inputs:
        source = folder.resolve()
        if source.is_relative_to(target) or target.is_relative_to(source):
            raise InputError(
                f"The output folder must lie apart from the input folders. Received: {output} "
                f"and {folder}"
            )


def find_sources(
    photos: Path | None,
    drawings: Path | None,
    avatars: Path | None = None,
    passed: PassedOver | None = None,
    remarks: list[str] | None = None,
) -> list[Source]:
    """Lists the pictures of the given folders: photos, drawings, avatars, each sorted by path.

    The subfolders of `drawings` are the styles. Drawings in a subfolder `untagged`, and files
    that lie beside the folders of styles, have none; where no such folder is, the files that lie
    in `drawings` directly form a style named after it. The subfolders of `avatars` are the labels;
    files that lie in it directly have none. `passed` notes what is passed over in the folders,
    `remarks` what lies beside photos and drawings (`release_layout`).

    Raises:
        InputError: a folder is missing, cannot be read or holds no picture; or what lies beside the
            pictures is incomplete or broken.
    """
    passed, found = PassedOver() if passed is None else passed, []
    for folder, kind in ((photos, "photo"), (drawings, "drawing")):
        if folder is None:
            continue
        pictures = without_masks(folder, _pictures(folder, passed))
        beside = look_beside(folder, pictures, kind)
        tagged = [(path, None) for path in beside.pictures]
        if kind == "drawing":
            tagged = _tagged(folder, beside.pictures)
        found += _named(folder, kind, tagged, beside)
        if remarks is not None:
            remarks += beside.remarks
    if avatars is not None:
        found += _named(avatars, "avatar", _labelled(avatars, passed))
    return found


def find_tagged(drawings: Path, passed: PassedOver | None = None) -> list[tuple[Path, str | None]]:
    """Lists the pictures of a folder of drawings, sorted by path, each with its style or None.

    Raises:
        InputError: the folder is missing, cannot be read or holds no picture.
    """
    return _tagged(drawings, _pictures(drawings, passed))


def _tagged(drawings: Path, pictures: list[Path]) -> list[tuple[Path, str | None]]:
    parts = [(path, path.relative_to(drawings).parts) for path in pictures]
    folders = {names[0] for _, names in parts if len(names) > 1}
    styles = {name for name in folders if name.casefold() != UNTAGGED}
    loose = None if styles else drawings.resolve().name
    return [
        (path, loose if len(names) == 1 else names[0] if names[0] in styles else None)
        for path, names in parts
    ]


def _labelled(avatars: Path, passed: PassedOver) -> list[tuple[Path, str | None]]:
    parts = ((path, path.relative_to(avatars).parts) for path in _pictures(avatars, passed))
    return [(path, names[0] if len(names) > 1 else None) for path, names in parts]


def _named(
    folder: Path,
    kind: str,
    tagged: list[tuple[Path, str | None]],
    beside: Beside | None = None,
) -> list[Source]:
    """Gives every picture a file of its own; a hash parts names that would fall together."""
    places, taken = set(), Counter()
    beside = beside or Beside([])
    if beside.shares:
        leading = {path: max(shares, key=shares.get) for path, shares in beside.shares.items()}
        tagged = [(path, leading[path]) for path, _ in tagged]
    # Twice the same names, instead of keeping them: there may be 100,000 pictures.
    for path, style in tagged:
        place, stem = _place(path.relative_to(folder), kind, style)
        places.add(place.casefold())
        taken[_key(place, stem)] += 1
    taken.update(places)  # a label may be named like a file beside it
    named = []
    for path, style in tagged:
        relative = path.relative_to(folder).as_posix()
        place, stem = _place(path.relative_to(folder), kind, style)
        too_long = len(os.fsencode(stem)) > LONGEST
        if too_long or taken[_key(place, stem)] > 1:
            start = os.fsencode(stem)[:LONGEST].decode(errors="ignore") if too_long else stem
            stem = f"{start}-{hashlib.sha256(os.fsencode(relative)).hexdigest()[:8]}"
        found = [each.get(path) for each in (beside.masks, beside.points, beside.shares)]
        named.append(Source(folder, relative, kind, style, f"{place}/{stem}.png", *found))
    return named


def _place(relative: Path, kind: str, style: str | None) -> tuple[str, str]:
    """The folder of a picture's square, and its name there without suffix."""
    names = relative.parts
    # Photos keep the whole path in their name; else the first folder is one in the output too.
    if kind == "photo" or (kind == "avatar" and style is None):
        return f"{kind}s", Path("-".join(names)).stem
    return f"{kind}s/{style or UNTAGGED}", Path("-".join(names[1:] or names)).stem


def _key(folder: str, stem: str) -> str:
    # Case does not part names on every file system.
    return f"{folder}/{stem}.png".casefold()


def _pictures(folder: Path, passed: PassedOver | None) -> list[Path]:
    pictures = list_images(folder, passed)
    if not pictures:
        raise InputError(
            "No pictures in the folder. Expected such as JPEG, PNG, WebP, TIFF or HEIC files. "
            f"Received: {folder}"
        )
    return pictures
