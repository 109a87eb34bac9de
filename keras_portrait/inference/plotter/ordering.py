"""The order in which strokes are drawn: a short way with the pen up."""

import numpy as np

from keras_portrait.inference.plotter.polylines import is_closed, opened_at

# Every round looks at all pairs of strokes that lie so near in the order. Rounds end when one gains
# less than this share of the way.
_WINDOW = 2000
_LEAST_GAIN = 0.002


def pen_up_length(strokes: list[np.ndarray], home: np.ndarray) -> float:
    """How far the pen goes above the paper, from home through all strokes and back home."""
    starts = np.array([stroke[0] for stroke in strokes] + [home])
    ends = np.array([home] + [stroke[-1] for stroke in strokes])
    return float(np.hypot(*(starts - ends).T).sum())


def ordered(strokes: list[np.ndarray], home: np.ndarray) -> list[np.ndarray]:
    """Orders and turns strokes for a short way with the pen up.

    Always to the nearest end, then improved by reversing parts of the order (2-opt) as long as
    that shortens the way; at last closed strokes begin where the way to them and on is shortest.

    Args:
        strokes: lines, float (N, 2).
        home: x and y of where the pen begins and ends.

    Returns:
        The same lines, some reversed; closed ones may begin at another of their points.
    """
    home = np.asarray(home, float)
    chosen = _two_opt(_nearest_first(strokes, home), home)
    return _closed_ones_turned(chosen, home)


def _nearest_first(strokes, home) -> list[np.ndarray]:
    ends = np.array([stroke[[0, -1]] for stroke in strokes]).reshape(-1, 2, 2)
    result, place = [], home
    for _ in strokes:
        way = np.hypot(ends[..., 0] - place[0], ends[..., 1] - place[1])
        index, side = divmod(int(np.argmin(way)), 2)
        result.append(strokes[index][:: 1 - 2 * side])
        place = result[-1][-1]
        ends[index] = np.inf
    return result


def _two_opt(strokes, home) -> list[np.ndarray]:
    # Home stands at both ends, as a stroke of one point that is never moved.
    starts = np.array([home, *(stroke[0] for stroke in strokes), home])
    ends = np.array([home, *(stroke[-1] for stroke in strokes), home])
    order = np.arange(len(starts))
    is_turned = np.zeros(len(starts), bool)

    def way(one, other):
        return np.hypot(one[..., 0] - other[..., 0], one[..., 1] - other[..., 1])

    while True:
        gained = 0.0
        for first in range(1, len(order) - 1):
            # Strokes first to last reversed, for every last.
            last = np.arange(first, min(first + _WINDOW, len(order) - 1))
            before, here = ends[first - 1], starts[first]
            gain = way(before, here) + way(ends[last], starts[last + 1])
            gain -= way(before, ends[last]) + way(here, starts[last + 1])
            best = int(np.argmax(gain))
            if gain[best] > 1e-9:
                part = slice(first, first + best + 1)
                starts[part], ends[part] = ends[part][::-1].copy(), starts[part][::-1].copy()
                order[part], is_turned[part] = order[part][::-1], ~is_turned[part][::-1]
                gained += gain[best]
        if gained <= _LEAST_GAIN * way(ends[:-1], starts[1:]).sum():
            break
    places = zip(order[1:-1] - 1, is_turned[1:-1], strict=True)
    return [strokes[index][:: -1 if turned else 1] for index, turned in places]


def _closed_ones_turned(strokes, home) -> list[np.ndarray]:
    result = []
    for index, stroke in enumerate(strokes):
        if is_closed(stroke):
            before = result[-1][-1] if result else home
            after = strokes[index + 1][0] if index + 1 < len(strokes) else home
            way = np.hypot(*(stroke[:-1] - before).T) + np.hypot(*(stroke[:-1] - after).T)
            stroke = opened_at(stroke, int(np.argmin(way)))
        result.append(stroke)
    return result
