"""Nothing is lost: checkpoints on the way, and a clean stop when somebody asks for one."""

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import keras

from keras_portrait.files import make_folder, whole_file
from keras_portrait.training.checkpoints import list_checkpoints, save_checkpoint


class TrainingStopped(KeyboardInterrupt):
    """A training that stopped when it was asked to, its state saved.

    Attributes:
        step: steps that were taken; 0 where it stopped before the first one.
    """

    def __init__(self, step: int):
        super().__init__(f"stopped after step {step}" if step else "stopped before the first step")
        self.step = step


class StopRequest:
    """Notes Ctrl-C and SIGTERM instead of breaking off in the middle of a step.

    A context manager. The second of them breaks off at once.

    Args:
        exchange: hands a number to all workers of the training and returns the numbers of all;
            None where there is but one.

    Attributes:
        asked: whether somebody asked the training to stop.
    """

    def __init__(self, exchange: Callable[[int], list[int]] | None = None):
        self.asked = False
        self.exchange = exchange
        self._agreed = False
        self._former = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def consult(self) -> None:
        """Asks the other workers, so that all stop after the same step; all must call it."""
        if self.exchange is not None:
            self._agreed = any(self.exchange(int(self.asked)))

    @property
    def stops(self) -> bool:
        """Whether the training stops now: somebody asked, and the workers have consulted since."""
        return self.asked if self.exchange is None else self._agreed

    def check_stop(self, step: int = 0) -> None:
        """Stops the training where somebody asked for it.

        Args:
            step: steps whose outcome is saved.

        Raises:
            TrainingStopped: somebody asked.
        """
        if self.stops:
            raise TrainingStopped(step)

    def _note(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("Stopping after this step; Ctrl-C again stops at once.", file=sys.stderr)


class StopWhenAsked(keras.callbacks.Callback):
    """Stops after the present step, nothing saved: for what is short and is done again.

    Args:
        request: `StopRequest`.
    """

    def __init__(self, request: StopRequest):
        super().__init__()
        self.request = request

    def on_train_batch_end(self, batch, logs=None):
        """Stops where it was asked for."""
        self.request.consult()
        self.request.check_stop()


class FollowChief(keras.callbacks.Callback):
    """Stops where `CheckpointWriter` of the chief does, and writes nothing: for other workers.

    Args:
        start: steps that a former start has taken.
        steps_per_epoch: int.
        request: `StopRequest`.
    """

    def __init__(self, start: int, steps_per_epoch: int, request: StopRequest):
        super().__init__()
        self.step = start
        self.steps_per_epoch = steps_per_epoch
        self.request = request

    def on_train_batch_end(self, batch, logs=None):
        """Stops where any worker was asked to."""
        self.step += 1
        self.request.consult()
        if self.step % self.steps_per_epoch:
            self.request.check_stop(self.step)

    def on_epoch_end(self, epoch, logs=None):
        """Stops after the losses of the epoch are gathered."""
        self.request.check_stop(self.step)


class CheckpointWriter(keras.callbacks.Callback):
    """Saves the whole state on the way, and the generator after every epoch.

    Must be the last of the callbacks that write: what lies beside a checkpoint is then never older
    than it.

    Args:
        folder: run folder. `checkpoint-NNNNNNNN.weights.h5` holds everything that a restart needs;
            `generator.keras` is the generator as it is exported, `generators/epoch-NNNN.keras`
            that of former epochs.
        start: steps that a former start has taken.
        steps_per_epoch: int.
        every: int, steps between two checkpoints within an epoch.
        keep_every: int, epochs after which the generator is kept for good.
        request: `StopRequest`.
    """

    def __init__(
        self,
        folder: Path,
        start: int,
        steps_per_epoch: int,
        every: int,
        keep_every: int,
        request: StopRequest,
    ):
        super().__init__()
        self.folder = folder
        self.step = start
        self.steps_per_epoch = steps_per_epoch
        self.every = every
        self.keep_every = keep_every
        self.request = request

    def on_train_begin(self, logs=None):
        """Saves the start, so that a restart does not repeat the warm start."""
        if not list_checkpoints(self.folder):
            save_checkpoint(self.model, self.folder, self.step)

    def on_epoch_begin(self, epoch, logs=None):
        """Notes where the epoch begins, or what is left of it."""
        self.begun = self.step

    def on_train_batch_end(self, batch, logs=None):
        """Saves now and then, and stops where it was asked for."""
        # Several steps may have been taken at once; `batch` is the last of them.
        before, self.step = self.step, self.begun + batch + 1
        self.request.consult()
        if self.step % self.steps_per_epoch == 0:
            return  # the end of the epoch sees to it
        if self.request.stops or self.step // self.every > before // self.every:
            save_checkpoint(self.model, self.folder, self.step)
        self.request.check_stop(self.step)

    def on_epoch_end(self, epoch, logs=None):
        """Saves the epoch, and stops where it was asked for."""
        generator = self.model.averaged_generator
        kept = self.folder / "generators" / f"epoch-{epoch + 1:04d}.keras"
        if (epoch + 1) % self.keep_every == 0:
            make_folder(kept.parent)
            save_network(generator, kept)
        for name, network in self.model.exported().items():
            save_network(network, self.folder / f"{name}.keras")
        # The checkpoint last: it says that the epoch is finished.
        save_checkpoint(self.model, self.folder, self.step)
        self.request.check_stop(self.step)


def save_network(network: keras.Model, path: Path) -> None:
    """Saves a network as a `.keras` file, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    with whole_file(path, durable=True) as part:
        network.save(part)
