"""How good drawings are: measures of presets, runs and baselines on the same photos."""

from .evaluate import evaluate
from .inputs import Source
from .photo_measures import picture_path

__all__ = ["Source", "evaluate", "picture_path"]
