"""Settings of CycleGAN."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.errors import SettingError
from keras_portrait.models.picture_config import PictureTrainSettings
from keras_portrait.recipe import ADVERSARIAL, UPSAMPLINGS, PictureSettings, Recipe, between, one_of


@dataclass(frozen=True)
class CycleGANNetworkSettings:
    """Sizes of the networks; the defaults are the original's.

    Attributes:
        filters: channels after the first convolution of both generators.
        blocks: residual blocks of both.
        up_filters: channels after the first and the second upsampling; none given: as in the
            original, twice `filters` and `filters`.
        upsampling: "transposed" (as published) or "nearest" (no checkerboard).
        discriminator_filters: channels after the first convolution of both discriminators.
    """

    filters: int = between(64, 1, 1024)
    blocks: int = between(9, 1, 100)
    up_filters: tuple[int, ...] = ()
    upsampling: str = one_of("transposed", UPSAMPLINGS)
    discriminator_filters: int = between(64, 1, 1024)

    def check(self, prefix: str):
        """Refuses another number of upsamplings than two."""
        given = self.up_filters
        if given and (len(given) != 2 or min(given) < 1 or max(given) > 1024):
            raise SettingError(
                f"{prefix}up_filters: expected none or two numbers from 1 to 1024. "
                f"Received: {list(given)}"
            )


@dataclass(frozen=True)
class CycleGANWeights:
    """Weights of the losses; the defaults are the original's and the report's.

    Attributes:
        adversarial: weight of the adversarial losses of both generators.
        cycle: weight of both cycles.
        identity: weight of both identity losses.
        mode: "lsgan" or "log".
    """

    adversarial: float = between(1.0, 0, 1e6)
    cycle: float = between(10.0, 0, 1e6)
    identity: float = between(5.0, 0, 1e6)
    mode: str = one_of("lsgan", ADVERSARIAL)


@dataclass(frozen=True)
class CycleGANTrainSettings(PictureTrainSettings):
    """`PictureTrainSettings`, and the pools.

    Attributes:
        pool: fakes kept for each discriminator; 0 turns the pools off.
    """

    pool: int = between(50, 0, 10_000)


@dataclass(frozen=True)
class CycleGANRecipe(Recipe):
    """A training of CycleGAN.

    Attributes:
        data: `PictureSettings`.
        network: `CycleGANNetworkSettings`.
        loss: `CycleGANWeights`.
        train: `CycleGANTrainSettings`.
    """

    method: str = "cyclegan"
    channels: ClassVar[int] = 3
    data: PictureSettings = field(default_factory=PictureSettings)
    network: CycleGANNetworkSettings = field(default_factory=CycleGANNetworkSettings)
    loss: CycleGANWeights = field(default_factory=CycleGANWeights)
    train: CycleGANTrainSettings = field(default_factory=CycleGANTrainSettings)


RECIPE = CycleGANRecipe
