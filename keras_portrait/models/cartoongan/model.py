"""CartoonGAN: photos to cartoons, with an initialization phase and three sets of pictures.

Chen, Lai, Liu, "CartoonGAN: Generative Adversarial Networks for Photo Cartoonization", CVPR 2018;
with the Gram style and the landmark, gray and colour losses of the report "Generating Anime Avatars
Using GAN" (2020), sections 3.4 and 4.3. a is a photo, b a cartoon, e a cartoon whose edges were
smoothed (`data.edge_promoting`), y(b) its grayscale, l(a) the heat maps of a photo's landmarks.

| code            | symbol | loss                                       | weight | source         |
| --------------- | ------ | ------------------------------------------ | ------ | -------------- |
| `generator`     | G      | `g_adversarial`: -log D(G(a))              | 1      | sec. 3.2.1     |
| `features`      | VGG    | `content`: L1(VGG(G(a)), VGG(a))           | 10     | sec. 3.2.2     |
|                 |        | `style`: L1(Gram(VGG(G(a))), Gram(VGG(b))) | 0      | report         |
|                 |        | `gray_style`: the same with VGG(y(b))      | 0      | AnimeGAN       |
|                 |        | `colour`: of G(a) against a, in YUV        | 0      | AnimeGAN       |
| `landmarks`     | R      | `landmarks`: L2(R(G(a)), l(a))             | 0      | Wu et al. 2019 |
| `discriminator` | D      | `d_real`: -log D(b)                        | 1      | sec. 3.2.1     |
|                 |        | `d_fake`: -log(1 - D(G(a)))                | 1      | sec. 3.2.1     |
|                 |        | `d_smooth`: -log(1 - D(e))                 | 1      | sec. 3.2.1     |

The paper's features are conv4_4 of VGG19; the authors' code takes them before the ReLU. The paper
has no style loss; the report has one and gives no weight. Both losses are shares of what they aim
at, see `CartoonGANWeights`.
"""

from collections.abc import Callable

import keras
from keras import ops

from keras_portrait import losses
from keras_portrait.layers import ImagePool
from keras_portrait.models.cartoongan.config import CartoonGANWeights
from keras_portrait.models.cartoongan.networks import cartoon_discriminator, cartoon_generator
from keras_portrait.perceptual.vgg import VGGFeatures
from keras_portrait.training.adversarial_model import AdversarialModel, copy_of
from keras_portrait.training.batch import in_colour, renamed
from keras_portrait.training.saved_networks import (
    restored,
    saved_networks,
    weights_config,
    weights_from,
)
from keras_portrait.training.scorers import PictureScorer

# The last convolution of the fourth block; VGG16 has one less.
CONTENT_LAYERS = {"vgg19": "block4_conv4", "vgg16": "block4_conv3"}


