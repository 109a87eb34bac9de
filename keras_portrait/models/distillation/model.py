"""Distillation: a small generator learns to draw what a trained one, its teacher, draws.

a is a photo, s the style, T(a, s) the teacher's drawing, which was made beforehand.

| code            | symbol | loss                                | weight | source            |
| --------------- | ------ | ----------------------------------- | ------ | ----------------- |
| `generator`     | G      | `l1`: |G(a, s) - T(a, s)|           | 10     | Li 2020, sec. 3.1 |
|                 |        | `lpips`: LPIPS(G(a, s), T(a, s))    | 5      | Zhang 2018        |
|                 |        | `g_adversarial`: (D(G(a, s)) - 1)^2 | 0.5    | Mao 2017          |
| `discriminator` | D      | `d_real`: D(T(a, s)) against 1      | 0.5    | Mao 2017          |
|                 |        | `d_fake`: D(G(a, s)) against 0      | 0.5    | the same          |

Li et al., "GAN Compression: Efficient Architectures for Interactive Conditional GANs", CVPR 2020;
the weights are this project's. D sees drawings alone, not the photo: what has to be in a drawing is
said by the other two losses; D says whether its lines look like the teacher's, and with few photos
a D that sees them soon knows them by heart.
"""

from collections.abc import Sequence

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.models.distillation.config import DistillationWeights
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.networks import patch_discriminator
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training.saved_networks import frozen_config, weights_from
from keras_portrait.training.scorers import TeacherScorer
from keras_portrait.training.supervised_model import SupervisedModel


@keras.saving.register_keras_serializable(package="keras_portrait")
class Distillation(SupervisedModel):
    """Trains a student on photos and a teacher's drawings of them.

    On several devices each normalizes its own share of the batch; what is saved are the statistics
    of the first. Networks that are not given are those of the recipe `student-fast`.

    Args:
        styles: names of the teacher's styles, in the order of the style vector.
        generator: G, the student: photos float (N, H, W, 3) in [-1, 1], and style (N, K) where it
            has such an input, to drawings (N, H, W, 1) in [-1, 1].
        discriminator: D, drawings to unbounded patch scores; not used where its loss has no weight.
        distance: LPIPS, `perceptual.PerceptualDistance`.
        weights: `DistillationWeights`, any object with its numbers, or a dict of what differs from
            them; a term of weight 0 is not computed, and reported as 0.
        average_decay: float, decay of the averaged student; 0 copies the student.
    """

    loss_names = ("l1", "lpips", "g_adversarial", "d_real", "d_fake")
    headline_names = ("l1", "lpips", "g_adversarial", "disc_accuracy")

    learning_rate = 1e-3

    def __init__(
        self,
        styles: Sequence[str] = ("drawing",),
        *,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        distance: PerceptualDistance | None = None,
        weights=None,
        average_decay: float = 0.998,
        name: str = "distillation",
    ):
        weights = weights_from(DistillationWeights, weights)
        if discriminator is None and weights.adversarial:
            discriminator = patch_discriminator(1, 32)
        generator = generator or student_generator(len(styles))
        super().__init__(generator, discriminator, weights, styles, average_decay, name)
        self.distance = distance or PerceptualDistance()

    def get_config(self):
        """As `SupervisedModel.get_config`."""
        return {**super().get_config(), **frozen_config(self, distance=PerceptualDistance)}

    def scorer_for(self, batch):
        """`TeacherScorer`."""
        return TeacherScorer(batch)

    def visuals(self, batch):
        """Photos, the teacher's drawings, and the averaged student's, in [-1, 1]."""
        return {
            "photo": ops.convert_to_tensor(batch["photo"]),
            "teacher": ops.convert_to_tensor(batch["drawing"]),
            "student": self.draw_averaged(batch["photo"], batch["style"]),
        }

    def _generator_losses(self, batch, training=True):
        weight, target, values = self.weights_of, batch["drawing"], {}
        # Batch normalization by the batch: its averages are for drawing.
        drawings = self.generator(self._inputs(batch["photo"], batch["style"]), training=training)
        if weight.l1:
            values["l1"] = weight.l1 * losses.l1(drawings, target)
        if weight.lpips:
            values["lpips"] = weight.lpips * ops.mean(self.distance(drawings, target))
        if weight.adversarial:
            value = losses.adversarial(self.discriminator(drawings), True)
            values["g_adversarial"] = weight.adversarial * value
        return values, drawings

    def _discriminator_losses(self, batch, fake, training=True):
        return self._told_apart(self.discriminator(batch["drawing"]), self.discriminator(fake))
