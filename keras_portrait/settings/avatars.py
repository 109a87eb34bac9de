"""Settings of the systems of "Generating Anime Avatars Using GAN": DCGAN, CycleGAN, CartoonGAN."""

from dataclasses import dataclass, field

from keras_portrait.errors import SettingError
from keras_portrait.settings.base import PRECISIONS, PRECISIONS_REFUSED, Recipe, between, one_of
from keras_portrait.settings.portrait import ADVERSARIAL, UPSAMPLINGS

TRUNKS = ("vgg19", "vgg16")
# Height and width of DCGAN's pictures in pixels: four doublings from 4 x 4.
DCGAN_SIZE = 64


@dataclass(frozen=True)
class PictureSettings:
    """What a training step sees.

    Attributes:
        size: height and width in pixels, a multiple of 4.
        batch: pictures of each set in a step.
        scale: pictures are enlarged by up to this factor before the random crop.
        flip: whether pictures are mirrored with probability one half.
    """

    size: int = between(256, 32, 2048)
    batch: int = between(1, 1, 4096)
    scale: float = between(1.117, 1, 4)
    flip: bool = True

    def check(self, prefix: str):
        """Refuses sizes that the networks cannot halve twice."""
        if self.size % 4:
            raise SettingError(f"{prefix}size: expected a multiple of 4. Received: {self.size}")


@dataclass(frozen=True)
class DCGANDataSettings(PictureSettings):
    """`PictureSettings` with the report's values; the size cannot be another."""

    size: int = DCGAN_SIZE
    batch: int = between(128, 1, 4096)
    scale: float = between(1.0, 1, 4)

    def check(self, prefix: str):
        """Refuses any other size."""
        if self.size != DCGAN_SIZE:
            raise SettingError(
                f"{prefix}size: expected {DCGAN_SIZE}, the only size of DCGAN's networks. "
                f"Received: {self.size}"
            )


@dataclass(frozen=True)
class PictureTrainSettings:
    """How long and how fast.

    Attributes:
        epochs: number of epochs.
        steps_per_epoch: steps of one epoch; 0 means a pass over the larger set.
        learning_rate: of Adam at the start.
        beta_1: of Adam.
        drop_epochs: epochs after each of which the learning rate is multiplied by `drop_factor`.
        drop_factor: see there.
        average_decay: decay of the averaged generator that is exported; 0 exports the last one.
        checkpoint_steps: steps after which a checkpoint is written within an epoch.
        keep_every: epochs after which the generator is kept for good.
        precision: "float32" or "mixed_bfloat16".
        seed: of weights, noise, data order, augmentation and pools.
    """

    epochs: int = between(100, 1, 1_000_000)
    steps_per_epoch: int = between(0, 0, 1_000_000_000)
    learning_rate: float = between(2e-4, 1e-12, 1)
    beta_1: float = between(0.5, 0, 0.9999)
    drop_epochs: tuple[int, ...] = ()
    drop_factor: float = between(0.1, 0, 1)
    average_decay: float = between(0.0, 0, 0.99999)
    checkpoint_steps: int = between(1000, 1, 1_000_000_000)
    keep_every: int = between(10, 1, 1_000_000)
    precision: str = one_of("float32", PRECISIONS, PRECISIONS_REFUSED)
    seed: int = between(0, 0, 2**31)

    def check(self, prefix: str):
        """Refuses drops that are out of order."""
        drops = self.drop_epochs
        if any(a >= b for a, b in zip((0, *drops), drops, strict=False)):
            raise SettingError(
                f"{prefix}drop_epochs: expected numbers from 1 up, in order. "
                f"Received: {list(drops)}"
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
    data: DCGANDataSettings = field(default_factory=DCGANDataSettings)
    network: DCGANNetworkSettings = field(default_factory=DCGANNetworkSettings)
    loss: DCGANWeights = field(default_factory=DCGANWeights)
    train: PictureTrainSettings = field(default_factory=PictureTrainSettings)


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
    data: PictureSettings = field(default_factory=PictureSettings)
    network: CycleGANNetworkSettings = field(default_factory=CycleGANNetworkSettings)
    loss: CycleGANWeights = field(default_factory=CycleGANWeights)
    train: CycleGANTrainSettings = field(default_factory=CycleGANTrainSettings)


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
        mode: "log" (the paper) or "lsgan" (its authors' code).
    """

    adversarial: float = between(1.0, 0, 1e6)
    content: float = between(10.0, 0, 1e6)
    style: float = between(0.0, 0, 1e9)
    gray_style: float = between(0.0, 0, 1e9)
    colour: float = between(0.0, 0, 1e6)
    landmarks: float = between(0.0, 0, 1e9)
    mode: str = one_of("log", ADVERSARIAL)


@dataclass(frozen=True)
class CartoonGANTrainSettings(PictureTrainSettings):
    """How long and how fast, and what comes before.

    Attributes:
        initialization_steps: steps that teach G the content alone before the adversarial training.
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
    data: PictureSettings = field(default_factory=PictureSettings)
    network: CartoonGANNetworkSettings = field(default_factory=CartoonGANNetworkSettings)
    loss: CartoonGANWeights = field(default_factory=CartoonGANWeights)
    train: CartoonGANTrainSettings = field(default_factory=CartoonGANTrainSettings)
