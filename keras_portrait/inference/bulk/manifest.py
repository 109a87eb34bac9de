"""The manifest: a line of JSON in OUT for each photo that was drawn, or failed.

    {"photo": "a/me.jpg", "sha256": "...", "preset": "portrait", "preset_sha256": "...",
     "style": "ink", "output": "a/me.jpg.portrait.png", "bytes": 91307, "seconds": 0.31,
     "work": "..."}
    {"photo": "wall.jpg", "sha256": "...", "preset": "portrait", "preset_sha256": "...",
     "style": "ink", "failed": "No face found. ..."}

Later lines count. `work` is the hash of all that a drawing depends on: the photo's bytes, the
preset and the options; a `remark` tells of a photo that was drawn although its file was cut short.
A line is written after its drawing; a job that is killed between the two draws that photo again. A
line that was torn, or is none of ours, is passed over.
"""

import json
import time

from keras_portrait.errors import SettingError
from keras_portrait.inference.bulk.drawing import DrawingOptions
from keras_portrait.inference.bulk.photos import DRAWN, Photo

FILE_NAME = "manifest.jsonl"
# Where each append makes an object of its own, a killed job loses at most this much of the list,
# and draws those photos again.
_MOST_SECONDS = 30.0
# Bytes of the length of a drawing, as it is kept for each of perhaps a million.
_LENGTH = 8


class Manifest:
    """What is finished in a place, and what becomes so.

    Args:
        place: where the drawings are.
        options: what is drawn with now.

    Raises:
        SettingError: the place holds drawings of another preset.
        JobStopped: it cannot be read.
    """

    def __init__(self, place, options: DrawingOptions):
        self._place, self._options = place, options
        self._rows, self._written = [], time.monotonic()
        self._known = {}
        for line in place.lines(FILE_NAME):
            row = _parse(line)
            if row is not None:
                self._refuse_other(row["preset_sha256"], row["preset"])
                self._known[row["output"]] = _pack(row)

    def known(self, output: str) -> tuple[str, int]:
        """What a drawing was when it was last made.

        Returns:
            The hash of what it was made of, and its bytes; "" and 0 for none.
        """
        packed = self._known.get(output, b"")
        return packed[_LENGTH:].hex(), int.from_bytes(packed[:_LENGTH], "big")

    def add(self, photo: Photo) -> None:
        """Notes a photo that was drawn or failed.

        Raises:
            JobStopped: it cannot be written.
        """
        row = {
            "photo": photo.name,
            "sha256": photo.sha256,
            "preset": self._options.preset_name,
            "preset_sha256": self._options.preset_sha256,
            "style": self._options.style,
        }
        if photo.status == DRAWN:
            row |= {"output": photo.output, "bytes": photo.length}
            row |= {"seconds": round(photo.seconds, 3)}
            row |= {"work": self._options.work(photo.sha256)}
            row |= {"remark": photo.remark} if photo.remark else {}
        else:
            row |= {"failed": photo.reason}
        self._rows.append(json.dumps(row) + "\n")
        late = time.monotonic() - self._written > _MOST_SECONDS
        if late or len(self._rows) >= self._place.rows_at_once:
            self.flush()

    def flush(self) -> None:
        """Writes what is not written yet.

        Raises:
            JobStopped: it cannot be written.
        """
        if self._rows:
            self._place.append(FILE_NAME, "".join(self._rows).encode())
        self._rows, self._written = [], time.monotonic()

    def _refuse_other(self, sha256: str, name: str) -> None:
        if sha256 != self._options.preset_sha256:
            raise SettingError(
                f"OUT holds drawings of another preset, {name} of sha256 {sha256}. Expected that "
                "one, or another OUT. Received: "
                f"{self._options.preset_name} of sha256 {self._options.preset_sha256} for "
                f"{self._place.name}"
            )


def _parse(line: bytes) -> dict | None:
    """The row of a drawing, or None for any other line."""
    try:
        row = json.loads(line)
        _pack(row)
        names = ("output", "preset", "preset_sha256")
        return row if all(isinstance(row[name], str) for name in names) else None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _pack(row: dict) -> bytes:
    """Length and `work` of a drawing."""
    return row["bytes"].to_bytes(_LENGTH, "big") + bytes.fromhex(row["work"])
