"""Batches of crops of photos and of what filters drew of them beforehand."""

from pathlib import Path

import numpy as np

from keras_portrait.data.batches import Batches, shuffled_index, stacked
from keras_portrait.data.crops import choose_corner
from keras_portrait.data.filter_drawings import drawing_file
from keras_portrait.data.manifest import Row
from keras_portrait.data.photo_jitter import jitter_photo
from keras_portrait.data.photos import PhotoData
from keras_portrait.inference.imaging import read_image, resize, to_signed
from keras_portrait.models.paired.config import PairedDataSettings


class PairedBatches(Batches):
    """Makes the batch of any step: photos in a shuffled order, each once a pass; styles at random.

    Nothing is mirrored: a mirrored drawing would not fit the plane wave that the generator sees.

    Args:
        data: `PhotoData`.
        settings: `PairedDataSettings`.
        seed: int.
        drawings: folder of the filters' drawings, see `filter_drawings`.
    """

    def __init__(self, data: PhotoData, settings: PairedDataSettings, seed: int, drawings: Path):
        super().__init__(seed)
        self.data = data
        self.settings = settings
        self.drawings = drawings

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Args:
            step: int, counted from 0 over all epochs.

        Returns:
            `photo` float32 (N, C, C, 3) and `drawing` float32 (N, C, C, 1), the filter's, in
            [-1, 1]; `style` float32 (N, K), which filter that is.
        """
        return self.part(step, range(self.settings.batch))

    def part(self, step: int, places: range) -> dict[str, np.ndarray]:
        """What lies at some places of the batch of a step; the rest of it is not read."""
        first = step * self.settings.batch
        samples = [self._sample(first + place) for place in places]
        return stacked(samples)

    def fixed(self, rows: list[Row]) -> dict[str, np.ndarray]:
        """Whole photos without jitter, for sample grids and validation.

        Args:
            rows: rows of photos.

        Returns:
            `photo` float32 (N, S, S, 3) and `drawings` float32 (N, S, S, K), a channel for each
            filter, in [-1, 1].
        """
        drawings = [
            np.concatenate([self._drawing(row, name) for name in self.settings.filters], axis=-1)
            for row in rows
        ]
        photos = [to_signed(self._photo(row)) for row in rows]
        return {"photo": np.stack(photos), "drawings": to_signed(np.stack(drawings))}

    def _sample(self, number):
        settings, photos = self.settings, self.data.photos
        row = photos[shuffled_index(self.seed, len(photos), number, 1)]
        # A last number that is not 0 parts these seeds from shorter ones.
        rng = np.random.default_rng((self.seed, number, 3, 1))
        style = rng.integers(len(settings.filters))
        top, left = choose_corner(settings, rng)
        rows, columns = slice(top, top + settings.crop), slice(left, left + settings.crop)
        photo = self._photo(row)[rows, columns]
        drawing = self._drawing(row, settings.filters[style])[rows, columns]
        return {
            "photo": to_signed(jitter_photo(photo, settings.jitter, rng)),
            "drawing": to_signed(drawing),
            "style": np.eye(len(settings.filters), dtype=np.float32)[style],
        }

    def _photo(self, row):
        photo = read_image(self.data.folder / row.file)
        return resize(photo, self.settings.size, self.settings.size)

    def _drawing(self, row, name):
        return read_image(self.drawings / drawing_file(row, name))[..., :1]
