"""The folder of a training run: its options, and which one to go on with."""

import contextlib
import json
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from keras_portrait.atomic import remove_unfinished, write_whole
from keras_portrait.errors import InputError

OPTIONS_NAME = "options.json"
PICTURES_NAME = "pictures.json"
PACKAGES = ("keras-portrait", "keras", "tensorflow", "torch", "numpy")
# Told in the options, and compared picture by picture elsewhere.
COUNTS = ("photos", "drawings")


def find_run(
    options: dict, finished: Callable[[Path], bool], name: str, runs: Path = Path("runs")
) -> Path:
    """The unfinished run with these options, or a folder with the next number.

    Args:
        options: what `options.json` must hold, counts of pictures left out.
        finished: says whether the run in a folder has come to its end.
        name: what follows the number in a new folder's name.
        runs: where the run folders lie.

    Returns:
        A folder, not necessarily there yet.
    """
    numbers = [0]
    for folder in sorted(runs.glob("[0-9][0-9][0-9]-*")):
        numbers.append(int(folder.name[:3]))
        # A folder whose options cannot be read is somebody else's.
        with contextlib.suppress(InputError):
            known = read_options(folder)
            if known is not None and not difference(known, options) and not finished(folder):
                return folder
    return runs / f"{max(numbers) + 1:03d}-{name}"


def read_options(folder: Path) -> dict | None:
    """The options of a run folder, or None where there are none.

    Raises:
        InputError: the file is there and cannot be read.
    """
    return _read(folder / OPTIONS_NAME, "the options of a run")


def read_pictures(folder: Path) -> dict | None:
    """The pictures that a run is trained on, as `open_run` noted them; None where there is no run.

    Raises:
        InputError: the file is there and cannot be read.
    """
    return _read(folder / PICTURES_NAME, "the pictures of a run")


def open_run(folder: Path, options: dict, pictures: dict) -> None:
    """Makes a run folder, with the options, pictures and versions that it is trained with.

    Raises:
        InputError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot write the run folder ({error.strerror}). Received: {folder}"
        ) from None
    known = read_options(folder)
    if known is not None and (other := difference(known, options)):
        # Another training took the folder after this one had looked.
        raise InputError(
            f"{folder} was taken by another training. Expected to start again, which takes "
            f"the next number. Received: {other}"
        )
    if known is None and any(folder.iterdir()):
        raise InputError(
            "The run folder holds something else. Expected a new or empty folder, or that of a "
            f"run. Received: {folder}"
        )
    remove_unfinished(folder)
    if known is None:
        _write(folder / PICTURES_NAME, pictures)
        _write(folder / OPTIONS_NAME, options)
    _write(folder / "versions.json", _versions())


def difference(known: dict, options: dict, prefix: str = "") -> str:
    """Names the first three keys in which two option dictionaries differ; "" where none does."""
    names = []
    for key in sorted({*known, *options} - {*COUNTS}):
        old, new = known.get(key), options.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if old != new:
                names.append(difference(old, new, f"{prefix}{key}."))
        elif old != new:
            names.append(f"{prefix}{key}: {old} there, {new} now")
    return "; ".join(names[:3])


def _read(path, what):
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if os.path.isfile(path) else None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected {what}. Received: {error}") from None
    if values is not None and not isinstance(values, dict):
        raise InputError(f"{path}: expected {what}. Received: {type(values).__name__}")
    return values


def _write(path, values):
    write_whole(path, (json.dumps(values, indent=1) + "\n").encode())


def _versions():
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
