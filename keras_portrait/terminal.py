"""What commands print: results on standard output, remarks on standard error.

Neither a name that the terminal cannot show, nor a reader that is gone, nor a full disk behind the
output may take a command down after its work: what was drawn is drawn.
"""

import codecs
import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TextIO

from keras_portrait.errors import PictureWarning, PortraitError

# What a shell shows of a program that ended because nobody reads its output: 128 and SIGPIPE.
_READER_GONE = 141
# Windows reports a closed pipe as an invalid argument.
_GONE = (errno.EPIPE, errno.EINVAL, errno.ESHUTDOWN)
# Seconds between two numbers on one line.
_SHOWN_EVERY = 0.1
_ENCODING_ERRORS = "keras_portrait.written_out"


class OutputLost(Exception):
    """Standard output takes no more; `__cause__` says why.

    It is no OSError, which argparse and click keep to themselves.
    """


def tell(text: object = "") -> None:
    """Prints a line of a command's result on standard output, at once.

    Args:
        text: anything that `str` turns into the line, such as a path.
    """
    print(text, flush=True)


def tell_bytes(data: bytes) -> None:
    """Writes bytes, such as those of a picture, to standard output."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except (OSError, ValueError) as error:
        raise OutputLost from error


def remark(text: object) -> None:
    """Prints a line on standard error; one that cannot be written is let go."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def amount_shown(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows how many bytes have come, on a line of a terminal that is gone at the end.

    Args:
        what: what comes.
        total: bytes of it all; None where nobody knows.

    Yields:
        A function that takes the bytes that are there; nothing is shown where standard error is no
        terminal.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    end, shown_at = "" if total is None else f" of {total / 1e6:.1f}", -1.0

    def show(done: int) -> None:
        nonlocal shown_at
        if is_terminal and monotonic() - shown_at >= _SHOWN_EVERY:
            shown_at = monotonic()
            _write_over(f"{what}: {done / 1e6:.1f}{end} MB")

    try:
        yield show
    finally:
        if shown_at >= 0:
            _write_over("")


def _write_over(text: str) -> None:
    """Writes over the line that the cursor of a terminal is in."""
    with contextlib.suppress(OSError, ValueError):
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def running(program: str) -> Iterator[None]:
    """Sees to all that a command prints, with `tell` or otherwise, from its begin to its end.

    Names that the terminal's encoding does not have are written as Python would write them, and
    bytes that are no text as they are. A `PictureWarning` becomes one line. Where the
    reader of standard output is gone the command ends without a word, as others do; where its disk
    is full, with one line and exit code 2. What standard error does not take is let go.

    Args:
        program: the command's name, which begins its remarks.
    """
    _open_closed_files()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Results(sys.stdout), _Remarks(sys.stderr)
    try:
        with picture_warnings(_once(lambda text: remark(f"{program}: {text}"))):
            try:
                yield
            finally:
                sys.stdout.flush()
    except OutputLost as lost:
        error = lost.__cause__
        _discard_the_rest()
        if getattr(error, "errno", None) in _GONE:
            raise SystemExit(_READER_GONE) from None
        remark(
            f"{program}: Cannot write the result to standard output; files that were made are "
            f"there. Received: {getattr(error, 'strerror', None) or error}"
        )
        raise SystemExit(PortraitError.exit_code) from None
    finally:
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def picture_warnings(tell_text: Callable[[str], None]) -> Iterator[None]:
    """Hands over the text of every `PictureWarning`, instead of what Python does with it.

    Args:
        tell_text: called with each, in whichever thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", PictureWarning)
        shown_before = warnings.showwarning

        def show(message, category, *rest, **options) -> None:
            if issubclass(category, PictureWarning):
                tell_text(str(message))
            else:
                shown_before(message, category, *rest, **options)

        warnings.showwarning = show
        yield


def _once(tell_text: Callable[[str], None]) -> Callable[[str], None]:
    """Passes on each text the first time: the demo shows the photos of a folder again and again."""
    told = set()

    def pass_on(text: str) -> None:
        if text not in told:
            told.add(text)
            tell_text(text)

    return pass_on


class _Results:
    """Standard output whose errors reach `running`, and that knows every character.

    Args:
        stream: what was standard output; None where it was closed before the command began.
    """

    def __init__(self, stream: TextIO | None):
        self._stream = open(os.devnull, "w") if stream is None else stream
        if stream is None:
            # Lines that nobody wants to see may go; a picture that nobody can see may not.
            self.buffer = _Closed()
        if hasattr(self._stream, "reconfigure"):  # not so where a test took its place
            self._stream.reconfigure(errors=_ENCODING_ERRORS)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._written(self._stream.write, text)

    def flush(self) -> None:
        self._written(self._stream.flush)

    def _written(self, write: Callable, *arguments):
        try:
            return write(*arguments)
        except (OSError, ValueError) as error:  # a closed stream raises the second
            raise OutputLost from error


class _Remarks(_Results):
    """Standard error, which lets go what it cannot write."""

    def _written(self, write: Callable, *arguments):
        with contextlib.suppress(OSError, ValueError):
            return write(*arguments)


class _Closed:
    def write(self, data: bytes) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _open_closed_files() -> None:
    """Gives the three standard files a number of their own where they were closed.

    The next file that the command opens would get it, and all that compiled code prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _discard_the_rest() -> None:
    """Points standard output nowhere: Python writes what is buffered once more when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _encode_what_is_not_there(error: UnicodeError) -> tuple[str | bytes, int]:
    """Stands in for characters that an encoding lacks; see `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    # How Python holds a byte of a file name that is no text.
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return character.encode("ascii", "backslashreplace").decode(), error.start + 1


codecs.register_error(_ENCODING_ERRORS, _encode_what_is_not_there)
