"""Settings of the adaptation of a trained generator to one more style."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.errors import SettingError
from keras_portrait.recipe import WAVES, DecayTrainSettings, Recipe, between


@dataclass(frozen=True)
class AdaptationDataSettings:
    """What a training step sees.

    Attributes:
        size: height and width in pixels of the squares that windows are cut out of, a multiple of
            32; that of the trained generator.
        window: height and width in pixels of what a step sees of a photo and of a drawing, a
            multiple of 16, both from about the same place of the face.
        batch: photos, and drawings, in a step.
        flip: whether pictures are mirrored with probability one half.
    """

    size: int = between(512, 64, 2048)
    window: int = between(192, 32, 2048)
    batch: int = between(1, 1, 64)
    flip: bool = True

    def check(self, prefix: str):
        """Refuses sizes that the networks cannot halve often enough, and too large a window."""
        if self.size % WAVES:
            raise SettingError(
                f"{prefix}size: expected a multiple of {WAVES}. Received: {self.size}"
            )
        if self.window % 16 or self.window > self.size:
            raise SettingError(
                f"{prefix}window: expected a multiple of 16, at most {prefix}size. "
                f"Received: {self.window}"
            )


@dataclass(frozen=True)
class AdaptationNetworkSettings:
    """What learns; the generator's form is that of the trained one.

    Attributes:
        last_layers: so many convolutions at the generator's end learn with the new style. They
            draw for every style: with 0 the others stay as they are, to the last bit.
        discriminator_filters: channels after the first convolution of the discriminator.
    """

    last_layers: int = between(0, 0, 10)
    discriminator_filters: int = between(32, 1, 1024)


@dataclass(frozen=True)
class AdaptationWeights:
    """Weights of the losses, found by trial on ten drawings each of three artists.

    Attributes:
        adversarial: weight of the adversarial loss; 0 leaves the discriminator out.
        style: weight of the distance between Gram matrices, relative to those of the drawings.
        likeness: weight of LPIPS between a drawing and what the trained generator draws of the
            same photo, in the style or mix that the new one begins as.
        likeness_end: share of that weight that is left at the end; it falls with the progress.
        gray: weight of the mean of 1 - G(a, s)^2, which is 0 for ink and paper alone.
        cycle: weight of the relaxed cycle: what the inverse generator of the run that it starts
            from makes of a drawing shall have the photo's edges. A preset has none.
    """

    adversarial: float = between(0.5, 0, 1e6)
    style: float = between(4.0, 0, 1e6)
    likeness: float = between(2.0, 0, 1e6)
    likeness_end: float = between(0.3, 0, 1)
    gray: float = between(3.0, 0, 1e6)
    cycle: float = between(1.0, 0, 1e6)


@dataclass(frozen=True)
class AdaptationTrainSettings(DecayTrainSettings):
    """`DecayTrainSettings` of the new style.

    Attributes:
        last_layers_rate: share of the learning rate that the last layers learn with.
        inverse_learning_rate: that of the inverse generator, where there is one.
    """

    epochs: int = between(5, 1, 1_000_000)
    steps_per_epoch: int = between(30, 0, 1_000_000_000)
    learning_rate: float = between(3e-2, 1e-12, 1)
    discriminator_learning_rate: float = between(4e-4, 1e-12, 1)
    last_layers_rate: float = between(0.01, 0, 1)
    inverse_learning_rate: float = between(1.5e-4, 1e-12, 1)

    def check(self, prefix: str):
        """Refuses averaged weights: they round, and the other styles would not stay as they are."""
        super().check(prefix)
        if self.average_decay:
            raise SettingError(
                f"{prefix}average_decay: expected 0, since averages round and the other styles "
                f"stay as they are. Received: {self.average_decay:g}"
            )


@dataclass(frozen=True)
class AdaptationRecipe(Recipe):
    """A training of one more style.

    Attributes:
        style: name of the new style.
        photos: folder made by `portrait prepare` whose photos it learns on; empty for those that
            lie with the drawings. `portrait adapt` fills both in.
        data: `AdaptationDataSettings`.
        network: `AdaptationNetworkSettings`.
        loss: `AdaptationWeights`.
        train: `AdaptationTrainSettings`; `start_from` is the trained generator.
    """

    method: str = "style_adaptation"
    title: ClassVar[str] = (
        "a style of few drawings, added to a trained generator (Dumoulin et al., ICLR 2017)"
    )
    generator_words: ClassVar[str] = "the generator that it started from"
    style: str = "drawn"
    photos: str = ""
    data: AdaptationDataSettings = field(default_factory=AdaptationDataSettings)
    network: AdaptationNetworkSettings = field(default_factory=AdaptationNetworkSettings)
    loss: AdaptationWeights = field(default_factory=AdaptationWeights)
    train: AdaptationTrainSettings = field(default_factory=AdaptationTrainSettings)


RECIPE = AdaptationRecipe
