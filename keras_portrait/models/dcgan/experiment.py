"""How DCGAN is trained: avatars alone, noise, two networks."""

from pathlib import Path

import numpy as np

from keras_portrait.data.pictures import PictureBatches
from keras_portrait.models.dcgan.model import DCGAN
from keras_portrait.models.dcgan.networks import dcgan_discriminator, dcgan_generator
from keras_portrait.models.picture_experiment import JUDGED, PictureExperiment

# Pictures of the sample grids, six a row as the report shows them.
SAMPLES = 36


class DCGANExperiment(PictureExperiment):
    """See `Experiment`; the recipe is a `DCGANRecipe`."""

    with_photos = False
    multiple = 0

    def batches(self, run: Path) -> PictureBatches:
        """`picture` and `noise`."""
        recipe = self.recipe
        sets = {"picture": ("", self.data.pictures)}
        return PictureBatches(
            self.data, recipe.data, recipe.train.seed, sets, noise=recipe.network.noise
        )

    def build(self, total_steps: int, devices: int) -> DCGAN:
        """Both networks and their optimizers."""
        recipe = self.recipe
        filters, size = recipe.network.filters, recipe.data.size
        model = DCGAN(
            generator=dcgan_generator(filters, recipe.network.noise, size),
            discriminator=dcgan_discriminator(filters, size),
            average_decay=recipe.train.average_decay,
            gradient_penalty=recipe.loss.gradient_penalty,
        )
        rate = recipe.train.learning_rate
        model.compile(
            generator=self.adam(rate, total_steps), discriminator=self.adam(rate, total_steps)
        )
        return model

    def samples(self, batches: PictureBatches) -> dict:
        """The same noise every time."""
        return {"noise": self._noise(SAMPLES, 1)}

    def judged_inputs(self, batches: PictureBatches) -> np.ndarray:
        """Noise, other than that of the samples."""
        return self._noise(JUDGED, 2)

    def _noise(self, count, purpose):
        # A third number that is not 0: a step's batch is seeded by two, filled up with zeros.
        rng = np.random.default_rng((self.recipe.train.seed, 0, purpose))
        return rng.standard_normal((count, self.recipe.network.noise), dtype=np.float32)


EXPERIMENT = DCGANExperiment
