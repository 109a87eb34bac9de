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
from keras_portrait.networks import line_generator, pair_discriminator
from keras_portrait.training.line_model import LineModel
from keras_portrait.training.saved_networks import weights_from
from keras_portrait.training.scorers import PairedScorer


@keras.saving.register_keras_serializable(package="keras_portrait")
class Paired(LineModel):
    """Trains a line generator on photos and drawings of them.

    See `LineModel`.

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

    def _generator_losses(self, batch, training=True):
        weight, target = self.weights_of, batch["drawing"]
        logits = self.logits(self._inputs(batch["photo"], batch["style"]), training=training)
        values = {"cross_entropy": weight.cross_entropy * losses.cross_entropy(logits, target)}
        drawings = ops.tanh(0.5 * logits)
        return {**values, **self._judged_losses(batch, drawings)}, drawings
