"""What the style classifier's head learns from: texture statistics of views of the drawings."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from keras import ops

from keras_portrait.atomic import whole_file
from keras_portrait.data.tagged_drawings import TaggedDrawings, drawing_view
from keras_portrait.imaging import to_signed
from keras_portrait.networks.style_classifier import texture_statistics
from keras_portrait.perceptual.vgg import VGGFeatures
from keras_portrait.settings import StyleClassifierRecipe

FOLDER_NAME = "statistics"


class StatisticsStore:
    """Takes the statistics of views, and keeps each view on disk as soon as it is done.

    The trunk is frozen, so they are taken once; an interrupted run goes on with the next view.

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
        for path in self.folder.glob("view-*.npy"):
            path.unlink()
        if self.folder.is_dir():
            self.folder.rmdir()

    def _view(self, view, chosen):
        path = self.folder / f"view-{view:04d}.npy"
        statistics = _stored(path, len(chosen))
        if statistics is None:
            statistics = self._take(view, chosen)
            self.folder.mkdir(exist_ok=True)
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


def _stored(path, count):
    """Statistics of so many drawings that a former start left, or None."""
    try:
        statistics = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return statistics if statistics.ndim == 2 and len(statistics) == count else None


def stream_batches(
    statistics: np.ndarray, styles: np.ndarray, batch: int, seed: int, start: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training batches without end; each is a function of the seed and its step alone.

    First a style is drawn, then a drawing, then a view of it, so that a rare style is not drowned.

    Args:
        statistics: float32 (V, M, F), views of drawings.
        styles: int (M,), style of each drawing; every style from 0 up is there.
        batch: drawings in a batch.
        seed: int.
        start: step of the first batch.

    Yields:
        Statistics float32 (batch, F) and one-hot styles float32 (batch, K).
    """
    members = [np.flatnonzero(styles == style) for style in range(styles.max() + 1)]
    one_hot = np.eye(len(members), dtype=np.float32)
    step = start
    while True:
        rng = np.random.default_rng((seed, step))
        drawn = rng.integers(len(members), size=batch)
        chosen = [rng.choice(members[style]) for style in drawn]
        views = rng.integers(len(statistics), size=batch)
        yield statistics[views, chosen], one_hot[drawn]
        step += 1
