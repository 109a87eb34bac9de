"""What recipes hold: frozen dataclasses; numbers with their range, words with their choices."""

from dataclasses import dataclass, field, fields, is_dataclass

from keras_portrait.errors import SettingError

UPSAMPLINGS = ("transposed", "nearest")
ADVERSARIAL = ("lsgan", "log")
FORWARD_CYCLES = ("edges", "photos", "l1")


def between(default, low: float, high: float):
    """A number of a recipe: its default, and the least and the greatest value that make sense."""
    return field(default=default, metadata={"range": (low, high)})


def one_of(default: str, allowed: tuple[str, ...], refusals: dict[str, str] | None = None):
    """A word of a recipe: its default, what is allowed, and why some others are not."""
    return field(default=default, metadata={"choices": allowed, "refusals": refusals or {}})


@dataclass(frozen=True)
class Recipe:
    """Everything that a training is made of, but the pictures. Each method has a subclass.

    Attributes:
        method: name of the method.
    """

    method: str = ""

    def __post_init__(self):
        _check(self, "")


def _check(settings, prefix):
    for item in fields(settings):
        name, value = f"{prefix}{item.name}", getattr(settings, item.name)
        if is_dataclass(value):
            _check(value, f"{name}.")
        choices = item.metadata.get("choices")
        if choices and value not in choices:
            why = item.metadata["refusals"].get(value, "")
            raise SettingError(
                f"{name}: expected one of {', '.join(choices)}. {why}Received: {value}"
            )
        low, high = item.metadata.get("range", (None, None))
        # Written so that nan fails, too.
        if low is not None and not low <= value <= high:
            raise SettingError(f"{name}: expected {low:g} to {high:g}. Received: {value}")
    if hasattr(settings, "check"):
        settings.check(prefix)


