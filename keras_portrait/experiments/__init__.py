"""The papers' experiments: which runs, measures and figures, and what conducts them.

An experiment is a file in `catalogue/` that declares it as `EXPERIMENT`; a file that is put there
is an experiment.
"""

import importlib
import pkgutil

from keras_portrait.errors import SettingError, nearest
from keras_portrait.experiments import catalogue
from keras_portrait.experiments.declaration import Declaration


def experiments() -> dict[str, Declaration]:
    """Every experiment by its name, in alphabetical order."""
    names = sorted(found.name for found in pkgutil.iter_modules(catalogue.__path__))
    modules = [importlib.import_module(f"{catalogue.__name__}.{name}") for name in names]
    return {module.EXPERIMENT.name: module.EXPERIMENT for module in modules}


def find_experiment(name: str) -> Declaration:
    """An experiment by its name.

    Raises:
        SettingError: there is none of that name.
    """
    known = experiments()
    if name not in known:
        raise SettingError(f"No such experiment. {nearest(name, known)}Received: {name}")
    return known[name]
