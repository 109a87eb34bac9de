"""Settings of DCGAN."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.errors import SettingError
from keras_portrait.models.picture_config import PictureTrainSettings
from keras_portrait.recipe import PictureSettings, Recipe, between

# Height and width of its pictures in pixels: four doublings from 4 x 4, the report's, and five.
DCGAN_SIZES = (64, 128)


@dataclass(frozen=True)
class DCGANDataSettings(PictureSettings):
    """`PictureSettings` with the report's values; the size is one of two.

    The report tells of one thing that is done to the pictures: their range becomes that of tanh,
    [-1, 1]. So nothing is mirrored or enlarged unless it is asked for.
    """

    size: int = DCGAN_SIZES[0]
    batch: int = between(128, 1, 4096)
    scale: float = between(1.0, 1, 4)
    flip: bool = False

    def check(self, prefix: str):
        """Refuses any other size."""
        if self.size not in DCGAN_SIZES:
            raise SettingError(
                f"{prefix}size: expected {' or '.join(map(str, DCGAN_SIZES))}, the sizes of "
                f"DCGAN's networks. Received: {self.size}"
            )


@dataclass(frozen=True)
class DCGANNetworkSettings:
    """Sizes of the networks; the defaults are the report's.

    Attributes:
        filters: channels of G's last hidden layer and after D's first convolution; the widest
            layers have eight times as many.
        noise: length of the noise vector.
    """

    filters: int = between(64, 1, 1024)
    noise: int = between(100, 1, 100_000)


@dataclass(frozen=True)
class DCGANWeights:
    """Weights of the losses that can be switched on.

    Attributes:
        gradient_penalty: weight of the squared gradient of D at real pictures (R1), which keeps D
            from winning; 0, as published, turns it off.
    """

    gradient_penalty: float = between(0.0, 0, 1e6)


@dataclass(frozen=True)
class DCGANRecipe(Recipe):
    """A training of DCGAN.

    Attributes:
        data: `DCGANDataSettings`.
        network: `DCGANNetworkSettings`.
        loss: `DCGANWeights`.
        train: `PictureTrainSettings`.
    """

    method: str = "dcgan"
    takes: ClassVar[str] = "noise"
    channels: ClassVar[int] = 3
    data: DCGANDataSettings = field(default_factory=DCGANDataSettings)
    network: DCGANNetworkSettings = field(default_factory=DCGANNetworkSettings)
    loss: DCGANWeights = field(default_factory=DCGANWeights)
    train: PictureTrainSettings = field(default_factory=PictureTrainSettings)


RECIPE = DCGANRecipe
