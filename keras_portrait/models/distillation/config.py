"""Settings of the distillation of a trained generator into a small one."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.errors import SettingError
from keras_portrait.recipe import DecayTrainSettings, Recipe, between


@dataclass(frozen=True)
class DistillationDataSettings:
    """What the teacher draws, and what a training step sees of it.

    Attributes:
        size: height and width in pixels, a multiple of 4; the teacher's own.
        batch: photos in a step.
        views: how many augmented views of each photo the teacher draws beforehand; its styles take
            turns.
        scale: a view is enlarged by up to this factor before the random crop.
        flip: whether views are mirrored with probability one half.
        jitter: how far brightness, contrast, saturation and white balance of a view may stray, as
            a natural logarithm; 0 keeps the colours of the photos.
    """

    size: int = between(256, 32, 2048)
    batch: int = between(8, 1, 1024)
    views: int = between(8, 1, 1000)
    scale: float = between(1.2, 1, 4)
    flip: bool = True
    jitter: float = between(0.2, 0, 1)

    def check(self, prefix: str):
        """Refuses sizes that the student cannot halve twice."""
        if self.size % 4:
            raise SettingError(f"{prefix}size: expected a multiple of 4. Received: {self.size}")


@dataclass(frozen=True)
class DistillationNetworkSettings:
    """Sizes of the networks.

    Attributes:
        filters: even; half as many channels of the student at the full size, twice as many at half
            of it, four times as many at a quarter.
        blocks: residual blocks of the student.
        discriminator_filters: channels after the first convolution of the discriminator.
    """

    filters: int = between(8, 2, 1024)
    blocks: int = between(5, 1, 100)
    discriminator_filters: int = between(32, 1, 1024)

    def check(self, prefix: str):
        """Refuses numbers that cannot be halved."""
        if self.filters % 2:
            raise SettingError(
                f"{prefix}filters: expected an even number. Received: {self.filters}"
            )


@dataclass(frozen=True)
class DistillationWeights:
    """Weights of the losses between the student's drawings and the teacher's.

    Attributes:
        l1: weight of the mean absolute difference.
        lpips: weight of LPIPS.
        adversarial: weight of the adversarial loss; 0 leaves the discriminator out.
    """

    l1: float = between(10.0, 0, 1e6)
    lpips: float = between(5.0, 0, 1e6)
    adversarial: float = between(0.5, 0, 1e6)


@dataclass(frozen=True)
class DistillationTrainSettings(DecayTrainSettings):
    """`DecayTrainSettings` of the student."""

    learning_rate: float = between(1e-3, 1e-12, 1)
    decay_from: float = between(0.3, 0, 1)
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
    teacher: str = ""
    data: DistillationDataSettings = field(default_factory=DistillationDataSettings)
    network: DistillationNetworkSettings = field(default_factory=DistillationNetworkSettings)
    loss: DistillationWeights = field(default_factory=DistillationWeights)
    train: DistillationTrainSettings = field(default_factory=DistillationTrainSettings)


RECIPE = DistillationRecipe
