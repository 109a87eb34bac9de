"""A supervised start: both generators learn a filter's line drawings before they compete.

Not in the paper. A few minutes of it stand in for many epochs in which G only learns to keep a
face where it is, which matters on a CPU.
"""

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.models.base import AdversarialModel

# Weights of the pixel and of the perceptual term, found by trial.
L1_WEIGHT = 10.0
LPIPS_WEIGHT = 5.0


class WarmStart(AdversarialModel):
    """Trains G from photo to line drawing, and F the way back; or F alone.

    Args:
        generator: G, as in `AsymmetricCycle`.
        inverse_generator: F.
        distance: `PerceptualDistance`.
        styles: int, number of styles.
        teach_generator: whether G learns, too. One that can draw already does not.
    """

    loss_names = ("drawing_l1", "drawing_lpips", "photo_l1", "photo_lpips")
    headline_names = ("drawing_l1", "drawing_lpips")

    def __init__(
        self,
        generator: keras.Model,
        inverse_generator: keras.Model,
        distance,
        styles: int = 1,
        teach_generator: bool = True,
    ):
        super().__init__(name="warm_start")
        self.generator = generator
        self.inverse_generator = inverse_generator
        self.distance = distance
        self.styles = styles
        self.teach_generator = teach_generator

    def trainable_groups(self):
        """G and F together, or F alone."""
        taught = [self.inverse_generator, *([self.generator] if self.teach_generator else [])]
        return {"generator": [v for network in taught for v in network.trainable_variables]}

    def call(self, inputs):
        return self.generator(inputs)

    def train_step(self, data):
        """One update of G and F.

        Args:
            data: tuple of one batch: `photo` float (N, H, W, 3) and `lines` (N, H, W, 1), both in
                [-1, 1], and `style` (N, K).

        Returns:
            Running means of `loss_names`; 0 for those of G where it does not learn.
        """
        (batch,) = data

        def generator_loss():
            photo, lines = batch["photo"], batch["lines"]
            reconstruction = self.inverse_generator(lines)
            values = {
                "photo_l1": L1_WEIGHT * losses.l1(reconstruction, photo),
                "photo_lpips": LPIPS_WEIGHT * ops.mean(self.distance(reconstruction, photo)),
            }
            if self.teach_generator:
                drawing = self.generator([photo, batch["style"]] if self.styles > 1 else photo)
                values["drawing_l1"] = L1_WEIGHT * losses.l1(drawing, lines)
                values["drawing_lpips"] = LPIPS_WEIGHT * ops.mean(self.distance(drawing, lines))
            return sum(values.values()), values

        return self.report(self.update("generator", generator_loss))
