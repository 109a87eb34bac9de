"""How a generator learns from pairs: photos, and what filters draw of them."""

import math
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.progress import Progress

from keras_portrait.data.filter_drawings import draw_missing
from keras_portrait.data.fingerprint import sizes
from keras_portrait.data.photos import load_photos
from keras_portrait.models.paired.batches import PairedBatches
from keras_portrait.models.paired.model import Paired
from keras_portrait.networks import line_generator, pair_discriminator
from keras_portrait.training.callbacks import Validation
from keras_portrait.training.experiment import Experiment, check_size, spread
from keras_portrait.training.scorers import PairedScorer

# Folder of the filters' drawings inside a run folder.
DRAWN = "drawn"
# Photos of the sample grids, and held-back ones that each epoch is judged by.
SAMPLES = 4
JUDGED = 24


class PairedExperiment(Experiment):
    """See `Experiment`; the recipe is a `PairedRecipe`.

    Attributes:
        data: the photos, `PhotoData`.

    Raises:
        SettingError: the squares are smaller than `data.size`.
        InputError: the folder holds no photos.
    """

    def __init__(self, recipe, data: str | Path):
        super().__init__(recipe, data)
        self.data = load_photos(data, "Paired training")
        sets = (self.data.photos, self.data.held_photos)
        check_size(recipe.data.size, sets, self.folder, multiple=0)

    def description(self) -> dict:
        """Names of the styles, and how many photos there are."""
        return {"styles": list(self.recipe.data.filters), "photos": len(self.data.photos)}

    def pictures(self) -> dict[str, list]:
        """Photos, held-back ones too."""
        return sizes(self.folder, [*self.data.photos, *self.data.held_photos])

    def steps_per_pass(self) -> int:
        """A pass over one crop of each photo."""
        return math.ceil(len(self.data.photos) / self.recipe.data.batch)

    def batches(self, run: Path) -> PairedBatches:
        """Crops of photos, of the filters' drawings, and their styles."""
        return PairedBatches(self.data, self.recipe.data, self.recipe.train.seed, run / DRAWN)

    def build(self, total_steps: int, devices: int) -> Paired:
        """Generator and discriminator, and their optimizers."""
        recipe, net, train = self.recipe, self.recipe.network, self.recipe.train
        styles, judged = len(recipe.data.filters), recipe.loss.adversarial > 0
        model = Paired(
            recipe.data.filters,
            generator=line_generator(styles, net.filters, net.blocks, recipe.data.period),
            discriminator=pair_discriminator(styles, net.discriminator_filters) if judged else None,
            weights=recipe.loss,
            average_decay=train.average_decay,
        )
        optimizers = {"generator": self.adam(train.learning_rate, total_steps)}
        if judged:
            # It joins in late and ends with the generator.
            steps = max(total_steps - recipe.loss.adversarial_from, 1)
            rate = train.discriminator_learning_rate
            optimizers["discriminator"] = self.adam(rate, steps)
        model.compile(**optimizers)
        return model

    def prepare_run(
        self, model: Paired, run: Path, check_stop: Callable[[], None] = lambda: None
    ) -> None:
        """Lets the filters draw, where they have not yet."""
        settings, console = self.recipe.data, Console(stderr=True)
        # Photos that nobody trains on are drawn as far as they are shown or judged by.
        shown = [*self._judged(), *self._samples()]
        held = {row.file: row for row in shown if row.split != "train"}
        rows = [*self.data.photos, *held.values()]
        names, size, features = settings.filters, settings.size, settings.features
        left = draw_missing(run / DRAWN, self.folder, rows, names, size, features)
        with Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("Filters' drawings", total=next(left))
            check_stop()
            for _ in left:
                progress.advance(task)
                check_stop()
            left.close()

    def adam(self, rate: float, total_steps: int, **settings) -> keras.optimizers.Optimizer:
        """As in `Experiment`, with both of Adam's decays."""
        return super().adam(rate, total_steps, beta_2=self.recipe.train.beta_2, **settings)

    def samples(self, batches: PairedBatches) -> dict:
        """Held-back photos, or training photos where none were held back."""
        return batches.fixed(self._samples())

    def validation(self, batches: PairedBatches, run: Path) -> list[keras.callbacks.Callback]:
        """`Validation` by the filters, whose styles take turns, where photos were held back."""
        judged = self._judged()
        if not judged:
            return []
        batch = batches.fixed(judged)
        turn = np.arange(len(judged)) % len(self.recipe.data.filters)
        pairs = {
            "photo": batch["photo"],
            "drawing": batch["drawings"][np.arange(len(judged)), ..., turn][..., None],
            "style": np.eye(len(self.recipe.data.filters), dtype=np.float32)[turn],
        }
        return [Validation(run, PairedScorer(pairs))]

    def _judged(self):
        return spread(self.data.held_photos, JUDGED)

    def _samples(self):
        return spread(self.data.held_photos or self.data.photos, SAMPLES)


EXPERIMENT = PairedExperiment
