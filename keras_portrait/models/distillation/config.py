"""Settings of the distillation of a trained generator into a small one."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.errors import SettingError
from keras_portrait.inference.filters import FEATURES, check_features
from keras_portrait.recipe import WAVES, DecayTrainSettings, Recipe, between


@dataclass(frozen=True)
class DistillationDataSettings:
    """What is drawn beforehand, and what a training step sees of it.

    Attributes:
        size: height and width in pixels, a multiple of 32; the teacher's own.
        crop: height and width of what a step sees, at most `size`; a multiple of 8 and of 1/32 of
            `size`, so that every crop sees the same plane wave.
        batch: crops in a step; each has a twin.
        views: how many views of each photo the teacher draws in every style: the photo as it is,
            and others, enlarged, cut and mirrored.
        scale: a view is enlarged by up to this factor before it is cut.
        flip: whether those views are mirrored with probability one half.
        filters: share of the drawings that the filters made instead, of those styles of the
            teacher that have a filter's name.
        features: how those filters draw eyes, brows, nose, lips and jaw, one of
            `filters.FEATURES`.
        faces: share of the crops that lie around eyes, nose or mouth; the others lie anywhere.
        jitter: how far exposure, colour, noise, compression and sharpness of the photo may stray;
            1 is as in photos, 0 keeps them as they are. The drawing stays the same.
        shift: pixels that a twin lies away at most, in each direction.
    """

    size: int = between(512, 64, 2048)
    crop: int = between(256, 32, 2048)
    batch: int = between(4, 1, 1024)
    views: int = between(2, 1, 1000)
    scale: float = between(1.2, 1, 4)
    flip: bool = True
    filters: float = between(0.0, 0, 1)
    features: str = FEATURES[0]
    faces: float = between(0.5, 0, 1)
    jitter: float = between(1.0, 0, 2)
    shift: int = between(8, 0, 64)

    def check(self, prefix: str):
        """Refuses sizes that do not fit the wave, and crops that the student cannot halve."""
        if self.size % WAVES:
            raise SettingError(f"{prefix}size: expected a multiple of 32. Received: {self.size}")
        period = self.size // WAVES
        if self.crop > self.size or self.crop % 8 or self.crop % period:
            raise SettingError(
                f"{prefix}crop: expected a multiple of 8 and of {period}, at most {self.size}. "
                f"Received: {self.crop}"
            )
        check_features(self.features, prefix)
        if self.shift > self.crop // 16:
            raise SettingError(
                f"{prefix}shift: expected at most {self.crop // 16}, a 16th of {prefix}crop. "
                f"Received: {self.shift}"
            )


@dataclass(frozen=True)
class DistillationNetworkSettings:
    """Sizes of the networks.

    Attributes:
        filters: twice as many channels of the student at half of the size, four times as many at a
            quarter, eight times as many at an eighth.
        blocks: residual blocks at an eighth; there are two more at a quarter.
        discriminator_filters: channels after the first convolution of the discriminator.
    """

    filters: int = between(8, 1, 1024)
    blocks: int = between(4, 1, 100)
    discriminator_filters: int = between(24, 1, 1024)


@dataclass(frozen=True)
class DistillationWeights:
    """Weights of the losses between the student's drawings and those that it is shown.

    Attributes:
        cross_entropy: weight of the cross-entropy of the student's logits.
        steadiness: weight of the difference between its drawings of a crop and of the crop's twin.
        feature_matching: weight of the difference between what the discriminator sees in both.
        adversarial: weight of the adversarial loss; 0 leaves out the discriminator, and feature
            matching with it.
        adversarial_from: steps of the first two alone before the discriminator joins in.
    """

    cross_entropy: float = between(4.0, 1e-6, 1e6)
    steadiness: float = between(2.0, 0, 1e6)
    feature_matching: float = between(4.0, 0, 1e6)
    adversarial: float = between(1.0, 0, 1e6)
    adversarial_from: int = between(400, 0, 1_000_000_000)


@dataclass(frozen=True)
class DistillationTrainSettings(DecayTrainSettings):
    """`DecayTrainSettings`, and Adam's other number.

    Attributes:
        beta_2: of Adam.
    """

    learning_rate: float = between(1e-3, 1e-12, 1)
    discriminator_learning_rate: float = between(3e-4, 1e-12, 1)
    beta_2: float = between(0.99, 0, 0.999999)
    decay_from: float = between(0.6, 0, 1)
    average_decay: float = between(0.998, 0, 0.99999)


@dataclass(frozen=True)
class DistillationRecipe(Recipe):
    """A training of a small generator from a trained one.

    Attributes:
        teacher: who is learned from: name of a preset, a preset's folder or model file, a run
            folder or a `.keras` file in it. `portrait distill` fills it in.
        data: `DistillationDataSettings`.
        network: `DistillationNetworkSettings`.
        loss: `DistillationWeights`.
        train: `DistillationTrainSettings`.
    """

    method: str = "distillation"
    title: ClassVar[str] = "distillation of a trained generator"
    generator_words: ClassVar[str] = "student of {filters} filters and {blocks} residual blocks"
    waits_for: ClassVar[str] = "teacher's"
    preset_mode: ClassVar[str] = "int8"
    teacher: str = ""
    data: DistillationDataSettings = field(default_factory=DistillationDataSettings)
    network: DistillationNetworkSettings = field(default_factory=DistillationNetworkSettings)
    loss: DistillationWeights = field(default_factory=DistillationWeights)
    train: DistillationTrainSettings = field(default_factory=DistillationTrainSettings)


RECIPE = DistillationRecipe
