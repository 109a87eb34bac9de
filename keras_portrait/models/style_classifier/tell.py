"""What a trained style classifier says of a drawing that it was not given in its training."""

import os
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_portrait.errors import InputError
from keras_portrait.inference.imaging import to_signed
from keras_portrait.models.load_recipe import recipe_from
from keras_portrait.models.style_classifier.data import drawing_view
from keras_portrait.models.style_classifier.experiment import build_trunk
from keras_portrait.models.style_classifier.networks import texture_statistics
from keras_portrait.training.run_folder import read_options
from keras_portrait.training.saved_generator import load_model

CLASSIFIER_NAME = "classifier.keras"


class StyleTeller:
    """Tells the style vector of drawings.

    Args:
        run: run folder of a style classifier.

    Attributes:
        styles: names of the styles, in the order of the vector.

    Raises:
        InputError: the run folder holds no classifier, or a broken one.
        MissingExtra: the weights of its trunk are not there.
    """

    def __init__(self, run: str | Path):
        run = Path(run)
        options = read_options(run)
        if options is None or not os.path.isfile(run / CLASSIFIER_NAME):
            raise InputError(
                f"Expected the run folder of a style classifier, which holds {CLASSIFIER_NAME}. "
                f"Received: {run}"
            )
        self._recipe = recipe_from(options["recipe"])
        self.styles = list(options["styles"])
        former = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self._recipe.train.precision)
        try:
            self._trunk = build_trunk(self._recipe.network)
        finally:
            keras.config.set_dtype_policy(former)
        self._head = load_model(run / CLASSIFIER_NAME)

    def __call__(self, square: np.ndarray) -> np.ndarray:
        """The share of each style in a drawing.

        Args:
            square: uint8 (S, S), dark lines on white paper, as it was trained on.

        Returns:
            float64 (K,), 1 together.
        """
        view = to_signed(drawing_view(square, self._recipe.data))
        statistics = texture_statistics(self._trunk(view[None, ..., None]))
        logits = ops.convert_to_numpy(self._head(statistics, training=False))[0]
        raised = np.exp(np.float64(logits) - logits.max())
        return raised / raised.sum()
