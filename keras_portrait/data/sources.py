"""Which pictures the input folders hold, and what they are called in the data folder."""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.imaging import list_images

# Folder of drawings without a tag.
UNTAGGED = "untagged"


@dataclass(frozen=True)
class Source:
    """One picture of the input and the name that it gets in the output.

    Attributes:
        path: the file.
        relative: its path inside the input folder, with forward slashes.
        kind: "photo" or "drawing".
        style: name of a drawing's style; None for photos and for drawings without a tag.
        file: where its square goes, relative to the data folder.
        mask: where its mask goes, relative to the data folder.
    """

    path: Path
    relative: str
    kind: str
    style: str | None
    file: str
    mask: str

    @property
    def share(self) -> float:
        """A number in [0, 1) that depends on nothing but the name."""
        digest = hashlib.sha256(os.fsencode(self.relative)).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def stamp(self) -> str:
        """Length and time of change: another stamp, another picture."""
        status = self.path.stat()
        return f"{status.st_size}-{status.st_mtime_ns}"


def check_apart(photos: Path, drawings: Path, output: Path) -> None:
    """Sees to it that nothing is ever written into an input folder.

    Raises:
        InputError: the output folder lies in an input folder or holds one.
    """
    target = output.resolve()
    for folder in (photos, drawings):
        source = folder.resolve()
        if source.is_relative_to(target) or target.is_relative_to(source):
            raise InputError(
                f"The output folder must lie apart from the input folders. Received: {output} "
                f"and {folder}"
            )


def find_sources(photos: Path, drawings: Path) -> list[Source]:
    """Lists the pictures of both folders, photos first, each sorted by path.

    The subfolders of `drawings` are the styles. Drawings in a subfolder `untagged`, and files
    that lie beside the folders of styles, have none; where no such folder is, the files that lie
    in `drawings` directly form a style named after it.

    Raises:
        InputError: a folder is missing, cannot be read or holds no picture.
    """
    sources = []
    for path in _pictures(photos):
        relative = path.relative_to(photos)
        sources.append((path, relative.as_posix(), "photo", None, "-".join(relative.parts)))
    for path, style in find_tagged(drawings):
        relative = path.relative_to(drawings)
        inside = relative.parts[1:] or relative.parts
        sources.append((path, relative.as_posix(), "drawing", style, "-".join(inside)))
    return _named(sources)


def find_tagged(drawings: Path) -> list[tuple[Path, str | None]]:
    """Lists the pictures of a folder of drawings, sorted by path, each with its style or None.

    Raises:
        InputError: the folder is missing, cannot be read or holds no picture.
    """
    parts = [(path, path.relative_to(drawings).parts) for path in _pictures(drawings)]
    folders = {names[0] for _, names in parts if len(names) > 1}
    styles = {name for name in folders if name.casefold() != UNTAGGED}
    loose = None if styles else drawings.resolve().name
    return [
        (path, loose if len(names) == 1 else names[0] if names[0] in styles else None)
        for path, names in parts
    ]


def _named(sources: list[tuple]) -> list[Source]:
    """Gives every picture a file of its own; a hash parts names that would fall together."""

    def target(kind: str, style: str | None, name: str) -> str:
        return f"photos/{name}" if kind == "photo" else f"drawings/{style or UNTAGGED}/{name}"

    # Case does not part names on every file system.
    taken = Counter(
        target(kind, style, Path(name).stem).casefold() for _, _, kind, style, name in sources
    )
    named = []
    for path, relative, kind, style, name in sources:
        stem = Path(name).stem
        if taken[target(kind, style, stem).casefold()] > 1:
            stem += "-" + hashlib.sha256(os.fsencode(relative)).hexdigest()[:8]
        file = target(kind, style, f"{stem}.png")
        named.append(Source(path, relative, kind, style, file, f"masks/{file}"))
    return named


def _pictures(folder: Path) -> list[Path]:
    pictures = list_images(folder)
    if not pictures:
        raise InputError(
            f"No pictures in the folder. Expected JPEG, PNG, WebP, TIFF, BMP or GIF files. "
            f"Received: {folder}"
        )
    return pictures
