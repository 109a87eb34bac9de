"""How CartoonGAN is trained: what comes before it, and photos, cartoons and smoothed cartoons."""

from pathlib import Path

import keras

from keras_portrait.data.manifest import SMOOTH
from keras_portrait.data.pictures import PictureBatches
from keras_portrait.models.cartoongan.heat_maps import landmark_network
from keras_portrait.models.cartoongan.landmark_regressor import LandmarkRegressor
from keras_portrait.models.cartoongan.model import CONTENT_LAYERS, CartoonGAN, ContentStart
from keras_portrait.models.cartoongan.networks import cartoon_discriminator, cartoon_generator
from keras_portrait.models.picture_experiment import PictureExperiment
from keras_portrait.perceptual.vgg import VGGFeatures
from keras_portrait.training.experiment import Phase, require_landmarks, spread
from keras_portrait.training.optimizers import adam
from keras_portrait.training.run_identity import content_of

# Photos of the sample grids.
SAMPLES = 6
# Adam's, for the landmark network: it learns alone.
LANDMARK_LEARNING_RATE = 1e-3


class CartoonGANExperiment(PictureExperiment):
    """See `Experiment`; the recipe is a `CartoonGANRecipe`."""

    with_smooth = True

    def __init__(self, recipe, data: str | Path):
        super().__init__(recipe, data)
        if recipe.loss.landmarks:
            require_landmarks(self.data.photos, "loss.landmarks")

    def contents(self) -> dict[str, str]:
        """As in `Experiment`; and the trunk's weights, where a file holds them."""
        trunk = self.recipe.network.trunk_weights
        return super().contents() | content_of(trunk_weights=trunk)

    def batches(self, run: Path) -> PictureBatches:
        """`a`, `b` and `e`, and the landmarks of `a` where they are wanted."""
        data, recipe = self.data, self.recipe
        sets = {
            "a": ("", data.photos),
            "b": ("", data.pictures),
            "e": (SMOOTH, data.pictures),
        }
        wanted = "a" if recipe.loss.landmarks else None
        return PictureBatches(data, recipe.data, recipe.train.seed, sets, landmarks=wanted)

    def build(self, total_steps: int, devices: int) -> CartoonGAN:
        """The networks, the frozen one with its weights; optimizers; the pool."""
        recipe, net = self.recipe, self.recipe.network
        model = CartoonGAN(
            recipe.data.size,
            generator=cartoon_generator(net.filters, net.blocks, net.upsampling),
            discriminator=cartoon_discriminator(net.discriminator_filters),
            # The paper's layer as its authors take it: before the ReLU.
            features=VGGFeatures(
                net.trunk,
                (CONTENT_LAYERS[net.trunk],),
                weights=net.trunk_weights or None,
                activated=False,
            ),
            weights=recipe.loss,
            landmarks=landmark_network() if recipe.loss.landmarks else None,
            pool_size=recipe.train.pool,
            average_decay=recipe.train.average_decay,
            seed=recipe.train.seed,
        )
        rate = recipe.train.learning_rate
        model.compile(
            generator=self.adam(rate, total_steps), discriminator=self.adam(rate, total_steps)
        )
        return model

    def phases(self, model: CartoonGAN) -> list[Phase]:
        """The landmark network's training where it is needed, and the initialization of G.

        A generator that starts from another one knows the content already.
        """
        train, data = self.recipe.train, self.data
        photos = {"a": ("", data.photos)}
        found = []
        if model.landmarks is not None:
            teacher = LandmarkRegressor(model.landmarks)
            teacher.compile(network=keras.optimizers.Adam(LANDMARK_LEARNING_RATE))
            batches = PictureBatches(
                data, self.recipe.data, train.seed + 2, {"photo": photos["a"]}, landmarks="photo"
            )
            found.append(Phase("landmarks", teacher, batches, train.landmark_steps))
        if train.initialization_steps and not self.start:
            weights = self.recipe.loss
            starter = ContentStart(
                model.generator, model.features, weights.content, weights.relative
            )
            starter.compile(generator=adam(train.learning_rate, train.beta_1))
            batches = PictureBatches(data, self.recipe.data, train.seed + 1, photos)
            found.append(Phase("initialization", starter, batches, train.initialization_steps))
        return found

    def samples(self, batches: PictureBatches) -> dict:
        """Held-back photos, or training photos where none were held back."""
        photos = self.data.held_photos or self.data.photos
        return {"a": batches.fixed(spread(photos, SAMPLES))}


EXPERIMENT = CartoonGANExperiment
