"""What recipes hold: frozen dataclasses, a recipe for each method."""

from keras_portrait.settings.avatars import (
    DCGAN_SIZE,
    CartoonGANRecipe,
    CartoonGANWeights,
    CycleGANRecipe,
    CycleGANWeights,
    DCGANRecipe,
    PictureSettings,
)
from keras_portrait.settings.base import Recipe
from keras_portrait.settings.distillation import DistillationRecipe
from keras_portrait.settings.paired import WAVES, PairedRecipe
from keras_portrait.settings.portrait import (
    ADVERSARIAL,
    STYLE_INPUTS,
    UPSAMPLINGS,
    AsymmetricCycleRecipe,
    AsymmetricCycleWeights,
    DataSettings,
)
from keras_portrait.settings.style import (
    StyleClassifierRecipe,
    StyleDataSettings,
    StyleNetworkSettings,
)

__all__ = [
    "ADVERSARIAL",
    "AsymmetricCycleRecipe",
    "AsymmetricCycleWeights",
    "CartoonGANRecipe",
    "CartoonGANWeights",
    "CycleGANRecipe",
    "CycleGANWeights",
    "DCGANRecipe",
    "DCGAN_SIZE",
    "DataSettings",
    "DistillationRecipe",
    "PairedRecipe",
    "PictureSettings",
    "Recipe",
    "StyleClassifierRecipe",
    "StyleDataSettings",
    "STYLE_INPUTS",
    "StyleNetworkSettings",
    "UPSAMPLINGS",
    "WAVES",
]
