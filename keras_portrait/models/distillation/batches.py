"""Batches of photos and of what a teacher drew of them beforehand."""

from pathlib import Path

import numpy as np

from keras_portrait.data.batches import Batches, shuffled_index, stacked
from keras_portrait.data.manifest import Row
from keras_portrait.data.photos import PhotoData
from keras_portrait.inference.imaging import read_image, resize, to_signed
from keras_portrait.models.distillation.config import DistillationDataSettings

# View number of a photo as it is.
PLAIN = -1


def style_turn(number: int, view: int, styles: int) -> int:
    """The style that a view is drawn in: the views of each photo go through all of them.

    Args:
        number: of the photo.
        view: of the photo, or `PLAIN`.
        styles: how many there are.

    Returns:
        Index of a style.
    """
    return (number + max(view, 0)) % styles


def view_file(row: Row, view: int, style: int) -> str:
    """Where the drawing of a view lies, relative to the folder of the teacher's drawings."""
    name = "plain" if view == PLAIN else f"{view:03d}"
    return f"{Path(row.file).with_suffix('').as_posix()}.{name}-{style}.png"


def make_view(
    photo: np.ndarray, settings: DistillationDataSettings, seed: int, number: int, view: int
) -> np.ndarray:
    """Augments a photo, always in the same way for the same numbers.

    Args:
        photo: uint8 RGB square.
        settings: size, scale, flip and jitter.
        seed: of the training.
        number: of the photo.
        view: 0 or more; `PLAIN` for the photo as it is.

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
    picture = picture[:, ::-1] if mirrored else picture
    return _jitter(picture, settings.jitter, rng) if settings.jitter else picture


def _jitter(picture, jitter, rng):
    brightness, contrast, saturation, *white = np.exp(rng.uniform(-jitter, jitter, 6))
    mean = picture.mean()
    # Half of it for the white balance, which in photos strays less than the light.
    x = (np.float32(picture) - mean) * contrast + mean * brightness
    gray = x.mean(axis=-1, keepdims=True)
    x = (gray + (x - gray) * saturation) * np.sqrt(white)
    return np.uint8(np.clip(np.rint(x), 0, 255))


class TeacherBatches(Batches):
    """Makes the batch of any step: views in a shuffled order, each once in `views` passes.

    Args:
        data: `PhotoData`.
        settings: `DistillationDataSettings`.
        seed: int.
        drawings: folder of the teacher's drawings.
        styles: how many styles the teacher has.
    """

    def __init__(
        self,
        data: PhotoData,
        settings: DistillationDataSettings,
        seed: int,
        drawings: Path,
        styles: int,
    ):
        super().__init__(seed)
        self.data = data
        self.settings = settings
        self.drawings = drawings
        self.styles = styles

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """The batch of a step.

        Args:
            step: int, counted from 0 over all epochs.

        Returns:
            `photo` float32 (N, S, S, 3) and `drawing` float32 (N, S, S, 1), the teacher's, in
            [-1, 1]; `style` float32 (N, K), which style that is.
        """
        photos, views = self.data.photos, self.settings.views
        samples = []
        for i in range(step * self.settings.batch, (step + 1) * self.settings.batch):
            view, number = divmod(shuffled_index(self.seed, len(photos) * views, i, 1), len(photos))
            samples.append(self._sample(photos[number], number, view))
        return stacked(samples)

    def fixed(self, rows: list[Row]) -> dict[str, np.ndarray]:
        """Photos without augmentation, as `batch` has them; styles take turns."""
        return stacked([self._sample(row, number, PLAIN) for number, row in enumerate(rows)])

    def _sample(self, row, number, view):
        photo = read_image(self.data.folder / row.file)
        style = style_turn(number, view, self.styles)
        drawing = read_image(self.drawings / view_file(row, view, style))
        return {
            "photo": to_signed(make_view(photo, self.settings, self.seed, number, view)),
            "drawing": to_signed(drawing[..., :1]),
            "style": np.eye(self.styles, dtype=np.float32)[style],
        }