@keras.saving.register_keras_serializable(package="keras_portrait")
class CartoonGAN(AdversarialModel):
    """Trains G from photos to cartoons against a discriminator of cartoons with clear edges.

    Every network that is not given is the paper's.

    Args:
        size: int, height and width of the pictures in pixels, a multiple of 4; or both.
        generator: G, photos float (N, H, W, 3) in [-1, 1] to cartoons of that shape and range.
        discriminator: D, pictures to unbounded patch scores.
        features: frozen callable from pictures to a list of feature maps, as `VGGFeatures`; None
            for those of VGG19, which Keras downloads once.
        weights: `CartoonGANWeights`, any object with its numbers, or a dict of what differs from
            them; a term of weight 0, the adversarial one excepted, is not computed, and reported
            as 0.
        landmarks: R, frozen callable from pictures to heat maps (N, H, W, P) in [0, 1], as
            `networks.heat_maps.landmark_network`; needed where its weight is not 0.
        pool_size: int, fakes kept for the discriminator; 0, as in the report, turns the pool off.
        average_decay: float, decay of the averaged generator; 0 copies the generator.
        seed: int, seed of the pool.

    Raises:
        ValueError: the landmark loss has a weight, but no `landmarks` are given.
        MissingExtra: VGG19 cannot be downloaded.
    """

    loss_names = (
        *("g_adversarial", "content", "style", "gray_style", "colour", "landmarks"),
        *("d_real", "d_fake", "d_smooth"),
    )
    accuracy_names = ("real_accuracy", "fake_accuracy", "smooth_accuracy")
    headline_names = ("g_adversarial", "content", "style", "fake_accuracy")

    batch_names = ("a", "b", "e")

    def __init__(
        self,
        size: int | tuple[int, int] = 256,
        *,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        features: Callable | None = None,
        weights=None,
        landmarks: Callable | None = None,
        pool_size: int = 0,
        average_decay: float = 0.0,
        seed: int = 0,
        name: str = "cartoongan",
    ):
        super().__init__(name=name)
        weights = weights_from(CartoonGANWeights, weights)
        if weights.landmarks and landmarks is None:
            raise ValueError(
                "landmarks: expected a network that finds them, since their loss has a weight. "
                f"Received: None, weight {weights.landmarks}"
            )
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.generator = generator or cartoon_generator()
        self.averaged_generator = copy_of(self.generator)
        self.discriminator = discriminator or cartoon_discriminator()
        self.seen = features or VGGFeatures("vgg19", (CONTENT_LAYERS["vgg19"],), activated=False)
        # A function rather than a network: Keras writes the networks it sees into every checkpoint,
        # where the landmark network belongs, since it was taught before this training.
        self.features = _frozen(self.seen)
        self.landmarks = landmarks
        self.weights_of = weights
        self.mode = weights.mode
        # Objects made before there was a choice have none.
        self.relative = getattr(weights, "relative", False)
        self.pool_size, self.average_decay, self.seed = pool_size, average_decay, seed
        self.pool = ImagePool(pool_size, seed, name="pool")
        # Built before the first step: weights may be loaded then.
        self.pool.build((None, *self.size, 3))

    def get_config(self):
        """The constructor's arguments, networks included; what is frozen is loaded again.

        Raises:
            TypeError: the features are not those of a packaged VGG, which alone can be named.
        """
        if not isinstance(self.seen, VGGFeatures):
            raise TypeError(
                "features: expected VGGFeatures, which can be saved; save_weights needs none. "
                f"Received: {self.seen!r}"
            )
        return {
            "size": list(self.size),
            **saved_networks(self, ("generator", "discriminator", "landmarks")),
            "features": self.seen.get_config(),
            "weights": weights_config(self.weights_of),
            "pool_size": self.pool_size,
            "average_decay": self.average_decay,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A model from what `get_config` returned."""
        # Models saved before there was a choice.
        config = config | {"weights": {"relative": False} | config["weights"]}
        features = VGGFeatures(**config["features"])
        rest = {name: restored(value) for name, value in config.items() if name != "features"}
        return cls(features=features, **rest)

    def completed(self, batch):
        """Photos are `a`, pictures or drawings `b`, smoothed twins `e`; gray in three channels.

        Raises:
            ValueError: one of the three is missing, or the pictures have another size.
        """
        wanted = {"a": ("photo",), "b": ("picture", "drawing"), "e": ("smooth",)}
        batch = renamed(batch, wanted)
        self.require(batch, "a", "b")
        if "e" not in batch:
            raise ValueError(
                "A batch of cartoongan: expected e, cartoons with smoothed edges, as `portrait "
                "prepare --edge-promote` makes them. Received: none"
            )
        batch |= {name: in_colour(batch[name]) for name in ("b", "e")}
        self.check_size(batch["a"], self.size if self.pool_size else None)
        return batch

    def trainable_groups(self):
        """Each network has an optimizer of its own."""
        return {
            "generator": self.generator.trainable_variables,
            "discriminator": self.discriminator.trainable_variables,
        }

    def visuals(self, batch):
        """Photos `a` and the averaged generator's cartoons of them, in [-1, 1]."""
        photos = ops.convert_to_tensor(batch["a"])
        return {"photo": photos, "cartoon": self.averaged_generator(photos)}

    def _targets(self, batch):
        """The feature maps that cartoons are compared with, by the name of the loss."""
        weight, wanted = self.weights_of, {}
        if weight.content:
            wanted["content"] = self.features(batch["a"])
        if weight.style:
            wanted["style"] = self.features(batch["b"])
        if weight.gray_style:
            wanted["gray_style"] = self.features(losses.grayscale(batch["b"]))
        return {name: [ops.stop_gradient(x) for x in maps] for name, maps in wanted.items()}

    def _generator_losses(self, batch, targets):
        """Every term of G, weighted; and the cartoons, for the discriminator."""
        weight = self.weights_of
        fake = self.generator(batch["a"])
        value = losses.adversarial(self.discriminator(fake), True, self.mode)
        values = {"g_adversarial": weight.adversarial * value}
        maps = self.features(fake) if targets else []
        for name, target in targets.items():
            loss = losses.content if name == "content" else losses.style
            values[name] = getattr(weight, name) * loss(maps, target, self.relative)
        if weight.colour:
            values["colour"] = weight.colour * losses.colour(fake, batch["a"])
        if weight.landmarks:
            found = self.landmarks(fake)
            values["landmarks"] = weight.landmarks * losses.landmark_loss(found, batch["landmarks"])
        return values, fake

    def _discriminator_losses(self, batch, fake):
        """The terms of the three sets, and how often D is right about each."""
        values, rates = {}, {}
        for name, pictures in (("real", batch["b"]), ("fake", fake), ("smooth", batch["e"])):
            scores = self.discriminator(pictures)
            values[f"d_{name}"] = losses.adversarial(scores, name == "real", self.mode)
            rates[f"{name}_accuracy"] = losses.recognized(scores, name == "real", self.mode)
        return values, rates

    def scorer_for(self, batch):
        """`PictureScorer`, where there are two pictures at least."""
        return PictureScorer(batch["a"], batch["b"]) if len(batch["a"]) > 1 else None

    def losses_of(self, batch):
        """Every term of a batch; the discriminator sees its own fakes, not the pool's."""
        values, fake = self._generator_losses(batch, self._targets(batch))
        disc_values, rates = self._discriminator_losses(batch, fake)
        return {**values, **disc_values, **rates}

    def train_step(self, data):
        """One update of G, then one of D on cartoons, the (pooled) fakes and smoothed cartoons.

        Args:
            data: one batch, see `named`: `a`, `b` and `e`, float (N, H, W, 3) in [-1, 1];
                `landmarks` float (N, H, W, P) in [0, 1], heat maps of `a`, where their weight is
                not 0.

        Returns:
            Running means of `loss_names` and `accuracy_names`; 0 for what is switched off.
        """
        batch = self.named(data)
        targets = self._targets(batch)

        def generator_loss():
            values, fake = self._generator_losses(batch, targets)
            return sum(values.values()), (values, fake)

        values, fake = self.update("generator", generator_loss)
        self.average_generator()
        fake = ops.stop_gradient(self.pool(fake))

        def discriminator_loss():
            disc_values, rates = self._discriminator_losses(batch, fake)
            return sum(disc_values.values()), {**disc_values, **rates}

        return self.report({**values, **self.update("discriminator", discriminator_loss)})


class ContentStart(AdversarialModel):
    """CartoonGAN's initialization phase: G learns to keep the content before it competes.

    Trains the generator in place.

    Args:
        generator: G, as in `CartoonGAN`.
        features: as in `CartoonGAN`.
        weight: float, weight of the content loss, that of `CartoonGAN`.
        relative: whether that loss is a share of the photo's features, see `CartoonGANWeights`.

    Reference:
        Chen, Lai, Liu, CVPR 2018, sec. 3.3.
    """

    loss_names = ("content",)
    headline_names = loss_names

    def __init__(
        self,
        generator: keras.Model,
        features: Callable,
        weight: float = 10.0,
        relative: bool = True,
    ):
        super().__init__(name="content_start")
        self.generator = generator
        self.features = _frozen(features)
        self.weight = weight
        self.relative = relative

    def trainable_groups(self):
        """G alone."""
        return {"generator": self.generator.trainable_variables}

    def call(self, photos):
        return self.generator(photos)

    def visuals(self, batch):
        """Photos `a` and what G makes of them, in [-1, 1]."""
        photos = ops.convert_to_tensor(batch["a"])
        return {"photo": photos, "cartoon": self.generator(photos)}

    def train_step(self, data):
        """One update of G.

        Args:
            data: one batch, see `named`: `a` float (N, H, W, 3) in [-1, 1]; the rest is ignored.

        Returns:
            The running mean of `content`.
        """
        batch = self.named(data)
        target = [ops.stop_gradient(x) for x in self.features(batch["a"])]

        def generator_loss():
            maps = self.features(self.generator(batch["a"]))
            value = self.weight * losses.content(maps, target, self.relative)
            return value, {"content": value}

        return self.report(self.update("generator", generator_loss))


def _frozen(network):
    """A plain function that calls the network."""
    return lambda pictures: network(pictures)
