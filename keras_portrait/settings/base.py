"""How recipes are declared: numbers with their range, words with their choices; what all share."""

from dataclasses import dataclass, field, fields, is_dataclass

from keras_portrait.errors import SettingError


def between(default, low: float, high: float):
    """A number of a recipe: its default, and the least and the greatest value that make sense."""
    return field(default=default, metadata={"range": (low, high)})


def one_of(default: str, allowed: tuple[str, ...], refusals: dict[str, str] | None = None):
    """A word of a recipe: its default, what is allowed, and why some others are not."""
    return field(default=default, metadata={"choices": allowed, "refusals": refusals or {}})


BACKENDS = ("tensorflow", "torch")
PRECISIONS = ("float32", "mixed_bfloat16")
PRECISIONS_REFUSED = {
    name: "float16 would need each optimizer's loss scaled, and its range is too small for the "
    "perceptual networks; bfloat16 has the range of float32. "
    for name in ("float16", "mixed_float16")
}
# How adversarial losses are computed: squared errors, or logarithms.
ADVERSARIAL = ("lsgan", "log")
UPSAMPLINGS = ("transposed", "nearest")
STYLE_INPUTS = ("appended", "modulated")
# Times that the plane wave of a line generator repeats along a side of the square.
WAVES = 32


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
        seed: of weights, noise, data order, augmentation and pools.
    """

    epochs: int = between(100, 1, 1_000_000)
    steps_per_epoch: int = between(0, 0, 1_000_000_000)
    learning_rate: float = between(2e-4, 1e-12, 1)
    beta_1: float = between(0.5, 0, 0.9999)
    average_decay: float = between(0.0, 0, 0.99999)
    checkpoint_steps: int = between(1000, 1, 1_000_000_000)
    keep_every: int = between(10, 1, 1_000_000)
    precision: str = one_of("float32", PRECISIONS, PRECISIONS_REFUSED)
    seed: int = between(0, 0, 2**31)


@dataclass(frozen=True)
class Recipe:
    """Everything that a training is made of, but the pictures. Each method has a subclass.

    Attributes:
        method: name of the method.
    """

    method: str = ""

    def __post_init__(self):
        check_values(self)


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
