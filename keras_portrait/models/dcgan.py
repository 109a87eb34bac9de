"""DCGAN: pictures from noise.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016; as in the report "Generating Anime Avatars Using GAN" (2020),
section 3.2. x is a picture, z noise.

| code            | symbol | loss                          | weight | source                  |
| --------------- | ------ | ----------------------------- | ------ | ----------------------- |
| `generator`     | G      | `g_adversarial`: -log D(G(z)) | 1      | Goodfellow 2014, sec. 3 |
| `discriminator` | D      | `d_real`: -log D(x)           | 1      | Goodfellow 2014, eq. 1  |
|                 |        | `d_fake`: -log(1 - D(G(z)))   | 1      | Goodfellow 2014, eq. 1  |
|                 | R1     | `d_penalty`: |grad D(x)|^2    | 0      | Mescheder 2018, eq. 9   |

The last is no part of either: with a weight it keeps D from winning, which on drawings, whose flat
colours betray every fake, it does from the first epoch on.
"""

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.devices import normalize_together
from keras_portrait.models.base import (
    AdversarialModel,
    copy_of,
    squared_input_gradient,
)


class DCGAN(AdversarialModel):
    """Trains a generator of pictures against a discriminator.

    On several devices the whole batch is normalized as one.

    Args:
        generator: G, noise float (N, Z), standard normal, to pictures (N, H, W, 3) in [-1, 1].
        discriminator: D, pictures to unbounded realness scores.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
        gradient_penalty: float, weight of `d_penalty`; 0 turns it off.
    """

    loss_names = ("g_adversarial", "d_real", "d_fake", "d_penalty")
    accuracy_names = ("real_accuracy", "fake_accuracy")
    headline_names = loss_names[:3]

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        average_decay: float = 0.0,
        gradient_penalty: float = 0.0,
    ):
        super().__init__(name="dcgan")
        self.generator = generator
        self.averaged_generator = copy_of(generator)
        self.discriminator = discriminator
        self.average_decay = average_decay
        self.gradient_penalty = gradient_penalty
        for network in (generator, discriminator):
            normalize_together(network)

    def trainable_groups(self):
        """Each network has an optimizer of its own."""
        return {
            "generator": self.generator.trainable_variables,
            "discriminator": self.discriminator.trainable_variables,
        }

    def call(self, noise):
        return self.generator(noise)

    def visuals(self, batch):
        """Pictures that the averaged generator makes of the batch's `noise`, in [-1, 1]."""
        return {"picture": self.averaged_generator(ops.convert_to_tensor(batch["noise"]))}

    def _discriminator_losses(self, pictures, fakes):
        """The terms of D, weighted, and how often it is right.

        Real pictures and fakes pass one after the other: batch normalization over both at once
        would itself tell which is which.
        """
        real, penalty = self._real_scores(pictures)
        scores = {"real": real, "fake": self.discriminator(fakes, training=True)}
        values, rates = {"d_penalty": penalty}, {}
        for name, score in scores.items():
            values[f"d_{name}"] = losses.adversarial(score, name == "real", "log")
            rates[f"{name}_accuracy"] = losses.recognized(score, name == "real", "log")
        return values, rates

    def _real_scores(self, pictures):
        """D's scores of real pictures, and the weighted penalty."""

        def score(x):
            return self.discriminator(x, training=True)

        if not self.gradient_penalty:
            return score(pictures), ops.zeros(())
        scores, squares = squared_input_gradient(score, pictures)
        return scores, self.gradient_penalty * ops.mean(squares)

    def train_step(self, data):
        """One update of D on real pictures and fakes, then one of G on the same noise.

        Args:
            data: tuple of one batch: `picture` float (N, H, W, 3) in [-1, 1], `noise` (N, Z).

        Returns:
            Running means of `loss_names` and `accuracy_names`.
        """
        (batch,) = data
        fakes = ops.stop_gradient(self.generator(batch["noise"], training=True))

        def discriminator_loss():
            values, rates = self._discriminator_losses(batch["picture"], fakes)
            return sum(values.values()), {**values, **rates}

        def generator_loss():
            pictures = self.generator(batch["noise"], training=True)
            scores = self.discriminator(pictures, training=True)
            value = losses.adversarial(scores, True, "log")
            return value, {"g_adversarial": value}

        values = self.update("discriminator", discriminator_loss)
        values |= self.update("generator", generator_loss)
        self.average_generator()
        return self.report(values)
