"""Photos that arrive in a folder, each when it is wholly written.

The folder is looked through again and again. Systems have ways to be told of new files, but none
that works on network disks, where what another machine writes is not told, and none that says that
a file is whole. Size and time of change do, on every disk.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import DRAWING_SUFFIX
from keras_portrait.inference.folders import PassedOver, is_picture, walk_files

# Seconds for which a file must stand still until it is taken for a broken one that stays so: what
# crosses a slow network rests at times.
PATIENCE = 10.0


class FolderGone(InputError):
    """The folder that is looked through is not there any more, or cannot be read."""


class Arrivals:
    """Finds photos that were not there before, or were changed since.

    Args:
        folder: where they arrive, in it or in folders below it.
        drawings: the folder of the drawings, in which nobody looks for photos.
        own: names of files in it that are no photos of the user's.

    Attributes:
        others: files that are no pictures, of those that were there at the last look.
        passed: what the last look passed over.
    """

    def __init__(self, folder: Path, drawings: Path, own: frozenset[str] = frozenset()):
        self.folder = folder
        self.others: set[Path] = set()
        self.passed = PassedOver()
        self._drawings = Path(os.path.realpath(drawings))
        self._is_beside = self._drawings == Path(os.path.realpath(folder))
        self._own = own
        self._taken: dict[Path, tuple[int, int]] = {}
        # Size, time of change, and since when they are the same.
        self._still: dict[Path, tuple[tuple[int, int], float]] = {}

    @property
    def waiting(self) -> int:
        """How many files were seen that are neither drawn nor known to be none to draw."""
        return len(self._still)

    def look(self) -> Iterator[tuple[Path, bool]]:
        """Looks through the folder once.

        Yields:
            Each photo that stands still since the last look, and whether it has done so for
            `PATIENCE` seconds. It is yielded again by the next look unless `taken` is called.

        Raises:
            FolderGone: the folder is not there.
        """
        self.passed = PassedOver()
        before, now, standing = self._still, time.monotonic(), []
        still, seen = {}, set()
        for path in self._files():
            try:
                status = path.stat()
            except OSError:  # it has just gone again
                continue
            seen.add(path)
            found = status.st_size, status.st_mtime_ns
            if self._taken.get(path) == found:
                continue
            known, since = before.get(path, (None, now))
            since = since if known == found else now
            still[path] = found, since
            # What has just been opened to be written is empty.
            if known == found and status.st_size > 0:
                standing.append((path, now - since >= PATIENCE))
        self._still = still
        # A folder may be watched for years; what has gone, and comes back, is in the manifest.
        self._taken = {path: found for path, found in self._taken.items() if path in seen}
        self.others &= seen
        for path, is_patient in standing:
            if is_picture(path):
                self.others.discard(path)
                yield path, is_patient
            else:
                self.others.add(path)
                self.taken(path)

    def taken(self, path: Path) -> None:
        """Says that a photo is done with until it changes."""
        self._taken[path] = self._still.pop(path)[0]

    def _files(self) -> Iterator[Path]:
        try:
            for path in walk_files(self.folder, self.passed):
                if not (path.name.endswith(DRAWING_SUFFIX) or self._is_ours(path)):
                    yield path
        except InputError as error:
            raise FolderGone(str(error)) from error

    def _is_ours(self, path: Path) -> bool:
        if self._is_beside:
            return path.name in self._own and path.parent == self.folder
        return Path(os.path.realpath(path.parent)).is_relative_to(self._drawings)
