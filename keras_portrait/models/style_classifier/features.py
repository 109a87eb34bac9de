"""What the style classifier's head learns from: texture statistics of views of the drawings."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from keras import ops

from keras_portrait.data.batches import Batches
from keras_portrait.errors import InputError
from keras_portrait.files import make_folder, whole_file
from keras_portrait.inference.imaging import to_signed
from keras_portrait.models.style_classifier.config import StyleClassifierRecipe
from keras_portrait.models.style_classifier.data import TaggedDrawings, drawing_view
from keras_portrait.models.style_classifier.networks import texture_statistics
from keras_portrait.perceptual.vgg import VGGFeatures

FOLDER_NAME = "statistics"


class StatisticsStore:
    """Takes the statistics of views, and keeps each view on disk as soon as it is done.

    The trunk is frozen, so they are taken once; an interrupted run goes on with the next view.
    Pictures that cannot be read, and files that cannot be written or removed, are `InputError`s.

    Args:
        folder: run folder; views go to its `statistics/` until `forget`.
        data: the drawings.
        recipe: size and range of the views, batch and seed.
        trunk: pictures to feature maps.
        progress: called with the number of pictures done.
    """

    def __init__(
        self,
        folder: Path,
        data: TaggedDrawings,
        recipe: StyleClassifierRecipe,
        trunk: VGGFeatures,
        progress: Callable[[int], None] = lambda done: None,
    ):
        self.folder = folder / FOLDER_NAME
        self.data = data
        self.recipe = recipe
        self.trunk = trunk
        self.progress = progress
        self.done = 0

    def upright(self) -> np.ndarray:
        """Statistics of all drawings as they are, float32 (N, F)."""
        return self._view(0, np.arange(len(self.data.drawings)))

    def views(self, chosen: np.ndarray) -> np.ndarray:
        """Statistics of the augmented views of some drawings.

        Args:
            chosen: int (M,), indices of drawings.

        Returns:
            float32 (V, M, F), V the recipe's number of views.
        """
        count = self.recipe.data.views
        return np.stack([self._view(view, chosen) for view in range(1, count + 1)])

    def forget(self) -> None:
        """Removes the views from the disk."""
        try:
            if is_kept(self.folder.parent):
                shutil.rmtree(self.folder)
        except OSError as error:
            raise InputError(
                f"Cannot remove the folder ({error.strerror}). Received: {self.folder}"
            ) from error

    def _view(self, view, chosen):
        path = self.folder / f"view-{view:04d}.npy"
        statistics = _stored(path, len(chosen))
        if statistics is None:
            statistics = self._take(view, chosen)
            make_folder(self.folder)
            with whole_file(path) as part:
                np.save(part, statistics)
        else:
            self._count(len(chosen))
        return statistics

    def _take(self, view, chosen):
        settings, seed = self.recipe.data, self.recipe.train.seed
        taken = []
        for start in range(0, len(chosen), settings.batch):
            pictures = []
            for number in chosen[start : start + settings.batch]:
                square = self.data.square(self.data.drawings[number])
                rng = np.random.default_rng((seed, view, number)) if view else None
                pictures.append(to_signed(drawing_view(square, settings, rng)))
            maps = self.trunk(np.stack(pictures)[..., None])
            taken.append(ops.convert_to_numpy(texture_statistics(maps)))
            self._count(len(pictures))
        return np.concatenate(taken)

    def _count(self, pictures):
        self.done += pictures
        self.progress(self.done)


def is_kept(folder: Path) -> bool:
    """Whether a run folder holds views: its training has not come to its end."""
    return os.path.isdir(folder / FOLDER_NAME)


def _stored(path, count):
    """Statistics of so many drawings that a former start left, or None."""
    try:
        statistics = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return statistics if statistics.ndim == 2 and len(statistics) == count else None


class StatisticsBatches(Batches):
    """Batches for the head.

    First a style is drawn, then a drawing, then a view of it, so that a rare style is not drowned.

    Args:
        statistics: float32 (V, M, F), views of drawings.
        styles: int (M,), style of each drawing; every style from 0 up is there.
        size: drawings in a batch.
        seed: int.
    """

    def __init__(self, statistics: np.ndarray, styles: np.ndarray, size: int, seed: int):
        super().__init__(seed)
        self.statistics = statistics
        self.members = [np.flatnonzero(styles == style) for style in range(styles.max() + 1)]
        self.size = size

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Statistics float32 (size, F) and styles, one-hot float32 (size, K)."""
        rng = np.random.default_rng((self.seed, step))
        drawn = rng.integers(len(self.members), size=self.size)
        chosen = [rng.choice(self.members[style]) for style in drawn]
        views = rng.integers(len(self.statistics), size=self.size)
        one_hot = np.eye(len(self.members), dtype=np.float32)
        return {"statistics": self.statistics[views, chosen], "style": one_hot[drawn]}

    def stream(self, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches without end, as pairs of input and target."""
        for (batch,) in super().stream(start):
            yield batch["statistics"], batch["style"]
