"""Paired training: a generator learns to draw what filters draw of the same photos.

a is a photo, a' the same in gray, s the style, t(a, s) what the filter of that style draws of a;
G draws exp(l) / (1 + exp(l)), from ink 0 to paper 1, out of a logit l.

| code            | symbol | loss                                          | weight | source       |
| --------------- | ------ | --------------------------------------------- | ------ | ------------ |
| `generator`     | G      | `cross_entropy`: of G(a, s) against t(a, s)   | 4      | this project |
|                 |        | `feature_matching`: |D_i(G(a, s)) - D_i(t)|   | 4      | Wang 2018    |
|                 |        | `g_adversarial`: (D(a', G(a, s), s) - 1)^2    | 1      | Mao 2017     |
| `discriminator` | D      | `d_real`: D(a', t(a, s), s) against 1         | 0.5    | Isola 2017   |
|                 |        | `d_fake`: D(a', G(a, s), s) against 0         | 0.5    | the same     |

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, with
cross-entropy in place of their L1, and squared errors in place of their logarithms; Wang et al.,
"High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018, whose
D_i are the features of D. The weights are this project's.
"""

from collections.abc import Sequence

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.models.paired.config import PairedWeights
from keras_portrait.networks import line_generator, logits_of, pair_discriminator
from keras_portrait.training.saved_networks import weights_from
from keras_portrait.training.scorers import PairedScorer
from keras_portrait.training.supervised_model import SupervisedModel


@keras.saving.register_keras_serializable(package="keras_portrait")
class Paired(SupervisedModel):
    """Trains a line generator on photos and drawings of them.

    For the first steps D is left out and takes no time: G, which draws gray yet, would be told
    nothing by it.

    Networks that are not given are those of the shipped recipe.

    Args:
        styles: names of the styles, in the order of the style vector.
        generator: G, as `networks.line_generator` makes it: photos float (N, H, W, 3) in [-1, 1],
            and style (N, K) where it has such an input, to drawings (N, H, W, 1) in [-1, 1].
        discriminator: D, as `networks.pair_discriminator` makes it; not used where its loss has no
            weight.
        weights: `PairedWeights`, any object with its numbers, or a dict of what differs from them.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
    """

    loss_names = ("cross_entropy", "feature_matching", "g_adversarial", "d_real", "d_fake")
    headline_names = ("cross_entropy", "feature_matching", "g_adversarial", "disc_accuracy")

    learning_rate = 5e-4
    steps_are_alike = False  # D joins in later

    def __init__(
        self,
        styles: Sequence[str] = ("drawing",),
        *,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        weights=None,
        average_decay: float = 0.999,
        name: str = "paired",
    ):
        weights = weights_from(PairedWeights, weights)
        count = len(styles)
        if discriminator is None and weights.adversarial:
            discriminator = pair_discriminator(count)
        super().__init__(
            generator or line_generator(count), discriminator, weights, styles, average_decay, name
        )
        self.logits = logits_of(self.generator)
        self.disc_joins = False

    def scorer_for(self, batch):
        """`PairedScorer`."""
        return PairedScorer(batch)

    def visuals(self, batch):
        """Photos, and beside each filter's drawing the averaged generator's; all in [-1, 1]."""
        photos = ops.convert_to_tensor(batch["photo"])
        shown = {"photo": photos}
        for index, name in enumerate(self.style_names):
            style = ops.one_hot([index] * photos.shape[0], len(self.style_names))
            shown[f"filter {name}"] = ops.convert_to_tensor(batch["drawings"])[..., index, None]
            shown[name] = self.draw_averaged(photos, style)
        return shown

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

    def _generator_losses(self, batch, training=True):
        weight, target = self.weights_of, batch["drawing"]
        logits = self.logits(self._inputs(batch["photo"], batch["style"]), training=training)
        values = {"cross_entropy": weight.cross_entropy * losses.cross_entropy(logits, target)}
        drawings = ops.tanh(0.5 * logits)
        if self.disc_joins:
            features, scores = self._judge(batch, drawings)
            real_features, _ = self._judge(batch, target)
            matching = losses.feature_matching(real_features, features)
            values["feature_matching"] = weight.feature_matching * matching
            values["g_adversarial"] = weight.adversarial * losses.adversarial(scores, True)
        return values, drawings

    def _discriminator_losses(self, batch, fake, training=True):
        _, real_scores = self._judge(batch, batch["drawing"], training=training)
        return self._told_apart(real_scores, self._judge(batch, fake)[1])
