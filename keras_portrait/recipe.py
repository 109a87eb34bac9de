"""How recipes are declared: numbers with their range, words with their choices; what all share."""

import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import ClassVar

from keras_portrait.errors import SettingError


def between(default, low: float, high: float):
    """A number of a recipe: its default, and the least and the greatest value that make sense."""
    return field(default=default, metadata={"range": (low, high)})


def one_of(default: str, allowed: tuple[str, ...], refusals: dict[str, str] | None = None):
    """A word of a recipe: its default, what is allowed, and why some others are not."""
    return field(default=default, metadata={"choices": allowed, "refusals": refusals or {}})


def added(default: bool, before: bool):
    """A yes or no that recipes had not always: its default, and what held in runs begun before."""
    return field(default=default, metadata={"before": before})


BACKENDS = ("tensorflow", "torch")
PRECISIONS = ("float32", "mixed_bfloat16")
PRECISIONS_REFUSED = {
    name: "float16 would need each optimizer's loss scaled, and its range is too small for the "
    "perceptual networks; bfloat16 has the range of float32. "
    for name in ("float16", "mixed_float16")
}
# How adversarial losses are computed: squared errors, or logarithms.
ADVERSARIAL = ("lsgan", "log")
# When a learning rate that falls changes.
DECAYS = ("step", "epoch")
UPSAMPLINGS = ("transposed", "nearest")
STYLE_INPUTS = ("appended", "modulated")
# Times that the plane wave of a line generator repeats along a side of the square.
WAVES = 32
# How a line generator is built, on model cards.
LINE_GENERATOR = "line generator of {filters} filters and {blocks} residual blocks"

# Filters that a warm start without another run holds on to.
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
class TrainSettings:
    """How long and how fast; methods add to it.

    Attributes:
        epochs: number of epochs.
        steps_per_epoch: steps of one epoch; 0 means a pass over the larger set.
        learning_rate: of Adam at the start, for the generators.
        beta_1: of Adam.
        average_decay: decay of the averaged generator that is exported; 0 exports the last one.
        checkpoint_steps: steps after which a checkpoint is written within an epoch; there is one
            at the end of every epoch, too.
        keep_every: epochs after which the generator is kept for good.
        precision: "float32" or "mixed_bfloat16".
        steps_per_execution: steps that TensorFlow takes at once, without a word from Python between
            them: the same steps. A stop waits for the last of them. Taken down to a divisor of the
            epoch; 1 where several workers train, or where steps of a method differ.
        seed: of weights, noise, data order, augmentation and pools.
        start_from: a run folder, a `.keras` file of one, or the name or address of a preset, whose
            generator goes on learning; its network must be that of the recipe. Styles are found by
            their names; one that it does not know begins as the mean of those that it knows. All
            other networks and the optimizers start over. Empty starts with random weights.
    """

    epochs: int = between(100, 1, 1_000_000)
    steps_per_epoch: int = between(0, 0, 1_000_000_000)
    learning_rate: float = between(2e-4, 1e-12, 1)
    beta_1: float = between(0.5, 0, 0.9999)
    average_decay: float = between(0.0, 0, 0.99999)
    checkpoint_steps: int = between(1000, 1, 1_000_000_000)
    keep_every: int = between(10, 1, 1_000_000)
    precision: str = one_of("float32", PRECISIONS, PRECISIONS_REFUSED)
    steps_per_execution: int = between(1, 1, 10_000)
    seed: int = between(0, 0, 2**31)
    start_from: str = ""

    @property
    def planned_epochs(self) -> int:
        """How many epochs the schedules are made for."""
        return self.epochs


@dataclass(frozen=True)
class DecayTrainSettings(TrainSettings):
    """`TrainSettings`, and learning rates that fall to 0.

    Attributes:
        discriminator_learning_rate: of Adam, for the discriminators.
        decay_from: share of the schedule after which the learning rates fall linearly to 0.
        decay_by: whether they fall with every "step", or once an "epoch", before it begins.
        schedule_epochs: how many epochs the schedule has, `decay_from` and the progress that
            weights of losses follow; 0 for as many as the training. A shorter training stops on
            the way.
    """

    discriminator_learning_rate: float = between(2e-4, 1e-12, 1)
    decay_from: float = between(0.5, 0, 1)
    decay_by: str = one_of("step", DECAYS)
    schedule_epochs: int = between(0, 0, 1_000_000)

    def check(self, prefix: str):
        """Refuses a schedule that ends before the training."""
        if 0 < self.schedule_epochs < self.epochs:
            raise SettingError(
                f"{prefix}schedule_epochs: expected 0, or {prefix}epochs ({self.epochs}) at least. "
                f"Received: {self.schedule_epochs}"
            )

    @property
    def planned_epochs(self) -> int:
        """How many epochs the schedule has."""
        return self.schedule_epochs or self.epochs


@dataclass(frozen=True)
class Recipe:
    """Everything that a training is made of, but the pictures. Each method has a subclass.

    Attributes:
        method: name of the method.
        experiment: class that trains it; None for `EXPERIMENT` of the module `experiment` beside
            the one that defines the recipe.
        trainer: module whose `make_plan` and `train` see to it.
        takes: "image" for generators of photos, "noise" for those of noise.
        channels: 1 for drawings, 3 for pictures in colour.
        title: what the method is called on a model card, with its paper; "" where it draws no
            photos and gets no card.
        generator_words: how its generator is built, with fields of `network` in braces.
        waits_for: whose drawings are made before the first step, "teacher's" for example.
        preset_mode: how a preset of it stores weights, "dynamic" or "int8".
    """

    method: str = ""
    experiment: ClassVar[type | None] = None
    trainer: ClassVar[str] = "keras_portrait.training.run"
    takes: ClassVar[str] = "image"
    channels: ClassVar[int] = 1
    title: ClassVar[str] = ""
    generator_words: ClassVar[str] = ""
    waits_for: ClassVar[str] = ""
    preset_mode: ClassVar[str] = "dynamic"

    def __post_init__(self):
        check_values(self)

    @classmethod
    def describe_generator(cls, network: dict) -> str:
        """How the generator is built, from the recipe's section `network`."""
        return cls.generator_words.format(**network)


def as_options(recipe: Recipe) -> dict:
    """A recipe as `options.json` holds it and as it is read back: JSON has lists, no tuples."""
    return json.loads(json.dumps(asdict(recipe)))


def earlier_options(kind: type[Recipe]) -> dict:
    """What holds in a run whose `options.json` does not name a key, as it is older than the key.

    Args:
        kind: the recipe of the run's method.
    """
    return as_options(_as_before(kind()))


def _as_before(settings):
    changed = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            changed[item.name] = _as_before(value)
        elif "before" in item.metadata:
            changed[item.name] = item.metadata["before"]
    return replace(settings, **changed)


def check_values(settings, prefix: str = "") -> None:
    """Refuses numbers that make no sense and words that are no choice.

    Args:
        settings: a recipe, or a part of one.
        prefix: what stands before the names of its fields in the text of an error.

    Raises:
        SettingError: a value is out of range.
    """
    for item in fields(settings):
        name, value = f"{prefix}{item.name}", getattr(settings, item.name)
        if is_dataclass(value):
            check_values(value, f"{name}.")
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


def check_backend(name: str) -> None:
    """Refuses a Keras backend that nothing here runs on.

    Raises:
        SettingError: it is another than `BACKENDS`.
    """
    if name not in BACKENDS:
        raise SettingError(
            f"KERAS_BACKEND: expected one of {', '.join(BACKENDS)}. Received: {name}"
        )
