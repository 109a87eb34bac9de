"""What is in a clip, found out before anything is drawn: its times, and the faces in each frame.

A clip can be looked at twice, which a live picture cannot. So a face that is missed for a moment is
bridged only where it comes back, what flashes up for a frame or two is no face, and nothing is
written of a clip that shows nobody.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from keras_portrait.inference.faces.tracking import LOYALTY, TrackedFace, Tracker
from keras_portrait.inference.video.clip import MOST_RATE, Frame

# Seconds that a face must be seen for, or the whole of a shorter clip.
LEAST_SECONDS = 0.1
# The share of the steps from frame to frame that may be shorter than one of the drawn video.
_FAST_PART = 5
# A step this much shorter than the mean one tells frames that are not evenly spaced.
_UNEVEN = 0.8
# Frames a second at least of a drawn video.
_LEAST_RATE = 1.0
# Frames up to which pictures are repeated so that each comes at its time: an hour at nearly 70 a
# second. Of clips that would take more the fastest pictures may be passed over.
MOST_REPEATED = 250_000
# MPEG-4 counts time in at most 65,535 parts of a second, so that faster ones have two decimals.
_FINE_RATE = 65.0


@dataclass
class Survey:
    """What is in a clip.

    Attributes:
        times: seconds from the begin until each frame is shown.
        length: seconds of the clip.
        size: height and width of a frame in pixels.
        faces: those that are followed, in each frame, largest first.
    """

    times: list[float] = field(default_factory=list)
    length: float = 0.0
    size: tuple[int, int] = (0, 0)
    faces: list[list[TrackedFace]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Frames a second that show every frame at its time; phones do not space them evenly.

        Files may tell any times, so it is bounded, and so is what a video of it repeats.
        """
        mean = self.length / max(1, len(self.times))
        steps = np.diff([*self.times, self.length])
        shortest = float(np.percentile(steps, _FAST_PART, method="lower"))
        step = mean if shortest > _UNEVEN * mean else max(shortest, mean / self._repeats)
        rate = min(max(1 / max(step, 1 / MOST_RATE), _LEAST_RATE), MOST_RATE)
        return round(rate, 3 if rate <= _FINE_RATE else 2)

    @property
    def _repeats(self) -> float:
        """How often a picture may be written, in the mean."""
        return max(1.0, MOST_REPEATED / max(1, len(self.times)))


def survey(frames: Iterable[Frame], tracker: Tracker | None, report: Callable[[], None]) -> Survey:
    """Goes through a clip.

    Args:
        frames: of the clip.
        tracker: follows the faces; None where nobody asks for them.
        report: called after each frame.

    Raises:
        InputError: as `Clip.frames`.
    """
    found = Survey()
    for frame in frames:
        found.times.append(frame.seconds)
        found.length, found.size = frame.seconds + frame.lasts, frame.picture.shape[:2]
        found.faces.append(tracker.update(frame.picture, frame.seconds) if tracker else [])
        report()
    found.faces = _lasting(found)
    return found


def _lasting(found: Survey) -> list[list[TrackedFace]]:
    """Leaves out what was no face, and each face from where it was seen last."""
    ends = [*found.times[1:], found.length]
    seen: dict[int, tuple[int, float, float]] = {}  # last frame, begin, end
    for index, faces in enumerate(found.faces):
        for face in faces:
            if face.found:
                begin = seen.get(face.number, (0, found.times[index]))[1]
                seen[face.number] = index, begin, ends[index]
    # Times are sums: what lasts for just so long may come out a little shorter.
    least = min(LEAST_SECONDS, found.length) - 1e-6
    kept = {number: last for number, (last, begin, end) in seen.items() if end - begin >= least}
    return [
        [face for face in faces if index <= kept.get(face.number, -1)]
        for index, faces in enumerate(found.faces)
    ]


def largest_only(faces: list[list[TrackedFace]]) -> list[list[TrackedFace]]:
    """The largest face of each frame; two of nearly the same size do not take turns.

    Args:
        faces: of each frame, as in `Survey`.
    """
    chosen, number = [], None
    for each in faces:
        face = max(
            each,
            key=lambda one, last=number: one.box.area * (LOYALTY if one.number == last else 1),
            default=None,
        )
        number = None if face is None else face.number
        chosen.append([] if face is None else [face])
    return chosen


def in_cells(faces: list[list[TrackedFace]]) -> list[list[TrackedFace | None]]:
    """Gives each face a cell of a row that it keeps while it is followed.

    Args:
        faces: of each frame, as in `Survey`.

    Returns:
        For each frame as many cells as there are faces at once anywhere in the clip; new faces are
        laid into the empty ones from left to right.
    """
    cells: list[int | None] = [None] * max(map(len, faces), default=0)
    rows = []
    for each in faces:
        by_number = {face.number: face for face in each}
        cells = [number if number in by_number else None for number in cells]
        new = sorted(by_number.keys() - set(cells), key=lambda number: _across(by_number[number]))
        for number in new:
            cells[cells.index(None)] = number
        rows.append([by_number.get(number) for number in cells])
    return rows


def _across(face: TrackedFace) -> float:
    return float(face.landmarks[:, 0].mean())
