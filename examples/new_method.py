"""A method of one's own in one file: trained, exported and drawn with, at toy size.

    python examples/new_method.py OUT

Writes OUT/data (invented faces), OUT/run (a run folder as of any method), OUT/preset and
OUT/drawing.png. With its classes in a folder of `keras_portrait/models`, `portrait train` knows it.

The method, which takes a paper's place here: a generator whose drawings a discriminator should take
for real ones, and whose tones should stay near the photo's.

| code            | symbol | loss                                | weight |
| --------------- | ------ | ----------------------------------- | ------ |
| `generator`     | G      | `g_adversarial`: (D(G(p)) - 1)^2    | 1      |
|                 |        | `tone`: L1(G(p), gray(p))           | 2      |
| `discriminator` | D      | `d_drawing`: half real, half fake   | 1      |
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import keras

from keras_portrait import Stylizer, losses
from keras_portrait.data.fingerprint import fingerprint
from keras_portrait.data.portraits import PortraitBatches, load_prepared
from keras_portrait.data.prepare.prepare import prepare
from keras_portrait.data.synthetic_faces import write_drawn_faces
from keras_portrait.models import add_method
from keras_portrait.networks import patch_discriminator, resnet_generator
from keras_portrait.recipe import DataSettings, Recipe, TrainSettings, between
from keras_portrait.training import run
from keras_portrait.training.adversarial_model import AdversarialModel, copy_of
from keras_portrait.training.experiment import Experiment
from keras_portrait_export.exporter import ExportOptions, export_generator


class Sketch(AdversarialModel):
    """Trains a generator of drawings against one discriminator.

    Args:
        generator: G, photos float (N, H, W, 3) in [-1, 1] to drawings (N, H, W, 1).
        discriminator: D, drawings to unbounded patch scores.
        tone: float, weight of the tones.
    """

    loss_names = ("g_adversarial", "tone", "d_drawing")
    accuracy_names = ("drawing_accuracy",)
    headline_names = ("g_adversarial", "tone", "drawing_accuracy")
    batch_names = ("photo", "drawing")

    def __init__(self, generator, discriminator, tone=2.0):
        super().__init__(name="sketch")
        self.generator, self.discriminator = generator, discriminator
        self.averaged_generator = copy_of(generator)
        self.average_decay, self.tone = 0.0, tone

    def trainable_groups(self):
        """An optimizer for each network."""
        return {
            "generator": self.generator.trainable_variables,
            "discriminator": self.discriminator.trainable_variables,
        }

    def visuals(self, batch):
        """What the run's page shows."""
        photos = keras.ops.convert_to_tensor(batch["photo"])
        return {"photo": photos, "drawing": self.averaged_generator(photos)}

    def _generator_losses(self, batch):
        fake = self.generator(batch["photo"])
        gray = losses.grayscale(batch["photo"])[..., :1]
        values = {
            "g_adversarial": losses.adversarial(self.discriminator(fake), True),
            "tone": self.tone * losses.l1(fake, gray),
        }
        return values, fake

    def _discriminator_losses(self, batch, fake):
        scores = self.discriminator(batch["drawing"]), self.discriminator(fake)
        accuracy = {"drawing_accuracy": losses.accuracy(*scores)}
        return {"d_drawing": losses.half_and_half(*scores, "lsgan")}, accuracy

    def losses_of(self, batch):
        """Every term, for `evaluate`."""
        values, fake = self._generator_losses(batch)
        judged, accuracy = self._discriminator_losses(batch, fake)
        return {**values, **judged, **accuracy}

    def train_step(self, data):
        """One update of G, then one of D."""
        batch = self.named(data)

        def generator_loss():
            values, fake = self._generator_losses(batch)
            return sum(values.values()), (values, fake)

        values, fake = self.update("generator", generator_loss)
        self.average_generator()

        def discriminator_loss():
            judged, accuracy = self._discriminator_losses(batch, keras.ops.stop_gradient(fake))
            return sum(judged.values()), {**judged, **accuracy}

        return self.report({**values, **self.update("discriminator", discriminator_loss)})


class SketchExperiment(Experiment):
    """Brings the model and prepared photos and drawings together."""

    def __init__(self, recipe, data):
        super().__init__(recipe, data)
        self.data = load_prepared(data)

    def description(self):
        """For `options.json`."""
        return {"styles": ["sketch"], "photos": len(self.data.photos)}

    def pictures(self):
        """What must not change between two starts."""
        return fingerprint(self.data, soft_styles=False)

    def batches(self, run_folder):
        """Photos and drawings."""
        return PortraitBatches(self.data, self.recipe.data, self.recipe.train.seed)

    def steps_per_pass(self):
        """A pass over the photos."""
        return max(1, len(self.data.photos) // self.recipe.data.batch)

    def build(self, total_steps, devices):
        """The model, compiled."""
        filters = self.recipe.network.filters
        model = Sketch(
            resnet_generator(3, 1, filters=filters, blocks=1, upsampling="nearest"),
            patch_discriminator(1, filters),
            self.recipe.loss.tone,
        )
        model.compile(keras.optimizers.Adam(self.recipe.train.learning_rate, 0.5))
        return model

    def samples(self, batches):
        """Photos whose drawings are shown after every epoch."""
        return {"photo": batches.fixed(self.data.photos[:3])}


@dataclass(frozen=True)
class SketchNetworkSettings:
    """Sizes of the networks."""

    filters: int = between(4, 1, 1024)


@dataclass(frozen=True)
class SketchWeights:
    """Weights of the losses."""

    tone: float = between(2.0, 0, 1e6)


@dataclass(frozen=True)
class SketchRecipe(Recipe):
    """What can be set, with the ranges that make sense."""

    method: str = "sketch"
    data: DataSettings = field(default_factory=lambda: DataSettings(size=64, batch=2))
    network: SketchNetworkSettings = field(default_factory=SketchNetworkSettings)
    loss: SketchWeights = field(default_factory=SketchWeights)
    train: TrainSettings = field(default_factory=lambda: TrainSettings(epochs=2))
    experiment = SketchExperiment
    title = "sketches (this example)"
    generator_words = "ResNet of {filters} filters"


add_method(SketchRecipe)


def main(output: str) -> None:
    """Trains, exports and draws."""
    folder = Path(output)
    write_drawn_faces(folder, 8)
    prepare(folder / "photos", folder / "drawings", folder / "data", size=64, holdout=0.0)
    plan = run.make_plan(SketchRecipe(), "sketch", folder / "data", folder / "run")
    run.train(plan)
    export_generator(str(folder / "run"), folder / "preset", ExportOptions(modes=("fp16",)))
    photo = next((folder / "photos").iterdir())
    Stylizer(folder / "preset")(str(photo)).save(folder / "drawing.png")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
