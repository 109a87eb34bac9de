"""How recipes are declared: numbers with their range, words with their choices."""

from dataclasses import dataclass, field, fields, is_dataclass

from keras_portrait.errors import SettingError


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


BACKENDS = ("tensorflow", "torch")
PRECISIONS = ("float32", "mixed_bfloat16")
PRECISIONS_REFUSED = {
    name: "float16 would need each optimizer's loss scaled, and its range is too small for the "
    "perceptual networks; bfloat16 has the range of float32. "
    for name in ("float16", "mixed_float16")
}


def check_backend(name: str) -> None:
    """Refuses a Keras backend that nothing here runs on.

    Raises:
        SettingError: it is another than `BACKENDS`.
    """
    if name not in BACKENDS:
        raise SettingError(
            f"KERAS_BACKEND: expected one of {', '.join(BACKENDS)}. Received: {name}"
        )
