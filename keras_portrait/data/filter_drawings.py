"""What the filters draw of the photos of a prepared folder: made once, by all cores."""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.data.manifest import Row
from keras_portrait.files import make_folder
from keras_portrait.inference.bulk.workers import WorkerPool
from keras_portrait.inference.faces.face_points import FacePointsFinder
from keras_portrait.inference.filters import FEATURES, draw_filters
from keras_portrait.inference.imaging import read_image, write_image


def drawing_file(row: Row, name: str) -> Path:
    """Where a filter's drawing of a photo lies, relative to the folder of the drawings."""
    return Path(name, *Path(row.file).parts[1:]).with_suffix(".png")


def draw_missing(
    folder: Path,
    data_folder: Path,
    rows: Iterable[Row],
    names: tuple[str, ...],
    size: int,
    features: str = FEATURES[0],
) -> Iterator[int]:
    """Draws what has not been drawn yet, in a process for each core.

    A drawing is there whole or not at all, so that whoever breaks off may go on later.

    Args:
        folder: the folder of the drawings.
        data_folder: the data folder.
        rows: rows of photos.
        names: names of filters.
        size: side of the drawings in pixels.
        features: one of `FEATURES`.

    Yields:
        How many photos there are still to draw, first before the first one, then after each.

    Raises:
        InputError: a photo cannot be read, or a drawing cannot be written.
        MissingExtra: points are asked for, and their networks are not installed.
    """
    jobs = []
    for row in rows:
        paths = {name: folder / drawing_file(row, name) for name in names}
        missing = {name: str(path) for name, path in paths.items() if not path.exists()}
        if missing:
            photo = str(data_folder / row.file)
            jobs.append({"photo": photo, "landmarks": row.landmarks, "drawings": missing})
    # A manifest goes from folder to folder: who stops early has drawings of each nevertheless.
    np.random.default_rng(0).shuffle(jobs)
    if jobs and features == FEATURES[1]:
        FacePointsFinder()  # what is missing is told before any worker starts
    left = len(jobs)
    yield left
    if not jobs:
        return
    processes = min(len(jobs), os.cpu_count() or 1)
    pool, threads = (
        WorkerPool(partial(_drawer, size, features), processes),
        ThreadPoolExecutor(processes),
    )
    try:
        for _ in threads.map(pool.draw, (json.dumps(job).encode() for job in jobs)):
            left -= 1
            yield left
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        pool.close()


def _drawer(size, features):
    """Runs in a worker: what draws one photo and writes the drawings."""
    cv2.setNumThreads(1)  # every core has a process
    find_points = FacePointsFinder() if features == FEATURES[1] else None

    def draw(job: bytes) -> bytes:
        job = json.loads(job)
        marks = job["landmarks"]
        photo = read_image(job["photo"])
        marks = None if marks is None else np.asarray(marks, np.float64)
        points = None if find_points is None or marks is None else find_points(photo, marks)
        drawn = draw_filters(photo, tuple(job["drawings"]), size, marks, points=points)
        for name, path in job["drawings"].items():
            make_folder(Path(path).parent)
            write_image(path, drawn[name])
        return b""

    return draw
