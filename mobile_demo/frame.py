"""One frame, and what is drawn of it."""

from dataclasses import dataclass

import numpy as np

from keras_portrait.inference.faces.tracking import Tracker
from keras_portrait_demo.drawer import Drawer
from keras_portrait_demo.layout import lay_out
from keras_portrait_demo.timing import Stages


@dataclass(frozen=True)
class Result:
    """One frame and what was drawn of it.

    Attributes:
        number: of the frame; grows by one or, where frames were dropped, more.
        captured: when the frame was there, seconds of `time.monotonic`.
        photo: uint8 RGB (H, W, 3) as captured.
        drawing: uint8 RGB (H, W, 3), what layout "drawing" shows.
        view: uint8 RGB, what the chosen layout shows; see `layout.lay_out`.
        faces: how many were drawn.
        found: how many of them the last search saw; the others are drawn where they were.
        stages: wall time of each stage that was run, milliseconds.
    """

    number: int
    captured: float
    photo: np.ndarray
    drawing: np.ndarray
    view: np.ndarray
    faces: int
    found: int
    stages: dict[str, float]


def draw_frame(
    number: int, captured: float, photo: np.ndarray, tracker: Tracker, drawer: Drawer, layout: str
) -> Result:
    """Finds the faces of a frame, draws them and lays the result out; see `Result`."""
    stages = Stages()
    with stages("detect" if tracker.due(photo, captured) else "track"):
        faces = tracker.update(photo, captured)
    drawing = drawer.draw(photo, faces, stages)
    with stages("layout"):
        view = lay_out(layout, photo, drawing)
    found = sum(face.found for face in faces)
    return Result(number, captured, photo, drawing.picture, view, len(faces), found, stages.ms)
