"""Figures of what was measured photo by photo, and the worst drawings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from keras_portrait.metrics import frechet_distance, kernel_distance

from . import intervals
from .drawing_measures import width_distance, width_quantile
from .measures import figure
from .references import References, StyleClassifier

WORST = 10
SCORE = (
    "100 where no face is found in the drawing, plus the landmark error in percent of the eye "
    "distance, plus the mid-gray in percentage points above its goal, plus 20 for each empty part"
)
_PARTS_WEIGHT, _LOST = 20, 100
# Measures of one photo that are shares of drawings, and so percent as a figure.
_SHARES = ("face_found", "empty_parts", "style_accuracy")


@dataclass
class Entry:
    """What one generator in one style, or one baseline, has drawn.

    Attributes:
        name: of the source or baseline.
        style: its style, or "".
        kind: "preset", "run", "baseline" or "floor".
        key: unique, and safe as the name of a folder.
        indices: which photos were measured; what follows has an item for each of them.
        rows: a number by measure; nan where it cannot be told.
        widths, features, texture: see `drawing_measures` and `extractors`.
        empty: names of empty parts.
        lips: how dark upper lip and face are.
    """

    name: str
    style: str
    kind: str
    key: str
    indices: list[int] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    widths: list[np.ndarray] = field(default_factory=list)
    features: list[np.ndarray] = field(default_factory=list)
    texture: list[np.ndarray] = field(default_factory=list)
    empty: list[list[str]] = field(default_factory=list)
    lips: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Summarizer:
    """Turns entries into the result.

    Attributes:
        measures: from `measures.measures`.
        suffix: of the keys of the distances.
        photo_names: of the photos.
        groups: "women", "men" or None for each photo.
        photo_lips: for each photo how dark upper lip and face are in its edge map.
        references: the training drawings, or None.
        seed: of the resampling.
    """

    measures: dict[str, dict]
    suffix: str
    photo_names: list[str]
    groups: list[str | None]
    photo_lips: list[tuple[float, float]]
    references: References | None
    seed: int

    def entry(self, entry: Entry) -> dict:
        """The result of an entry."""
        if self._classify is not None and entry.style in self.references.styles:
            wanted = self.references.styles.index(entry.style)
            told = self._classify(np.stack(entry.texture))
            for row, style in zip(entry.rows, told, strict=True):
                row["style_accuracy"] = float(style == wanted)
        figures = self._means(entry.style, entry.rows)
        figures |= self._strokes(entry.style, np.stack(entry.widths))
        figures |= self._lips(entry)
        reference = None
        if self.references is not None:
            reference, distances = self._distances(entry)
            figures |= distances
        rows = dict(zip(entry.indices, entry.rows, strict=True))
        per_photo = {
            key: [
                _json_number(rows.get(index, {}).get(key, np.nan))
                for index in range(len(self.photo_names))
            ]
            for key in self.measures
            if any(key in row for row in entry.rows)
        }
        return self._entry(entry, reference, figures) | {
            "worst": self._worst(entry),
            "per_photo": per_photo,
        }

    def floors(self) -> list[dict]:
        """Real against real: for each style of the training drawings one half and the other."""
        return [self._floor(style) for style in self.references.styles] if self.references else []

    def _floor(self, style):
        some = self.references.of(style)
        rows = [
            {key: values[index] for key, values in self.references.figures.items()}
            for index in np.flatnonzero(some)
        ]
        figures = self._means(style, rows)
        held = some & self.references.held
        if self._classify is not None and held.any():
            told = self._classify(self.references.texture[held])
            right = 100.0 * (told == self.references.styles.index(style))
            values = intervals.mean_interval(right, self.seed)
            figures |= self._figure("style_accuracy", style, values, len(right))
        figures |= self._strokes(style, self.references.widths[some])
        for key, distance, sets in self._set_distances():
            values = intervals.halves_interval(distance, sets[some], self.seed)
            figures |= self._figure(key, style, values, int(some.sum()))
        entry = Entry("real against real", style, "floor", f"real-{style}")
        return self._entry(entry, style, figures) | {"worst": [], "per_photo": {}}

    def _entry(self, entry, reference, figures):
        ordered = {key: figures[key] for key in self.measures if key in figures}
        return {
            "name": entry.name,
            "style": entry.style,
            "kind": entry.kind,
            "key": entry.key,
            "reference": reference,
            "figures": ordered,
        }

    def _means(self, style, rows):
        """Figures that are means over pictures; those of a width are taken of all strokes."""
        figures = {}
        for key in self.measures:
            values = np.array([row[key] for row in rows if key in row], float)
            if len(values) and not key.startswith("stroke_width"):
                scale = 100.0 if key in _SHARES else 1.0
                found = intervals.mean_interval(values * scale, self.seed)
                figures |= self._figure(key, style, found, int(np.isfinite(values).sum()))
        return figures

    def _strokes(self, style, widths):
        counts, figures = intervals.resample_counts(len(widths), self.seed), {}
        for key, quantile in (("stroke_width", 0.5), ("stroke_width_90", 0.9)):
            value = float(width_quantile(widths.sum(axis=0), quantile))
            samples = width_quantile(counts @ widths, quantile)
            samples = samples[np.isfinite(samples)]
            ends = intervals.percentile_interval(samples) if len(samples) else (np.nan,) * 2
            figures |= self._figure(key, style, (value, *ends), len(widths))
        return figures

    def _lips(self, entry):
        groups = [self.groups[index] for index in entry.indices]
        chosen = np.array([group is not None for group in groups])
        if not chosen.any():
            return {}
        women = np.array([group == "women" for group in groups])[chosen]
        photo_lips = [self.photo_lips[index] for index in entry.indices]
        drawn, shown = (_relative(np.array(lips)[chosen]) for lips in (entry.lips, photo_lips))
        values = intervals.difference_excess(100 * drawn, 100 * shown, women, self.seed)
        return self._figure("lip_excess", entry.style, values, int(chosen.sum()))

    def _distances(self, entry):
        """To the drawings of the style; a baseline, which has none, to those it comes nearest."""
        features = np.stack(entry.features)
        name = self.references.name_of(entry.style)
        if entry.kind == "baseline" and len(features) > 1:
            name = min(
                self.references.styles,
                key=lambda s: kernel_distance(features, self._of(s, self.references.features)),
            )
        figures = {}
        for key, distance, sets in self._set_distances():
            drawn = np.stack(entry.widths) if key == "stroke_distance" else features
            values = intervals.subset_interval(distance, drawn, self._of(name, sets), self.seed)
            figures |= self._figure(key, entry.style, values, len(drawn))
        return name, figures

    def _set_distances(self) -> list[tuple[str, Callable, np.ndarray]]:
        """Distances between sets: key, function, what it takes of the training drawings."""
        features, widths = self.references.features, self.references.widths
        return [
            (f"kid{self.suffix}", lambda a, b: 1000 * kernel_distance(a, b), features),
            (f"fid{self.suffix}", frechet_distance, features),
            ("stroke_distance", lambda a, b: width_distance(a.sum(0), b.sum(0)), widths),
        ]

    def _of(self, style, values):
        return values[self.references.of(style)]

    def _figure(self, key, style, values, count):
        return {key: figure(key, self.measures[key], style, values, count)}

    @cached_property
    def _classify(self):
        """Trained on the drawings that are not held; None where there is only one style."""
        known = self.references
        if known is None or len(set(known.style[~known.held])) < max(2, len(known.styles)):
            return None
        return StyleClassifier(known.texture[~known.held], known.style[~known.held])

    def _worst(self, entry):
        goal = figure("mid_gray", self.measures["mid_gray"], entry.style, (0, 0, 0), 0)["goal"]
        scored = []
        for index, row, empty in zip(entry.indices, entry.rows, entry.empty, strict=True):
            score, why = _score(row, empty, goal)
            scored.append((-round(score, 3), index, "; ".join(why)))
        return [
            {"photo": self.photo_names[index], "index": index, "score": -score, "why": why}
            for score, index, why in sorted(scored)[:WORST]
        ]


def _score(row, empty, gray_goal):
    """How bad a drawing is, see `SCORE`, and why."""
    score, why = 0.0, []
    if not row["face_found"]:
        score, why = float(_LOST), ["no face found"]
    elif row["landmark_error"] > 0:
        score += row["landmark_error"]
        why.append(f"landmarks {row['landmark_error']:.1f} % off")
    gray = row["mid_gray"] - gray_goal
    if gray > 0:
        score += gray
        why.append(f"mid-gray {row['mid_gray']:.1f} %")
    if empty:
        why.append(f"empty: {', '.join(empty)}")
    return score + _PARTS_WEIGHT * len(empty), why


def _relative(lips):
    """Upper lips in shares of the mean darkness of the faces, (N,) of (N, 2)."""
    return lips[:, 0] / max(lips[:, 1].mean(), 1e-6)


def _json_number(value):
    return None if value != value else round(float(value), 5)
