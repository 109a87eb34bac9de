"""Joins strokes wherever the pen may stay down, because its way lies in what is black anyway."""

from collections import defaultdict

import cv2
import numpy as np

from keras_portrait.inference.plotter.polylines import (
    distance_to_lines,
    is_closed,
    opened_at,
    resampled,
)

# Contours are entered and left at one point, over a way to the next pass of at most so many pens.
_DETOUR_PENS = 1.4
# Ends are joined over at most so many pens: lifting the pen takes as long as some millimetres.
_JOIN_PENS = 10
# The way must lie so deep in what is painted, in pen widths; the middle of a line lies at 0.5.
_DEEP_PENS = 0.35
_POINT_PENS = 0.4


def join_strokes(strokes: list[np.ndarray], ink: np.ndarray, pen: float) -> list[np.ndarray]:
    """Joins strokes so that the pen is lifted less often, and hardly anything else becomes black.

    Args:
        strokes: lines, float (N, 2), in pixels; contours end where they begin.
        ink: bool (H, W).
        pen: the width of the pen in pixels.

    Returns:
        Fewer and longer strokes, which hold all of the given ones.
    """
    if not strokes:
        return []
    painted = ink | (distance_to_lines(strokes, ink.shape) <= pen / 2)
    deep = cv2.distanceTransform(painted.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    may_pass = deep > _DEEP_PENS * pen
    strokes = [resampled(stroke, _POINT_PENS * pen) for stroke in strokes]
    return _join_ends(_with_detours(strokes, may_pass, pen), may_pass, pen)


def _is_way(start: np.ndarray, end: np.ndarray, may_pass: np.ndarray) -> bool:
    count = int(np.hypot(*(end - start))) + 2
    x, y = np.round(np.linspace(start, end, count)).astype(int).T
    return bool(may_pass[y, x].all())


class _Groups:
    """Sets that are joined two by two."""

    def __init__(self, count: int):
        self._parent = list(range(count))

    def find(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def join(self, one: int, other: int) -> None:
        self._parent[self.find(one)] = self.find(other)


def _with_detours(strokes, may_pass, pen) -> list[np.ndarray]:
    """Draws contours within other strokes, which they lie beside.

    The nearest pairs come first, as in Kruskal's minimum spanning tree. A tree has one open stroke
    at most: only closed ones come back to where they were entered.
    """
    from scipy.spatial import cKDTree

    closed = [is_closed(stroke) for stroke in strokes]
    owner = np.repeat(np.arange(len(strokes)), [len(stroke) for stroke in strokes])
    first = np.concatenate([[0], np.cumsum([len(stroke) for stroke in strokes])])
    points = np.vstack(strokes)
    pairs = cKDTree(points).query_pairs(_DETOUR_PENS * pen, output_type="ndarray")
    closed_points = np.array(closed)[owner]
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    pairs = pairs[closed_points[pairs].any(axis=1)]
    gaps = np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0], gaps))]
    strokes_of = owner[pairs].min(axis=1) * len(strokes) + owner[pairs].max(axis=1)
    pairs = pairs[np.sort(np.unique(strokes_of, return_index=True)[1])]
    groups, links = _Groups(len(strokes)), defaultdict(list)
    open_stroke = {index: index for index in range(len(strokes)) if not closed[index]}
    for one, other in pairs:
        a, b = int(owner[one]), int(owner[other])
        root_a, root_b = groups.find(a), groups.find(b)
        if root_a == root_b or (root_a in open_stroke and root_b in open_stroke):
            continue
        if not _is_way(points[one], points[other], may_pass):
            continue
        groups.join(a, b)
        held = {root_a, root_b} & open_stroke.keys()
        if held:
            open_stroke[groups.find(a)] = open_stroke[held.pop()]
        links[a].append((b, int(one - first[a]), int(other - first[b])))
        links[b].append((a, int(other - first[b]), int(one - first[a])))
    roots = defaultdict(list)
    for index in range(len(strokes)):
        roots[groups.find(index)].append(index)
    return [
        _walk_tree(strokes, links, open_stroke.get(group, members[0]))
        for group, members in roots.items()
    ]


def _walk_tree(strokes, links, root: int) -> np.ndarray:
    """One stroke along all of a tree, from its root."""
    above, order = {root: (None, 0, 0)}, [root]
    for index in order:
        for child, here, there in links[index]:
            if child not in above:
                above[child] = (index, here, there)
                order.append(child)
    detours = defaultdict(list)
    for index in reversed(order):
        host, here, there = above[index]
        points = strokes[index]
        if host is not None and there not in (0, len(points) - 1):
            # What turns off at the former beginning may turn off at its end as well.
            detours[index] = [
                ((place - there) % (len(points) - 1), way) for place, way in detours[index]
            ]
            points = opened_at(points, there)
        whole, begin = [], 0
        for place, way in sorted(detours.pop(index, []), key=lambda detour: detour[0]):
            whole += [points[begin : place + 1], way]
            begin = place
        whole = np.vstack([*whole, points[begin:]])
        if host is None:
            return whole
        detours[host].append((here, whole))
    raise AssertionError("a tree has a root")


def _join_ends(strokes, may_pass, pen) -> list[np.ndarray]:
    """Joins the ends of open strokes, the nearest first."""
    from scipy.spatial import cKDTree

    open_ones = [stroke for stroke in strokes if not is_closed(stroke)]
    result = [stroke for stroke in strokes if is_closed(stroke)]
    if not open_ones:
        return result
    ends = np.array([stroke[[0, -1]] for stroke in open_ones]).reshape(-1, 2)
    pairs = cKDTree(ends).query_pairs(_JOIN_PENS * pen, output_type="ndarray")
    gaps = np.hypot(*(ends[pairs[:, 0]] - ends[pairs[:, 1]]).T)
    groups, partner = _Groups(len(open_ones)), {}
    for one, other in pairs[np.lexsort((pairs[:, 1], pairs[:, 0], gaps))].tolist():
        if one in partner or other in partner or groups.find(one // 2) == groups.find(other // 2):
            continue
        if _is_way(ends[one], ends[other], may_pass):
            partner[one], partner[other] = other, one
            groups.join(one // 2, other // 2)
    return result + _strung(open_ones, partner)


def _strung(strokes, partner) -> list[np.ndarray]:
    """Strokes strung together; `partner` says which ends meet, 2 i and 2 i + 1 of stroke i."""
    result, done = [], set()
    for end in range(2 * len(strokes)):
        if end in partner or end // 2 in done:
            continue
        parts = []
        while True:
            done.add(end // 2)
            parts.append(strokes[end // 2][:: 1 if end % 2 == 0 else -1])
            if end ^ 1 not in partner:
                break
            end = partner[end ^ 1]
        result.append(np.vstack(parts))
    return result
