"""Silence for libraries that write to stderr from compiled code, where Python cannot stop them."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Drops what is written to stderr meanwhile, such as what TensorFlow says when it starts.

    Exceptions pass, and are reported after it.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no stderr
        yield
        return
    with open(os.devnull, "wb") as dropped:
        os.dup2(dropped.fileno(), 2)
    try:
        yield
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
