"""Settings of the asymmetric cycle mapping."""

from dataclasses import dataclass, field

from keras_portrait.errors import SettingError
from keras_portrait.settings.base import PRECISIONS, PRECISIONS_REFUSED, Recipe, between, one_of

GENERATORS = ("resnet", "line")
UPSAMPLINGS = ("transposed", "nearest")
STYLE_INPUTS = ("appended", "modulated")
ADVERSARIAL = ("lsgan", "log")
FORWARD_CYCLES = ("edges", "photos", "l1")
LINE_FILTER_NAMES = ("filled", "hatched", "thin")


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
        lines: the filter of `LINE_FILTERS` whose drawings warm start and anchor hold on to, by
            style; "filled" where none is named. Filters as different as the styles keep the
            styles apart. With `train.start_from` they hold on to the drawings of that run instead.
    """

    size: int = between(256, 32, 4096)
    batch: int = between(1, 1, 1024)
    scale: float = between(1.117, 1, 4)
    flip: bool = True
    soft_styles: bool = True
    stored_edges: bool = False
    lines: dict[str, str] = field(default_factory=dict)

    def check(self, prefix: str):
        """Refuses sizes that the networks cannot halve often enough."""
        if self.size % 32:
            raise SettingError(f"{prefix}size: expected a multiple of 32. Received: {self.size}")
        for style, name in self.lines.items():
            if name not in LINE_FILTER_NAMES:
                raise SettingError(
                    f"{prefix}lines.{style}: expected one of {', '.join(LINE_FILTER_NAMES)}. "
                    f"Received: {name}"
                )


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of the networks; the defaults are the paper's.

    Attributes:
        generator: "resnet" (the paper's G) or "line": that of paired training, without
            normalization.
        filters: channels after the first convolution of G; of a line generator as in
            `PairedNetworkSettings`.
        blocks: residual blocks of G.
        inverse_filters: channels after the first convolution of F.
        inverse_blocks: residual blocks of F.
        upsampling: "transposed" (as published) or "nearest" (no checkerboard).
        style_input: of a "resnet": "appended" to G's features (as published) or "modulated": the
            style scales and shifts normalized features, which no normalization takes out again.
        discriminator_filters: channels after the first convolution of the discriminators of
            drawings and photos.
        part_filters: the same for the local discriminators.
    """

    generator: str = one_of("resnet", GENERATORS)
    filters: int = between(64, 1, 1024)
    blocks: int = between(9, 1, 100)
    inverse_filters: int = between(64, 1, 1024)
    inverse_blocks: int = between(9, 1, 100)
    upsampling: str = one_of("transposed", UPSAMPLINGS)
    style_input: str = one_of("appended", STYLE_INPUTS)
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
        anchor: weight of LPIPS between a drawing and a line drawing of the photo: what the run of
            `train.start_from` draws, or a filter. Not in the paper.
        anchor_end: share of that weight that is left at the end; it falls with the progress.
        face: weight of the loss that wants the packaged face detector to find the photo's face in
            the drawing, its points where the photo has them. Not in the paper.
        gray: weight of the mean of 1 - G(p, s)^2, which is 0 for ink and paper alone. Not in the
            paper.
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
    anchor_end: float = between(0.0, 0, 1)
    face: float = between(0.0, 0, 1e6)
    gray: float = between(0.0, 0, 1e6)
    adversarial: str = one_of("lsgan", ADVERSARIAL)
    forward_cycle: str = one_of("edges", FORWARD_CYCLES)
    truncation: bool = True
    straight_through: bool = False
    sample_truncation: bool = False


@dataclass(frozen=True)
class TrainSettings:
    """How long and how fast.

    Attributes:
        start_from: a run folder or a `.keras` file in it, whose generator goes on learning; its
            network must be that of the recipe. Styles are found by their names; one that it does
            not know begins as the mean of those that it knows. The inverse generator starts anew.
            Empty starts with random weights.
        start_contrast: factor of what goes into the tanh of that generator: above 1 it begins with
            fewer tones between ink and paper.
        epochs: number of epochs.
        steps_per_epoch: steps of one epoch; 0 means a pass over the larger of the two domains.
        learning_rate: of Adam, for the generators.
        discriminator_learning_rate: of Adam, for the discriminators.
        beta_1: of Adam.
        decay_from: share of the training after which the learning rates fall linearly to 0.
        pool: fakes kept for the discriminators; 0 turns the pools off.
        average_decay: decay of the averaged generator that is exported; 0 exports the last one.
        warm_start_steps: steps that teach the inverse generator to make photos of line drawings
            before the adversarial training; 0 leaves them out, as the paper does.
        checkpoint_steps: steps after which a checkpoint is written within an epoch; there is one
            at the end of every epoch, too.
        keep_every: epochs after which the generator is kept for good.
        precision: "float32" or "mixed_bfloat16".
        seed: of weights, data order, augmentation and pools.
    """

    start_from: str = ""
    start_contrast: float = between(1.0, 0.1, 10)
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
    precision: str = one_of("float32", PRECISIONS, PRECISIONS_REFUSED)
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
