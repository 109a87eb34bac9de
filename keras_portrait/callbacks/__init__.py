"""What happens beside the steps of a training: logs, pictures, validation, checkpoints, a bar."""

from keras_portrait.callbacks.display import ProgressBar
from keras_portrait.callbacks.log import LossLog, RunPage, TensorBoardLog
from keras_portrait.callbacks.samples import SampleGrid
from keras_portrait.callbacks.state import (
    CheckpointWriter,
    FollowChief,
    StopRequest,
    StopWhenAsked,
    TrainingStopped,
)
from keras_portrait.callbacks.validation import Validation
from keras_portrait.models.base import Progress

__all__ = [
    "CheckpointWriter",
    "FollowChief",
    "LossLog",
    "Progress",
    "ProgressBar",
    "RunPage",
    "SampleGrid",
    "StopRequest",
    "StopWhenAsked",
    "TensorBoardLog",
    "TrainingStopped",
    "Validation",
]
