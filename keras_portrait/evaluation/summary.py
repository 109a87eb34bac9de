"""Figures of what was measured photo by photo, and the worst drawings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from keras_portrait.evaluation import intervals
from keras_portrait.evaluation.drawing_measures import width_distance, width_quantile
from keras_portrait.evaluation.measures import LEAST_GROUP, figure
from keras_portrait.evaluation.references import ALL, References, StyleClassifier
from keras_portrait.metrics import frechet_distance, kernel_distance

WORST = 10
SCORE = (
    "100 where no face is found in the drawing, plus the landmark error in percent of the eye "
    "distance, plus the mid-gray and the smudge in percentage points above their goals, plus 20 "
    "for each empty part, and where an eye cannot be read"
)
_PARTS_WEIGHT, _LOST = 20, 100
# Shares of gray that count against a drawing above their goals, and what they are called.
_GRAYS = {"mid_gray": "mid-gray", "smudge": "smudge"}
# Measures of one photo that are shares of drawings, and so percent as a figure.
SHARES = ("readable_eyes", "face_found", "empty_parts", "style_accuracy", "identity")


@dataclass
class Entry:
    """What one generator in one style, or one baseline, has drawn.

    Attributes:
        name: of the source or baseline.
        style: its style, or "".
        kind: "preset", "run", "baseline" or "floor".
        key: unique, and safe as the name of a folder.
        sha256: of the model file of a preset, as its metadata has it; "" otherwise.
        indices: which photos were measured; what follows has an item for each of them.
        rows: a number by measure; nan where it cannot be told.
        widths, features, texture: see `drawing_measures` and `extractors`.
        empty: names of empty parts.
        lips: how dark upper lip and face are.
        identity: a number by measure of identity, of every photo, measured or not; empty where it
            is not looked at.
    """

    name: str
    style: str
    kind: str
    key: str
    sha256: str = ""
    indices: list[int] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    widths: list[np.ndarray] = field(default_factory=list)
    features: list[np.ndarray] = field(default_factory=list)
    texture: list[np.ndarray] = field(default_factory=list)
    empty: list[list[str]] = field(default_factory=list)
    lips: list[tuple[float, float]] = field(default_factory=list)
    identity: list[dict[str, float]] = field(default_factory=list)


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
        compared: indices of the photos that distances between equally many are taken of.
        seed: of the resampling.
    """

    measures: dict[str, dict]
    suffix: str
    photo_names: list[str]
    groups: list[str | None]
    photo_lips: list[tuple[float, float]]
    references: References | None
    compared: set[int]
    seed: int

    def entry(self, entry: Entry) -> dict:
        """The result of an entry."""
        told = None if self._classify is None else self._classify(np.stack(entry.texture))
        if told is not None and entry.style in self.references.styles:
            wanted = self.references.styles.index(entry.style)
            for row, style in zip(entry.rows, told, strict=True):
                row["style_accuracy"] = float(style == wanted)
        figures = self._means(entry.style, entry.rows) | self._means(entry.style, entry.identity)
        figures |= self._strokes(entry.style, np.stack(entry.widths))
        figures |= self._lips(entry)
        reference, against = None, {}
        if self.references is not None:
            reference, against = self._against(entry, told)
            figures |= against[reference]
        rows = dict(enumerate(entry.identity))
        for index, row in zip(entry.indices, entry.rows, strict=True):
            rows[index] = rows.get(index, {}) | row
        per_photo = {
            key: [
                _json_number(rows.get(index, {}).get(key, np.nan))
                for index in range(len(self.photo_names))
            ]
            for key in self.measures
            if any(key in row for row in rows.values())
        }
        return self._entry(entry, reference, figures) | {
            "against": against if len(against) > 1 else {},
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
            figures |= self._told_as(style, style, told)
        figures |= self._strokes(style, self.references.widths[some])
        count = self._draw(style)
        for key, distance, sets in self._set_distances():
            values = intervals.floor_interval(distance, sets[some], count, self.seed)
            figures |= self._figure(key, style, values, count)
        entry = Entry("real against real", style, "floor", f"real-{style}")
        empty = {"against": {}, "worst": [], "per_photo": {}}
        return self._entry(entry, style, figures) | empty

    def _entry(self, entry, reference, figures):
        ordered = {key: figures[key] for key in self.measures if key in figures}
        return {
            "name": entry.name,
            "style": entry.style,
            "kind": entry.kind,
            "key": entry.key,
            "sha256": entry.sha256,
            "reference": reference,
            "figures": ordered,
        }

    def _means(self, style, rows):
        """Figures that are means over pictures; those of a width are taken of all strokes."""
        figures = {}
        for key in self.measures:
            values = np.array([row[key] for row in rows if key in row], float)
            if len(values) and not key.startswith("stroke_width"):
                found = (
                    intervals.share_interval(values)
                    if key in SHARES
                    else intervals.mean_interval(values, self.seed)
                )
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
        drawn, shown = (
            100 * _relative(np.array(lips)[chosen]) for lips in (entry.lips, photo_lips)
        )
        few = min(women.sum(), (~women).sum()) < LEAST_GROUP
        remark = f"fewer than {LEAST_GROUP} women or men" if few else ""
        excess = intervals.difference_excess(drawn, shown, women, self.seed)
        alone = intervals.mean_interval((drawn - shown)[women], self.seed)
        found = self._figure("lip_excess", entry.style, excess, int(chosen.sum()), remark)
        return found | self._figure("lip_women", entry.style, alone, int(women.sum()))

    def _against(self, entry, told) -> tuple[str, dict[str, dict]]:
        """What an entry is compared with, and figures by all that it was compared with.

        A generator is compared with the drawings of its style; what has none among them with each
        style and all drawings, so that it can stand beside any generator. A baseline is shown with
        the style that it comes nearest to, a generator with all drawings.
        """
        if entry.style in self.references.styles:
            return entry.style, {entry.style: self._distances(entry, entry.style)}
        against = {name: self._distances(entry, name) for name in [*self.references.styles, ALL]}
        if told is not None:
            for style in self.references.styles:
                against[style] |= self._told_as(style, "", told)
        if entry.kind != "baseline":
            return ALL, against
        kernel = {
            style: value
            for style in self.references.styles
            if (value := against[style][f"kid{self.suffix}"]["value"]) is not None
        }
        return min(kernel, key=kernel.get, default=ALL), against

    def _distances(self, entry, reference):
        """To the drawings of a style, or to all."""
        same = np.array([index in self.compared for index in entry.indices])
        count, figures = min(self._draw(reference), int(same.sum())), {}
        for key, distance, sets in self._set_distances():
            drawn = np.stack(entry.widths if key == "stroke_distance" else entry.features)
            real = self._of(reference, sets)
            if self.measures[key]["ranked"] == "equal counts":
                some = drawn[same]
                values = intervals.fixed_size_interval(distance, some, real, count, self.seed)
                figures |= self._figure(key, entry.style, values, count)
            else:
                values = intervals.subset_interval(distance, drawn, real, self.seed)
                figures |= self._figure(key, entry.style, values, len(drawn))
        return figures

    def _draw(self, reference) -> int:
        """How many drawings of a style, or of all, are drawn for a distance, and as many photos.

        Half of the style's at most: the noise floor takes two such parts.
        """
        return min(len(self.compared), int(self.references.of(reference).sum()) // 2)

    def _told_as(self, wanted, style, told):
        """Share of drawings that the classifier has taken for a style."""
        hits = told == self.references.styles.index(wanted)
        values = intervals.share_interval(hits)
        return self._figure("style_accuracy", style, values, len(hits))

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

    def _figure(self, key, style, values, count, remark=""):
        return {key: figure(key, self.measures[key], style, values, count, remark)}

    @cached_property
    def _classify(self):
        """Trained on the drawings that are not held; None where there is only one style."""
        known = self.references
        if known is None or len(set(known.style[~known.held])) < max(2, len(known.styles)):
            return None
        return StyleClassifier(known.texture[~known.held], known.style[~known.held])

    def _worst(self, entry):
        goals = {
            key: figure(key, self.measures[key], entry.style, (0, 0, 0), 0)["goal"]
            for key in _GRAYS
        }
        scored = []
        for index, row, empty in zip(entry.indices, entry.rows, entry.empty, strict=True):
            score, why = _score(row, empty, goals)
            scored.append((-round(score, 3), index, "; ".join(why)))
        return [
            {"photo": self.photo_names[index], "index": index, "score": -score, "why": why}
            for score, index, why in sorted(scored)[:WORST]
        ]


def _score(row, empty, goals):
    """How bad a drawing is, see `SCORE`, and why."""
    score, why = 0.0, []
    if not row["face_found"]:
        score, why = float(_LOST), ["no face found"]
    elif row["landmark_error"] > 0:
        score += row["landmark_error"]
        why.append(f"landmarks {row['landmark_error']:.1f} % off")
    for key, name in _GRAYS.items():
        beyond = row[key] - goals[key]
        if beyond > 0:
            score += beyond
            why.append(f"{name} {row[key]:.1f} %")
    if not row["readable_eyes"]:
        score += _PARTS_WEIGHT
        why.append("an eye cannot be read")
    if empty:
        why.append(f"empty: {', '.join(empty)}")
    return score + _PARTS_WEIGHT * len(empty), why


def _relative(lips):
    """Upper lips in shares of the mean darkness of the faces, (N,) of (N, 2)."""
    return lips[:, 0] / max(lips[:, 1].mean(), 1e-6)


def _json_number(value):
    return None if value != value else round(float(value), 5)
