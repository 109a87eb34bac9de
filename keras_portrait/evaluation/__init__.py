"""How good drawings are: measures of presets, runs and baselines on the same photos."""

from keras_portrait.report.evaluation_files import picture_path

from .evaluate import evaluate
from .inputs import Source

__all__ = ["Source", "evaluate", "picture_path"]
