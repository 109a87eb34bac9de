"""Settings of the asymmetric cycle mapping."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.recipe import (
    ADVERSARIAL,
    LINE_GENERATOR,
    STYLE_INPUTS,
    UPSAMPLINGS,
    DataSettings,
    DecayTrainSettings,
    Recipe,
    between,
    one_of,
)

GENERATORS = ("resnet", "line")
FORWARD_CYCLES = ("edges", "photos", "l1")


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
        one_hot_maps: whether G gets the one-hot vector of a drawing's main style, while the style
            losses keep the soft one as weights (`--one_hot 1` of the paper's code); without, G gets
            the soft one, too. They differ where a style classifier has told shares.
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
    one_hot_maps: bool = False
    sample_truncation: bool = False


@dataclass(frozen=True)
class AsymmetricCycleTrainSettings(DecayTrainSettings):
    """`DecayTrainSettings`, the pools, and how it starts.

    Attributes:
        start_contrast: factor of what goes into the tanh of the generator that it starts from:
            above 1 it begins with fewer tones between ink and paper.
        pool: fakes kept for the discriminators; 0 turns the pools off.
        warm_start_steps: steps that teach the inverse generator to make photos of line drawings
            before the adversarial training; 0 leaves them out, as the paper does.
    """

    start_contrast: float = between(1.0, 0.1, 10)
    epochs: int = between(300, 1, 1_000_000)
    pool: int = between(50, 0, 10_000)
    warm_start_steps: int = between(0, 0, 1_000_000_000)


@dataclass(frozen=True)
class AsymmetricCycleRecipe(Recipe):
    """A training of the asymmetric cycle mapping.

    Attributes:
        data: `DataSettings`.
        network: `NetworkSettings`.
        loss: `AsymmetricCycleWeights`.
        train: `AsymmetricCycleTrainSettings`.
    """

    method: str = "asymmetric_cycle"
    title: ClassVar[str] = "asymmetric cycle mapping (Yi et al., CVPR 2020)"
    generator_words: ClassVar[str] = (
        "ResNet, {filters} filters, {blocks} blocks, {upsampling} upsampling"
    )
    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    loss: AsymmetricCycleWeights = field(default_factory=AsymmetricCycleWeights)
    train: AsymmetricCycleTrainSettings = field(default_factory=AsymmetricCycleTrainSettings)

    @classmethod
    def describe_generator(cls, network: dict) -> str:
        """As in `Recipe`; there are two kinds of generators."""
        words = LINE_GENERATOR if network.get("generator") == "line" else cls.generator_words
        return words.format(**network)


RECIPE = AsymmetricCycleRecipe
