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
from keras_portrait.models.dcgan.networks import dcgan_discriminator, dcgan_generator
from keras_portrait.training.adversarial_model import AdversarialModel, copy_of
from keras_portrait.training.backend import squared_input_gradient
from keras_portrait.training.batch import in_colour, renamed
from keras_portrait.training.distributed.devices import normalize_together
from keras_portrait.training.saved_networks import saved_networks
from keras_portrait.training.scorers import PictureScorer


@keras.saving.register_keras_serializable(package="keras_portrait")
class DCGAN(AdversarialModel):
    """Trains a generator of pictures against a discriminator.

    On several devices the whole batch is normalized as one. Networks that are not given are the
    report's, for pictures of 64 pixels.

    Args:
        generator: G, noise float (N, Z), standard normal, to pictures (N, H, W, 3) in [-1, 1].
        discriminator: D, pictures to unbounded realness scores.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
        gradient_penalty: float, weight of `d_penalty`; 0 turns it off.
        seed: int, seed of the noise for batches that bring none.
    """

    loss_names = ("g_adversarial", "d_real", "d_fake", "d_penalty")
    accuracy_names = ("real_accuracy", "fake_accuracy")
    headline_names = loss_names[:3]

    batch_names = ("picture", "noise")

    def __init__(
        self,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        average_decay: float = 0.0,
        gradient_penalty: float = 0.0,
        seed: int = 0,
        name: str = "dcgan",
    ):
        super().__init__(name=name)
        self.generator = generator or dcgan_generator()
        self.averaged_generator = copy_of(self.generator)
        self.discriminator = discriminator or dcgan_discriminator()
        self.average_decay, self.gradient_penalty = average_decay, gradient_penalty
        self.noise = Noise(self.generator.inputs[0].shape[-1], seed)
        for network in (self.generator, self.discriminator):
            normalize_together(network)

    def get_config(self):
        """The constructor's arguments, networks included."""
        return {
            **saved_networks(self, ("generator", "discriminator")),
            "average_decay": self.average_decay,
            "gradient_penalty": self.gradient_penalty,
            "seed": self.noise.seed,
            "name": self.name,
        }

    def completed(self, batch):
        """Drawings serve as pictures, gray ones in three channels; noise is drawn where none is.

        Raises:
            ValueError: there are no pictures.
        """
        batch = renamed(batch, {"picture": ("b", "drawing", "photo")})
        self.require(batch, "picture")
        batch["picture"] = in_colour(batch["picture"])
        if "noise" not in batch:
            batch["noise"] = self.noise(batch["picture"])
        return batch

    def trainable_groups(self):
        """Each network has an optimizer of its own."""
        return {
            "generator": self.generator.trainable_variables,
            "discriminator": self.discriminator.trainable_variables,
        }

    def visuals(self, batch):
        """Pictures that the averaged generator makes of the batch's `noise`, in [-1, 1]."""
        return {"picture": self.averaged_generator(ops.convert_to_tensor(batch["noise"]))}

    def _discriminator_losses(self, pictures, fakes, training=True):
        """The terms of D, weighted, and how often it is right.

        Real pictures and fakes pass one after the other: batch normalization over both at once
        would itself tell which is which.
        """
        real, penalty = self._real_scores(pictures, training)
        scores = {"real": real, "fake": self.discriminator(fakes, training=training)}
        values, rates = {"d_penalty": penalty}, {}
        for name, score in scores.items():
            values[f"d_{name}"] = losses.adversarial(score, name == "real", "log")
            rates[f"{name}_accuracy"] = losses.recognized(score, name == "real", "log")
        return values, rates

    def _real_scores(self, pictures, training):
        """D's scores of real pictures, and the weighted penalty."""

        def score(x):
            return self.discriminator(x, training=training)

        if not self.gradient_penalty:
            return score(pictures), ops.zeros(())
        scores, squares = squared_input_gradient(score, pictures)
        return scores, self.gradient_penalty * ops.mean(squares)

    def scorer_for(self, batch):
        """`PictureScorer`, where there are two pictures at least."""
        pictures = batch["picture"]
        return PictureScorer(batch["noise"], pictures) if len(pictures) > 1 else None

    def losses_of(self, batch):
        """Every term of a batch, normalized by what training has gathered."""
        fakes = self.generator(batch["noise"])
        scores = self.discriminator(fakes)
        values, rates = self._discriminator_losses(batch["picture"], fakes, training=False)
        return {"g_adversarial": losses.adversarial(scores, True, "log"), **values, **rates}

    def train_step(self, data):
        """One update of D on real pictures and fakes, then one of G on the same noise.

        Args:
            data: one batch, see `named`: `picture` float (N, H, W, 3) in [-1, 1], `noise` (N, Z).

        Returns:
            Running means of `loss_names` and `accuracy_names`.
        """
        batch = self.named(data)
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


class Noise(keras.layers.Layer):
    """Standard normal noise (N, Z) for N pictures; where it has got to is saved with the model.

    Args:
        length: int, Z.
        seed: int.
    """

    def __init__(self, length: int, seed: int = 0):
        super().__init__(trainable=False, dtype="float32", name="noise")
        self.length, self.seed = length, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, pictures):
        shape = (ops.shape(pictures)[0], self.length)
        return keras.random.normal(shape, seed=self.seed_generator)

    def save_own_variables(self, store):
        store["seed_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        # Checkpoints of trainings whose batches bring their noise may hold none.
        if "seed_state" in store.keys():
            self.seed_generator.state.assign(store["seed_state"][()])
