"""Draws one photo after the other with everything that is compared, and measures what came out."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.evaluation.baselines import BASELINES, edge_drawing, flow_lines
from keras_portrait.evaluation.border import border_line
from keras_portrait.evaluation.content import EdgeDistance, find_landmarks, landmark_error
from keras_portrait.evaluation.drawing_measures import (
    colour_figures,
    empty_parts,
    gray_figures,
    line_agreement,
    lip_and_face,
    part_ink,
    smudge,
    softness,
    stroke_widths,
    style_distance,
    width_quantile,
)
from keras_portrait.evaluation.extractors import Extractor, stack_pictures
from keras_portrait.evaluation.eyes import readable_eyes
from keras_portrait.evaluation.identity.gallery import Gallery
from keras_portrait.evaluation.inputs import Source, safe_key
from keras_portrait.evaluation.report.files import EDGES, PHOTOS, picture_path
from keras_portrait.evaluation.subjects import Subject
from keras_portrait.evaluation.summary import Entry
from keras_portrait.files import make_folder
from keras_portrait.inference.alignment import fade_ink
from keras_portrait.inference.faces import Detector
from keras_portrait.inference.imaging import (
    enlarge_drawing,
    read_image,
    resize,
    to_gray,
    write_image,
)
from keras_portrait.inference.stylizer import Stylizer

# What line F1 is measured against is the same filter.
_LINES = "flow-based DoG"


@dataclass(frozen=True)
class Scorers:
    """The networks that drawings are judged by.

    Attributes:
        distance: edges and their distance.
        extractor: features and texture.
        detector: finds faces.
        gallery: tells sitters among other people, or None.
    """

    distance: EdgeDistance
    extractor: Extractor
    detector: Detector
    gallery: Gallery | None


@dataclass(frozen=True)
class DrawingMethod:
    """What draws an entry.

    Attributes:
        entry: where the measures go.
        draw: function of a picture, uint8 RGB (H, W, 3), its subject and the square's edge map,
            float32 (S, S), to a drawing uint8 (N, N) of the generator's own size; (N, N, 3) where
            it is in colour.
    """

    entry: Entry
    draw: Callable[[np.ndarray, Subject, np.ndarray], np.ndarray]


def find_methods(
    sources: list[Source], stylizers: list[Stylizer], baselines: bool
) -> list[DrawingMethod]:
    """Everything that draws: each source in each of its styles, then the baselines."""
    methods = []
    for source, stylizer in zip(sources, stylizers, strict=True):
        for style in source.generator.metadata.styles:
            key = _unused(safe_key(Path(source.name).name, style), methods)
            sha256 = source.generator.metadata.sha256
            entry = Entry(source.name, style, source.kind, key, sha256)
            methods.append(DrawingMethod(entry, _with_generator(stylizer, style)))
    for name, draw in BASELINES.items() if baselines else ():
        entry = Entry(name, "", "baseline", _unused(safe_key(name), methods))
        methods.append(DrawingMethod(entry, _with_filter(draw)))
    return methods


@dataclass(frozen=True)
class DrawnSubject:
    """A subject, and what every method made of the photo.

    Attributes:
        subject: who.
        index: place of the photo in the result.
        edges: edge map of the square, float32 (S, S) in [0, 1].
        native: drawings as they were drawn, uint8 (N, N), of each method; gray of those in colour.
        drawings: the same at the size at which they are measured, uint8 (S, S).
        pictures: as they are seen at that size: the drawings, and (S, S, 3) where in colour.
    """

    subject: Subject
    index: int
    edges: np.ndarray
    native: list[np.ndarray]
    drawings: list[np.ndarray]
    pictures: list[np.ndarray]


def draw_subjects(
    subjects: list[Subject], methods: list[DrawingMethod], scorers: Scorers, folder: Path
) -> Iterator[DrawnSubject]:
    """Draws one subject after the other with every method, and keeps the pictures.

    The next is drawn while what came out is looked at: drawing keeps one core busy, the networks
    that judge all of them.

    Args:
        subjects: who.
        methods: what draws.
        scorers: what scorers.
        folder: of the pictures.

    Raises:
        InputError: a picture cannot be written.
    """
    with ThreadPoolExecutor(1) as pool:
        jobs = (
            pool.submit(_draw, subject, index, methods, scorers, folder)
            for index, subject in enumerate(subjects)
        )
        following = next(jobs, None)
        while following:
            drawn, following = following.result(), next(jobs, None)
            yield drawn


def _draw(subject, index, methods, scorers, folder):
    picture = read_image(subject.photo.path)
    edges = scorers.distance.edges(subject.square[None])[0] * subject.inside
    _keep(folder, PHOTOS, index, subject.square)
    _keep(folder, EDGES, index, edge_drawing(edges))
    drawn = [method.draw(picture, subject, edges) for method in methods]
    native = [to_gray(each) for each in drawn]
    drawings = [enlarge_drawing(drawing, *edges.shape) for drawing in native]
    pictures = [
        drawing if each.ndim == 2 else resize(each, *edges.shape)
        for each, drawing in zip(drawn, drawings, strict=True)
    ]
    for method, each in zip(methods, pictures, strict=True):
        _keep(folder, method.entry.key, index, each)
    return DrawnSubject(subject, index, edges, native, drawings, pictures)


def measure_drawings(
    drawn: DrawnSubject, methods: list[DrawingMethod], scorers: Scorers, measured: bool
) -> tuple[float, float]:
    """Adds what is measured of a subject's drawings to the entries.

    Args:
        drawn: the drawings.
        methods: what drew them.
        scorers: what scorers.
        measured: whether baselines are measured, too, rather than drawn alone.

    Returns:
        How dark upper lip and face are in the edge map of the photo.
    """
    subject, edges = drawn.subject, drawn.edges
    if scorers.gallery is not None:
        # Cheap enough to ask of all drawings, also of baselines that are not measured otherwise.
        found = scorers.gallery.look_for(drawn.index, np.stack(drawn.drawings), subject.landmarks)
        for method, row in zip(methods, found, strict=True):
            method.entry.identity.append(row)
    kept = [i for i, method in enumerate(methods) if measured or method.entry.kind != "baseline"]
    methods = [methods[i] for i in kept]
    drawings, pictures = ([each[i] for i in kept] for each in (drawn.drawings, drawn.pictures))
    # Enlargement steepens the tones, and so would wash gray away.
    grays = [gray_figures(drawn.native[i]) for i in kept]
    # The large networks leave a core idle now and then: the other measures are taken beside them.
    with ThreadPoolExecutor(1) as pool:
        rows = pool.submit(_measure_each, subject, methods, drawings, pictures, scorers)
        seen = stack_pictures(pictures)
        distances = scorers.distance.distances(
            scorers.distance.features(edges[None]), scorers.distance.edges(seen)
        )
        features, texture = scorers.extractor(seen)
        for number, row in enumerate(rows.result()):
            entry = methods[number].entry
            entry.indices.append(drawn.index)
            entry.rows.append(row | grays[number] | {"hed_lpips": float(distances[number])})
            entry.features.append(features[number])
            entry.texture.append(texture[number])
    return lip_and_face(edges, subject.landmarks)


def _measure_each(subject, methods, drawings, pictures, scorers):
    """What needs no large network, of each drawing; the face is looked for in what is seen."""
    lines, rows = fade_ink(flow_lines(subject.square), subject.inside), []
    for method, drawing, picture in zip(methods, drawings, pictures, strict=True):
        row = _found_again(picture, subject, scorers)
        if picture.ndim == 3:
            row |= colour_figures(picture, subject.square)
        if method.entry.name != _LINES:
            row["line_f1"] = line_agreement(drawing, lines)
        rows.append(row | _as_seen(drawing, subject) | _as_drawing(drawing, subject, method.entry))
    for row, distance in zip(rows, style_distances(methods, drawings), strict=True):
        row |= distance
    return rows


def style_distances(
    methods: list[DrawingMethod], drawings: Sequence[np.ndarray]
) -> list[dict[str, float]]:
    """How near the most similar other style of the same source comes.

    Args:
        methods: what drew.
        drawings: uint8 (S, S), what each made of one photo.

    Returns:
        For each drawing `style_distance`, see `drawing_measures`; nothing for a lone style.
    """
    found = []
    for number, method in enumerate(methods):
        others = [
            style_distance(drawings[number], drawings[other])
            for other, rival in enumerate(methods)
            if other != number and rival.entry.name == method.entry.name
        ]
        found.append({"style_distance": min(others)} if others else {})
    return found


def _with_generator(stylizer, style):
    return lambda picture, subject, edges: stylizer.draw_face(picture, subject.face, style)


def _with_filter(draw):
    return lambda picture, subject, edges: fade_ink(draw(subject.square, edges), subject.inside)


def _unused(key, methods):
    taken = {method.entry.key for method in methods} | {PHOTOS, EDGES}
    number, free = 1, key
    while free in taken:
        number += 1
        free = f"{key}-{number}"
    return free


def _keep(folder, key, index, picture):
    path = picture_path(folder, key, index)
    make_folder(path.parent)
    write_image(path, picture)


def _found_again(drawing, subject, scorers):
    """The face in the drawing: where it is."""
    points = find_landmarks(drawing, subject.landmarks, scorers.detector)
    lost = points is None
    return {
        "face_found": float(not lost),
        "landmark_error": np.nan if lost else landmark_error(subject.landmarks, points),
    }


def _as_seen(drawing, subject):
    """What people see first."""
    return {
        "smudge": smudge(drawing, subject.landmarks),
        "softness": softness(drawing),
        "readable_eyes": float(all(readable_eyes(drawing, subject.landmarks))),
        "border_line": border_line(drawing, subject.corners),
    }


def _as_drawing(drawing, subject, entry):
    """Strokes and ink; what is no single number goes to the entry at once."""
    widths, ink = stroke_widths(drawing), part_ink(drawing, subject.landmarks)
    empty = empty_parts(ink)
    entry.widths.append(widths)
    entry.empty.append(empty)
    entry.lips.append(lip_and_face(1 - drawing / np.float32(255), subject.landmarks))
    return {
        "empty_parts": float(len(empty) > 0),
        "stroke_width": float(width_quantile(widths, 0.5)),
        "stroke_width_90": float(width_quantile(widths, 0.9)),
        "ink_eyes": (ink["left eye"] + ink["right eye"]) / 2,
        "ink_nose": ink["nose"],
        "ink_lips": ink["lips"],
    }
