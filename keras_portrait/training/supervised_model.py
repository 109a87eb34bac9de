"""What methods share that learn given drawings: one generator, and one discriminator beside it."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.training.adversarial_model import AdversarialModel, copy_of
from keras_portrait.training.batch import photos_and_style
from keras_portrait.training.saved_networks import saved_networks, weights_config


class SupervisedModel(AdversarialModel):
    """Trains a generator on photos and the drawings that it is to make of them.

    A method writes `_generator_losses` and `_discriminator_losses`.

    Args:
        generator: G, photos float (N, H, W, 3) in [-1, 1], and style (N, K) where it has such an
            input, to drawings (N, H, W, 1) in [-1, 1].
        discriminator: D; not used where the adversarial loss has no weight.
        weights: any object with the number `adversarial`, and those of the method.
        styles: names of the styles, in the order of the style vector.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
        name: str.

    Raises:
        ValueError: the adversarial loss has a weight, but there is no discriminator.
    """

    batch_names = ("photo", "drawing", "style")
    accuracy_names = ("disc_accuracy",)

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model | None,
        weights,
        styles: Sequence[str] = ("drawing",),
        average_decay: float = 0.0,
        name: str = "supervised",
    ):
        super().__init__(name=name)
        if weights.adversarial and discriminator is None:
            raise ValueError(
                "discriminator: expected one, since the adversarial loss has a weight. "
                f"Received: None, weight {weights.adversarial}"
            )
        self.style_names = tuple(styles)
        self.generator = generator
        self.averaged_generator = copy_of(generator)
        self.discriminator = discriminator if weights.adversarial else None
        self.weights_of = weights
        self.average_decay = average_decay

    def get_config(self):
        """The constructor's arguments, networks included; what is frozen is loaded again."""
        return {
            "styles": list(self.style_names),
            **saved_networks(self, ("generator", "discriminator")),
            "weights": weights_config(self.weights_of),
            "average_decay": self.average_decay,
            "name": self.name,
        }

    def completed(self, batch):
        """Without a style all drawings are of the only one.

        Raises:
            ValueError: there are several styles and none is told, or something else is missing.
        """
        self.require(batch, "photo", "drawing")
        self.fill_style(batch, len(self.style_names))
        return batch

    def generator_input(self, inputs):
        """Photos, or `(photos, style)`, or a dict of both; without a style, the first."""
        return photos_and_style(inputs, len(self.style_names))

    def losses_of(self, batch):
        """Every term of a batch, without an update."""
        values, drawings = self._generator_losses(batch, training=False)
        if not self._disc_takes_part():
            return values
        disc_values, rates = self._discriminator_losses(batch, drawings, training=False)
        return {**values, **disc_values, **rates}

    def trainable_groups(self):
        """Each network has an optimizer of its own."""
        groups = {"generator": self.generator.trainable_variables}
        if self.discriminator is not None:
            groups["discriminator"] = self.discriminator.trainable_variables
        return groups

    def draw_averaged(self, photos, style):
        """Drawings of the averaged generator, (N, H, W, 1) in [-1, 1]."""
        photos, style = ops.convert_to_tensor(photos), ops.convert_to_tensor(style)
        return self.averaged_generator(self._inputs(photos, style), training=False)

    def _inputs(self, photos, style):
        return [photos, style] if len(self.generator.inputs) > 1 else photos

    def _disc_takes_part(self) -> bool:
        """Whether D is used and updated in the present step."""
        return self.discriminator is not None

    def _generator_losses(self, batch, training=True):
        """Every term of G, weighted; and its drawings, for the discriminator."""
        raise TypeError(f"{type(self).__name__} must say what its generator learns by.")

    def _discriminator_losses(self, batch, fake, training=True):
        """Both terms of D on the batch's drawings and on G's, and how often it is right."""
        raise TypeError(f"{type(self).__name__} must say what its discriminator sees.")

    def _told_apart(self, real, fake):
        """The terms and the accuracy of D from its scores of given drawings and of G's."""
        values = {
            "d_real": 0.5 * losses.adversarial(real, True),
            "d_fake": 0.5 * losses.adversarial(fake, False),
        }
        return values, {"disc_accuracy": losses.accuracy(real, fake)}

    def train_step(self, data):
        """One update of G, then one of D on the given drawings and those that G just made.

        Args:
            data: one batch, see `named`: `photo` float (N, H, W, 3) and `drawing` (N, H, W, 1) in
                [-1, 1]; `style` (N, K).

        Returns:
            Running means of `loss_names` and `accuracy_names`; 0 for what is switched off or has
            not begun.
        """
        batch = self.named(data)

        def generator_loss():
            values, drawings = self._generator_losses(batch)
            return sum(values.values()), (values, drawings)

        values, drawings = self.update("generator", generator_loss)
        self.average_generator()
        if not self._disc_takes_part():
            return self.report(values)
        drawings = ops.stop_gradient(drawings)

        def discriminator_loss():
            disc_values, rates = self._discriminator_losses(batch, drawings)
            return sum(disc_values.values()), {**disc_values, **rates}

        return self.report({**values, **self.update("discriminator", discriminator_loss)})
