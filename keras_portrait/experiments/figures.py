"""The figures of experiments: each takes an `Outcome` and gives a picture, or None.

Keras is not imported here, so that experiments can be listed without it.
"""

import itertools
import os

import numpy as np

from keras_portrait.inference.imaging import enlarge_drawing, grid, read_image, resize
from keras_portrait.inference.sampler import Sampler, noise_paths, random_noise
from keras_portrait.inference.sheets import captioned_grid
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.training.run_page.curves import PNG_NAME
from keras_portrait.training.run_page.progress_sheet import NAME as PROGRESS_NAME
from keras_portrait.training.run_page.progress_sheet import newest_grid

# Photos of a sheet of drawings, and the side of its cells in pixels.
SHEET_PHOTOS, CELL = 6, 192
# Pictures from one style to another, both among them.
STEPS = 7
# Columns and rows of a sheet of pictures out of noise, as in the report.
GRID, PATHS = 8, 6
# The run that tells styles, and the one that draws in them.
CLASSIFIER, GENERATOR = "classifier", "generator"


def drawings(outcome) -> np.ndarray | None:
    """The same photos as every run drew them: a row for each photo, styles in turn."""
    if outcome.evaluation is None:
        return None
    rows = [row for row in outcome.declaration.rows if outcome.entries(row.key)]
    names = outcome.evaluation["photo_names"]
    chosen = np.linspace(0, len(names) - 1, min(SHEET_PHOTOS, len(names))).round().astype(int)
    cells = []
    for place, index in enumerate(chosen.tolist()):
        if outcome.shows_photos:
            cells.append(_cell(outcome.picture("photos", index)))
        for row in rows:
            entries = outcome.entries(row.key)
            cells.append(_cell(outcome.picture(entries[place % len(entries)]["key"], index)))
    captions = ["photo"] * outcome.shows_photos + [row.title for row in rows]
    sheet, styles = captioned_grid(cells, captions), _row_styles(outcome, rows, len(chosen))
    return _with_line(sheet, f"rows: {', '.join(styles)}") if len(set(styles)) > 1 else sheet


def _row_styles(outcome, rows, count):
    """The style of each row of a sheet of drawings, of the run that has the most styles."""
    entries = max((outcome.entries(row.key) for row in rows), key=len)
    return [entries[place % len(entries)]["style"] for place in range(count)]


def curves(outcome, key: str | None = None) -> np.ndarray | None:
    """The losses of a run over its epochs; of the first run that is trained unless told."""
    return _file_of(outcome, key, PNG_NAME)


def progress(outcome, key: str) -> np.ndarray | None:
    """The same pictures over the epochs of a run."""
    return _file_of(outcome, key, PROGRESS_NAME)


def newest_samples(outcome, key: str) -> np.ndarray | None:
    """The sample grid of a run's last epoch, with a caption for each column."""
    return newest_grid(outcome.runs[key]) if key in outcome.runs else None


def confusion(outcome) -> np.ndarray | None:
    """The classifier's confusion matrix."""
    return _file_of(outcome, CLASSIFIER, "confusion.png")


def random_pictures(outcome) -> np.ndarray | None:
    """Pictures of random noise."""
    return _from_noise(outcome, lambda length: random_noise(GRID * GRID, length))


def noise_interpolation(outcome) -> np.ndarray | None:
    """Pictures on the way from one noise vector to another, a row each."""
    return _from_noise(outcome, lambda length: noise_paths(PATHS, GRID, length))


def style_interpolation(outcome) -> np.ndarray | None:
    """One photo on the way from each style to each other, a row each."""
    stylizer = _stylizer(outcome)
    if stylizer is None or len(stylizer.metadata.styles) < 2:
        return None
    draw = _drawer(stylizer, outcome.photo)
    count, cells = len(stylizer.metadata.styles), []
    for first, second in itertools.combinations(range(count), 2):
        for share in np.linspace(0, 1, STEPS):
            weights = np.zeros(count)
            weights[first], weights[second] = 1 - share, share
            cells.append(draw(weights))
    styles = stylizer.metadata.styles
    pairs = ", ".join(f"{a} to {b}" for a, b in itertools.combinations(styles, 2))
    captions = [f"{round(100 * share)} %" for share in np.linspace(0, 1, STEPS)]
    captions[0], captions[-1] = ("first", "second") if count > 2 else (styles[0], styles[1])
    sheet = captioned_grid(cells, captions)
    return sheet if count == 2 else _with_line(sheet, pairs)


def reference_styles(outcome) -> np.ndarray | None:
    """Reference drawings, their style vectors in words, and the photo drawn with these."""
    stylizer = _stylizer(outcome)
    if stylizer is None or CLASSIFIER not in outcome.runs:
        return None
    from keras_portrait.experiments.references import reference_vectors

    draw, cells = _drawer(stylizer, outcome.photo), []
    styles, lines = stylizer.metadata.styles, []
    for number, (name, drawing, shares) in enumerate(reference_vectors(outcome, styles), start=1):
        told = ", ".join(
            f"{style} {share:.2f}" for style, share in zip(styles, shares, strict=True)
        )
        lines.append(f"{number}. {name}: {told}")
        nearest = np.eye(len(styles))[int(np.argmax(shares))]
        cells += [_cell(drawing), draw(shares), draw(nearest)]
    sheet = captioned_grid(cells, ["drawing", "its vector", "nearest style"])
    for line in reversed(lines):
        sheet = _with_line(sheet, line)
    return sheet


def _from_noise(outcome, noise):
    for row in outcome.declaration.rows:
        generator = outcome.generator(row.key)
        if generator is not None and generator.metadata.noise:
            sampler = Sampler(generator)
            return grid(list(sampler(noise(sampler.metadata.noise))), GRID)
    return None


def _stylizer(outcome):
    given = outcome.trained
    generator = outcome.open(given) if given else outcome.generator(GENERATOR)
    return None if generator is None or outcome.photo is None else Stylizer(generator)


def _drawer(stylizer, photo):
    """A function of the weights of styles to a cell."""
    face = stylizer.largest_face(photo)
    return lambda weights: _cell(
        stylizer.draw_face(photo, face, tuple(float(weight) for weight in weights))
    )


def _file_of(outcome, key, name):
    trained = [row.key for row in outcome.declaration.rows if row.key in outcome.runs]
    key = key or next(iter(trained), None)
    path = outcome.runs[key] / name if key in outcome.runs else None
    return read_image(path) if path is not None and os.path.isfile(path) else None


def _cell(picture):
    """A picture at the size of a cell; a drawing that has to grow keeps its lines sharp."""
    grows = len(picture) < CELL and picture.ndim == 2
    cell = (enlarge_drawing if grows else resize)(picture, CELL, CELL)
    return np.repeat(cell[..., None], 3, axis=-1) if cell.ndim == 2 else cell


def _with_line(sheet, text):
    """A sheet with a line of words above it."""
    from PIL import Image, ImageDraw, ImageFont

    line = Image.new("RGB", (sheet.shape[1], 20), "white")
    ImageDraw.Draw(line).text((2, 10), text, "black", ImageFont.load_default(12), anchor="lm")
    return np.concatenate([np.asarray(line), sheet])
