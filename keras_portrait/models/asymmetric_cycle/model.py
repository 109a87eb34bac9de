"""Asymmetric cycle mapping: photos to portrait drawings without pairs.

Yi, Liu, Lai, Rosin, "Unpaired Portrait Drawing Generation via Asymmetric Cycle Mapping",
CVPR 2020. `train_step` holds the table of names, symbols and equations.
"""

import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from keras_portrait import losses
from keras_portrait.inference.geometry import PARTS, face_template, part_mask
from keras_portrait.layers import ImagePool
from keras_portrait.models.asymmetric_cycle.config import AsymmetricCycleWeights
from keras_portrait.models.asymmetric_cycle.parts import show_part
from keras_portrait.networks import patch_discriminator, resnet_generator, style_discriminator
from keras_portrait.perceptual import EdgeDetector, FaceFinder, PerceptualDistance
from keras_portrait.training.adversarial_model import AdversarialModel, copy_of
from keras_portrait.training.batch import photos_and_style
from keras_portrait.training.saved_networks import (
    frozen_config,
    saved_networks,
    weights_config,
    weights_from,
)
from keras_portrait.training.scorers import PortraitScorer

# Share of the relaxed cycle that moves to the truncated one as p goes from 0 to 1 (paper, sec. 4:
# 5 - 4.5 i/N and 4.5 i/N).
TRUNCATED_SHARE = 0.9


