"""Settings of CartoonGAN."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.models.picture_config import PictureTrainSettings
from keras_portrait.recipe import (
    ADVERSARIAL,
    UPSAMPLINGS,
    PictureSettings,
    Recipe,
    added,
    between,
    one_of,
)

TRUNKS = ("vgg19", "vgg16")


@dataclass(frozen=True)
class CartoonGANNetworkSettings:
    """Sizes of the networks, and the frozen one; the defaults are the paper's.

    Attributes:
        filters: channels after the first convolution of G.
        blocks: residual blocks of G.
        upsampling: "transposed" (as published) or "nearest" (no checkerboard).
        discriminator_filters: channels after the first convolution of D.
        trunk: network whose conv4_4 says what content and style are: "vgg19" (the paper's, which
            Keras downloads once), or "vgg16", the trunk of HED (no download), whose conv4_3 stands
            in.
        trunk_weights: file with weights of the trunk; empty for those that its package brings.
    """

    filters: int = between(64, 1, 1024)
    blocks: int = between(8, 1, 100)
    upsampling: str = one_of("transposed", UPSAMPLINGS)
    discriminator_filters: int = between(32, 1, 1024)
    trunk: str = one_of("vgg19", TRUNKS)
    trunk_weights: str = ""


@dataclass(frozen=True)
class CartoonGANWeights:
    """Weights of the losses; 0 switches a term off.

    Attributes:
        adversarial: weight of G's adversarial loss.
        content: weight of the content loss.
        style: weight of the Gram style loss, an addition of the report, which gives no number.
        gray_style: the same against cartoons without their colours (AnimeGAN). The report's author
            tried gray and colour losses, found fault with them and gave them up.
        colour: weight of the difference to the photo's colours (AnimeGAN); see `gray_style`.
        landmarks: weight of the difference between where the photo's landmarks are and where the
            landmark network finds them in the cartoon.
        relative: whether content and style losses are shares of what they aim at (the mean
            magnitude of the photo's features, of the cartoon's Gram matrix), so that a weight means
            the same for every trunk. Without, they are as large as the trunk's features are: with
            weights of Caffe's scale, 14 on average, a weight of 10 leaves photos as they are.
        mode: "log" (the paper) or "lsgan" (its authors' code).
    """

    adversarial: float = between(1.0, 0, 1e6)
    content: float = between(10.0, 0, 1e6)
    style: float = between(0.0, 0, 1e9)
    gray_style: float = between(0.0, 0, 1e9)
    colour: float = between(0.0, 0, 1e6)
    landmarks: float = between(0.0, 0, 1e9)
    relative: bool = added(True, before=False)
    mode: str = one_of("log", ADVERSARIAL)


@dataclass(frozen=True)
class CartoonGANTrainSettings(PictureTrainSettings):
    """How long and how fast, and what comes before.

    Attributes:
        initialization_steps: steps that teach G the content alone before the adversarial training;
            left out where it starts from another generator.
        landmark_steps: steps that teach the landmark network, where its loss has a weight.
        pool: fakes kept for the discriminator; 0 turns the pool off.
    """

    initialization_steps: int = between(0, 0, 1_000_000_000)
    landmark_steps: int = between(2000, 1, 1_000_000_000)
    pool: int = between(0, 0, 10_000)


@dataclass(frozen=True)
class CartoonGANRecipe(Recipe):
    """A training of CartoonGAN.

    Attributes:
        data: `PictureSettings`.
        network: `CartoonGANNetworkSettings`.
        loss: `CartoonGANWeights`.
        train: `CartoonGANTrainSettings`.
    """

    method: str = "cartoongan"
    channels: ClassVar[int] = 3
    data: PictureSettings = field(default_factory=PictureSettings)
    network: CartoonGANNetworkSettings = field(default_factory=CartoonGANNetworkSettings)
    loss: CartoonGANWeights = field(default_factory=CartoonGANWeights)
    train: CartoonGANTrainSettings = field(default_factory=CartoonGANTrainSettings)


RECIPE = CartoonGANRecipe
