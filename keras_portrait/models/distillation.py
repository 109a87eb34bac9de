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

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.models.base import AdversarialModel, copy_of


class Distillation(AdversarialModel):
    """Trains a student on photos and a teacher's drawings of them.

    On several devices each normalizes its own share of the batch; what is saved are the statistics
    of the first.

    Args:
        generator: G, the student: photos float (N, H, W, 3) in [-1, 1], and style (N, K) where it
            has such an input, to drawings (N, H, W, 1) in [-1, 1].
        discriminator: D, drawings to unbounded patch scores; None where its loss has no weight.
        distance: LPIPS, as `perceptual.PerceptualDistance`.
        weights: any object with the numbers `l1`, `lpips` and `adversarial`; a term of weight 0 is
            not computed, and reported as 0.
        average_decay: float, decay of the averaged student; 0 copies the student.

    Raises:
        ValueError: the adversarial loss has a weight, but there is no discriminator.
    """

    loss_names = ("l1", "lpips", "g_adversarial", "d_real", "d_fake")
    accuracy_names = ("disc_accuracy",)
    headline_names = ("l1", "lpips", "g_adversarial", "disc_accuracy")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model | None,
        distance,
        weights,
        average_decay: float = 0.0,
    ):
        super().__init__(name="distillation")
        if weights.adversarial and discriminator is None:
            raise ValueError(
                "discriminator: expected one, since the adversarial loss has a weight. "
                f"Received: None, weight {weights.adversarial}"
            )
        self.generator = generator
        self.averaged_generator = copy_of(generator)
        self.discriminator = discriminator if weights.adversarial else None
        self.distance = distance
        self.weights_of = weights
        self.average_decay = average_decay

    def trainable_groups(self):
        """Each network has an optimizer of its own."""
        groups = {"generator": self.generator.trainable_variables}
        if self.discriminator is not None:
            groups["discriminator"] = self.discriminator.trainable_variables
        return groups

    def call(self, inputs):
        return self.generator(inputs)

    def draw_averaged(self, photos, style):
        """Drawings of the averaged student, (N, H, W, 1) in [-1, 1]."""
        photos, style = ops.convert_to_tensor(photos), ops.convert_to_tensor(style)
        return self.averaged_generator(self._inputs(photos, style), training=False)

    def visuals(self, batch):
        """Photos, the teacher's drawings, and the averaged student's, in [-1, 1]."""
        return {
            "photo": ops.convert_to_tensor(batch["photo"]),
            "teacher": ops.convert_to_tensor(batch["drawing"]),
            "student": self.draw_averaged(batch["photo"], batch["style"]),
        }

    def _inputs(self, photos, style):
        return [photos, style] if len(self.generator.inputs) > 1 else photos

    def _generator_losses(self, batch):
        """Every term of G, weighted; and its drawings, for the discriminator."""
        weight, target, values = self.weights_of, batch["drawing"], {}
        # Batch normalization by the batch: its averages are for drawing.
        drawings = self.generator(self._inputs(batch["photo"], batch["style"]), training=True)
        if weight.l1:
            values["l1"] = weight.l1 * losses.l1(drawings, target)
        if weight.lpips:
            values["lpips"] = weight.lpips * ops.mean(self.distance(drawings, target))
        if weight.adversarial:
            value = losses.adversarial(self.discriminator(drawings), True)
            values["g_adversarial"] = weight.adversarial * value
        return values, drawings

    def _discriminator_losses(self, real, fake):
        """Both terms of D, and how often it is right."""
        scores = {"real": self.discriminator(real), "fake": self.discriminator(fake)}
        values = {
            f"d_{name}": 0.5 * losses.adversarial(score, name == "real")
            for name, score in scores.items()
        }
        return values, {"disc_accuracy": losses.accuracy(scores["real"], scores["fake"])}

    def train_step(self, data):
        """One update of G, then one of D on the teacher's drawings and those that G just made.

        Args:
            data: tuple of one batch: `photo` float (N, H, W, 3) and `drawing` (N, H, W, 1) in
                [-1, 1]; `style` (N, K).

        Returns:
            Running means of `loss_names` and `accuracy_names`; 0 for what is switched off.
        """
        (batch,) = data

        def generator_loss():
            values, drawings = self._generator_losses(batch)
            return sum(values.values()), (values, drawings)

        values, drawings = self.update("generator", generator_loss)
        self.average_generator()
        if self.discriminator is None:
            return self.report(values)
        drawings = ops.stop_gradient(drawings)

        def discriminator_loss():
            disc_values, rates = self._discriminator_losses(batch["drawing"], drawings)
            return sum(disc_values.values()), {**disc_values, **rates}

        return self.report({**values, **self.update("discriminator", discriminator_loss)})
