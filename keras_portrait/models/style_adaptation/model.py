"""Style adaptation: a trained generator learns one more style from few drawings.

a is a photo, d a drawing, s the new style, m the style or mix that it begins as, T the generator
as it was trained, F the inverse generator of the run that it comes from, H edges; all of a window,
which shows about the same place of the face in photo and drawings.

| code           | symbol | loss                                           | weight | source       |
| -------------- | ------ | ---------------------------------------------- | ------ | ------------ |
| `generator`    | G      | `g_adversarial`: (D(G(a, s)) - 1)^2            | 0.5    | Mao 2017     |
|                |        | `style`: |Gram(G(a, s)) - Gram| / mean of Gram | 4      | Gatys 2016   |
|                |        | `likeness`: LPIPS(G(a, s), T(a, m))            | 2      | Zhang 2018   |
|                |        | `gray`: 1 - G(a, s)^2                          | 3      | ours         |
| `generator`,   | G, F   | `relaxed_cycle`:                               | 1      | Yi 2020,     |
| `inverse_...`  |        | LPIPS(H(F(G(a, s))), H(a))                     |        | eq. 4        |
| `drawing_disc` | D      | `d_drawing`: D(d) against 1, D(G) against 0    | 1      | Mao 2017     |

What learns of G are the weights that the new style alone reads: it scales and shifts features
(Dumoulin, Shlens, Kudlur, "A Learned Representation For Artistic Style", ICLR 2017, sec. 3.2, which
adds styles to a trained network in this way). The other styles stay as they are to the last bit,
unless the last layers learn, too. Only a run of the asymmetric cycle has F. It learns along, as in
the paper: as it was, it would ask for drawings of the kind that it knows. Gram is the mean over all
drawings at that place: of ten drawings one alone would say more of its sitter's hair than of the
hand.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

from keras_portrait import losses
from keras_portrait.models.style_adaptation.config import AdaptationWeights
from keras_portrait.networks import patch_discriminator
from keras_portrait.perceptual import EdgeDetector, PerceptualDistance
from keras_portrait.perceptual.vgg import VGGFeatures
from keras_portrait.training.adversarial_model import AdversarialModel, copy_of
from keras_portrait.training.backend import gradients_of
from keras_portrait.training.more_styles import style_layers

# Feature maps whose Gram matrices tell a hand: strokes, their ends and crossings, and how close
# they lie; up to 24 pixels, 5 % of a square of 512. Deeper ones tell parts of the face.
STYLE_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv1")


class StyleAdaptation(AdversarialModel):
    """Trains the last of a generator's styles on windows of photos and drawings.

    Args:
        styles: names of the generator's styles, the new one last.
        generator: G, `more_styles.with_one_more_style`.
        draw_start: T, function of photos float (N, H, W, 3) and style (N, K) of the other styles to
            drawings (N, H, W, 1) without a gradient, in [-1, 1].
        drawing_disc: D, drawings (N, H, W, 1) to unbounded patch scores; not used where its loss
            has no weight.
        features: function of drawings to feature maps; `VGGFeatures` of `STYLE_LAYERS`.
        distance: `PerceptualDistance`.
        inverse_generator: F, drawings (N, H, W, 1) to photos (N, H, W, 3), both in [-1, 1]; None
            for no cycle. Not used where the cycle has no weight.
        edge_detector: frozen H, photos in [-1, 1] to edges in [0, 1]; `EdgeDetector`.
        weights: `AdaptationWeights`.
        last_layers: int, convolutions at the end of G that learn, too.
        last_layers_rate: float, share of the learning rate that they learn with.
    """

    loss_names = ("g_adversarial", "style", "likeness", "gray", "relaxed_cycle", "d_drawing")
    accuracy_names = ("drawing_accuracy",)
    headline_names = ("style", "likeness", "g_adversarial", "drawing_accuracy")
    batch_names = ("photo", "drawing")

    learning_rate = 3e-2

    def __init__(
        self,
        styles: Sequence[str],
        generator: keras.Model,
        draw_start: Callable,
        *,
        drawing_disc: keras.Model | None = None,
        features: Callable | None = None,
        distance: Callable | None = None,
        inverse_generator: keras.Model | None = None,
        edge_detector: Callable | None = None,
        weights: AdaptationWeights | None = None,
        last_layers: int = 0,
        last_layers_rate: float = 0.01,
        name: str = "style_adaptation",
    ):
        super().__init__(name=name)
        self.weights_of = weights or AdaptationWeights()
        self.style_names = tuple(styles)
        self.styles = len(self.style_names)
        self.generator = generator
        self.averaged_generator = copy_of(generator)
        if drawing_disc is None and self.weights_of.adversarial:
            drawing_disc = patch_discriminator(1, 32, name="drawing_disc")
        self.drawing_disc = drawing_disc if self.weights_of.adversarial else None
        self.average_decay = 0.0  # an average rounds, and the other styles stay as they are
        self.draw_start = draw_start
        self.features = features or VGGFeatures("vgg16", STYLE_LAYERS)
        self.distance = distance or PerceptualDistance()
        self.inverse_generator = inverse_generator if self.weights_of.cycle else None
        if self.inverse_generator is not None:
            edge_detector = edge_detector or EdgeDetector()
        self.edge_detector = edge_detector
        self.last_layers, self.last_layers_rate = last_layers, last_layers_rate
        # In checkpoints, so that a training that goes on holds on to the same.
        self.mix = self.add_weight(
            shape=(self.styles - 1,), initializer="zeros", trainable=False, name="mix"
        )

    def trainable_groups(self):
        """The kernels that see the style, the last layers where they learn, F and D."""
        groups = {"generator": [layer.kernel for layer in style_layers(self.generator)]}
        if last := self._last():
            groups["last_layers"] = last
        if self.inverse_generator is not None:
            groups["inverse_generator"] = self.inverse_generator.trainable_variables
        if self.drawing_disc is not None:
            groups["discriminator"] = self.drawing_disc.trainable_variables
        return groups

    def exported(self):
        """G, and F as it is, for an adaptation that starts from this run."""
        inverse = self.inverse_generator
        return super().exported() | ({} if inverse is None else {"inverse_generator": inverse})

    def generator_input(self, inputs):
        """Photos, or `(photos, style)`; without a style, the new one."""
        if isinstance(inputs, (list, tuple)):
            return list(inputs)
        return self._with_style(inputs)

    def draw(self, photos):
        """G(a, s): photos float (N, H, W, 3) to drawings (N, H, W, 1), in [-1, 1]."""
        return self.generator(self._with_style(photos))

    def visuals(self, batch):
        """Photos, and drawings in the new style."""
        photos = ops.convert_to_tensor(batch["photo"])
        return {"photo": photos, self.style_names[-1]: self.draw(photos)}

    def style_distance(self, drawings, targets):
        """How far drawings are from the hand.

        Args:
            drawings: float (N, H, W, 1) in [-1, 1].
            targets: list of float (N, C, C), the Gram matrices that they should have.

        Returns:
            float32 scalar: the mean over the feature maps of the mean absolute difference of Gram
            matrices, as a share of the mean of what they should be.
        """
        values = [
            ops.mean(ops.abs(losses.gram(maps) - target)) / (ops.mean(ops.abs(target)) + 1e-6)
            for maps, target in zip(self.features(drawings), targets, strict=True)
        ]
        return sum(values) / len(values)

    def train_step(self, data):
        """One update of what the new style has for its own, then one of the discriminator.

        Args:
            data: one batch: `photo` float (N, H, W, 3) and `drawing` (N, H, W, 1) in [-1, 1];
                `gram_0`, `gram_1`, ..., float (N, C, C), the Gram matrices of the drawings there.

        Returns:
            Running means of `loss_names` and `accuracy_names`; 0 for what is switched off.
        """
        batch = self.named(data)
        values, fake = self._update_generator(batch)
        self.average_generator()
        if self.drawing_disc is None:
            return self.report(values)
        fake = ops.stop_gradient(fake)

        def discriminator_loss():
            disc_values = self._told_apart(batch["drawing"], fake)
            return disc_values["d_drawing"], disc_values

        return self.report({**values, **self.update("discriminator", discriminator_loss)})

    def losses_of(self, batch):
        """Every term of a batch, without an update."""
        values, fake = self._generator_losses(batch)
        return values | (self._told_apart(batch["drawing"], fake) if self.drawing_disc else {})

    def _update_generator(self, batch):
        groups = self.trainable_groups()
        own, last = groups["generator"], groups.get("last_layers", [])
        inverse = groups.get("inverse_generator", [])

        def generator_loss():
            values, fake = self._generator_losses(batch)
            return sum(values.values()), (values, fake)

        gradients, rest = gradients_of(generator_loss, [*own, *last, *inverse])
        # The other styles keep their weights whatever else the same kernel does: where a style is
        # appended to features, theirs lie in it, too.
        masked = [
            gradient * _last_channel(kernel)
            for gradient, kernel in zip(gradients, own, strict=False)
        ]
        self.generator_optimizer.apply(masked, own)
        if last:
            self.last_layers_optimizer.apply(gradients[len(own) : len(own) + len(last)], last)
        if inverse:
            self.inverse_generator_optimizer.apply(gradients[-len(inverse) :], inverse)
        return rest

    def _generator_losses(self, batch):
        weight, photos, values = self.weights_of, batch["photo"], {}
        fake = self.draw(photos)
        if weight.adversarial:
            scores = self.drawing_disc(fake)
            values["g_adversarial"] = weight.adversarial * losses.adversarial(scores, True)
        if weight.style:
            targets = [batch[f"gram_{index}"] for index in range(len(STYLE_LAYERS))]
            values["style"] = weight.style * self.style_distance(fake, targets)
        if weight.likeness:
            mix = ops.repeat(ops.convert_to_tensor(self.mix)[None], ops.shape(photos)[0], axis=0)
            pull = ops.mean(self.distance(fake, self.draw_start(photos, mix)))
            share = 1.0 - (1.0 - weight.likeness_end) * self.progress
            values["likeness"] = weight.likeness * share * pull
        if weight.gray:
            values["gray"] = weight.gray * losses.grayness(fake)
        if self.inverse_generator is not None:
            values["relaxed_cycle"] = weight.cycle * self._cycle(fake, photos)
        return values, fake

    def _cycle(self, drawings, photos):
        """How far the edges of photos that are made of drawings are from those of the photos."""
        again, real = (
            losses.edge_maps(each, self.edge_detector)
            for each in (self.inverse_generator(drawings), photos)
        )
        return ops.mean(self.distance(again, ops.stop_gradient(real)))

    def _told_apart(self, real, fake):
        scores = self.drawing_disc(real), self.drawing_disc(fake)
        return {
            "d_drawing": losses.half_and_half(*scores),
            "drawing_accuracy": losses.accuracy(*scores),
        }

    def _with_style(self, photos):
        new = ops.one_hot(ops.array([self.styles - 1]), self.styles, dtype="float32")
        return [photos, ops.repeat(new, ops.shape(photos)[0], axis=0)]

    def _last(self):
        """Weights of the convolutions at the end, those of the styles left out."""
        of_styles = {id(layer) for layer in style_layers(self.generator)}
        found = [
            layer
            for layer in self.generator.layers
            if isinstance(layer, layers.Conv2D) and id(layer) not in of_styles
        ]
        chosen = found[len(found) - self.last_layers :]
        return [weight for layer in chosen for weight in layer.weights]


def _last_channel(kernel):
    """1 for the input channel that is the new style's, 0 for all others."""
    mask = np.zeros((1, 1, kernel.shape[2], 1), np.float32)
    mask[:, :, -1] = 1
    return mask
