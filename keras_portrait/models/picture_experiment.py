"""What DCGAN, CycleGAN and CartoonGAN share: pictures in colour, learning rates, a judge."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from keras_portrait.data.fingerprint import shard_sums, sizes
from keras_portrait.data.pictures import PictureBatches, load_pictures
from keras_portrait.schedules import StepDecay
from keras_portrait.training.callbacks import Validation
from keras_portrait.training.experiment import Experiment, check_size, spread
from keras_portrait.training.scorers import PictureScorer

# Held-back pictures of each kind that every epoch is judged by.
JUDGED = 200


class PictureExperiment(Experiment):
    """See `Experiment`; the subclass says what its batches hold.

    Attributes:
        data: the pictures to train on, `PictureData`.
    """

    with_photos = True
    with_smooth = False
    # What heights and widths of its pictures are multiples of; 0: there are but some.
    multiple = 4

    def __init__(self, recipe, data: str | Path):
        super().__init__(recipe, data)
        self.data = load_pictures(data, self.with_photos, self.with_smooth)
        check_size(recipe.data.size, self.data.sets, self.data.folder, self.multiple)

    def description(self) -> dict:
        """How many photos and pictures there are."""
        return {"photos": len(self.data.photos), "pictures": len(self.data.pictures)}

    def pictures(self) -> dict[str, list]:
        """Photos and pictures, held-back ones too; and the smoothed twins where they are used.

        Of shards, the shards.
        """
        if self.data.sharded:
            return shard_sums(self.data.sets)
        twins = self.data.pictures if self.with_smooth else []
        rows = [*self.data.rows(), *(replace(row, file=row.smooth) for row in twins)]
        return sizes(self.data.folder, rows)

    def steps_per_pass(self) -> int:
        """A pass over the larger of the two sets."""
        largest = max(len(self.data.photos), len(self.data.pictures))
        return -(-largest // self.recipe.data.batch)

    def schedule(self, rate: float, total_steps: int) -> StepDecay:
        """A learning rate that drops after the recipe's epochs, however many there are."""
        train = self.recipe.train
        steps = total_steps // train.epochs
        drops = [epoch * steps for epoch in train.drop_epochs]
        return StepDecay(rate, drops, train.drop_factor)

    def judged_inputs(self, batches: PictureBatches) -> np.ndarray | None:
        """What the generator makes judged pictures of; None where nothing was held back."""
        photos = spread(self.data.held_photos, JUDGED)
        return batches.fixed(photos) if photos else None

    def validation(self, batches: PictureBatches, run: Path) -> list[keras.callbacks.Callback]:
        """`Validation`, where enough pictures were held back."""
        inputs, real = self.judged_inputs(batches), spread(self.data.held_pictures, JUDGED)
        if inputs is None or min(len(inputs), len(real)) < 2:
            return []
        return [Validation(run, PictureScorer(inputs, batches.fixed(real)))]
