"""Where crops of aligned squares begin, so that each sees the same plane wave."""

import numpy as np

from keras_portrait.inference.geometry import face_template
from keras_portrait.recipe import WAVES

# How far from a landmark the middle of a crop around the face lies, as a share of the square: the
# standard deviation in each direction.
SPREAD = 0.06


def choose_corner(settings, rng: np.random.Generator) -> tuple[int, int]:
    """Where a crop begins: around the face or anywhere, at a multiple of the wave's period.

    Args:
        settings: any object with `size` and `crop` in pixels, and `faces`, the share of crops
            around the face.
        rng: source of chance.

    Returns:
        Row and column of the first pixel.
    """
    room, period = settings.size - settings.crop, settings.size // WAVES
    if rng.random() < settings.faces:
        middle = face_template(settings.size)[rng.integers(5)][::-1]
        middle = middle + rng.normal(0, SPREAD * settings.size, 2)
        corner = np.clip(middle - settings.crop / 2, 0, room)
        top, left = np.rint(corner / period).astype(int) * period
        return min(top, room // period * period), min(left, room // period * period)
    top, left = rng.integers(room // period + 1, size=2) * period
    return top, left


def choose_step(
    corner: tuple[int, int], room: int, reach: int, period: int, rng: np.random.Generator
) -> tuple[int, int]:
    """How far a second crop lies from a first that sees the plane wave in the same phase.

    3 y + x has to be a multiple of the period, see `layers.PlaneWave`: (1, -3), for example.

    Args:
        corner: row and column of the first pixel of the first crop.
        room: the largest row and column that a crop may begin at.
        reach: pixels that it lies away at most, in each direction.
        period: of the wave, in pixels.
        rng: source of chance.

    Returns:
        Rows and columns; (0, 0) where there is no other place.
    """
    steps = np.arange(-reach, reach + 1)
    rows, columns = (x.ravel() for x in np.meshgrid(steps, steps, indexing="ij"))
    fits = (3 * rows + columns) % period == 0
    for first, step in zip(corner, (rows, columns), strict=True):
        fits &= (first + step >= 0) & (first + step <= room)
    chosen = rng.choice(np.flatnonzero(fits))
    return int(rows[chosen]), int(columns[chosen])
