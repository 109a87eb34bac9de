"""A bar over the whole training, with the time left and the losses that matter most."""

import time

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

# Seconds over which the speed is averaged: an epoch's end, with its pictures, should not alarm.
_SPEED_SPAN = 600.0
# Characters of the bar.
_BAR = 12


class ProgressBar(keras.callbacks.Callback):
    """Shows steps, time left and losses; on a terminal as a bar, and a line after every epoch.

    Args:
        phase: str, what is going on.
        start: steps that a former start has taken.
        total: steps of the whole phase.
        epochs: epochs of the whole phase.
    """

    def __init__(self, phase: str, start: int, total: int, epochs: int):
        super().__init__()
        self.phase = phase
        self.step = start
        self.total = total
        self.epochs = epochs
        self.console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

    def on_train_begin(self, logs=None):
        """Opens the bar."""
        self.started, self.first = time.monotonic(), self.step
        self.bar = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=_BAR),
            MofNCompleteColumn(
                table_column=Column(no_wrap=True, min_width=len(f"{self.total}") * 2)
            ),
            TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=len("0:00:00"))),
            # What is left of the line: on a narrow terminal the losses are cut.
            TextColumn(
                "{task.fields[losses]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
            speed_estimate_period=_SPEED_SPAN,
            expand=True,
        )
        self.task = self.bar.add_task(
            self.phase, total=self.total, completed=self.step, losses="tracing ..."
        )
        self.bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        """Names the epoch."""
        self.begun = self.step
        self.bar.update(self.task, description=f"{self.phase} {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        self.step = self.begun + batch + 1
        self.bar.update(self.task, completed=self.step, losses=self._losses(logs))

    def on_epoch_end(self, epoch, logs=None):
        """Prints a line that stays."""
        left = (self.total - self.step) * self._seconds_per_step()
        self.console.print(
            f"{self.phase} {epoch + 1}/{self.epochs}  step {self.step}/{self.total}  "
            f"{_duration(left)} left  {self._losses(logs)}"
        )

    def on_train_end(self, logs=None):
        """Takes the bar away."""
        self.close()

    def close(self):
        """Takes the bar away where the training was broken off."""
        if hasattr(self, "bar"):
            self.bar.stop()

    def _seconds_per_step(self):
        return (time.monotonic() - self.started) / max(self.step - self.first, 1)

    def _losses(self, logs):
        names = [name for name in self.model.headline_names if name in (logs or {})]
        return "  ".join(f"{name} {float(logs[name]):.3f}" for name in names)


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
