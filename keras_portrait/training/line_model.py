"""What methods share that learn crisp lines: cross-entropy, and a discriminator of pairs."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.networks import logits_of
from keras_portrait.training.supervised_model import SupervisedModel


class LineModel(SupervisedModel):
    """Trains a generator that ends in logits on photos and drawings of them.

    For the first steps D is left out and takes no time: G, which draws gray yet, would be told
    nothing by it.

    Args:
        generator: G, whose tanh comes after a layer `line_generator.HALF_LOGIT`: photos float
            (N, H, W, 3) in [-1, 1], and style (N, K) where it has such an input, to drawings
            (N, H, W, 1) in [-1, 1].
        discriminator: D, as `networks.pair_discriminator` makes it; not used where its loss has no
            weight.
        weights: any object with the numbers `cross_entropy`, `feature_matching`, `adversarial` and
            `adversarial_from`.
        styles: names of the styles, in the order of the style vector.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
        name: str.
    """

    steps_are_alike = False  # D joins in later

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model | None,
        weights,
        styles: Sequence[str] = ("drawing",),
        average_decay: float = 0.0,
        name: str = "lines",
    ):
        super().__init__(generator, discriminator, weights, styles, average_decay, name)
        self.logits = logits_of(self.generator)
        self.disc_joins = False

    def make_train_function(self, force=False):
        """Makes two functions, without D and with it, and one that chooses for each step.

        A branch inside a traced step would have to hold both optimizers and their gradients.
        """
        if self.train_function is not None and not force:
            return self.train_function
        functions = []
        for _ in range(2):
            super().make_train_function(force=True)
            functions.append(self.train_function)

        def train_function(iterator):
            self.disc_joins = self.disc_is_due
            return functions[self.disc_joins](iterator)

        self.train_function = train_function
        return train_function

    @property
    def disc_is_due(self) -> bool:
        """Whether D joins in at the present step; the count of steps outlives a restart."""
        if self.discriminator is None:
            return False
        steps = int(ops.convert_to_numpy(self.generator_optimizer.iterations))
        return steps >= self.weights_of.adversarial_from

    def _disc_takes_part(self):
        return self.disc_joins

    def _judge(self, batch, drawings, training=False):
        """Features and scores of drawings, seen beside the batch's photos and styles."""
        gray = losses.grayscale(batch["photo"])[..., :1]
        inputs = [gray, drawings, batch["style"]][: len(self.discriminator.inputs)]
        *features, scores = self.discriminator(inputs, training=training)
        return features, scores

    def _judged_losses(self, batch, drawings):
        """What D says of the drawings of a batch's photos, weighted; nothing before it joins in."""
        if not self.disc_joins:
            return {}
        features, scores = self._judge(batch, drawings)
        real_features, _ = self._judge(batch, batch["drawing"])
        matching = losses.feature_matching(real_features, features)
        return {
            "feature_matching": self.weights_of.feature_matching * matching,
            "g_adversarial": self.weights_of.adversarial * losses.adversarial(scores, True),
        }

    def _discriminator_losses(self, batch, fake, training=True):
        _, real_scores = self._judge(batch, batch["drawing"], training=training)
        return self._told_apart(real_scores, self._judge(batch, fake)[1])
