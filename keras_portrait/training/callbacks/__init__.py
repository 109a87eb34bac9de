"""What happens beside the steps of a training: logs, pictures, validation, checkpoints, a bar."""

from keras_portrait.training.callbacks.display import ProgressBar
from keras_portrait.training.callbacks.log import LossLog, RunPage, TensorBoardLog
from keras_portrait.training.callbacks.samples import SampleGrid
from keras_portrait.training.callbacks.state import (
    CheckpointWriter,
    FollowChief,
    StopRequest,
    StopWhenAsked,
    TrainingStopped,
)
from keras_portrait.training.callbacks.validation import Validation
from keras_portrait.training.optimizers import Progress

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
