"""Prints pictures, one after the other: `portrait-demo --print-command`."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from keras_portrait.errors import SettingError

# Seconds that one print may take: `lp` only hands it over, but a photo printer's own tool may wait
# for the paper.
PRINT_SECONDS = 120.0
# A jammed printer must not print for an hour once it is mended.
MOST_WAITING = 8
# Seconds in which a print must end when the demo does.
_LAST_SECONDS = 1.0


class Printer:
    """Runs a command for each picture in a thread of its own, never two at once.

    The command never meets a shell, so that nothing in a path means anything.

    Args:
        command: words as a shell would split them. `{}` stands for the picture's path, which comes
            last where there is none.

    Raises:
        SettingError: the command cannot be split, or its program is not found.
    """

    def __init__(self, command: str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise SettingError(
                f"The print command cannot be split into words ({error}). "
                f"Expected one as for a shell, for example lp {{}}. Received: {command}"
            ) from error
        program = shutil.which(words[0]) if words else None
        if program is None:
            raise SettingError(
                "The program of the print command is not found. Expected one that is installed, "
                f"for example lp (apt install cups-client). Received: {command}"
            )
        self._words = [program, *words[1:]]
        if not any("{}" in word for word in self._words):
            self._words.append("{}")
        self._thread = threading.Thread(target=self._work, name="portrait printer", daemon=True)
        self._changed = threading.Condition()
        # Guarded by `_changed`:
        self._paths: deque[Path] = deque()  # the first one is being printed
        self._process: subprocess.Popen | None = None
        self._stopping = False

    @property
    def waiting(self) -> int:
        """How many pictures are not printed yet, with the one that is being printed."""
        with self._changed:
            return len(self._paths)

    def start(self, report: Callable[[str], None]) -> None:
        """Begins to print.

        Args:
            report: gets a line about each picture that was not printed.
        """
        self._report = report
        self._thread.start()

    def stop(self) -> None:
        """Ends what is being printed, and says what was not; may take two seconds."""
        with self._changed:
            self._stopping = True
            self._signal(signal.SIGTERM)
            self._changed.notify_all()
        self._thread.join(_LAST_SECONDS)
        with self._changed:
            self._signal(signal.SIGKILL)
        self._thread.join(_LAST_SECONDS)

    def put(self, path: Path) -> None:
        """Prints a picture when those before it are printed."""
        with self._changed:
            full = len(self._paths) == MOST_WAITING
            if not full:
                self._paths.append(path)
                self._changed.notify_all()
        if full:
            self._report(
                f"Not printed: {MOST_WAITING} pictures wait already. Received: {path.name}"
            )

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._paths or self._stopping)
                if not self._paths:
                    return
                path = self._paths[0]
            try:
                fault = self._print(path)
            except Exception as error:  # the pictures after it are printed, whatever happened
                fault = f"{type(error).__name__}: {error}".splitlines()[0]
            with self._changed:
                self._paths.popleft()
                if fault and self._stopping:
                    fault = "the demo has ended"
            if fault:
                self._report(f"Not printed: {fault}. Received: {path.name}")

    def _print(self, path: Path) -> str | None:
        """Runs the command; what went wrong, or None."""
        words = [word.replace("{}", str(path)) for word in self._words]
        # A file, not a pipe: what the command leaves running may hold a pipe open for ever.
        with tempfile.TemporaryFile() as said:
            try:
                if not self._begin(words, said):
                    return "the demo has ended"
                code = self._process.wait(PRINT_SECONDS)
            except OSError as error:
                return f"{words[0]} does not run ({error.strerror or error})"
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                # What runs as another user does not end; the next picture does not wait for it.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_LAST_SECONDS)
                return f"{words[0]} took more than {PRINT_SECONDS:g} seconds"
            finally:
                with self._changed:
                    self._process = None
            said.seek(0)
            lines = said.read(4096).decode(errors="replace").split("\n")
        told = " ".join(next((line for line in lines if line.strip()), "").split())
        return f"{words[0]} ended with code {code}{f' ({told})' if told else ''}" if code else None

    def _begin(self, words: list[str], said) -> bool:
        with self._changed:
            if self._stopping:
                return False
            # In a session of its own, Ctrl-C is ours alone, and its children end with it.
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
            return True

    def _signal(self, number: int) -> None:
        if self._process is not None:
            # It has ended already, or may not be ended: sudo made it another user's.
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, number)
