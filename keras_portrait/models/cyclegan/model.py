"""CycleGAN: pictures of one kind to another and back, without pairs.

Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017; weights identity : adversarial : cycle = 5 : 1 : 10 as in the report
"Generating Anime Avatars Using GAN" (2020), section 3.3, and in the paper's code. a and b are
pictures of the domains A and B.

| code                | symbol | loss                               | weight | source        |
| ------------------- | ------ | ---------------------------------- | ------ | ------------- |
| `generator`         | G      | `g_adversarial`: (D_B(G(a)) - 1)^2 | 1      | eq. 1, sec. 4 |
| `inverse_generator` | F      | `f_adversarial`: (D_A(F(b)) - 1)^2 | 1      | eq. 1, sec. 4 |
|                     |        | `cycle_a`: L1(F(G(a)), a)          | 10     | eq. 2         |
|                     |        | `cycle_b`: L1(G(F(b)), b)          | 10     | eq. 2         |
|                     |        | `identity_a`: L1(F(a), a)          | 5      | sec. 5.2      |
|                     |        | `identity_b`: L1(G(b), b)          | 5      | sec. 5.2      |
| `disc_a`            | D_A    | `d_a`: half real, half fake        | 1      | sec. 4        |
| `disc_b`            | D_B    | `d_b`: half real, half fake        | 1      | sec. 4        |
"""

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.layers import ImagePool
from keras_portrait.models.cyclegan.config import CycleGANWeights
from keras_portrait.networks import patch_discriminator, resnet_generator
from keras_portrait.training.adversarial_model import AdversarialModel, copy_of
from keras_portrait.training.batch import in_colour, renamed
from keras_portrait.training.saved_networks import saved_networks, weights_config, weights_from
from keras_portrait.training.scorers import PictureScorer


