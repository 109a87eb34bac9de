"""Draws one photo after the other with everything that is compared, and measures what came out."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.evaluation.baselines import BASELINES, edge_drawing, flow_lines
from keras_portrait.evaluation.border import border_line
from keras_portrait.evaluation.content import EdgeDistance, Identity, find_landmarks, landmark_error
from keras_portrait.evaluation.drawing_measures import (
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
from keras_portrait.evaluation.extractors import Extractor
from keras_portrait.evaluation.eyes import readable_eyes
from keras_portrait.evaluation.inputs import Source, safe_key
from keras_portrait.evaluation.report.files import EDGES, PHOTOS, picture_path
from keras_portrait.evaluation.sitters import Sitter
from keras_portrait.evaluation.summary import Entry
from keras_portrait.files import make_folder
from keras_portrait.inference.alignment import fade_ink
from keras_portrait.inference.faces import Detector
from keras_portrait.inference.imaging import enlarge_drawing, read_image, write_image
from keras_portrait.inference.stylizer import Stylizer

# What line F1 is measured against is the same filter.
_LINES = "flow-based DoG"


@dataclass(frozen=True)
class Judges:
    """The networks that drawings are judged by.

    Attributes:
        distance: edges and their distance.
        extractor: features and texture.
        detector: finds faces.
        identity: face embeddings, or None.
    """

    distance: EdgeDistance
    extractor: Extractor
    detector: Detector
    identity: Identity | None


@dataclass(frozen=True)
class Hand:
    """What draws an entry.

    Attributes:
        entry: where the measures go.
        draw: function of a picture, uint8 RGB (H, W, 3), its sitter and the square's edge map,
            float32 (S, S), to a drawing uint8 (N, N) of the generator's own size.
    """

    entry: Entry
    draw: Callable[[np.ndarray, Sitter, np.ndarray], np.ndarray]


def find_hands(sources: list[Source], stylizers: list[Stylizer], baselines: bool) -> list[Hand]:
    """Everything that draws: each source in each of its styles, then the baselines."""
    hands = []
    for source, stylizer in zip(sources, stylizers, strict=True):
        for style in source.generator.contract.styles:
            key = _unused(safe_key(Path(source.name).name, style), hands)
            sha256 = source.generator.contract.sha256
            entry = Entry(source.name, style, source.kind, key, sha256)
            hands.append(Hand(entry, _with_generator(stylizer, style)))
    for name, draw in BASELINES.items() if baselines else ():
        entry = Entry(name, "", "baseline", _unused(safe_key(name), hands))
        hands.append(Hand(entry, _with_filter(draw)))
    return hands


@dataclass(frozen=True)
class DrawnSitter:
    """A sitter, and what every hand made of the photo.

    Attributes:
        sitter: who.
        index: place of the photo in the result.
        edges: edge map of the square, float32 (S, S) in [0, 1].
        native: drawings as they were drawn, uint8 (N, N), of each hand.
        drawings: the same at the size at which they are measured, uint8 (S, S).
    """

    sitter: Sitter
    index: int
    edges: np.ndarray
    native: list[np.ndarray]
    drawings: list[np.ndarray]


def draw_sitters(
    sitters: list[Sitter], hands: list[Hand], judges: Judges, folder: Path
) -> Iterator[DrawnSitter]:
    """Draws one sitter after the other with every hand, and keeps the pictures.

    The next is drawn while what came out is looked at: drawing keeps one core busy, the networks
    that judge all of them.

    Args:
        sitters: who.
        hands: what draws.
        judges: what judges.
        folder: of the pictures.

    Raises:
        InputError: a picture cannot be written.
    """
    with ThreadPoolExecutor(1) as pool:
        jobs = (
            pool.submit(_draw, sitter, index, hands, judges, folder)
            for index, sitter in enumerate(sitters)
        )
        following = next(jobs, None)
        while following:
            drawn, following = following.result(), next(jobs, None)
            yield drawn


def _draw(sitter, index, hands, judges, folder):
    picture = read_image(sitter.photo.path)
    edges = judges.distance.edges(sitter.square[None])[0] * sitter.inside
    _keep(folder, PHOTOS, index, sitter.square)
    _keep(folder, EDGES, index, edge_drawing(edges))
    native = [hand.draw(picture, sitter, edges) for hand in hands]
    drawings = [enlarge_drawing(drawing, *edges.shape) for drawing in native]
    for hand, drawing in zip(hands, drawings, strict=True):
        _keep(folder, hand.entry.key, index, drawing)
    return DrawnSitter(sitter, index, edges, native, drawings)


def measure_drawings(
    drawn: DrawnSitter, hands: list[Hand], judges: Judges, measured: bool
) -> tuple[float, float]:
    """Adds what is measured of a sitter's drawings to the entries.

    Args:
        drawn: the drawings.
        hands: what drew them.
        judges: what judges.
        measured: whether baselines are measured, too, rather than drawn alone.

    Returns:
        How dark upper lip and face are in the edge map of the photo.
    """
    sitter, edges = drawn.sitter, drawn.edges
    kept = [i for i, hand in enumerate(hands) if measured or hand.entry.kind != "baseline"]
    hands, drawings = [hands[i] for i in kept], np.stack([drawn.drawings[i] for i in kept])
    # Enlargement steepens the tones, and so would wash gray away.
    grays = [gray_figures(drawn.native[i]) for i in kept]
    # The large networks leave a core idle now and then: the other measures are taken beside them.
    with ThreadPoolExecutor(1) as pool:
        rows = pool.submit(_measure_each, sitter, hands, drawings, judges)
        distances = judges.distance.distances(
            judges.distance.features(edges[None]), judges.distance.edges(drawings)
        )
        features, texture = judges.extractor(drawings)
        for number, row in enumerate(rows.result()):
            entry = hands[number].entry
            entry.indices.append(drawn.index)
            entry.rows.append(row | grays[number] | {"hed_lpips": float(distances[number])})
            entry.features.append(features[number])
            entry.texture.append(texture[number])
    return lip_and_face(edges, sitter.landmarks)


def _measure_each(sitter, hands, drawings, judges):
    """What needs no large network, of each drawing."""
    lines, person, rows = fade_ink(flow_lines(sitter.square), sitter.inside), None, []
    if judges.identity is not None:
        person = judges.identity.features(sitter.square, sitter.landmarks)
    for hand, drawing in zip(hands, drawings, strict=True):
        row = _found_again(drawing, sitter, judges, person)
        if hand.entry.name != _LINES:
            row["line_f1"] = line_agreement(drawing, lines)
        rows.append(row | _as_seen(drawing, sitter) | _as_drawing(drawing, sitter, hand.entry))
    for row, distance in zip(rows, style_distances(hands, drawings), strict=True):
        row |= distance
    return rows


def style_distances(hands: list[Hand], drawings: Sequence[np.ndarray]) -> list[dict[str, float]]:
    """How near the most similar other style of the same source comes.

    Args:
        hands: what drew.
        drawings: uint8 (S, S), what each made of one photo.

    Returns:
        For each drawing `style_distance`, see `drawing_measures`; nothing for a lone style.
    """
    found = []
    for number, hand in enumerate(hands):
        others = [
            style_distance(drawings[number], drawings[other])
            for other, rival in enumerate(hands)
            if other != number and rival.entry.name == hand.entry.name
        ]
        found.append({"style_distance": min(others)} if others else {})
    return found


def _with_generator(stylizer, style):
    return lambda picture, sitter, edges: stylizer.draw_face(picture, sitter.face, style)


def _with_filter(draw):
    return lambda picture, sitter, edges: fade_ink(draw(sitter.square, edges), sitter.inside)


def _unused(key, hands):
    taken = {hand.entry.key for hand in hands} | {PHOTOS, EDGES}
    number, free = 1, key
    while free in taken:
        number += 1
        free = f"{key}-{number}"
    return free


def _keep(folder, key, index, picture):
    path = picture_path(folder, key, index)
    make_folder(path.parent)
    write_image(path, picture)


def _found_again(drawing, sitter, judges, person):
    """The face in the drawing: where it is, and whose it is."""
    points = find_landmarks(drawing, sitter.landmarks, judges.detector)
    lost = points is None
    row = {
        "face_found": float(not lost),
        "landmark_error": np.nan if lost else landmark_error(sitter.landmarks, points),
    }
    if person is not None:
        row["identity"] = (
            np.nan if lost else float(judges.identity.features(drawing, points) @ person)
        )
    return row


def _as_seen(drawing, sitter):
    """What people see first."""
    return {
        "smudge": smudge(drawing, sitter.landmarks),
        "softness": softness(drawing),
        "readable_eyes": float(all(readable_eyes(drawing, sitter.landmarks))),
        "border_line": border_line(drawing, sitter.corners),
    }


def _as_drawing(drawing, sitter, entry):
    """Strokes and ink; what is no single number goes to the entry at once."""
    widths, ink = stroke_widths(drawing), part_ink(drawing, sitter.landmarks)
    empty = empty_parts(ink)
    entry.widths.append(widths)
    entry.empty.append(empty)
    entry.lips.append(lip_and_face(1 - drawing / np.float32(255), sitter.landmarks))
    return {
        "empty_parts": float(len(empty) > 0),
        "stroke_width": float(width_quantile(widths, 0.5)),
        "stroke_width_90": float(width_quantile(widths, 0.9)),
        "ink_eyes": (ink["left eye"] + ink["right eye"]) / 2,
        "ink_nose": ink["nose"],
        "ink_lips": ink["lips"],
    }