@dataclass(frozen=True)
class DataSettings:
    """What a training step sees.

    Attributes:
        size: height and width of the training crops in pixels, a multiple of 32.
        batch: pictures of each domain in a step.
        scale: the aligned square is enlarged by up to this factor before the random crop. The
            paper's code resizes 512 to 572, which is 1.117.
        flip: whether pictures are mirrored with probability one half.
        soft_styles: whether a drawing's style vector is what a style classifier wrote into the
            manifest, where it did; otherwise 1 for the style of its folder.
        stored_edges: whether the edge map of a photo is computed once, stored, and augmented with
            the photo, instead of being computed from each augmented photo. Nearly equal, and it
            saves an edge detector a step.
    """

    size: int = between(256, 32, 4096)
    batch: int = between(1, 1, 1024)
    scale: float = between(1.117, 1, 4)
    flip: bool = True
    soft_styles: bool = True
    stored_edges: bool = False

    def check(self, prefix: str):
        """Refuses sizes that the networks cannot halve often enough."""
        if self.size % 32:
            raise SettingError(f"{prefix}size: expected a multiple of 32. Received: {self.size}")


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of the networks; the defaults are the paper's.

    Attributes:
        filters: channels after the first convolution of G.
        blocks: residual blocks of G.
        inverse_filters: channels after the first convolution of F.
        inverse_blocks: residual blocks of F.
        upsampling: "transposed" (as published) or "nearest" (no checkerboard).
        discriminator_filters: channels after the first convolution of the discriminators of
            drawings and photos.
        part_filters: the same for the local discriminators.
    """

    filters: int = between(64, 1, 1024)
    blocks: int = between(9, 1, 100)
    inverse_filters: int = between(64, 1, 1024)
    inverse_blocks: int = between(9, 1, 100)
    upsampling: str = one_of("transposed", UPSAMPLINGS)
    discriminator_filters: int = between(64, 1, 1024)
    part_filters: int = between(64, 1, 1024)


@dataclass(frozen=True)
class AsymmetricCycleWeights:
    """Weights and variants of the losses; the defaults are the paper's.

    A weight of 0 switches its term off, with whatever serves it alone: no local discriminators, no
    style head.

    Attributes:
        relaxed: weight of the relaxed and the truncated forward cycle together; the second's
            share grows with the progress p as 0.9 p.
        strict: weight of the strict backward cycle.
        local: weight of each local discriminator.
        style: weight of the style loss.
        anchor: weight of LPIPS between a drawing and a filter's line drawing of the photo; fades
            to 0 with the progress. Not in the paper.
        adversarial: "lsgan" (the paper's code) or "log" (its text).
        forward_cycle: what the forward cycle compares: "edges" (LPIPS of HED edges, the paper's),
            "photos" (LPIPS of the photos themselves) or "l1" (CycleGAN's), for ablation.
        truncation: whether a share of the forward cycle passes the truncation; without, its whole
            weight stays on the drawing as it is.
        straight_through: whether the truncated cycle's gradient reaches G.
        sample_truncation: whether a step takes one of the two cycle terms, drawn with the
            probability of its weight, instead of both: equal in expectation, a third faster.
    """

    relaxed: float = between(5.0, 0, 1e6)
    strict: float = between(5.0, 0, 1e6)
    local: float = between(0.5, 0, 1e6)
    style: float = between(1.0, 0, 1e6)
    anchor: float = between(0.0, 0, 1e6)
    adversarial: str = one_of("lsgan", ADVERSARIAL)
    forward_cycle: str = one_of("edges", FORWARD_CYCLES)
    truncation: bool = True
    straight_through: bool = False
    sample_truncation: bool = False


_NO_FLOAT16 = {
    name: "float16 would need each optimizer's loss scaled, and its range is too small for the "
    "perceptual networks; bfloat16 has the range of float32. "
    for name in ("float16", "mixed_float16")
}


@dataclass(frozen=True)
class TrainSettings:
    """How long and how fast.

    Attributes:
        epochs: number of epochs.
        steps_per_epoch: steps of one epoch; 0 means a pass over the larger of the two domains.
        learning_rate: of Adam, for the generators.
        discriminator_learning_rate: of Adam, for the discriminators.
        beta_1: of Adam.
        decay_from: share of the training after which the learning rates fall linearly to 0.
        pool: fakes kept for the discriminators; 0 turns the pools off.
        average_decay: decay of the averaged generator that is exported; 0 exports the last one.
        warm_start_steps: steps that teach the generators a filter's line drawings before the
            adversarial training; 0 starts from random weights, as the paper does.
        checkpoint_steps: steps after which a checkpoint is written within an epoch; there is one
            at the end of every epoch, too.
        keep_every: epochs after which the generator is kept for good.
        precision: "float32" or "mixed_bfloat16".
        seed: of weights, data order, augmentation and pools.
    """

    epochs: int = between(300, 1, 1_000_000)
    steps_per_epoch: int = between(0, 0, 1_000_000_000)
    learning_rate: float = between(2e-4, 1e-12, 1)
    discriminator_learning_rate: float = between(2e-4, 1e-12, 1)
    beta_1: float = between(0.5, 0, 0.9999)
    decay_from: float = between(0.5, 0, 1)
    pool: int = between(50, 0, 10_000)
    average_decay: float = between(0.0, 0, 0.99999)
    warm_start_steps: int = between(0, 0, 1_000_000_000)
    checkpoint_steps: int = between(1000, 1, 1_000_000_000)
    keep_every: int = between(10, 1, 1_000_000)
    precision: str = one_of("float32", ("float32", "mixed_bfloat16"), _NO_FLOAT16)
    seed: int = between(0, 0, 2**31)


@dataclass(frozen=True)
class AsymmetricCycleRecipe(Recipe):
    """A training of the asymmetric cycle mapping.

    Attributes:
        data: `DataSettings`.
        network: `NetworkSettings`.
        loss: `AsymmetricCycleWeights`.
        train: `TrainSettings`.
    """

    method: str = "asymmetric_cycle"
    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    loss: AsymmetricCycleWeights = field(default_factory=AsymmetricCycleWeights)
    train: TrainSettings = field(default_factory=TrainSettings)


@dataclass(frozen=True)
class StyleDataSettings:
    """What the style classifier sees of a drawing.

    Attributes:
        size: height and width in pixels to which a drawing is reduced.
        batch: drawings in a step.
        views: how many augmented views of each drawing it learns from.
        rotation: a view is turned by up to this many degrees, either way.
        translation: and moved by up to this share of its side, either way.
        scale: and enlarged or reduced by up to this factor.
        flip: whether views are mirrored with probability one half. Off: hatching leans as the hand
            of its artist does.
        holdout: share of each style that is kept back to measure the accuracy, where the data
            folder has no test split with all styles.
    """

    size: int = between(128, 32, 1024)
    batch: int = between(32, 1, 1024)
    views: int = between(8, 1, 1000)
    rotation: float = between(15.0, 0, 180)
    translation: float = between(0.08, 0, 0.5)
    scale: float = between(1.2, 1, 4)
    flip: bool = False
    holdout: float = between(0.2, 0.01, 0.9)


@dataclass(frozen=True)
class StyleNetworkSettings:
    """The frozen trunk and the head of the style classifier.

    Attributes:
        trunk: "vgg16" (the trunk of HED, no download) or "vgg19" (the paper's).
        weights: file with weights of the trunk; empty for those that its package brings.
        blocks: blocks of the trunk whose features are looked at, from the first on.
        hidden: units of the hidden layer; 0 leaves it out.
        dropout: share of the features, and of the hidden units, that a step leaves out.
    """

    trunk: str = one_of("vgg16", ("vgg16", "vgg19"))
    weights: str = ""
    blocks: int = between(4, 1, 5)
    hidden: int = between(64, 0, 4096)
    dropout: float = between(0.5, 0, 0.95)


@dataclass(frozen=True)
class StyleTrainSettings:
    """How long and how fast the head of the style classifier learns.

    Attributes:
        epochs: number of epochs.
        steps_per_epoch: steps of one epoch; 0 means a pass over all views.
        learning_rate: of Adam at the start; it falls to 0 along a cosine.
        weight_decay: of Adam.
        label_smoothing: share of a tag that is spread over all styles, which keeps the shares of
            drawings between the styles soft.
        precision: "float32" or "mixed_bfloat16", of the trunk.
        seed: of weights, views and data order.
    """

    epochs: int = between(24, 1, 1_000_000)
    steps_per_epoch: int = between(0, 0, 1_000_000_000)
    learning_rate: float = between(1e-3, 1e-12, 1)
    weight_decay: float = between(0.1, 0, 10)
    label_smoothing: float = between(0.1, 0, 0.9)
    precision: str = one_of("float32", ("float32", "mixed_bfloat16"), _NO_FLOAT16)
    seed: int = between(0, 0, 2**31)


@dataclass(frozen=True)
class StyleClassifierRecipe(Recipe):
    """A training of the classifier that tells the styles of drawings.

    Attributes:
        data: `StyleDataSettings`.
        network: `StyleNetworkSettings`.
        train: `StyleTrainSettings`.
    """

    method: str = "style_classifier"
    data: StyleDataSettings = field(default_factory=StyleDataSettings)
    network: StyleNetworkSettings = field(default_factory=StyleNetworkSettings)
    train: StyleTrainSettings = field(default_factory=StyleTrainSettings)
