"""Small files read with care: no device, no pipe, nothing larger than it can be."""

import errno
import json
import os
import stat
from pathlib import Path

# Bytes that a file of JSON has at most; those of this package have some thousands.
MOST_TEXT = 2**24


def read_bounded(path: Path, limit: int = MOST_TEXT) -> bytes:
    """Reads a file.

    Args:
        path: where it lies; a link is followed.
        limit: bytes that it may have.

    Raises:
        OSError: it is missing, cannot be read, is no regular file (a pipe blocks, a device never
            ends), or is longer; `strerror` says which.
    """
    try:
        # Not blocking, so that a pipe nobody writes to is opened and then refused.
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except ValueError:  # a name with a zero byte
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path)) from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        # Not up to the limit: Python would ask for all of that memory at once.
        data = file.read(found.st_size + 1) if found.st_size <= limit else None
    if data is None or len(data) > limit:
        raise OSError(errno.EFBIG, f"More than {limit} bytes", str(path))
    return data


def parse_json(text: str | bytes) -> object:
    """Reads JSON.

    Raises:
        ValueError: it is none, or is nested deeper than Python can follow.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
