"""How CycleGAN is trained: photos as A, avatars (or drawings) as B, four networks, two pools."""

import functools
import os
from pathlib import Path

from keras_portrait.data.pictures import PictureBatches
from keras_portrait.models.cyclegan.model import CycleGAN
from keras_portrait.models.picture_experiment import PictureExperiment
from keras_portrait.networks import patch_discriminator, resnet_generator
from keras_portrait.training.experiment import spread
from keras_portrait.training.initial_weights import Start, open_start
from keras_portrait.training.saved_generator import DIRECTIONS

# Pictures of each domain in the sample grids.
SAMPLES = 6


class CycleGANExperiment(PictureExperiment):
    """See `Experiment`; the recipe is a `CycleGANRecipe`."""

    def batches(self, run: Path) -> PictureBatches:
        """`a` and `b`."""
        sets = {"a": ("", self.data.photos), "b": ("", self.data.pictures)}
        return PictureBatches(self.data, self.recipe.data, self.recipe.train.seed, sets)

    def build(self, total_steps: int, devices: int) -> CycleGAN:
        """The networks of both domains, their optimizers and pools."""
        recipe, net = self.recipe, self.recipe.network

        def generator(name):
            return resnet_generator(
                3, 3, 1, net.filters, net.blocks, net.upsampling, name, net.up_filters or None
            )

        def discriminator(name):
            return patch_discriminator(3, net.discriminator_filters, name=name)

        model = CycleGAN(
            recipe.data.size,
            generator=generator("generator"),
            inverse_generator=generator("inverse_generator"),
            disc_a=discriminator("disc_a"),
            disc_b=discriminator("disc_b"),
            weights=recipe.loss,
            pool_size=recipe.train.pool,
            average_decay=recipe.train.average_decay,
            seed=recipe.train.seed,
        )
        rate = recipe.train.learning_rate
        model.compile(
            generator=self.adam(rate, total_steps), discriminator=self.adam(rate, total_steps)
        )
        return model

    @functools.cached_property
    def inverse_start(self) -> Start | None:
        """The inverse generator of the run folder that is started from, where it has one."""
        folder = self.start and self.start.folder
        if not folder or not os.path.isfile(folder / DIRECTIONS["b-to-a"]):
            return None
        return open_start(str(folder), (), "b-to-a")

    def starts(self, model: CycleGAN) -> list:
        """Both generators, where the run that is started from has both."""
        inverse = self.inverse_start
        others = [(model.inverse_generator, inverse)] if inverse else []
        return super().starts(model) + others

    def samples(self, batches: PictureBatches) -> dict:
        """Held-back photos and pictures, or those trained on where none were held back."""
        rows = {
            "a": self.data.held_photos or self.data.photos,
            "b": self.data.held_pictures or self.data.pictures,
        }
        count = min(SAMPLES, *(len(found) for found in rows.values()))
        return {name: batches.fixed(spread(found, count)) for name, found in rows.items()}


EXPERIMENT = CycleGANExperiment
