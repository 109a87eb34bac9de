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

from keras_portrait.errors import PortraitError, TruncatedPictureWarning

# What a shell shows of a program that ended because nobody reads its output: 128 and SIGPIPE.
_READER_GONE = 141
_ENCODING_ERRORS = "keras_portrait.as_the_system_knows_it"
# Windows reports a closed pipe as an invalid argument.
_GONE = (errno.EPIPE, errno.EINVAL, errno.ESHUTDOWN)


class _OutputLost(Exception):
    """Standard output takes no more; `__cause__` says why."""


def tell(text: object = "") -> None:
    """Prints a line of a command's result on standard output, at once.

    To be called within `running`, which ends the command where the line cannot be written.

    Args:
        text: anything that `str` turns into the line, such as a path.
    """
    if sys.stdout is None:  # it was closed before the command began
        return
    try:
        print(text, flush=True)
    except (OSError, ValueError) as error:
        raise _OutputLost from error


def tell_bytes(data: bytes) -> None:
    """Writes bytes, such as those of a picture, to standard output; otherwise as `tell`."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except (OSError, ValueError) as error:
        raise _OutputLost from error


def remark(text: object) -> None:
    """Prints a line on standard error; one that cannot be written is let go."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def truncations_told(tell_text: Callable[[str], None]) -> Iterator[None]:
    """Hands over the text of every `TruncatedPictureWarning`, instead of what Python does with it.

    Args:
        tell_text: called with each, in whichever thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", TruncatedPictureWarning)
        shown_before = warnings.showwarning

        def show(message, category, *rest, **options) -> None:
            if issubclass(category, TruncatedPictureWarning):
                tell_text(str(message))
            else:
                shown_before(message, category, *rest, **options)

        warnings.showwarning = show
        yield


@contextlib.contextmanager
def running(program: str) -> Iterator[None]:
    """Sees to what a command prints, from its begin to its end.

    Names that the terminal's encoding does not have are written as Python would write them, and
    bytes that are no text as they are. A `TruncatedPictureWarning` becomes one line. Where the
    reader of standard output is gone the command ends without a word, as others do; where its disk
    is full, with one line and exit code 2.

    Args:
        program: the command's name, which begins its remarks.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not so where a test took its place
            stream.reconfigure(errors=_ENCODING_ERRORS)
    with truncations_told(lambda text: remark(f"{program}: {text}")):
        try:
            try:
                yield
            finally:
                _flush()
        except _OutputLost as lost:
            error = lost.__cause__
            _discard_the_rest()
            if getattr(error, "errno", None) in _GONE:
                raise SystemExit(_READER_GONE) from None
            reason = getattr(error, "strerror", None) or error
            remark(
                f"{program}: Cannot write the result to standard output; files that were made are "
                f"there. Received: {reason}"
            )
            raise SystemExit(PortraitError.exit_code) from None


def _flush() -> None:
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except (OSError, ValueError) as error:
            raise _OutputLost from error


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
    return repr(character)[1:-1].encode("ascii", "backslashreplace").decode(), error.start + 1


codecs.register_error(_ENCODING_ERRORS, _encode_what_is_not_there)
