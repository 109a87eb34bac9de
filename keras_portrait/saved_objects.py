"""Lets Keras load files that hold this package's layers and models, whoever imports Keras.

`keras.models.load_model` finds a class by its registered name, once the module that defines it was
imported. Importing them all here would load TensorFlow for those who only draw: Keras is told of
stand-ins instead, which import a module when a file asks for it.
"""

import importlib
import importlib.abc
import importlib.util
import sys

# Public methods -> module that defines them.
METHODS = {
    "AsymmetricCycle": "keras_portrait.models.asymmetric_cycle.model",
    "CycleGAN": "keras_portrait.models.cyclegan.model",
    "CartoonGAN": "keras_portrait.models.cartoongan.model",
    "DCGAN": "keras_portrait.models.dcgan.model",
    "Distillation": "keras_portrait.models.distillation.model",
    "Paired": "keras_portrait.models.paired.model",
}
# Registered name -> module that defines the class.
DEFINED_IN = {
    **dict.fromkeys(
        (
            *("AppendStyle", "Convolution2D", "DepthToSpace", "ImagePool"),
            *("InstanceNormalization", "PlaneWave", "ReflectionPadding2D", "SpectralConv2D"),
        ),
        "keras_portrait.layers",
    ),
    **dict.fromkeys(("CaffeNormalization", "ResizeLike"), "keras_portrait.perceptual.hed"),
    **dict.fromkeys(("LinearDecay", "StepDecay"), "keras_portrait.schedules"),
    "FusedAdam": "keras_portrait.training.optimizers",
    **METHODS,
}


def tell_keras() -> None:
    """Registers the stand-ins: now, or as soon as somebody imports Keras."""
    if getattr(sys.modules.get("keras"), "saving", None) is not None:
        _register()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _StandIn:
    """A class that is imported when a file asks for one.

    Args:
        name: of the class.
        module: that defines it.
    """

    def __init__(self, name: str, module: str):
        self.name, self.module = name, module

    def from_config(self, config):
        """An instance of the real class."""
        return getattr(importlib.import_module(self.module), self.name).from_config(config)


def _register():
    known = sys.modules["keras"].saving.get_custom_objects()
    for name, module in DEFINED_IN.items():
        # Importing a module puts the real class in the place of its stand-in.
        known.setdefault(f"keras_portrait>{name}", _StandIn(name, module))


class _Finder(importlib.abc.MetaPathFinder):
    """Sees the import of Keras once, and registers after it."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                _register()

            spec.loader.exec_module = exec_module
        return spec
