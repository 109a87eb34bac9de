"""Checkpoints of a training: the whole state, written whole, checked before it is used."""

import contextlib
import errno
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keras_portrait.errors import InputError
from keras_portrait.files import file_sha256, whole_file, write_whole

if TYPE_CHECKING:
    import keras

# Checkpoints that stay: the newest, and the one before it in case the newest is damaged.
KEPT = 2
# Bytes that HDF5 needs for an array beside its values, its share of the groups' tables included.
HDF5_OVERHEAD = 2000
_NAME = re.compile(r"checkpoint-(\d+)\.weights\.h5")


@dataclass(frozen=True)
class Checkpoint:
    """The state after a number of steps.

    Attributes:
        step: steps that were taken.
        path: the `.weights.h5` file: networks, optimizers, pools, progress, random state.
    """

    step: int
    path: Path

    @property
    def digest_path(self) -> Path:
        """The file beside it that holds its SHA-256."""
        return self.path.with_name(f"{self.path.name}.sha256")


def list_checkpoints(folder: Path) -> list[Checkpoint]:
    """The checkpoints in a run folder, oldest first."""
    found = ((_NAME.fullmatch(path.name), path) for path in folder.glob("checkpoint-*"))
    return sorted(
        (Checkpoint(int(match[1]), path) for match, path in found if match),
        key=lambda checkpoint: checkpoint.step,
    )


def newest_step(folder: Path) -> int:
    """The steps of the newest checkpoint in a run folder; -1 where there is none."""
    return max((checkpoint.step for checkpoint in list_checkpoints(folder)), default=-1)


def wait_for_checkpoint(folder: Path, step: int, seconds: float) -> None:
    """Waits, on a disk that shows late what other machines write, as NFS does.

    Args:
        folder: the run folder.
        step: what `newest_step` is on the machine that writes.
        seconds: after which it is taken for another disk, and nothing is done.
    """
    deadline = time.monotonic() + seconds
    while newest_step(folder) != step and time.monotonic() < deadline:
        time.sleep(0.5)


def save_checkpoint(model: "keras.Model", folder: Path, step: int) -> None:
    """Writes the state of a model, then forgets all but the newest checkpoints.

    Args:
        model: compiled and built.
        folder: the run folder.
        step: steps that were taken.

    Raises:
        InputError: it cannot be written, for example because the disk is full; the former
            checkpoints are still there then.
    """
    checkpoint = Checkpoint(step, folder / f"checkpoint-{step:08d}.weights.h5")
    with whole_file(checkpoint.path, durable=True) as part:
        _require_space(model, folder)
        model.save_weights(part)
        # The sum first: a checkpoint that is there can always be checked.
        write_whole(checkpoint.digest_path, file_sha256(part).encode())
    for old in list_checkpoints(folder)[:-KEPT]:
        # One that cannot be removed is in nobody's way: the newest is used.
        with contextlib.suppress(OSError):
            old.path.unlink()
            old.digest_path.unlink(missing_ok=True)


def _warn(line):
    print(line, file=sys.stderr)


def restore_checkpoint(
    model: "keras.Model", folder: Path, warn: Callable[[str], None] = _warn
) -> int:
    """Loads the newest checkpoint that is whole.

    Args:
        model: compiled and built as the saved one was.
        folder: the run folder.
        warn: called with a line of text for each damaged checkpoint that is passed over.

    Returns:
        The steps that were taken; 0 where there is no checkpoint.

    Raises:
        InputError: every checkpoint is damaged.
    """
    checkpoints = list_checkpoints(folder)
    faults = []
    for checkpoint in reversed(checkpoints):
        fault = _fault(checkpoint)
        if fault is None:
            try:
                model.load_weights(checkpoint.path)
                return checkpoint.step
            except Exception as error:  # of a forged file HDF5 may say anything
                fault = (str(error).strip() or type(error).__name__).splitlines()[0]
        faults.append(f"{checkpoint.path}: expected a whole checkpoint. Received: {fault}")
        if checkpoint is not checkpoints[0]:
            warn(f"{faults[-1]}; the one before it is used")
    if faults:
        raise InputError(faults[-1])
    return 0


def _require_space(model, folder):
    """Fails before anything is written: HDF5 does not end well on a disk that fills up."""
    optimizers = (getattr(model, f"{name}_optimizer") for name in _groups(model))
    variables = [*model.variables, *(v for one in optimizers for v in one.variables)]
    # HDF5 adds its own: the names, and a margin.
    needed = sum(math.prod(v.shape) * 4 + HDF5_OVERHEAD for v in variables)
    needed = max([needed, *(c.path.stat().st_size for c in list_checkpoints(folder)[-1:])])
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _groups(model):
    groups = getattr(model, "trainable_groups", dict)
    return groups()


def _fault(checkpoint):
    """What is wrong with a checkpoint's file, or None."""
    try:
        expected = checkpoint.digest_path.read_text(encoding="ascii").strip()
        if file_sha256(checkpoint.path) == expected:
            return None
    except (OSError, ValueError) as error:
        return f"no {checkpoint.digest_path.name} to check it by ({type(error).__name__})"
    return "a truncated or altered file"