@keras.saving.register_keras_serializable(package="keras_portrait")
class CycleGAN(AdversarialModel):
    """Trains G from A to B and F from B to A, against a discriminator of each domain.

    Every network that is not given is the paper's.

    Args:
        size: int, height and width of the pictures in pixels, a multiple of 4; or both.
        generator: G, pictures float (N, H, W, 3) in [-1, 1] to the same shape and range.
        inverse_generator: F, the same the other way.
        disc_a: D_A, pictures of A to unbounded patch scores.
        disc_b: D_B, the same for B.
        weights: `CycleGANWeights`, any object with its numbers, or a dict of what differs from
            them; a cycle or identity term of weight 0 is not computed, and reported as 0.
        pool_size: int, fakes kept for the discriminators; 0 turns the pools off.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
        seed: int, seed of the pools.
    """

    loss_names = (
        *("g_adversarial", "f_adversarial", "cycle_a", "cycle_b"),
        *("identity_a", "identity_b", "d_a", "d_b"),
    )
    accuracy_names = ("a_accuracy", "b_accuracy")
    headline_names = ("g_adversarial", "cycle_a", "identity_b", "b_accuracy")

    batch_names = ("a", "b")

    def __init__(
        self,
        size: int | tuple[int, int] = 256,
        *,
        generator: keras.Model | None = None,
        inverse_generator: keras.Model | None = None,
        disc_a: keras.Model | None = None,
        disc_b: keras.Model | None = None,
        weights=None,
        pool_size: int = 50,
        average_decay: float = 0.0,
        seed: int = 0,
        name: str = "cyclegan",
    ):
        super().__init__(name=name)
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.generator = generator or resnet_generator(3, 3)
        self.inverse_generator = inverse_generator or resnet_generator(
            3, 3, name="inverse_generator"
        )
        self.averaged_generator = copy_of(self.generator)
        self.disc_a = disc_a or patch_discriminator(3, name="disc_a")
        self.disc_b = disc_b or patch_discriminator(3, name="disc_b")
        self.weights_of = weights_from(CycleGANWeights, weights)
        self.mode = self.weights_of.mode
        self.pool_size, self.average_decay, self.seed = pool_size, average_decay, seed
        self.pool_a = ImagePool(pool_size, seed, name="pool_a")
        self.pool_b = ImagePool(pool_size, seed + 1, name="pool_b")
        # Built before the first step: weights may be loaded then.
        for pool in (self.pool_a, self.pool_b):
            pool.build((None, *self.size, 3))

    def get_config(self):
        """The constructor's arguments, networks included."""
        networks = ("generator", "inverse_generator", "disc_a", "disc_b")
        return {
            "size": list(self.size),
            **saved_networks(self, networks),
            "weights": weights_config(self.weights_of),
            "pool_size": self.pool_size,
            "average_decay": self.average_decay,
            "seed": self.seed,
            "name": self.name,
        }

    def completed(self, batch):
        """Photos are A, drawings or other pictures B, gray ones in three channels.

        Raises:
            ValueError: one of the domains is missing, or the pictures have another size.
        """
        batch = renamed(batch, {"a": ("photo",), "b": ("picture", "drawing")})
        self.require(batch, "a", "b")
        batch["b"] = in_colour(batch["b"])
        self.check_size(batch["a"], self.size if self.pool_size else None)
        return batch

    def trainable_groups(self):
        """G and F step together, and so do D_A and D_B, as in the paper's code."""
        return {
            "generator": [
                *self.generator.trainable_variables,
                *self.inverse_generator.trainable_variables,
            ],
            "discriminator": [
                *self.disc_a.trainable_variables,
                *self.disc_b.trainable_variables,
            ],
        }

    def exported(self):
        """G, averaged, and F as it is."""
        return {**super().exported(), "inverse_generator": self.inverse_generator}

    def visuals(self, batch):
        """Pictures of `a` and `b`, each in the other domain and back again, in [-1, 1]."""
        a, b = (ops.convert_to_tensor(batch[name]) for name in ("a", "b"))
        fake_b, fake_a = self.averaged_generator(a), self.inverse_generator(b)
        return {
            "A": a,
            "A to B": fake_b,
            "back to A": self.inverse_generator(fake_b),
            "B": b,
            "B to A": fake_a,
            "back to B": self.averaged_generator(fake_a),
        }

    def _generator_losses(self, a, b):
        """Every term of G and F, weighted; and the fakes, for the discriminators."""
        weight, mode = self.weights_of, self.mode
        fake_b, fake_a = self.generator(a), self.inverse_generator(b)
        g_value = losses.adversarial(self.disc_b(fake_b), True, mode)
        f_value = losses.adversarial(self.disc_a(fake_a), True, mode)
        values = {
            "g_adversarial": weight.adversarial * g_value,
            "f_adversarial": weight.adversarial * f_value,
        }
        if weight.cycle:
            values["cycle_a"] = weight.cycle * losses.l1(self.inverse_generator(fake_b), a)
            values["cycle_b"] = weight.cycle * losses.l1(self.generator(fake_a), b)
        if weight.identity:
            values["identity_a"] = weight.identity * losses.l1(self.inverse_generator(a), a)
            values["identity_b"] = weight.identity * losses.l1(self.generator(b), b)
        return values, fake_a, fake_b

    def _discriminator_losses(self, a, b, fake_a, fake_b):
        """Half of real plus half of fake for both discriminators; and how often each is right."""
        scores = {
            "a": (self.disc_a(a), self.disc_a(fake_a)),
            "b": (self.disc_b(b), self.disc_b(fake_b)),
        }
        values = {f"d_{k}": losses.half_and_half(*pair, self.mode) for k, pair in scores.items()}
        rates = {f"{k}_accuracy": losses.accuracy(*pair, self.mode) for k, pair in scores.items()}
        return values, rates

    def scorer_for(self, batch):
        """`PictureScorer`, where there are two pictures at least."""
        return PictureScorer(batch["a"], batch["b"]) if len(batch["a"]) > 1 else None

    def losses_of(self, batch):
        """Every term of a batch; the discriminators see its own fakes, not the pools'."""
        values, fake_a, fake_b = self._generator_losses(batch["a"], batch["b"])
        disc_values, rates = self._discriminator_losses(batch["a"], batch["b"], fake_a, fake_b)
        return {**values, **disc_values, **rates}

    def train_step(self, data):
        """One update of G and F, then one of D_A and D_B on pooled fakes from before it.

        Args:
            data: one batch, see `named`: `a` and `b`, float (N, H, W, 3) in [-1, 1].

        Returns:
            Running means of `loss_names` and `accuracy_names`; 0 for what is switched off.
        """
        batch = self.named(data)
        a, b = batch["a"], batch["b"]

        def generator_loss():
            values, *fakes = self._generator_losses(a, b)
            return sum(values.values()), (values, fakes)

        values, (fake_a, fake_b) = self.update("generator", generator_loss)
        self.average_generator()
        fake_a = ops.stop_gradient(self.pool_a(fake_a))
        fake_b = ops.stop_gradient(self.pool_b(fake_b))

        def discriminator_loss():
            disc_values, rates = self._discriminator_losses(a, b, fake_a, fake_b)
            return sum(disc_values.values()), {**disc_values, **rates}

        return self.report({**values, **self.update("discriminator", discriminator_loss)})
