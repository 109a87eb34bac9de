"""Asymmetric cycle mapping: photos to portrait drawings without pairs.

Yi, Liu, Lai, Rosin, "Unpaired Portrait Drawing Generation via Asymmetric Cycle Mapping",
CVPR 2020. `p` is the training progress, 0 at the first epoch and 1 after the last.

| code                 | paper          | loss                  | weight      | equation |
| -------------------- | -------------- | --------------------- | ----------- | -------- |
| `generator`          | G              |                       |             |          |
| `inverse_generator`  | F              |                       |             |          |
| `drawing_disc`       | D_D (two heads)| `g_adversarial`       | 1           | 2        |
| `eyes_disc`, `nose_disc`, `lips_disc` | D_l | `g_eyes`, `g_nose`, `g_lips` | 0.5 each | 2 |
| `photo_disc`         | D_P            | `f_adversarial`       | 1           | 3        |
| `edge_detector`      | H (HED)        | `relaxed_cycle`       | 5 (1 - 0.9 p) | 4      |
| `losses.truncate`    | T              | `truncated_cycle`     | 5 * 0.9 p   | 6        |
|                      |                | `strict_cycle`        | 5           | 5        |
| style head           | C in D_D       | `g_style`             | 1           | 7        |

Reported losses carry their weights. `anchor` is ours and off by default: it holds drawings near
line drawings that a filter made of the same photos, for short trainings on little data.
"""

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.layers import ImagePool
from keras_portrait.masks import PARTS, show_part
from keras_portrait.models.base import AdversarialModel, average_weights
from keras_portrait.settings import AsymmetricCycleWeights

# Share of the relaxed cycle that moves to the truncated one as p goes from 0 to 1 (paper, sec. 4:
# 5 - 4.5 i/N and 4.5 i/N).
TRUNCATED_SHARE = 0.9


