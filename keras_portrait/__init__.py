"""Turn a photo of a face into a line portrait, and train what draws it.

`Stylizer` draws, `load_data` and the methods train; the names below are imported when they are
first touched, so that `import keras_portrait` stays quick and never loads TensorFlow.
"""

import importlib

from keras_portrait import saved_objects

__version__ = "0.2.0"

# Public name -> module that defines it.  Strings, so that importing this package imports none.
_DRAWING = {
    "Stylizer": "keras_portrait.inference.stylizer",
    "PortraitError": "keras_portrait.errors",
    "InputError": "keras_portrait.errors",
    "SettingError": "keras_portrait.errors",
    "MissingExtra": "keras_portrait.errors",
}
# These need Keras, so that `from keras_portrait import *` leaves them out.
_TRAINING = {
    "load_data": "keras_portrait.data.training_data",
    **saved_objects.METHODS,
}

_DEFINED_IN = {**_DRAWING, **_TRAINING}

__all__ = ["__version__", *_DRAWING]


def __getattr__(name: str):
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_DEFINED_IN[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_DEFINED_IN})


saved_objects.tell_keras()
