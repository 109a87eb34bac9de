"""A job: all photos of one place, drawn into another, from wherever it was broken off."""

import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.inference.bulk.drawing import DrawingOptions, open_drawing
from keras_portrait.inference.bulk.local_engine import draw_locally
from keras_portrait.inference.bulk.manifest import Manifest
from keras_portrait.inference.bulk.names import output_name
from keras_portrait.inference.bulk.photos import DRAWN, FAILED, Photo
from keras_portrait.inference.bulk.places import open_place
from keras_portrait.inference.bulk.ray_engine import draw_with_ray
from keras_portrait.inference.folders import PassedOver
from keras_portrait.inference.formats import refuse_closed_format
from keras_portrait.inference.style import check_choice

ENGINES = ("local", "ray")


def draw_in_bulk(
    source: str,
    target: str,
    options: DrawingOptions,
    engine: str = "local",
    report: Callable[[Photo], None] = lambda photo: None,
    workers: int | None = None,
    make: Callable[[DrawingOptions], Callable[[bytes], bytes]] = open_drawing,
) -> Counter:
    """Draws every photo below a place, skipping those whose drawing is finished.

    A photo that cannot be drawn is noted as failed, and tried again by the next job. The workers
    are fresh Python processes: a script that calls this keeps its own work under
    `if __name__ == "__main__":`.

    Args:
        source: path or URL of the photos.
        target: path or URL of the drawings and of the manifest.
        options: what is drawn with.
        engine: one of `ENGINES`.
        report: called with each photo at its end.
        workers: number of worker processes; None for one a core.
        make: opens the drawing in a worker process; must be picklable.

    Returns:
        How many photos were "drawn", "skipped" and "failed", a folder that could not be read being
        one of the last; and as "hidden" how many hidden and system files and folders were passed
        over.

    Raises:
        SettingError: the place holds drawings of another preset, or there is no such engine or
            kind of store.
        InputError: there are no photos.
        MissingExtra: a package for this engine or kind of store is not installed.
        JobStopped: a place cannot be reached or written to, or no worker starts.
    """
    check_choice("engine", engine, ENGINES)
    photos, drawings = open_place(source), open_place(target)
    manifest, passed = Manifest(drawings, options), PassedOver()
    names = photos.photos(passed)
    first = next(names, None)
    if first is None:
        raise next(iter(passed.unreadable.values()), None) or InputError(
            "No pictures there. Expected such as JPEG, PNG, WebP or HEIC files. "
            f"Received: {photos.name}"
        )
    drawings.check_writable()
    drawings.remove_unfinished()
    counts = Counter()

    def note(photo: Photo) -> None:
        counts[photo.status] += 1
        if photo.status in (DRAWN, FAILED):
            manifest.add(photo)
        report(photo)

    planned = _plan(itertools.chain([first], names), manifest, note, passed, photos.name)
    draw = {"local": draw_locally, "ray": draw_with_ray}[engine]
    places = (photos, drawings) if engine == "local" else (source, target)
    try:
        draw(planned, *places, options, functools.partial(make, options), note, workers)
    finally:
        manifest.flush()
    if passed.hidden:
        counts["hidden"] = passed.hidden
    return counts


def _plan(
    names: Iterator[str],
    manifest: Manifest,
    note: Callable[[Photo], None],
    passed: PassedOver,
    folder: str,
) -> Iterator[Photo]:
    """Gives photos the names of their drawings; notes those that cannot have one.

    Folders that could not be read are noted at the end.
    """
    for name in names:
        try:
            refuse_closed_format(name)
            output = output_name(name)
        except InputError as error:
            note(Photo(name, "").failed(error))
            continue
        yield Photo(name, output, *manifest.known(output))
    for place, error in passed.unreadable.items():
        note(Photo(Path(os.path.relpath(place, folder)).as_posix(), "").failed(error))
