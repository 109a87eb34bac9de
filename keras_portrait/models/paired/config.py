"""Settings of paired training: drawings that filters make of the photos are learned."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.errors import SettingError
from keras_portrait.inference.filters import FEATURES, FILTERS, check_features
from keras_portrait.recipe import LINE_GENERATOR, WAVES, DecayTrainSettings, Recipe, between


@dataclass(frozen=True)
class PairedDataSettings:
    """What the filters draw, and what a training step sees of it.

    Attributes:
        size: height and width of the drawings in pixels, a multiple of 32.
        crop: height and width of what a step sees, at most `size`; a multiple of 4 and of 1/32 of
            `size`, so that every crop sees the same plane wave.
        batch: crops in a step.
        filters: filters of `keras_portrait.inference.filters`, in the order of the style vector.
        features: how the filters draw eyes, brows, nose, lips and jaw, one of
            `filters.FEATURES`: "contrast" by the light of the photo alone, "mesh" along the
            points that FaceMesh finds (extra `facemesh`).
        faces: share of the crops that lie around eyes, nose or mouth; the others lie anywhere.
        jitter: how far exposure, colour, noise, compression and sharpness of the photo may stray;
            1 is as in photos, 0 keeps them as they are. The drawing stays the same.
    """

    size: int = between(512, 64, 4096)
    crop: int = between(256, 32, 4096)
    batch: int = between(4, 1, 1024)
    filters: tuple[str, ...] = FILTERS
    features: str = FEATURES[0]
    faces: float = between(0.5, 0, 1)
    jitter: float = between(1.0, 0, 2)

    @property
    def period(self) -> int:
        """Pixels after which the plane wave of `size` repeats."""
        return self.size // WAVES

    def check(self, prefix: str):
        """Refuses sizes that do not fit the wave, and filters that there are not."""
        if self.size % WAVES:
            raise SettingError(f"{prefix}size: expected a multiple of 32. Received: {self.size}")
        if self.crop > self.size or self.crop % 4 or self.crop % self.period:
            raise SettingError(
                f"{prefix}crop: expected a multiple of 4 and of {self.period}, at most "
                f"{self.size}. Received: {self.crop}"
            )
        check_features(self.features, prefix)
        names = self.filters
        if not names or set(names) - set(FILTERS) or len(set(names)) < len(names):
            raise SettingError(
                f"{prefix}filters: expected some of {', '.join(FILTERS)}, each once. "
                f"Received: {', '.join(names) or 'none'}"
            )


@dataclass(frozen=True)
class PairedNetworkSettings:
    """Sizes of the networks.

    Attributes:
        filters: three times as many channels of the generator at the full size, five times as many
            at half of it, eight times as many at a quarter.
        blocks: residual blocks of the generator.
        discriminator_filters: channels after the first convolution of the discriminator.
    """

    filters: int = between(8, 1, 1024)
    blocks: int = between(6, 1, 100)
    discriminator_filters: int = between(32, 1, 1024)


@dataclass(frozen=True)
class PairedWeights:
    """Weights of the losses between the generator's drawings and the filters'.

    Attributes:
        cross_entropy: weight of the cross-entropy of the generator's logits.
        feature_matching: weight of the difference between what the discriminator sees in both.
        adversarial: weight of the adversarial loss; 0 leaves out the discriminator, and feature
            matching with it.
        adversarial_from: steps of cross-entropy alone before the discriminator joins in.
    """

    cross_entropy: float = between(4.0, 1e-6, 1e6)
    feature_matching: float = between(4.0, 0, 1e6)
    adversarial: float = between(1.0, 0, 1e6)
    adversarial_from: int = between(400, 0, 1_000_000_000)


@dataclass(frozen=True)
class PairedTrainSettings(DecayTrainSettings):
    """`DecayTrainSettings`, and Adam's other number.

    Attributes:
        beta_2: of Adam.
    """

    epochs: int = between(26, 1, 1_000_000)
    steps_per_epoch: int = between(250, 0, 1_000_000_000)
    learning_rate: float = between(5e-4, 1e-12, 1)
    discriminator_learning_rate: float = between(3e-4, 1e-12, 1)
    beta_2: float = between(0.99, 0, 0.999999)
    decay_from: float = between(0.67, 0, 1)
    average_decay: float = between(0.999, 0, 0.99999)


@dataclass(frozen=True)
class PairedRecipe(Recipe):
    """A training of a generator on pairs of photos and what filters draw of them.

    Attributes:
        data: `PairedDataSettings`.
        network: `PairedNetworkSettings`.
        loss: `PairedWeights`.
        train: `PairedTrainSettings`.
    """

    method: str = "paired"
    title: ClassVar[str] = (
        "paired training on photos and what filters draw of them (Isola et al., CVPR 2017)"
    )
    generator_words: ClassVar[str] = LINE_GENERATOR
    waits_for: ClassVar[str] = "filters'"
    data: PairedDataSettings = field(default_factory=PairedDataSettings)
    network: PairedNetworkSettings = field(default_factory=PairedNetworkSettings)
    loss: PairedWeights = field(default_factory=PairedWeights)
    train: PairedTrainSettings = field(default_factory=PairedTrainSettings)


RECIPE = PairedRecipe
