"""Loads what needs Keras, without what TensorFlow says when it starts."""

import importlib
import logging
import os
from types import ModuleType

from keras_portrait.errors import MissingExtra
from keras_portrait.inference.litert.silence import silent_stderr
from keras_portrait.recipe import check_backend


def import_with_keras(name: str, purpose: str) -> ModuleType:
    """Imports a module that needs Keras.

    Args:
        name: of the module.
        purpose: what needs it, the beginning of the text of an error.

    Raises:
        SettingError: KERAS_BACKEND names a backend that nothing here runs on.
        MissingExtra: Keras, or another package that training needs, is not installed.
    """
    # TensorFlow reports its optimizations of the graph as errors, in the middle of the bar.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Batches of several shapes are traced several times, which it warns of.
    logger = logging.getLogger("tensorflow")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    # Before Keras is imported, which knows no other answer to a wrong name than a traceback.
    check_backend(os.environ.get("KERAS_BACKEND", "tensorflow"))
    try:
        with silent_stderr():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f'{purpose} needs {error.name}. Install it with: pip install "keras-portrait[train]"'
        ) from None
