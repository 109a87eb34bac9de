"""Settings of the style classifier."""

from dataclasses import dataclass, field
from typing import ClassVar

from keras_portrait.recipe import PRECISIONS, PRECISIONS_REFUSED, Recipe, between, one_of


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
        write_shares: whether the manifest of a prepared data folder gets what the classifier says
            of every drawing, for those who train on soft style vectors.
    """

    size: int = between(128, 32, 1024)
    batch: int = between(32, 1, 1024)
    views: int = between(8, 1, 1000)
    rotation: float = between(15.0, 0, 180)
    translation: float = between(0.08, 0, 0.5)
    scale: float = between(1.2, 1, 4)
    flip: bool = False
    holdout: float = between(0.2, 0.01, 0.9)
    write_shares: bool = True


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
    precision: str = one_of("float32", PRECISIONS, PRECISIONS_REFUSED)
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
    trainer: ClassVar[str] = "keras_portrait.models.style_classifier.experiment"
    data: StyleDataSettings = field(default_factory=StyleDataSettings)
    network: StyleNetworkSettings = field(default_factory=StyleNetworkSettings)
    train: StyleTrainSettings = field(default_factory=StyleTrainSettings)


RECIPE = StyleClassifierRecipe
