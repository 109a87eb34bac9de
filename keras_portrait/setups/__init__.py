"""What training must know of each method: its pictures, networks, optimizers and samples."""

import importlib

from keras_portrait.setups.base import Phase, Setup

__all__ = ["Phase", "Setup", "setup_for"]

_SETUPS = {
    "asymmetric_cycle": ("keras_portrait.setups.portrait", "PortraitSetup"),
    "dcgan": ("keras_portrait.setups.dcgan", "DCGANSetup"),
    "cyclegan": ("keras_portrait.setups.cyclegan", "CycleGANSetup"),
    "cartoongan": ("keras_portrait.setups.cartoongan", "CartoonGANSetup"),
    "distillation": ("keras_portrait.setups.distillation", "DistillationSetup"),
    "paired": ("keras_portrait.setups.paired", "PairedSetup"),
}


def setup_for(recipe, data) -> Setup:
    """The setup of a recipe's method.

    Args:
        recipe: a recipe of `settings`.
        data: path of the data folder.

    Raises:
        InputError: the data folder cannot be used.
        SettingError: recipe and pictures do not fit.
    """
    module, name = _SETUPS[recipe.method]
    return getattr(importlib.import_module(module), name)(recipe, data)
