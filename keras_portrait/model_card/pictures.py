"""The pictures of a run for a model card: how many of each kind, and where they came from."""

import os
from collections import Counter
from pathlib import Path

from keras_portrait.data.manifest import NAME as MANIFEST
from keras_portrait.data.manifest import read_manifest
from keras_portrait.errors import InputError
from keras_portrait.training.run_folder import PICTURES_NAME, read_pictures


def source_folders(options: dict) -> tuple[dict[str, str], list[str]]:
    """By file the folder that a picture came from; what to warn of where it cannot be told.

    Args:
        options: of the run.

    Raises:
        InputError: the manifest of the data folder cannot be read.
    """
    data = options.get("data")
    if not isinstance(data, str) or not os.path.isfile(Path(data) / MANIFEST):
        return {}, [f"no source folders in the card: {MANIFEST} is not in {data} any more"]
    folders = {}
    for row in read_manifest(data):
        if row.kept:
            # The folder of a drawing begins with its style.
            parts = row.source.split("/")[1 if row.style else 0 : -1]
            folders[row.file] = parts[0] if parts else ""
    return folders, []


def picture_rows(folder: Path, options: dict, sources: dict[str, str]) -> list[tuple[str, str]]:
    """Photos and drawings: how many, how many were held back, and from which folders.

    Args:
        folder: the run folder.
        options: of the run.
        sources: from `source_folders`.

    Returns:
        Pairs of a label and a text.

    Raises:
        InputError: the run does not tell its pictures.
    """
    pictures = read_pictures(folder)
    if pictures is None:
        raise InputError(f"Expected a run folder with {PICTURES_NAME}. Received: {folder}")
    if not any("/" in file for file in pictures):
        return _rows_of_shards(pictures)
    photos = [file for file in pictures if file.startswith("photos/")]
    held = len(photos) - options["photos"]
    rows = [("photos", _counted(options["photos"], held) + _by_source(photos, sources))]
    drawings: dict[str, list[str]] = {}
    for file in pictures:
        kind, _, rest = file.partition("/")
        if kind == "drawings":
            drawings.setdefault(rest.partition("/")[0], []).append(file)
    for style in sorted(drawings):
        files = drawings[style]
        # Only what is trained on has a style vector.
        held = sum(pictures[file][-1] is None for file in files)
        text = _counted(len(files) - held, held) + _by_source(files, sources)
        rows.append((f"drawings, `{style}`", text))
    return rows


def _rows_of_shards(pictures):
    """The same of a run on shards, which are named after kind and split and tell their samples."""
    counts = Counter()
    for shard, (_, records) in pictures.items():
        kind, split, _ = shard.split("-")
        counts[kind, split] += records
    kinds = sorted({kind for kind, _ in counts}, reverse=True)
    return [(f"{kind}s", _counted(counts[kind, "train"], counts[kind, "test"])) for kind in kinds]


def _counted(count, held) -> str:
    return f"{count:,} for training, {held:,} held back"


def _by_source(files, sources) -> str:
    counts = Counter(sources.get(file, "") for file in files)
    if not any(counts):
        return ""
    told = [f"`{folder}` {counts[folder]:,}" for folder in sorted(filter(None, counts))]
    told += [f"others {counts['']:,}"] if counts[""] else []
    return f"; both together by source folder: {', '.join(told)}"
