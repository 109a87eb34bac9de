"""The methods: a folder each, and nothing about one elsewhere.

A method's folder holds `model.py`, a Keras model with its `train_step`; `config.py`, the dataclass
of its recipe, handed on as `RECIPE`; `experiment.py`, how it is trained on prepared pictures, as
`EXPERIMENT`; and `recipes/*.toml`. A folder that is put here is a method.
"""

import importlib
import pkgutil
from pathlib import Path

from keras_portrait.recipe import Recipe

_added: dict[str, type[Recipe]] = {}


def methods() -> dict[str, type[Recipe]]:
    """The recipe class of every method, by the method's name, in alphabetical order."""
    folders = (found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)
    configs = (importlib.import_module(f"{__name__}.{name}.config") for name in folders)
    kinds = [*(config.RECIPE for config in configs), *_added.values()]
    return dict(sorted((kind().method, kind) for kind in kinds))


def add_method(kind: type[Recipe]) -> None:
    """Makes a method known that lies outside of this package.

    Args:
        kind: the class of its recipe; its `experiment` is the class that trains it.
    """
    _added[kind().method] = kind


def recipe_files() -> dict[str, Path]:
    """The recipes that methods bring, by their file names, in alphabetical order."""
    folders = [Path(place) for place in __path__]
    files = [file for folder in folders for file in folder.glob("*/recipes/*.toml")]
    return {file.name: file for file in sorted(files, key=lambda file: file.name)}