class AsymmetricCycle(AdversarialModel):
    """Trains G and F against discriminators of drawings, photos, eyes, noses and lips.

    Args:
        generator: G, photo float (N, H, W, 3) in [-1, 1], with a style vector where there are
            several styles, to drawing (N, H, W, 1) in [-1, 1].
        inverse_generator: F, drawing (N, H, W, 1) to photo (N, H, W, 3).
        drawing_disc: D of drawings, to `[patch scores, style logits]`, or to patch scores alone
            where there is one style.
        photo_disc: D of photos, to patch scores.
        part_discs: local discriminators of `show_part` pictures (N, H, W, 2), by part.
        edge_detector: frozen H, photos in [-1, 1] to edges in [0, 1].
        distance: `PerceptualDistance`.
        weights: `AsymmetricCycleWeights`.
        styles: int, number of styles.
        batch: int, pictures of each domain in a step.
        pool_size: int, fakes kept for the discriminators; 0 turns the pools off.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
        seed: int, seed of the pools.
    """

    loss_names = (
        *("g_adversarial", "g_eyes", "g_nose", "g_lips", "g_style", "f_adversarial"),
        *("relaxed_cycle", "truncated_cycle", "strict_cycle", "anchor"),
        *("d_drawing", "d_style", "d_eyes", "d_nose", "d_lips", "d_photo"),
    )

    def __init__(
        self,
        generator: keras.Model,
        inverse_generator: keras.Model,
        drawing_disc: keras.Model,
        photo_disc: keras.Model,
        part_discs: dict[str, keras.Model],
        edge_detector: keras.Model,
        distance,
        weights: AsymmetricCycleWeights,
        styles: int = 1,
        batch: int = 1,
        pool_size: int = 50,
        average_decay: float = 0.0,
        seed: int = 0,
    ):
        super().__init__(name="asymmetric_cycle")
        self.generator = generator
        self.inverse_generator = inverse_generator
        self.averaged_generator = keras.models.clone_model(generator)
        self.averaged_generator.set_weights(generator.get_weights())
        self.averaged_generator.trainable = False
        self.drawing_disc = drawing_disc
        self.photo_disc = photo_disc
        self.eyes_disc = part_discs["eyes"]
        self.nose_disc = part_discs["nose"]
        self.lips_disc = part_discs["lips"]
        self.edge_detector = edge_detector
        self.distance = distance
        self.weights_of = weights
        self.styles = styles
        self.average_decay = average_decay
        self.drawing_pool = ImagePool(pool_size, batch, seed, name="drawing_pool")
        self.photo_pool = ImagePool(pool_size, batch, seed + 1, name="photo_pool")

    def trainable_groups(self):
        """G and F step together, and so do all discriminators, as in the paper's code."""
        discs = (self.drawing_disc, self.photo_disc, *self._part_discs().values())
        return {
            "generator": [
                *self.generator.trainable_variables,
                *self.inverse_generator.trainable_variables,
            ],
            "discriminator": [v for disc in discs for v in disc.trainable_variables],
        }

    def call(self, inputs):
        return self.generator(inputs)

    def draw(self, photos, style):
        """G(p, s): photos float (N, H, W, 3), style float (N, K); drawings (N, H, W, 1)."""
        return self.generator([photos, style] if self.styles > 1 else photos)

    def visuals(self, batch):
        """Photos, drawings, reconstructions and edges of one batch, all in [-1, 1]."""
        inputs = [batch["photo"], batch["style"]] if self.styles > 1 else batch["photo"]
        drawing = self.averaged_generator(inputs)
        reconstruction = self.inverse_generator(drawing)
        return {
            "photo": batch["photo"],
            "drawing": drawing,
            "reconstruction": reconstruction,
            "reconstruction edges": losses.edge_maps(reconstruction, self.edge_detector),
        }

    def _part_discs(self):
        return {"eyes": self.eyes_disc, "nose": self.nose_disc, "lips": self.lips_disc}

    def _judge(self, drawings):
        """Patch scores of drawings, and style logits where there are several styles."""
        judged = self.drawing_disc(drawings)
        return judged if self.styles > 1 else (judged, None)

    def _relaxed_cycle(self, drawings, real_edges):
        """LPIPS between the edges of F(drawing) and of the photo (eq. 4 and 6)."""
        edges = losses.edge_maps(self.inverse_generator(drawings), self.edge_detector)
        return ops.mean(self.distance.distance(self.distance.features(edges), real_edges))

    def _cycle_losses(self, fake, real_edges):
        """The relaxed cycle and its truncated twin, weighted by the progress."""
        weight, share = self.weights_of, TRUNCATED_SHARE * self.progress

        def plain():
            return self._relaxed_cycle(fake, real_edges)

        def truncated():
            return self._relaxed_cycle(losses.truncate(fake, weight.straight_through), real_edges)

        if not weight.sample_truncation:
            return {
                "relaxed_cycle": weight.relaxed * (1.0 - share) * plain(),
                "truncated_cycle": weight.relaxed * share * truncated(),
            }
        # One reconstruction a step: T is applied with the probability of its weight, which is
        # equal in expectation and saves an inverse generator and an edge detector.
        chance = keras.random.uniform((), seed=self.drawing_pool.seed_generator)
        cut = ops.cast(chance < share, "float32")
        seen = fake * (1.0 - cut) + losses.truncate(fake, weight.straight_through) * cut
        value = weight.relaxed * self._relaxed_cycle(seen, real_edges)
        return {"relaxed_cycle": value * (1.0 - cut), "truncated_cycle": value * cut}

    def _generator_losses(self, batch, real_edges):
        """Every term of G and F, weighted; and the fakes, for the discriminators."""
        weight, mode = self.weights_of, self.weights_of.adversarial
        fake_drawing = self.draw(batch["photo"], batch["style"])
        fake_photo = self.inverse_generator(batch["drawing"])
        scores, style_logits = self._judge(fake_drawing)
        values = {
            "g_adversarial": losses.adversarial(scores, True, mode),
            "f_adversarial": losses.adversarial(self.photo_disc(fake_photo), True, mode),
            **self._cycle_losses(fake_drawing, real_edges),
            "strict_cycle": weight.strict
            * losses.l1(self.draw(fake_photo, batch["style"]), batch["drawing"]),
        }
        for part, disc in self._part_discs().items():
            # The mask is the photo's: the drawing must put its features where the photo has them.
            seen = disc(show_part(fake_drawing, batch[f"photo_{part}"]))
            values[f"g_{part}"] = weight.local * losses.adversarial(seen, True, mode)
        if self.styles > 1:
            values["g_style"] = weight.style * losses.style_classification(
                style_logits, batch["style"]
            )
        if weight.anchor:
            pull = self.distance(fake_drawing, batch["lines"])
            values["anchor"] = weight.anchor * (1.0 - self.progress) * ops.mean(pull)
        return values, fake_drawing, fake_photo

    def _discriminator_losses(self, batch, fake_drawing, fake_masks, fake_photo):
        """Half of real plus half of fake for every discriminator."""
        real_scores, real_style = self._judge(batch["drawing"])
        fake_scores, fake_style = self._judge(fake_drawing)
        values = {
            "d_drawing": self._half_and_half(real_scores, fake_scores),
            "d_photo": self._half_and_half(
                self.photo_disc(batch["photo"]), self.photo_disc(fake_photo)
            ),
        }
        for part, disc in self._part_discs().items():
            values[f"d_{part}"] = self._half_and_half(
                disc(show_part(batch["drawing"], batch[f"drawing_{part}"])),
                disc(show_part(fake_drawing, fake_masks[part])),
            )
        if self.styles > 1:
            label = batch["style"]
            values["d_style"] = 0.5 * (
                losses.style_classification(real_style, label)
                + losses.style_classification(fake_style, label)
            )
        return values

    def _half_and_half(self, real_scores, fake_scores):
        mode = self.weights_of.adversarial
        return 0.5 * (
            losses.adversarial(real_scores, True, mode)
            + losses.adversarial(fake_scores, False, mode)
        )

    def _pooled(self, batch, fake_drawing, fake_photo):
        """Asks the pools once; a pooled drawing keeps the masks that it was made with."""
        masks = [batch[f"photo_{part}"] for part in PARTS]
        fakes = ops.concatenate([fake_drawing, *masks], axis=-1)
        fakes = ops.stop_gradient(self.drawing_pool(fakes))
        fake_masks = {part: fakes[..., i : i + 1] for i, part in enumerate(PARTS, start=1)}
        return fakes[..., :1], fake_masks, ops.stop_gradient(self.photo_pool(fake_photo))

    def train_step(self, data):
        """One update of G and F, then one of all discriminators.

        Args:
            data: tuple of one batch: `photo` float (N, H, W, 3) and `drawing` (N, H, W, 1) in
                [-1, 1], `style` (N, K), masks `photo_<part>` and `drawing_<part>` (N, H, W, 1) in
                [0, 1], and `lines` (N, H, W, 1) in [-1, 1] where `anchor` is not 0.

        Returns:
            Running means of `loss_names`.
        """
        (batch,) = data
        edges = losses.edge_maps(batch["photo"], self.edge_detector)
        real_edges = [ops.stop_gradient(x) for x in self.distance.features(edges)]

        def generator_loss():
            values, *fakes = self._generator_losses(batch, real_edges)
            return sum(values.values()), (values, fakes)

        values, (fake_drawing, fake_photo) = self.update("generator", generator_loss)
        average_weights(self.averaged_generator, self.generator, self.average_decay)
        fakes = self._pooled(batch, fake_drawing, fake_photo)

        def discriminator_loss():
            disc_values = self._discriminator_losses(batch, *fakes)
            return sum(disc_values.values()), disc_values

        return self.report({**values, **self.update("discriminator", discriminator_loss)})
