"""The skeleton of ink as branches between junctions: traced, pruned, joined where they go on."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import cv2
import numpy as np

from keras_portrait.inference.plotter.polylines import length

# Branches that leave a junction at less than this angle from straight ahead are one stroke.
_MOST_TURN = np.radians(50)
# The direction of a branch at its end is that of its first so many pen widths.
_DIRECTION_PENS = 1.5
# A branch with a free end that reaches less than this beyond the ink around its junction, in pen
# widths, comes from a rough edge.
_SPUR_PENS = 0.6


@dataclass
class Branch:
    """A line of the skeleton.

    Attributes:
        points: float (N, 2), x and y in pixels, from one end to the other.
        ends: the junctions at both ends; None where an end is free, twice None with the first point
            equal to the last where it is a ring.
    """

    points: np.ndarray
    ends: tuple[int | None, int | None]

    @property
    def is_ring(self) -> bool:
        """Whether it has neither ends nor junctions."""
        return self.ends == (None, None) and len(self.points) > 2 and self._meets_itself()

    def _meets_itself(self) -> bool:
        return bool(np.all(self.points[0] == self.points[-1]))


def skeleton_lines(skeleton: np.ndarray, depth: np.ndarray, pen: float) -> list[np.ndarray]:
    """Traces a skeleton to lines that run through its junctions as a hand would.

    Args:
        skeleton: bool (H, W), a pixel wide; none of its pixels at the border.
        depth: float32 (H, W), how far the edge of the ink is from each pixel.
        pen: the width of the pen in pixels.

    Returns:
        Lines, float (N, 2) with N at least 1, x and y in pixels. Rings end where they begin.
    """
    branches = trace(skeleton)
    while True:
        kept = _without_spurs(branches, depth, pen)
        if len(kept) == len(branches):
            break
        branches = _joined(kept, pen, most_turn=None)
    return [branch.points for branch in _joined(branches, pen, _MOST_TURN)]


def trace(skeleton: np.ndarray) -> list[Branch]:
    """Finds the branches between the junctions of a skeleton."""
    width = skeleton.shape[1]
    around = cv2.boxFilter(
        skeleton.astype(np.uint8), -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    is_junction = skeleton & (around > 3)  # a box counts its middle, too
    _, labels, _, centres = cv2.connectedComponentsWithStats(
        is_junction.astype(np.uint8), connectivity=8
    )
    junction = {int(place): int(labels.flat[place]) for place in np.flatnonzero(is_junction)}
    left = dict.fromkeys(map(int, np.flatnonzero(skeleton & ~is_junction)))
    # Neighbours along the sides come first, so that steps go over a corner only where they must.
    steps = (-width, width, -1, 1, -width - 1, -width + 1, width - 1, width + 1)

    def neighbours(place: int, among: dict) -> list[int]:
        return [place + step for step in steps if place + step in among]

    def walk(place: int) -> list[int]:
        path = [place]
        del left[place]
        while following := neighbours(path[-1], left):
            path.append(following[0])
            del left[path[-1]]
        return path

    def as_branch(path: list[int], ends: list[int | None]) -> Branch:
        points = [(place % width, place // width) for place in path]
        first, last = ([centres[end]] if end is not None else [] for end in ends)
        return Branch(np.array([*first, *points, *last], float), tuple(ends))

    branches = []
    for place in [place for place in left if len(neighbours(place, left)) < 2]:
        if place not in left:
            continue
        path = walk(place)
        met = [
            [junction[other] for other in neighbours(end, junction)]
            for end in path[:: len(path) - 1 or 1]
        ]
        if len(path) == 1:
            met = [list(dict.fromkeys(met[0]))[:1], list(dict.fromkeys(met[0]))[1:]]
        branches.append(as_branch(path, [found[0] if found else None for found in met]))
    for place in list(left):
        if place in left:
            path = walk(place)
            branches.append(as_branch([*path, path[0]], [None, None]))
    alone = set(junction.values()) - {end for branch in branches for end in branch.ends}
    branches += [Branch(centres[[label]], (None, None)) for label in sorted(alone)]
    return branches


def _without_spurs(branches: list[Branch], depth: np.ndarray, pen: float) -> list[Branch]:
    """Leaves out the shortest spur of each junction that has other branches to go on with."""
    degree = Counter(end for branch in branches for end in branch.ends if end is not None)
    shortest: dict[int, tuple[float, int]] = {}
    for index, branch in enumerate(branches):
        held = [end for end in branch.ends if end is not None]
        if len(held) != 1 or degree[held[0]] < 3:
            continue
        tip, root = (branch.points[0], branch.points[-1])[:: 1 if branch.ends[0] is None else -1]
        at_tip, at_root = (depth[int(y + 0.5), int(x + 0.5)] for x, y in (tip, root))
        beyond = length(branch.points) + at_tip - at_root
        if beyond < _SPUR_PENS * pen:
            found = (beyond, index)
            shortest[held[0]] = min(found, shortest.get(held[0], found))
    spurs = {index for _, index in shortest.values()}
    return [branch for index, branch in enumerate(branches) if index not in spurs]


def _joined(branches: list[Branch], pen: float, most_turn: float | None) -> list[Branch]:
    """Joins branches that go on in each other.

    Args:
        branches: lines between junctions.
        pen: the width of the pen in pixels.
        most_turn: the largest angle in a stroke; None joins at junctions of two branches alone.
    """
    meeting = defaultdict(list)
    for index, branch in enumerate(branches):
        for side, end in enumerate(branch.ends):
            if end is not None:
                meeting[end].append((index, side))
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    for ends in meeting.values():
        if len(ends) == 2:
            pairs = [tuple(ends)]
        else:
            pairs = [] if most_turn is None else _straightest(branches, ends, pen, most_turn)
        for one, other in pairs:
            partner[one], partner[other] = other, one
    return _chains(branches, partner)


def _straightest(branches, ends, pen: float, most_turn: float):
    """Pairs of ends at a junction, the straightest first; each end stands in one pair at most."""
    directions = [_direction(branches[index].points[:: 1 - 2 * side], pen) for index, side in ends]
    turns = sorted(
        (float(np.arccos(np.clip(-directions[i] @ directions[j], -1, 1))), i, j)
        for j in range(len(ends))
        for i in range(j)
    )
    pairs, taken = [], set()
    for turn, i, j in turns:
        if turn <= most_turn and not {i, j} & taken:
            taken |= {i, j}
            pairs.append((ends[i], ends[j]))
    return pairs


def _direction(points: np.ndarray, pen: float) -> np.ndarray:
    """The direction, of length 1, in which a line leaves its first point."""
    way = np.hypot(*(points - points[0]).T)
    far = np.argmax(way > _DIRECTION_PENS * pen) or len(points) - 1
    return (points[far] - points[0]) / max(way[far], 1e-9)


def _chains(branches: list[Branch], partner: dict) -> list[Branch]:
    """Strings branches together along their partners."""
    done: set[int] = set()

    def follow(index: int, side: int) -> Branch:
        parts, start = [], branches[index].ends[side]
        first = (index, side)
        while True:
            done.add(index)
            points = branches[index].points[:: 1 - 2 * side]
            parts.append(points if not parts else points[1:])
            leaving = (index, 1 - side)
            if leaving not in partner:
                return Branch(np.vstack(parts), (start, branches[index].ends[1 - side]))
            index, side = partner[leaving]
            if (index, side) == first:
                return Branch(np.vstack(parts), (None, None))

    chains = []
    for index in range(len(branches)):
        for side in (0, 1):
            if index not in done and (index, side) not in partner:
                chains.append(follow(index, side))
    for index in range(len(branches)):
        if index not in done:
            chains.append(follow(index, 0))
    return chains
