"""Puts finished presets where they belong, all or none."""

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import UNFINISHED_PREFIX
from keras_portrait.inference.metadata import FILE_NAME

MODEL_FILE = "generator.tflite"


def install(folders: dict[Path, Path]) -> None:
    """Copies finished presets to where they belong: all beside it first, then in one go.

    Args:
        folders: folder that holds a preset -> folder to make, or to replace the preset in.

    Raises:
        InputError: a folder cannot be written to; what was there is still there.
    """
    parts = {}
    try:
        for build, folder in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            for name in (MODEL_FILE, FILE_NAME):
                part = folder / f"{UNFINISHED_PREFIX}{os.getpid()}-{name}"
                parts[part] = folder / name
                shutil.copyfile(build / name, part)
        with _uninterrupted():
            for part, path in parts.items():
                os.replace(part, path)
    except OSError as error:
        raise InputError(
            f"Cannot write the preset ({error.strerror}). Received: {folder}"
        ) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Lets Ctrl-C wait: a model and the metadata of another one would be refused."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting = []
    former = signal.signal(signal.SIGINT, lambda *_: waiting.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
    if waiting:
        raise KeyboardInterrupt
