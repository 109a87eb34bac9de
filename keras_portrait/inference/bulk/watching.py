"""Draws the photos that arrive in a folder, each once, also after a restart."""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.inference.bulk.arrivals import Arrivals, FolderGone
from keras_portrait.inference.bulk.drawing import DrawingOptions
from keras_portrait.inference.bulk.manifest import FILE_NAME, Manifest
from keras_portrait.inference.bulk.names import output_name
from keras_portrait.inference.bulk.photos import (
    DRAWN,
    FAILED,
    SKIPPED,
    Photo,
    draw_photo,
    read_photo,
    write_photo,
)
from keras_portrait.inference.bulk.places import Folder
from keras_portrait.inference.bulk.workers import answer
from keras_portrait.inference.formats import UnreadableFormat, refuse_closed_format
from keras_portrait.inference.imaging import encode_image
from keras_portrait.inference.reading import TooLargePicture, read_image
from keras_portrait.inference.stylizer import Stylizer

# Seconds between two looks, but no less than so many times what a look takes: many thousand files
# on a network disk are not asked for without a pause.
LOOK_SECONDS, _LOOK_TIMES = 1.0, 5.0


class _NotWhole(Exception):
    """More of the picture may still be on its way."""


class Watch:
    """Draws what arrives in a folder.

    What was drawn is noted in the manifest that jobs in bulk keep, too: either goes on where the
    other was ended.

    Args:
        source: the folder of the photos.
        target: the folder of the drawings.
        options: what is drawn with.
        stylizer: draws with that preset.
        report: called with each photo that was drawn, or could not be.
        say: called with lines on the folder itself.

    Raises:
        SettingError: `target` holds drawings of another preset.
        InputError: there is no such folder.
        JobStopped: no drawings can be written there.
    """

    def __init__(
        self,
        source: Path,
        target: Path,
        options: DrawingOptions,
        stylizer: Stylizer,
        report: Callable[[Photo], None],
        say: Callable[[str], None],
    ):
        self._photos, self._drawings = Folder(source), Folder(target)
        self._options, self._stylizer = options, stylizer
        self._report, self._say = report, say
        if not os.path.isdir(source):
            raise InputError(f"No such folder. Expected a folder to watch. Received: {source}")
        self._manifest = Manifest(self._drawings, options)
        self._drawings.check_writable()
        self._drawings.remove_unfinished()
        self._arrivals = Arrivals(
            self._photos.folder, self._drawings.folder, frozenset([FILE_NAME])
        )
        self._known: dict[str, tuple[str, int]] = {}  # as `Manifest.known`, of this run
        self._status: dict[str, str] = {}  # of each photo, what became of it last
        self._told: set[Path] = set()  # folders that cannot be read
        self._is_gone = False

    def run(self) -> None:
        """Draws until it is interrupted.

        Raises:
            JobStopped: drawings can no longer be written.
        """
        while True:
            begun = time.monotonic()
            self._look()
            time.sleep(max(LOOK_SECONDS, _LOOK_TIMES * (time.monotonic() - begun)))

    def counts(self) -> Counter:
        """How many photos were "drawn", "skipped" because they were drawn before, and "failed".

        Also how many files were no pictures ("other"), hidden or the system's ("hidden"), and not
        drawn yet, for example because they are not wholly written ("waiting").
        """
        counts = Counter(self._status.values())
        arrivals = self._arrivals
        counts["other"], counts["hidden"] = len(arrivals.others), arrivals.passed.hidden
        counts["waiting"] = arrivals.waiting
        return counts

    def _look(self) -> None:
        try:
            for path, is_patient in self._arrivals.look():
                if self._draw(path, is_patient):
                    self._arrivals.taken(path)
        except FolderGone:
            if not self._is_gone:
                self._say(
                    "The folder cannot be read any more; it is watched again once it can. "
                    f"Received: {self._photos.folder}"
                )
            self._is_gone = True
            return
        if self._is_gone:
            self._say(f"The folder is back. Received: {self._photos.folder}")
        self._is_gone = False
        for folder, error in self._arrivals.passed.unreadable.items():
            if folder not in self._told:
                self._told.add(folder)
                self._say(str(error))

    def _draw(self, path: Path, is_patient: bool) -> bool:
        """Draws one photo; False where it is gone, or more of it may be on its way."""
        name = path.relative_to(self._photos.folder).as_posix()
        try:
            refuse_closed_format(name)
            output = output_name(name)
        except InputError as error:
            photo = Photo(name, "").failed(error)
        else:
            known = self._known.get(output) or self._manifest.known(output)
            photo = read_photo(
                Photo(name, output, *known), self._photos, self._drawings, self._options
            )
            if photo.status == FAILED and not path.exists():
                return False
            try:
                photo = draw_photo(photo, lambda data: self._drawing(data, is_patient))
            except _NotWhole:
                return False
            photo = write_photo(photo, self._drawings)
        if photo.status != SKIPPED or name not in self._status:
            self._status[name] = photo.status
        if photo.status in (DRAWN, FAILED):
            self._manifest.add(photo)
            self._report(photo)
        if photo.status == DRAWN:
            self._known[output] = self._options.work(photo.sha256), photo.length
        return True

    def _drawing(self, data: bytes, is_patient: bool) -> tuple[bytes, float, str]:
        """See `WorkerPool.draw`."""
        picture = data if is_patient else _whole_picture(data)
        options = self._options.picture_options()

        def draw(_: bytes) -> bytes:
            drawing = self._stylizer(picture, style=self._options.weights, **options)
            return drawing if isinstance(drawing, bytes) else encode_image(drawing)

        answered = answer(draw, data)
        if isinstance(answered, InputError):
            raise answered
        return answered


def _whole_picture(data: bytes) -> "np.ndarray | bytes":
    """A picture, uint8 RGB (H, W, 3); its bytes where more of them would not help.

    Raises:
        _NotWhole: the end may be missing.
    """
    try:
        return read_image(data, complete=True)
    except (UnreadableFormat, TooLargePicture):
        return data
    except InputError as error:
        raise _NotWhole from error
