"""Ways to draw for the tests of bulk jobs; opened in worker processes, which import this file.

A "photo" is any bytes, and its drawing the same bytes behind `PREFIX`.
"""

import os
import signal
import time
from pathlib import Path

PREFIX = b"drawn "


def plain(options):
    return lambda photo: PREFIX + photo


def longer(options):
    return lambda photo: PREFIX + photo + b" longer"


def slow(seconds, options):
    def draw(photo):
        time.sleep(seconds)
        return PREFIX + photo

    return draw


def killed_once(folder, options):
    """The first process to see a photo of b"kill once ..." is killed by it."""

    def draw(photo):
        if photo.startswith(b"kill once") and not Path(folder, "killed").exists():
            Path(folder, "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return PREFIX + photo

    return draw


def killed_always(options):
    """Every process that sees a photo of b"kill ..." is killed by it; others may meet a fault."""

    def draw(photo):
        if photo.startswith(b"kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if photo.startswith(b"fault"):
            raise ZeroDivisionError("a fault\nof two lines")
        if photo.startswith(b"hang"):
            time.sleep(60)
        return PREFIX + photo

    return draw


def never_ready(options):
    os._exit(7)
