"""Measures what presets, runs and baselines make of the same photos."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from keras_portrait.evaluation.baselines import flow_drawing
from keras_portrait.evaluation.content import open_edge_distance
from keras_portrait.evaluation.extractors import Extractor
from keras_portrait.evaluation.identity.gallery import find_strangers, open_gallery
from keras_portrait.evaluation.identity.judge import FaceDescriptor
from keras_portrait.evaluation.inputs import GROUPS, Source, check_sources, find_photos, fingerprint
from keras_portrait.evaluation.measures import measures
from keras_portrait.evaluation.photo_measures import (
    Scorers,
    draw_subjects,
    find_methods,
    measure_drawings,
)
from keras_portrait.evaluation.references import References, measure_references
from keras_portrait.evaluation.report.files import FORMAT
from keras_portrait.evaluation.subjects import NO_FACE, align
from keras_portrait.evaluation.summary import SCORE, Summarizer
from keras_portrait.inference.faces import find_detector
from keras_portrait.inference.folders import PassedOver
from keras_portrait.inference.stylizer import Stylizer

# Smallest face in pixels that MTCNN looks for, as in its package.
_LEAST_FACE = 20
# Photos, evenly chosen, on which baselines are measured; they are drawn of all. It keeps the time
# for the networks, and gives intervals that are narrow enough to compare with. Distances that
# depend on how many drawings there are, are taken of the same photos for every entry.
BASELINE_PHOTOS = 32


def evaluate(
    sources: list[Source],
    photos: str | Path,
    folder: str | Path,
    drawings: str | Path | None = None,
    groups: str | Path | None = None,
    identity: bool = False,
    among: str | Path | None = None,
    size: int = 512,
    seed: int = 0,
    limit: int | None = None,
    baselines: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict:
    """Draws photos with each source in each of its styles, and measures the drawings.

    Photos are aligned as `portrait stylize` does, each generator draws at its own size, and
    drawings are measured at `size`. The same inputs give the same figures.

    Args:
        sources: what draws.
        photos: folder of photos, subfolders too.
        folder: where aligned photos, edge maps and drawings go, see
            `report.evaluation_files.picture_path`.
        drawings: training drawings: a folder made by `portrait prepare`, or one with a subfolder
            for each style; None leaves out what is measured against them.
        groups: CSV file that tells women from men, see `inputs.find_photos`.
        identity: whether to look for the sitters of the drawings among the photos.
        among: folder of photos of other people, among whom they are looked for, too.
        size: side in pixels at which drawings are measured.
        seed: of choices and resampling.
        limit: at most so many photos.
        baselines: whether to measure drawings that need no network, too.
        progress: called with what is being done, how much of it is done, and of how much.

    Returns:
        What can be written as JSON: photos, drawings, extractor, measures, entries with figures,
        the worst drawings and values for each photo. Only `seconds` differs from run to run.

    Raises:
        InputError: no photo with a face, no drawings, or a file that cannot be read or written.
        SettingError: a source that does not draw photos, or two of one name.
        MissingExtra: the weights of the edge detector are not there, or identity is asked for and
            those of the face descriptor can neither be found nor fetched.
    """
    check_sources(sources)
    clock = _Clock(progress or (lambda stage, done, total: None))
    passed = PassedOver()
    listed = find_photos(photos, groups, limit, passed)
    descriptor = FaceDescriptor() if identity else None
    strangers = find_strangers(among, listed) if identity else []
    detector = find_detector(_LEAST_FACE)
    stylizers = [Stylizer(source.generator) for source in sources]
    with clock("photos") as report:
        subjects, skipped = align(listed, stylizers[0], size, detector, report)
    skipped += [
        {"file": os.path.relpath(place, photos), "reason": str(error)}
        for place, error in passed.unreadable.items()
    ]
    gallery = None
    if descriptor is not None:
        with clock("people") as report:
            gallery = open_gallery(descriptor, subjects, strangers, stylizers[0], detector, report)
    with clock("networks"):
        square = subjects[0].square
        distance = open_edge_distance(square, flow_drawing(square))
        extractor = Extractor(distance.precision)
    references = None
    if drawings is not None:
        with clock("training drawings") as report:
            references = measure_references(drawings, size, seed, extractor, detector, report)
    methods = find_methods(sources, stylizers, baselines)
    scorers = Scorers(distance, extractor, detector, gallery)
    photo_lips, compared = [], _evenly(len(subjects), BASELINE_PHOTOS)
    with clock("drawings") as report:
        for drawn in draw_subjects(subjects, methods, scorers, Path(folder)):
            report(drawn.index, len(subjects))
            measured = drawn.index in compared
            photo_lips.append(measure_drawings(drawn, methods, scorers, measured))
        report(len(subjects), len(subjects))
    summarizer = Summarizer(
        measures=measures(extractor.suffix, extractor.name, gallery.words if gallery else ""),
        suffix=extractor.suffix,
        photo_names=[subject.photo.name for subject in subjects],
        groups=[subject.photo.group for subject in subjects],
        photo_lips=photo_lips,
        references=references,
        compared=compared,
        seed=seed,
    )
    with clock("figures"):
        entries = [summarizer.entry(method.entry) for method in methods] + summarizer.floors()
    counts = Counter(summarizer.groups)
    return {
        "format": FORMAT,
        "size": size,
        "seed": seed,
        "photos": {
            "folder": str(photos),
            "count": len(subjects),
            "sha256": fingerprint(listed),
            "groups": {group: counts[group] for group in GROUPS},
            "skipped": skipped,
            "unreadable": sum(row["reason"] != NO_FACE for row in skipped),
            "hidden": passed.hidden,
        },
        "drawings": _described(drawings, references),
        "extractor": extractor.name,
        "precision": "bfloat16" if "bfloat16" in distance.precision else "float32",
        "measures": summarizer.measures,
        "entries": entries,
        "photo_names": summarizer.photo_names,
        "score": SCORE,
        "seconds": clock.seconds,
    }


def _evenly(count, most):
    """At most so many of the numbers below `count`."""
    return set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())


def _described(drawings, references: References | None) -> dict | None:
    if references is None:
        return None
    styles = {style: int(references.of(style).sum()) for style in references.styles}
    return {"folder": str(drawings), "count": len(references.style), "styles": styles}


class _Clock:
    """Sums up the seconds of each stage, and tells how far it is."""

    def __init__(self, progress):
        self._progress = progress
        self._seconds = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[Callable[[int, int], None]]:
        """Times a stage; gives a function of what is done of it, and of how much."""
        start = time.perf_counter()
        try:
            yield lambda done, total: self._progress(stage, done, total)
        finally:
            self._seconds[stage] += time.perf_counter() - start

    @property
    def seconds(self) -> dict[str, float]:
        """By stage, rounded."""
        return {stage: round(value, 2) for stage, value in self._seconds.items()}
