"""Distillation: a small generator learns to draw what a trained one, its teacher, draws.

a is a photo, a' the same in gray, b its twin, a few pixels away and seen by another camera; s the
style, t(a, s) a drawing that was made beforehand, the teacher's or a filter's; G draws
exp(l) / (1 + exp(l)), from ink 0 to paper 1, out of a logit l.

| code            | symbol | loss                                        | weight | source       |
| --------------- | ------ | ------------------------------------------- | ------ | ------------ |
| `generator`     | G      | `cross_entropy`: of G(a, s) against t(a, s) | 4      | this project |
|                 |        | and of G(b, s) against t(b, s), half each   |        |              |
|                 |        | `steadiness`: |G(a, s) - G(b, s)| where     | 2      | this project |
|                 |        | both see the same place                     |        |              |
|                 |        | `feature_matching`: |D_i(G(a, s)) - D_i(t)| | 4      | Wang 2018    |
|                 |        | `g_adversarial`: (D(a', G(a, s), s) - 1)^2  | 1      | Mao 2017     |
| `discriminator` | D      | `d_real`: D(a', t(a, s), s) against 1       | 0.5    | Isola 2017   |
|                 |        | `d_fake`: D(a', G(a, s), s) against 0       | 0.5    | the same     |

Learning from a trained generator's drawings is of Li et al., "GAN Compression: Efficient
Architectures for Interactive Conditional GANs", CVPR 2020; Isola et al., CVPR 2017; Wang et al.,
CVPR 2018, whose D_i are the features of D; two views of the same that should agree are of Laine and
Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017. The weights are this project's.
"""

from collections.abc import Sequence

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.models.distillation.config import DistillationWeights
from keras_portrait.models.distillation.networks import student_generator
from keras_portrait.networks import pair_discriminator
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training.line_model import LineModel
from keras_portrait.training.saved_networks import frozen_config, weights_from
from keras_portrait.training.scorers import TeacherScorer


@keras.saving.register_keras_serializable(package="keras_portrait")
class Distillation(LineModel):
    """Trains a student on photos and drawings of them, which a teacher made.

    See `LineModel`. A batch may hold `twin` and `twin_drawing` of the form of `photo` and
    `drawing`, and `shift` int (N, 2), rows and columns from a crop to its twin; without them
    steadiness is not learned. Networks that are not given are those of the recipe `student-fast`.

    Args:
        styles: names of the teacher's styles, in the order of the style vector.
        generator: G, the student, as `networks.student_generator` makes it: photos float
            (N, H, W, 3) in [-1, 1], and style (N, K) where it has such an input, to drawings
            (N, H, W, 1) in [-1, 1].
        discriminator: D, as `pair_discriminator` makes it; not used where its loss has no weight.
        distance: LPIPS that judges, `perceptual.PerceptualDistance`.
        weights: `DistillationWeights`, any object with its numbers, or a dict of what differs from
            them; a term of weight 0 is not computed, and reported as 0.
        average_decay: float, decay of the averaged student; 0 copies the student.
    """

    loss_names = (
        *("cross_entropy", "steadiness", "feature_matching", "g_adversarial"),
        *("d_real", "d_fake"),
    )
    headline_names = ("cross_entropy", "steadiness", "feature_matching", "disc_accuracy")

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
            discriminator = pair_discriminator(len(styles), 24)
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
        weight, photos, target, style = (
            self.weights_of,
            *(batch[name] for name in ("photo", "drawing", "style")),
        )
        twins = "twin" in batch
        if twins:
            photos = ops.concatenate([photos, batch["twin"]])
            target = ops.concatenate([target, batch["twin_drawing"]])
            style = ops.concatenate([style, style])
        logits = self.logits(self._inputs(photos, style), training=training)
        values = {"cross_entropy": weight.cross_entropy * losses.cross_entropy(logits, target)}
        drawings = ops.tanh(0.5 * logits)
        if twins:
            drawings, twin_drawings = ops.split(drawings, 2)
            if weight.steadiness:
                unsteady = losses.unsteadiness(drawings, twin_drawings, batch["shift"])
                values["steadiness"] = weight.steadiness * unsteady
        return {**values, **self._judged_losses(batch, drawings)}, drawings
