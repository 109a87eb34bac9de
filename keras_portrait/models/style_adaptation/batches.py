"""Windows of photos and drawings that show about the same place of a face."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.data.batches import Batches, shuffled_index, stacked
from keras_portrait.data.manifest import Row
from keras_portrait.inference.imaging import resize, to_signed
from keras_portrait.models.style_adaptation.config import AdaptationDataSettings
from keras_portrait.recipe import WAVES

# Rows and columns of windows, and how often each is seen: the face lies in the middle column.
GRID = 3
SHARES = np.array([[1, 2, 1], [1.5, 3, 1.5], [1, 2, 1]]) / 14


@dataclass(frozen=True)
class AdaptationPictures:
    """Squares in memory: there are few.

    Attributes:
        photos: uint8 RGB (S, S, 3) each.
        drawings: uint8 (S, S, 1) each, paper 255.
    """

    photos: list[np.ndarray]
    drawings: list[np.ndarray]


def read_pictures(
    places: Sequence[tuple[str | Path, Sequence[Row]]], size: int
) -> list[list[np.ndarray]]:
    """Reads squares.

    Args:
        places: pairs of a data folder and rows of it, all photos or all drawings.
        size: side of the squares in pixels.

    Returns:
        For each pair a list of uint8 (size, size, C), C 3 for photos and 1 for drawings.

    Raises:
        InputError: a picture is missing or broken.
    """

    def read(folder, row):
        channels = 3 if row.kind == "photo" else 1
        return resize(row.read(folder, row.file)[..., :channels], size, size).reshape(
            size, size, channels
        )

    return [[read(folder, row) for row in rows] for folder, rows in places]


def corners(settings: AdaptationDataSettings) -> list[tuple[int, int]]:
    """Top and left of each window, row by row; the generator's plane wave is in phase there."""
    period = settings.size // WAVES
    step = (settings.size - settings.window) / (GRID - 1)
    places = [round(step * number / period) * period for number in range(GRID)]
    places = [min(place, settings.size - settings.window) for place in places]
    return [(top, left) for top in places for left in places]


def mirrored(number: int) -> int:
    """The window at whose place a window lies in the mirrored square."""
    row, column = divmod(number, GRID)
    return row * GRID + GRID - 1 - column


class AdaptationBatches(Batches):
    """Makes the batch of any step.

    Photos come in a shuffled order, drawings and windows at random; photo and drawing show the same
    window, each moved a little.

    Args:
        pictures: `AdaptationPictures`.
        settings: `AdaptationDataSettings`.
        seed: int.
        grams: for each window a list of float32 (C, C), what Gram matrices should be there; see
            `hand.measure_hand`.
    """

    def __init__(
        self,
        pictures: AdaptationPictures,
        settings: AdaptationDataSettings,
        seed: int,
        grams: Sequence[Sequence[np.ndarray]],
    ):
        super().__init__(seed)
        self.pictures = pictures
        self.settings = settings
        self.grams = grams
        self.corners = corners(settings)

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Args:
            step: int, counted from 0 over all epochs.

        Returns:
            `photo` float32 (N, W, W, 3) and `drawing` (N, W, W, 1) in [-1, 1]; `gram_0`, `gram_1`,
            ..., float32 (N, C, C).
        """
        count = self.settings.batch
        rng = np.random.default_rng((self.seed, step))
        return stacked([self._sample(step * count + place, rng) for place in range(count)])

    def fixed(self, count: int) -> np.ndarray:
        """Whole photos for sample grids, evenly over all: float32 (count, S, S, 3)."""
        photos = self.pictures.photos
        chosen = np.linspace(0, len(photos) - 1, min(count, len(photos))).round().astype(int)
        return np.stack([to_signed(photos[index]) for index in chosen])

    def _sample(self, number, rng):
        photos, drawings = self.pictures.photos, self.pictures.drawings
        window = rng.choice(len(self.corners), p=SHARES.ravel())
        period = self.settings.size // WAVES
        photo = photos[shuffled_index(self.seed, len(photos), number, 1)]
        drawing = drawings[rng.integers(len(drawings))]
        sample = {
            "photo": self._cut(photo, window, period * rng.integers(-1, 2, 2), rng),
            "drawing": self._cut(drawing, window, rng.integers(-period, period + 1, 2), rng),
        }
        return sample | {f"gram_{i}": gram for i, gram in enumerate(self.grams[window])}

    def _cut(self, square, window, moved, rng):
        side = self.settings.window
        if self.settings.flip and rng.random() < 0.5:
            square = square[:, ::-1]
        top, left = np.clip(self.corners[window] + moved, 0, self.settings.size - side)
        return to_signed(np.ascontiguousarray(square[top : top + side, left : left + side]))
