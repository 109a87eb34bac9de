"""Batches of crops of photos, of their twins, and of what was drawn of them beforehand."""

from pathlib import Path

import numpy as np

from keras_portrait.data.batches import Batches, shuffled_index, stacked
from keras_portrait.data.crops import choose_corner, choose_step
from keras_portrait.data.filter_drawings import drawing_file
from keras_portrait.data.manifest import Row
from keras_portrait.data.photo_jitter import jitter_photo
from keras_portrait.data.photos import PhotoData
from keras_portrait.inference.imaging import read_image, resize, to_signed
from keras_portrait.models.distillation.config import DistillationDataSettings
from keras_portrait.recipe import WAVES

# View number of a photo as it is.
PLAIN = 0


def view_file(row: Row, view: int, style: str) -> Path:
    """Where the drawing of a view lies, relative to the folder of the teacher's drawings."""
    path = drawing_file(row, style)
    return path if view == PLAIN else path.with_name(f"{path.stem}.{view:03d}.png")


def make_view(
    photo: np.ndarray, settings: DistillationDataSettings, seed: int, number: int, view: int
) -> np.ndarray:
    """Moves and mirrors a photo, always in the same way for the same numbers.

    Args:
        photo: uint8 RGB square.
        settings: size, scale and flip.
        seed: of the training.
        number: of the photo.
        view: 1 or more; `PLAIN` for the photo as it is.

    Returns:
        uint8 RGB (S, S, 3).
    """
    size = settings.size
    if view == PLAIN:
        return resize(photo, size, size)
    # A last number that is not 0 parts these seeds from shorter ones.
    rng = np.random.default_rng((seed, number, view, 1))
    large = round(size * rng.uniform(1.0, settings.scale))
    top, left = rng.integers(large - size + 1, size=2)
    mirrored = settings.flip and rng.random() < 0.5
    picture = resize(photo, large, large)[top : top + size, left : left + size]
    return picture[:, ::-1] if mirrored else picture


class TwinBatches(Batches):
    """Makes the batch of any step: photos in a shuffled order, each once a pass.

    View, style and crop are chosen at random, and so is whose drawing it is: the teacher's or, of a
    share of the photos as they are, a filter's, in styles that a filter draws.

    Args:
        data: `PhotoData`.
        settings: `DistillationDataSettings`.
        seed: int.
        drawings: folders of the teacher's drawings and of the filters'.
        styles: names of the styles, in the order of the style vector.
        filtered: those of them that filters drew, too.
    """

    def __init__(
        self,
        data: PhotoData,
        settings: DistillationDataSettings,
        seed: int,
        drawings: tuple[Path, Path],
        styles: tuple[str, ...],
        filtered: tuple[str, ...],
    ):
        super().__init__(seed)
        self.data = data
        self.settings = settings
        self.teacher, self.filters = drawings
        self.styles, self.filtered = styles, filtered

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Args:
            step: int, counted from 0 over all epochs.

        Returns:
            `photo` float32 (N, C, C, 3) and `drawing` float32 (N, C, C, 1) in [-1, 1]; `style`
            float32 (N, K), which style that is; `twin` and `twin_drawing`, the same a few pixels
            away, as another camera saw it; `shift` int32 (N, 2), rows and columns to the twin.
        """
        return self.part(step, range(self.settings.batch))

    def part(self, step: int, places: range) -> dict[str, np.ndarray]:
        """What lies at some places of the batch of a step; the rest of it is not read."""
        first = step * self.settings.batch
        return stacked([self._sample(first + place) for place in places])

    def fixed(self, rows: list[Row]) -> dict[str, np.ndarray]:
        """Whole photos without jitter and what the teacher drew of them; styles take turns."""
        styles, samples = np.eye(len(self.styles), dtype=np.float32), []
        for number, row in enumerate(rows):
            style = number % len(self.styles)
            photo = make_view(self._read(row), self.settings, self.seed, number, PLAIN)
            drawing = read_image(self.teacher / view_file(row, PLAIN, self.styles[style]))
            samples.append(
                {
                    "photo": to_signed(photo),
                    "drawing": to_signed(drawing[..., :1]),
                    "style": styles[style],
                }
            )
        return stacked(samples)

    def _read(self, row):
        return read_image(self.data.folder / row.file)

    def _sample(self, number):
        settings, photos = self.settings, self.data.photos
        index = shuffled_index(self.seed, len(photos), number, 1)
        # A last number that is not 0 parts these seeds from shorter ones.
        rng = np.random.default_rng((self.seed, number, 3, 1))
        style = int(rng.integers(len(self.styles)))
        photo, drawing = self._pair(photos[index], index, style, rng)
        first = choose_corner(settings, rng)
        room, period = settings.size - settings.crop, settings.size // WAVES
        shift = choose_step(first, room, settings.shift, period, rng)
        sample = {"style": np.eye(len(self.styles), dtype=np.float32)[style]}
        for name, drawn, (top, left) in (
            ("photo", "drawing", first),
            ("twin", "twin_drawing", np.add(first, shift)),
        ):
            part = np.s_[top : top + settings.crop, left : left + settings.crop]
            sample[name] = to_signed(jitter_photo(photo[part], settings.jitter, rng))
            sample[drawn] = to_signed(drawing[part])
        return {**sample, "shift": np.int32(shift)}

    def _pair(self, row, index, style, rng):
        """A view of a photo and what was drawn of it."""
        name, view = self.styles[style], PLAIN
        by_filter = rng.random() < self.settings.filters and name in self.filtered
        if not by_filter:
            view = int(rng.integers(self.settings.views))
        photo = make_view(self._read(row), self.settings, self.seed, index, view)
        path = self.filters / drawing_file(row, name)
        if not by_filter:
            path = self.teacher / view_file(row, view, name)
        return photo, read_image(path)[..., :1]