@keras.saving.register_keras_serializable(package="keras_portrait")
class AsymmetricCycle(AdversarialModel):
    """Trains G and F against discriminators of drawings, photos, eyes, noses and lips.

    Every network that is not given is the paper's.

    Args:
        styles: names of the styles, in the order of the style vector.
        size: int, height and width of the pictures in pixels, a multiple of 32.
        generator: G, photo float (N, H, W, 3) in [-1, 1], with a style vector where there are
            several styles, to drawing (N, H, W, 1) in [-1, 1].
        inverse_generator: F, drawing (N, H, W, 1) to photo (N, H, W, 3).
        drawing_disc: D of drawings, to `[patch scores, style logits]`, or to patch scores alone
            where there is one style or no style loss.
        photo_disc: D of photos, to patch scores.
        part_discs: local discriminators of `show_part` pictures (N, H, W, 2), by part; empty
            where their weight is 0.
        edge_detector: frozen H, photos in [-1, 1] to edges in [0, 1]; `EdgeDetector`.
        distance: `PerceptualDistance`.
        weights: `AsymmetricCycleWeights`, or a dict of what differs from the paper's.
        face_finder: `FaceFinder`, used where its weight is not 0.
        draw_anchor: function of photos and styles to the drawings that the anchor holds on to;
            None where batches hold them, as `lines`.
        pool_size: int, fakes kept for the discriminators; 0 turns the pools off.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
        seed: int, seed of the pools.

    Raises:
        MissingExtra: the edge detector's weights are not installed.
    """

    loss_names = (
        *("g_adversarial", "g_eyes", "g_nose", "g_lips", "g_style", "f_adversarial"),
        *("relaxed_cycle", "truncated_cycle", "strict_cycle", "anchor", "face", "gray"),
        *("d_drawing", "d_style", "d_eyes", "d_nose", "d_lips", "d_photo"),
    )
    accuracy_names = (
        *("drawing_accuracy", "style_accuracy"),
        *("eyes_accuracy", "nose_accuracy", "lips_accuracy", "photo_accuracy"),
    )

    headline_names = ("g_adversarial", "relaxed_cycle", "strict_cycle", "drawing_accuracy")

    batch_names = ("photo", "drawing", "style")

    def __init__(
        self,
        styles: Sequence[str] = ("drawing",),
        size: int = 256,
        *,
        generator: keras.Model | None = None,
        inverse_generator: keras.Model | None = None,
        drawing_disc: keras.Model | None = None,
        photo_disc: keras.Model | None = None,
        part_discs: dict[str, keras.Model] | None = None,
        edge_detector: Callable | None = None,
        distance: PerceptualDistance | None = None,
        weights: AsymmetricCycleWeights | dict | None = None,
        face_finder: Callable | None = None,
        draw_anchor: Callable | None = None,
        pool_size: int = 50,
        average_decay: float = 0.0,
        seed: int = 0,
        name: str = "asymmetric_cycle",
    ):
        super().__init__(name=name)
        weights = weights_from(AsymmetricCycleWeights, weights)
        self.style_names, self.size = tuple(styles), size
        self.styles = len(self.style_names)
        self.generator = generator or resnet_generator(3, 1, self.styles)
        self.inverse_generator = inverse_generator or resnet_generator(
            1, 3, name="inverse_generator"
        )
        self.averaged_generator = copy_of(self.generator)
        self.drawing_disc = drawing_disc or _drawing_disc(self.styles, size, weights.style)
        self.photo_disc = photo_disc or patch_discriminator(3, name="photo_disc")
        if part_discs is None:
            part_discs = {
                part: patch_discriminator(2, name=f"{part}_disc")
                for part in (PARTS if weights.local else ())
            }
        self.part_discs = part_discs
        self.edge_detector = edge_detector or EdgeDetector()
        self.distance = distance or PerceptualDistance()
        self.weights_of = weights
        self.face_finder = face_finder or (FaceFinder() if weights.face else None)
        self.draw_anchor = draw_anchor
        self.average_decay = average_decay
        self.pool_size, self.seed = pool_size, seed
        self.drawing_pool = ImagePool(pool_size, seed, name="drawing_pool")
        self.photo_pool = ImagePool(pool_size, seed + 1, name="photo_pool")
        # Built before the first step: weights may be loaded then.
        self.drawing_pool.build((None, size, size, 1 + len(PARTS)))
        self.photo_pool.build((None, size, size, 3))

    def get_config(self):
        """The constructor's arguments, networks included; what is frozen is loaded again."""
        networks = ("generator", "inverse_generator", "drawing_disc", "photo_disc", "part_discs")
        return {
            "styles": list(self.style_names),
            "size": self.size,
            **saved_networks(self, networks),
            **frozen_config(self, edge_detector=EdgeDetector, distance=PerceptualDistance),
            "weights": weights_config(self.weights_of),
            "pool_size": self.pool_size,
            "average_decay": self.average_decay,
            "seed": self.seed,
            "name": self.name,
        }

    def completed(self, batch):
        """Without a style all drawings are of the only one; masks lie where alignment puts parts.

        Raises:
            ValueError: there are several styles and none is told, the pictures have another size,
                or photos or drawings are missing.
        """
        self.require(batch, "photo", "drawing")
        self.check_size(batch["photo"], (self.size, self.size))
        self.fill_style(batch, self.styles)
        count = ops.shape(batch["photo"])[0]
        for part in PARTS if self.part_discs else ():
            mask = np.float32(part_mask(face_template(self.size), self.size, part))[None, ..., None]
            for kind in ("photo", "drawing"):
                batch.setdefault(f"{kind}_{part}", ops.repeat(mask, count, axis=0))
        return batch

    def generator_input(self, inputs):
        """Photos, or `(photos, style)`, or a dict of both; without a style, the first."""
        return photos_and_style(inputs, self.styles)

    def trainable_groups(self):
        """G and F step together, and so do all discriminators, as in the paper's code."""
        discs = (self.drawing_disc, self.photo_disc, *self.part_discs.values())
        return {
            "generator": [
                *self.generator.trainable_variables,
                *self.inverse_generator.trainable_variables,
            ],
            "discriminator": [v for disc in discs for v in disc.trainable_variables],
        }

    def exported(self):
        """G, averaged, and F as it is."""
        return {**super().exported(), "inverse_generator": self.inverse_generator}

    def draw(self, photos, style):
        """G(p, s): photos float (N, H, W, 3), style float (N, K); drawings (N, H, W, 1)."""
        return self.generator(self._generator_inputs(photos, style))

    def draw_averaged(self, photos, style):
        """As `draw`, by the averaged generator, which is the one that is exported."""
        return self.averaged_generator(self._generator_inputs(photos, style))

    def _generator_inputs(self, photos, style):
        return [photos, style] if self.styles > 1 else photos

    def visuals(self, batch):
        """Photos, drawings in every style, and the way back from the first; all in [-1, 1]."""
        photos = ops.convert_to_tensor(batch["photo"])
        drawings = {}
        for name, vector in zip(
            self.style_names, np.eye(self.styles, dtype="float32"), strict=True
        ):
            style = ops.repeat(ops.convert_to_tensor(vector)[None], photos.shape[0], axis=0)
            drawings[name] = self.draw_averaged(photos, style)
        reconstruction = self.inverse_generator(drawings[self.style_names[0]])
        return {
            "photo": photos,
            **drawings,
            "photo from drawing": reconstruction,
            "its edges": losses.edge_maps(reconstruction, self.edge_detector),
        }

    @property
    def classifies_style(self):
        """Whether the discriminator of drawings has a style head."""
        return len(self.drawing_disc.outputs) > 1

    def _mapped(self, style):
        """What G gets of soft style vectors (N, K)."""
        if not self.weights_of.one_hot_maps:
            return style
        return ops.one_hot(ops.argmax(style, axis=-1), self.styles, dtype="float32")

    def _judge(self, drawings):
        """Patch scores of drawings, and style logits where there is a style head."""
        judged = self.drawing_disc(drawings)
        return judged if self.classifies_style else (judged, None)

    def _seen_by_cycle(self, photos, edges=None):
        """What the forward cycle compares: features of edges (the paper's) or photos, or pixels."""
        if self.weights_of.forward_cycle == "l1":
            return photos
        if self.weights_of.forward_cycle == "photos":
            return self.distance.features(photos)
        if edges is None:
            edges = losses.edge_maps(photos, self.edge_detector)
        return self.distance.features(edges)

    def _seen_of(self, batch):
        """The same of a batch's photos, which no gradient passes."""
        real = self._seen_by_cycle(batch["photo"], batch.get("edges"))
        return [ops.stop_gradient(x) for x in real] if isinstance(real, list) else real

    def _forward_cycle(self, drawings, real):
        """How far F(drawing) is from the photo, edges only (eq. 4 and 6)."""
        seen = self._seen_by_cycle(self.inverse_generator(drawings))
        if self.weights_of.forward_cycle == "l1":
            return losses.l1(seen, real)
        return ops.mean(self.distance.distance(seen, real))

    def _cycle_losses(self, fake, real):
        """The relaxed cycle, and its truncated twin where G learns by it; weighted by progress."""
        weight, share = self.weights_of, TRUNCATED_SHARE * self.progress

        def plain():
            return self._forward_cycle(fake, real)

        def truncated():
            return self._forward_cycle(losses.truncate(fake, weight.straight_through), real)

        if not weight.relaxed:
            return {}
        if not weight.truncation:
            return {"relaxed_cycle": weight.relaxed * plain()}
        if not weight.sample_truncation:
            values = {"relaxed_cycle": weight.relaxed * (1.0 - share) * plain()}
            if weight.straight_through:
                values["truncated_cycle"] = weight.relaxed * share * truncated()
            return values
        # One reconstruction a step: T is applied with the probability of its weight, which is
        # equal in expectation and saves an inverse generator and an edge detector.
        chance = keras.random.uniform((), seed=self.drawing_pool.seed_generator)
        cut = ops.cast(chance < share, "float32")
        seen = fake * (1.0 - cut) + losses.truncate(fake, weight.straight_through) * cut
        value = weight.relaxed * self._forward_cycle(seen, real)
        return {"relaxed_cycle": value * (1.0 - cut), "truncated_cycle": value * cut}

    @property
    def _truncates_apart(self):
        """Whether the truncated cycle is a term of its own, by which F alone learns."""
        weight = self.weights_of
        return bool(
            weight.relaxed
            and weight.truncation
            and not (weight.sample_truncation or weight.straight_through)
        )

    def _truncated_losses(self, fake, real):
        """The truncated cycle, which learns nothing about G: T stops its gradient."""
        share = TRUNCATED_SHARE * self.progress
        apart = self._forward_cycle(losses.truncate(ops.stop_gradient(fake)), real)
        return {"truncated_cycle": self.weights_of.relaxed * share * apart}

    def _photo_losses(self, batch):
        """Terms of the photo that F makes of the drawing, weighted; and that photo."""
        weight = self.weights_of
        fake_photo = self.inverse_generator(batch["drawing"])
        scores = self.photo_disc(fake_photo)
        values = {"f_adversarial": losses.adversarial(scores, True, weight.adversarial)}
        if weight.strict:
            back = self.draw(fake_photo, self._mapped(batch["style"]))
            values["strict_cycle"] = weight.strict * losses.l1(back, batch["drawing"])
        return values, fake_photo

    def _generator_losses(self, batch, real):
        """Every term of G and F, weighted; and the fakes, for the discriminators."""
        photo_values, fake_photo = self._photo_losses(batch)
        values, fake_drawing = self._drawing_losses(batch, real)
        apart = self._truncated_losses(fake_drawing, real) if self._truncates_apart else {}
        return {**photo_values, **values, **apart}, fake_drawing, fake_photo

    def _drawing_losses(self, batch, real):
        """Terms of the drawing that G makes of the photo, weighted; and that drawing."""
        weight, mode = self.weights_of, self.weights_of.adversarial
        style = self._mapped(batch["style"])
        fake_drawing = self.draw(batch["photo"], style)
        scores, style_logits = self._judge(fake_drawing)
        values = {
            "g_adversarial": losses.adversarial(scores, True, mode),
            **self._cycle_losses(fake_drawing, real),
        }
        for part, disc in self.part_discs.items():
            # The mask is the photo's: the drawing must put its features where the photo has them.
            seen = disc(show_part(fake_drawing, batch[f"photo_{part}"]))
            values[f"g_{part}"] = weight.local * losses.adversarial(seen, True, mode)
        if self.classifies_style:
            values["g_style"] = weight.style * losses.style_classification(
                style_logits, batch["style"]
            )
        if weight.anchor:
            draw = self.draw_anchor
            lines = draw(batch["photo"], style) if draw else batch["lines"]
            pull = self.distance(fake_drawing, lines)
            share = 1.0 - (1.0 - weight.anchor_end) * self.progress
            values["anchor"] = weight.anchor * share * ops.mean(pull)
        if self.face_finder:
            where = batch["photo_landmarks"], batch["photo_boxes"]
            values["face"] = weight.face * self.face_finder(fake_drawing, *where)
        if weight.gray:
            values["gray"] = weight.gray * losses.grayness(fake_drawing)
        return values, fake_drawing

    def _discriminator_losses(self, batch, fake_drawing, fake_masks, fake_photo):
        """For every discriminator a function to its terms, and to how often it is right."""

        def of_drawings():
            real_scores, real_style = self._judge(batch["drawing"])
            fake_scores, fake_style = self._judge(fake_drawing)
            values, rates = self._told_apart("drawing", real_scores, fake_scores)
            if self.classifies_style:
                label = batch["style"]
                values["d_style"] = 0.5 * (
                    losses.style_classification(real_style, label)
                    + losses.style_classification(fake_style, label)
                )
                right = ops.equal(ops.argmax(real_style, axis=-1), ops.argmax(label, axis=-1))
                rates["style_accuracy"] = ops.mean(ops.cast(right, "float32"))
            return values, rates

        def of_photos():
            disc = self.photo_disc
            return self._told_apart("photo", disc(batch["photo"]), disc(fake_photo))

        def of_part(part):
            disc = self.part_discs[part]
            real = disc(show_part(batch["drawing"], batch[f"drawing_{part}"]))
            return self._told_apart(part, real, disc(show_part(fake_drawing, fake_masks[part])))

        parts = (functools.partial(of_part, part) for part in self.part_discs)
        return [of_drawings, of_photos, *parts]

    def _told_apart(self, name, real_scores, fake_scores):
        """Half of real plus half of fake of a discriminator, and how often it is right."""
        scores = real_scores, fake_scores
        value = losses.half_and_half(*scores, self.weights_of.adversarial)
        return {f"d_{name}": value}, {f"{name}_accuracy": self._accuracy(*scores)}

    def scorer_for(self, batch):
        """`PortraitScorer`."""
        return PortraitScorer(batch["photo"], batch["style"], batch["drawing"])

    def losses_of(self, batch):
        """Every term of a batch; the discriminators see its own fakes, not the pools'."""
        values, drawing, photo = self._generator_losses(batch, self._seen_of(batch))
        masks = {part: batch.get(f"photo_{part}") for part in PARTS}
        for judged in self._discriminator_losses(batch, drawing, masks, photo):
            disc_values, rates = judged()
            values |= {**disc_values, **rates}
        return values

    def _accuracy(self, real_scores, fake_scores):
        return losses.accuracy(real_scores, fake_scores, self.weights_of.adversarial)

    def _pooled(self, batch, fake_drawing, fake_photo):
        """Asks the pools once; a pooled drawing keeps the masks that it was made with."""
        none = ops.zeros_like(fake_drawing)
        masks = [batch.get(f"photo_{part}", none) for part in PARTS]
        fakes = ops.concatenate([fake_drawing, *masks], axis=-1)
        fakes = ops.stop_gradient(self.drawing_pool(fakes))
        fake_masks = {part: fakes[..., i : i + 1] for i, part in enumerate(PARTS, start=1)}
        return fakes[..., :1], fake_masks, ops.stop_gradient(self.photo_pool(fake_photo))

    def train_step(self, data):
        """One update of G and F, then one of all discriminators.

        `p` is the training progress, 0 at the first epoch and 1 after the last. Reported losses
        carry their weights.

        | code | symbol | loss | weight | equation |
        | --- | --- | --- | --- | --- |
        | `generator` | G | `g_adversarial` | 1 | 2 |
        | `drawing_disc` | D_D | `d_drawing` | 1 | 2 |
        | `part_discs` | D_l of eyes, nose, lips | `g_<part>`, `d_<part>` | 0.5 each, 1 | 2 |
        | `inverse_generator` | F | `f_adversarial` | 1 | 3 |
        | `photo_disc` | D_P | `d_photo` | 1 | 3 |
        | `edge_detector`, `distance` | H, L_lpips | `relaxed_cycle` | 5 (1 - 0.9 p) | 4 |
        | `losses.l1` | | `strict_cycle` | 5 | 5 |
        | `losses.truncate` | T | `truncated_cycle` | 5 * 0.9 p | 6 |
        | style head of `drawing_disc` | C | `g_style`, `d_style` | 1 | 7 |

        `anchor` is ours and off by default: it holds drawings near line drawings of the same
        photos, those that G made at its start or a filter's, for short trainings on little data.
        `face`, ours and off by
        default, too, wants a face detector to find the photo's face in the drawing; `gray` wants
        ink and paper.

        Args:
            data: one batch, see `named`: `photo` float (N, H, W, 3) and `drawing` (N, H, W, 1) in
                [-1, 1], `style` (N, K), masks `photo_<part>` and `drawing_<part>` (N, H, W, 1) in
                [0, 1]; `lines` (N, H, W, 1) in [-1, 1] where `anchor` is not 0 and nothing else
                draws them; `photo_landmarks` (N, 5, 2) and `photo_boxes` (N, K, 4) in pixels where
                `face` is not 0; `edges` (N, H, W, 1) in [-1, 1] where the photos' edges were
                computed beforehand.

        Returns:
            Running means of `loss_names` and `accuracy_names`; 0 for what is switched off.
        """
        batch = self.named(data)
        real = self._seen_of(batch)

        values, fakes = {}, []

        def with_fake(function, *inputs):
            terms, fake = function(*inputs)
            fakes.append(fake)
            values.update(terms)
            return sum(terms.values()), None

        def truncated_loss():
            [term] = self._truncated_losses(fakes[1], real).items()
            values.update([term])
            return term[1], None

        def judged_loss(function):
            terms, rates = function()
            values.update({**terms, **rates})
            return sum(terms.values()), None

        self.update(
            "generator",
            functools.partial(with_fake, self._photo_losses, batch),
            functools.partial(with_fake, self._drawing_losses, batch, real),
            *([truncated_loss] if self._truncates_apart else []),
        )
        self.average_generator()
        fake_photo, fake_drawing = fakes
        pooled = self._pooled(batch, fake_drawing, fake_photo)
        judged = self._discriminator_losses(batch, *pooled)
        self.update(
            "discriminator",
            *(functools.partial(judged_loss, function) for function in judged),
            after=list(values.values()),
        )
        return self.report(values)


def _drawing_disc(styles, size, style_weight):
    """The paper's discriminator of drawings, with a style head where one is trained."""
    if styles > 1 and style_weight:
        return style_discriminator(1, styles, size, name="drawing_disc")
    return patch_discriminator(1, name="drawing_disc")
