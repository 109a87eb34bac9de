"""The folder of a training run: its options, its checkpoints, and which one to go on with."""

import contextlib
import json
import os
from importlib import metadata
from pathlib import Path

from keras_portrait.errors import InputError

OPTIONS_NAME = "options.json"
PACKAGES = ("keras-portrait", "keras", "tensorflow", "torch", "numpy")


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints of a run folder as `(finished epochs, path)`, oldest first."""
    found = folder.glob("checkpoint-*.weights.h5")
    return sorted((int(path.name.split("-")[1].split(".")[0]), path) for path in found)


def find_run(options: dict, epochs: int, name: str, runs: Path = Path("runs")) -> Path:
    """The unfinished run with these options, or a folder with the next number.

    Args:
        options: what `options.json` must hold.
        epochs: epochs of a finished run.
        name: what follows the number in a new folder's name.
        runs: where the run folders lie.

    Returns:
        A folder, not necessarily there yet.
    """
    numbers = [0]
    for folder in sorted(runs.glob("[0-9][0-9][0-9]-*")):
        numbers.append(int(folder.name[:3]))
        done = checkpoints(folder)
        unfinished = not done or done[-1][0] < epochs
        # A folder whose options cannot be read is somebody else's.
        with contextlib.suppress(InputError):
            if unfinished and read_options(folder) == options:
                return folder
    return runs / f"{max(numbers) + 1:03d}-{name}"


def read_options(folder: Path) -> dict | None:
    """The options of a run folder, or None where there are none.

    Raises:
        InputError: the file is there and cannot be read.
    """
    path = folder / OPTIONS_NAME
    try:
        return json.loads(path.read_text(encoding="utf-8")) if os.path.isfile(path) else None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected the options of a run. Received: {error}") from None


def open_run(folder: Path, options: dict) -> None:
    """Makes a run folder, with the options and the versions that it is trained with.

    Raises:
        InputError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if read_options(folder) is None:
            _write(folder / OPTIONS_NAME, options)
        _write(folder / "versions.json", _versions())
    except OSError as error:
        raise InputError(
            f"Cannot write the run folder ({error.strerror}). Received: {folder}"
        ) from None


def difference(known: dict, options: dict, prefix: str = "") -> str:
    """Names the first three keys in which two option dictionaries differ."""
    names = []
    for key in sorted({*known, *options}):
        old, new = known.get(key), options.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if old != new:
                names.append(difference(old, new, f"{prefix}{key}."))
        elif old != new:
            names.append(f"{prefix}{key}: {old} there, {new} now")
    return "; ".join(names[:3])


def _write(path, values):
    part = path.with_name(f"part-{path.name}")
    part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def _versions():
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
