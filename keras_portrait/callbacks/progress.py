"""How far a training is, told to the model."""

import keras


class Progress(keras.callbacks.Callback):
    """Tells the model how far the training is, 0 at the first epoch.

    Args:
        epochs: int, N of the paper's schedule; epoch i of 0..N-1 has progress i / N.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the progress for the epoch."""
        self.model.progress.assign(epoch / self.epochs)
