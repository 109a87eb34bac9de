"""Reads recipes: a TOML file and `key=value` overrides fill the dataclass of a method."""

import os
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

from keras_portrait.errors import SettingError, nearest
from keras_portrait.files import read_bounded
from keras_portrait.models import methods, recipe_files
from keras_portrait.recipe import Recipe

# The method of a recipe that names none.
DEFAULT = "asymmetric_cycle"


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
        values = tomllib.loads(read_bounded(path).decode())
    # ValueError: no TOML, no UTF-8, or a number of more digits than Python takes.
    except (OSError, ValueError, RecursionError) as error:
        raise SettingError(f"{path}: expected a TOML recipe. Received: {error}") from None
    for override in overrides:
        _override(values, override)
    return recipe_from(values)


def recipe_from(values: dict) -> Recipe:
    """The recipe whose values a run folder's `options.json` holds.

    Args:
        values: sections and keys, as `recipe.as_options` gives them.

    Raises:
        SettingError: a key or value does not fit.
    """
    return _fill(_kind(values), values, "")


def _kind(values):
    """The dataclass of the recipe's method."""
    method, known = values.get("method", DEFAULT), methods()
    if not isinstance(method, str) or method not in known:
        raise SettingError(f"method: expected one of {', '.join(known)}. Received: {method}")
    return known[method]


def _find(recipe):
    path = Path(recipe)
    # os.path answers False for names that are too long, where Path raises.
    if os.path.isfile(path):
        return path
    shipped = recipe_files()
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
    except (ValueError, RecursionError):
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
            near = nearest(key, known if prefix else _keys(kind))
            raise SettingError(f"Recipe key {name} is unknown. {near}Received: {name}")
        if is_dataclass(hints[key]):
            if not isinstance(value, dict):
                raise SettingError(f"{name}: expected a section of keys. Received: {value!r}")
            filled[key] = _fill(hints[key], value, f"{name}.")
        else:
            filled[key] = _checked(name, value, hints[key])
    return kind(**filled)


def _keys(kind, prefix=""):
    """The names of all keys, those of sections with the section's name in front."""
    for name, hint in get_type_hints(kind).items():
        yield f"{prefix}{name}"
        if is_dataclass(hint):
            yield from _keys(hint, f"{prefix}{name}.")


def _checked(name, value, expected):
    if expected is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    if expected == tuple[int, ...]:
        if not isinstance(value, list) or any(type(item) is not int for item in value):
            raise SettingError(f"{name}: expected a list of whole numbers. Received: {value!r}")
        return tuple(value)
    if expected == tuple[str, ...]:
        if not isinstance(value, list) or any(type(item) is not str for item in value):
            raise SettingError(f"{name}: expected a list of words. Received: {value!r}")
        return tuple(value)
    if expected == dict[str, str]:
        if not isinstance(value, dict) or any(type(item) is not str for item in value.values()):
            raise SettingError(f"{name}: expected a section of words. Received: {value!r}")
        return value
    # By type, not isinstance: a bool is an int there, but `epochs = true` is a mistake.
    if type(value) is not expected:
        raise SettingError(f"{name}: expected {expected.__name__}. Received: {value!r}")
    return value
