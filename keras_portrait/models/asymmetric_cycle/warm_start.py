"""A supervised start: the inverse generator learns to make photos of line drawings.

Not in the paper. A few minutes of it stand in for many epochs in which F knows nothing of faces.
G has a better start: a run of `models.paired`, by `train.start_from`.
"""

from collections.abc import Callable

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.training.adversarial_model import AdversarialModel

# Weights of the pixel and of the perceptual term, found by trial.
L1_WEIGHT = 10.0
LPIPS_WEIGHT = 5.0


class WarmStart(AdversarialModel):
    """Trains F from line drawing to photo.

    Args:
        inverse_generator: F, as in `AsymmetricCycle`.
        distance: `PerceptualDistance`.
        draw: function of photos and styles to the line drawings, such as what G draws at its start;
            None where batches hold them.
    """

    loss_names = ("photo_l1", "photo_lpips")
    headline_names = ("photo_l1", "photo_lpips")

    def __init__(self, inverse_generator: keras.Model, distance, draw: Callable | None = None):
        super().__init__(name="warm_start")
        self.inverse_generator = inverse_generator
        self.distance = distance
        self.draw = draw

    def trainable_groups(self):
        """F alone; the group has the name of the optimizer of both generators."""
        return {"generator": self.inverse_generator.trainable_variables}

    def call(self, inputs):
        return self.inverse_generator(inputs)

    def train_step(self, data):
        """One update of F.

        Args:
            data: one batch, see `named`: `photo` float (N, H, W, 3) in [-1, 1] and `style` (N, K);
                `lines` (N, H, W, 1) in [-1, 1] where nothing else draws them.

        Returns:
            Running means of `loss_names`.
        """
        batch = self.named(data)
        photo = batch["photo"]
        lines = self.draw(photo, batch["style"]) if self.draw else batch["lines"]

        def generator_loss():
            reconstruction = self.inverse_generator(lines)
            values = {
                "photo_l1": L1_WEIGHT * losses.l1(reconstruction, photo),
                "photo_lpips": LPIPS_WEIGHT * ops.mean(self.distance(reconstruction, photo)),
            }
            return sum(values.values()), values

        return self.report(self.update("generator", generator_loss))
