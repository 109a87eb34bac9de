"""How good drawings are: measures of presets, runs and baselines on the same photos."""

from keras_portrait.evaluation.evaluate import evaluate
from keras_portrait.evaluation.inputs import Source
from keras_portrait.evaluation.report.files import picture_path

__all__ = ["Source", "evaluate", "picture_path"]
