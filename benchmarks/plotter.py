"""Measures the strokes that a pen plotter draws of the example photo, and makes docs/plotter.png.

    python benchmarks/plotter.py [PICTURE.png]

One line for each style: how much of the ink lies within half a pen of a stroke, and how much of
what is painted lies further than a quarter of a pen beside the ink; the way with the pen up, as
passes are found, with strokes joined and shuffled, and ordered. The picture shows the style
engraving as the pen draws it, and with a line of a fifth of its width, so that the passes can be
seen.
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np

import keras_portrait
from keras_portrait import Stylizer
from keras_portrait.inference.imaging import read_image, resize, write_image
from keras_portrait.inference.ink import find_ink
from keras_portrait.inference.plotter.ordering import pen_up_length
from keras_portrait.inference.plotter.page import PAGES, Page
from keras_portrait.inference.plotter.passes import pen_passes
from keras_portrait.inference.plotter.plot import Plot, ink_for_pen, pixel_size, plot_drawing
from keras_portrait.inference.plotter.plot import home as home_of

PAGE, PEN = Page(*PAGES["A5"]), 0.4
# Pixels of the pictures that are compared, for each millimetre.
SCALE = 20
FEED, DELAY = 3000, 0.2


def painted(plot: Plot, width: float, scale: float = SCALE) -> np.ndarray:
    """What a pen of some millimetres paints: uint8, black on white."""
    paper = np.full(
        (round(plot.page.height * scale), round(plot.page.width * scale)), 255, np.uint8
    )
    lines = [np.round((stroke * scale - 0.5) * 16).astype(np.int32) for stroke in plot.strokes]
    cv2.polylines(paper, lines, False, 0, max(1, round(width * scale)), cv2.LINE_AA, 4)
    return paper


def ink_on_page(drawing: np.ndarray) -> np.ndarray:
    """Where the drawing has ink, on the page: bool."""
    ink, _ = ink_for_pen(find_ink(drawing), PAGE, PEN)
    page = np.zeros((round(PAGE.height * SCALE), round(PAGE.width * SCALE)), np.float32)
    height, width = (round(side * SCALE * pixel_size(ink.shape, PAGE)) for side in ink.shape)
    top, left = (page.shape[0] - height) // 2, (page.shape[1] - width) // 2
    page[top : top + height, left : left + width] = resize(ink.astype(np.float32), width, height)
    return page > 0.5


def distance(mask: np.ndarray) -> np.ndarray:
    """Millimetres from each pixel to the nearest one of a mask."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) / SCALE


def measure(style: str, drawing: np.ndarray) -> Plot:
    """Prints the figures of a drawing."""
    start = time.process_time()
    plot = plot_drawing(drawing, PAGE, PEN)
    seconds = time.process_time() - start
    ink, black = ink_on_page(drawing), painted(plot, PEN) < 128
    covered = np.mean(black[ink])
    beside = np.mean(distance(ink)[black] > PEN / 4)
    part, scale = ink_for_pen(find_ink(drawing), PAGE, PEN)
    millimetres = pixel_size(part.shape, PAGE)
    raw = [stroke * millimetres for stroke in pen_passes(np.pad(part, 2), PEN / millimetres, scale)]
    by_chance = np.random.default_rng(0).permutation(plot.lifts)
    home = home_of(PAGE)
    unordered = pen_up_length([plot.strokes[index] for index in by_chance], home)
    print(
        f"{style:10s} {covered:.1%} of the ink covered, {beside:.2%} of the strokes beside it; "
        f"{len(raw)} passes, {plot.lifts} pen lifts, {sum(map(len, plot.strokes))} points; "
        f"drawn {plot.drawn_length / 1000:.2f} m; pen up "
        f"{pen_up_length(raw, home) / 1000:.2f} m as found, {unordered / 1000:.2f} m joined and "
        f"shuffled, {plot.up_length / 1000:.2f} m ordered "
        f"({plot.up_length / (plot.up_length + plot.drawn_length):.0%} of the way); "
        f"{plot.minutes(FEED, DELAY):.1f} minutes; found in {seconds:.1f} s"
    )
    return plot


def main(picture: str | None) -> None:
    """Measures three styles of the preset `portrait`; `vallotton` is blacks more than lines."""
    photo = read_image(Path(keras_portrait.__file__).with_name("example.jpg"))
    stylize = Stylizer("portrait")
    for style in ("ink", "line", "engraving"):
        plot = measure(style, stylize(photo, style=style, crop=True)[..., 0])
    if picture is not None:
        margin = slice(round(12 * SCALE), -round(12 * SCALE))
        sheets = [painted(plot, width)[:, margin] for width in (PEN, PEN / 5)]
        rows = np.flatnonzero((sheets[0] < 128).any(axis=1))
        sheets = [sheet[rows[0] - 60 : rows[-1] + 60] for sheet in sheets]
        side = 640, round(640 * sheets[0].shape[0] / sheets[0].shape[1])
        write_image(picture, np.hstack([resize(sheet, *side) for sheet in sheets])[..., None])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
