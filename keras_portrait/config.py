"""Recipes: frozen dataclasses that a TOML file and `key=value` overrides fill."""

import dataclasses
import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import get_type_hints

from keras_portrait.errors import SettingError, nearest

UPSAMPLINGS = ("transposed", "nearest")
ADVERSARIAL = ("lsgan", "log")
RECIPES = Path(__file__).parent / "presets" / "recipes"


@dataclass(frozen=True)
class DataSettings:
    """What a training step sees.

    Attributes:
        size: height and width of the training crops in pixels, a multiple of 32.
        batch: pictures of each domain in a step.
        scale: the aligned square is enlarged by up to this factor before the random crop. The
            paper's code resizes 512 to 572, which is 1.117.
        flip: whether pictures are mirrored with probability one half.
    """

    size: int = 256
    batch: int = 1
    scale: float = 1.117
    flip: bool = True


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

    filters: int = 64
    blocks: int = 9
    inverse_filters: int = 64
    inverse_blocks: int = 9
    upsampling: str = "transposed"
    discriminator_filters: int = 64
    part_filters: int = 64


@dataclass(frozen=True)
class AsymmetricCycleWeights:
    """Weights and variants of the losses; the defaults are the paper's.

    Attributes:
        relaxed: weight of the relaxed and the truncated forward cycle together; the second's
            share grows with the progress p as 0.9 p.
        strict: weight of the strict backward cycle.
        local: weight of each local discriminator.
        style: weight of the style loss.
        anchor: weight of LPIPS between a drawing and a filter's line drawing of the photo; fades
            to 0 with the progress. Not in the paper.
        adversarial: "lsgan" (the paper's code) or "log" (its text).
        straight_through: whether the truncated cycle's gradient reaches G.
        sample_truncation: whether a step takes one of the two cycle terms, drawn with the
            probability of its weight, instead of both: equal in expectation, a third faster.
    """

    relaxed: float = 5.0
    strict: float = 5.0
    local: float = 0.5
    style: float = 1.0
    anchor: float = 0.0
    adversarial: str = "lsgan"
    straight_through: bool = False
    sample_truncation: bool = False


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
        precision: "float32" or "mixed_bfloat16".
        seed: of weights, data order, augmentation and pools.
    """

    epochs: int = 300
    steps_per_epoch: int = 0
    learning_rate: float = 2e-4
    discriminator_learning_rate: float = 2e-4
    beta_1: float = 0.5
    decay_from: float = 0.5
    pool: int = 50
    average_decay: float = 0.0
    warm_start_steps: int = 0
    precision: str = "float32"
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that a training is made of, but the pictures.

    Attributes:
        method: name of the method; "asymmetric_cycle".
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

    def __post_init__(self):
        for key, allowed in _CHOICES.items():
            if _value(self, key) not in allowed:
                raise SettingError(
                    f"{key}: expected one of {', '.join(allowed)}. Received: {_value(self, key)}"
                )
        for key, (low, high) in _RANGES.items():
            value = _value(self, key)
            # Written so that nan fails, too.
            if not low <= value <= high:
                raise SettingError(f"{key}: expected {low:g} to {high:g}. Received: {value}")
        if self.data.size % 32:
            raise SettingError(f"data.size: expected a multiple of 32. Received: {self.data.size}")


_CHOICES = {
    "method": ("asymmetric_cycle",),
    "network.upsampling": UPSAMPLINGS,
    "loss.adversarial": ADVERSARIAL,
    "train.precision": ("float32", "mixed_bfloat16"),
}
_RANGES = {
    "data.size": (32, 4096),
    "data.batch": (1, 1024),
    "data.scale": (1, 4),
    "network.filters": (1, 1024),
    "network.blocks": (1, 100),
    "network.inverse_filters": (1, 1024),
    "network.inverse_blocks": (1, 100),
    "network.discriminator_filters": (1, 1024),
    "network.part_filters": (1, 1024),
    "loss.relaxed": (0, 1e6),
    "loss.strict": (0, 1e6),
    "loss.local": (0, 1e6),
    "loss.style": (0, 1e6),
    "loss.anchor": (0, 1e6),
    "train.epochs": (1, 1_000_000),
    "train.steps_per_epoch": (0, 1_000_000_000),
    "train.learning_rate": (1e-12, 1),
    "train.discriminator_learning_rate": (1e-12, 1),
    "train.beta_1": (0, 0.9999),
    "train.decay_from": (0, 1),
    "train.pool": (0, 10_000),
    "train.average_decay": (0, 0.99999),
    "train.warm_start_steps": (0, 1_000_000_000),
    "train.seed": (0, 2**31),
}


def _value(recipe, key):
    for name in key.split("."):
        recipe = getattr(recipe, name)
    return recipe


def load_recipe(recipe: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Reads a recipe and applies overrides.

    Args:
        recipe: path of a TOML file, or the name of one that the package ships (`portrait.toml`).
        overrides: texts such as `loss.relaxed=5`.

    Returns:
        The recipe, every key checked.

    Raises:
        SettingError: the recipe does not exist or is not TOML, or a key or value does not fit.
    """
    path = _find(recipe)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: expected a TOML recipe. Received: {error}") from None
    for override in overrides:
        _override(values, override)
    return _fill(Recipe, values, "")


def _find(recipe):
    path = Path(recipe)
    # os.path answers False for names that are too long, where Path raises.
    if os.path.isfile(path):
        return path
    shipped = {file.name: file for file in sorted(RECIPES.glob("*.toml"))}
    name = path.name if path.suffix == ".toml" else f"{path.name}.toml"
    if str(recipe) in (name, path.stem) and name in shipped:
        return shipped[name]
    raise SettingError(
        "Recipe: expected a TOML file or the name of a shipped recipe. "
        f"{nearest(name, shipped)}Received: {recipe}"
    )


def _override(values, override):
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise SettingError(f"-s: expected key=value. Received: {override}")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise SettingError(f"-s: {section} holds no keys. Received: {override}")
    values[last] = value


def _fill(kind, values, prefix):
    known = {item.name: item for item in fields(kind)}
    hints = get_type_hints(kind)
    filled = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if key not in known:
            near = nearest(key, known if prefix else [*known, *_CHOICES, *_RANGES])
            raise SettingError(f"Recipe key {name} is unknown. {near}Received: {name}")
        if dataclasses.is_dataclass(hints[key]):
            if not isinstance(value, dict):
                raise SettingError(f"{name}: expected a section of keys. Received: {value!r}")
            filled[key] = _fill(hints[key], value, f"{name}.")
        else:
            filled[key] = _checked(name, value, hints[key])
    return kind(**filled)


def _checked(name, value, expected):
    if expected is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    # By type, not isinstance: a bool is an int there, but `epochs = true` is a mistake.
    if type(value) is not expected:
        raise SettingError(f"{name}: expected {expected.__name__}. Received: {value!r}")
    return value
