"""The frames of the web view as files: each encoded once, however many people look."""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np

from keras_portrait.inference.imaging import encode_image
from keras_portrait_demo.booth.booth import Picture

# Lines stay clean at this quality; a frame of 640 x 480 takes 20 to 60 kB.
JPEG_QUALITY = 85
# A pair of 640 x 480 takes up to 1 MB as PNG; all kept ones together are the demo's to bear.
MOST_SNAPSHOTS = 12
# ISO/IEC 18004: a code needs a quiet zone of four modules.
_QUIET_ZONE = 4


@dataclass(frozen=True)
class Snapshot:
    """Drawing and photo of one frame, as the bytes of two PNG files."""

    drawing: bytes
    photo: bytes


class Pictures:
    """Encodes what `Live` shows, once for each frame and kind of picture.

    The kinds: `view` is what the chosen layout shows, `pair` the photo and, to its right, the
    drawing (both JPEG); `drawing` and `photo` are PNG. Nothing is encoded that nobody asks for.
    """

    def __init__(self, live):
        self._live = live
        self._encoders = {
            "view": lambda result: _jpeg(result.view),
            "pair": lambda result: _jpeg(np.hstack([result.photo, result.drawing])),
            "drawing": lambda result: encode_image(result.drawing),
            "photo": lambda result: encode_image(result.photo),
        }
        self._locks = {kind: threading.Lock() for kind in self._encoders}
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._snapshots_lock = threading.Lock()
        # The booth's last picture, its name and its files: it stays, however many snapshots come.
        self._named: tuple[Picture, str, Snapshot] | None = None
        self._named_lock = threading.Lock()

    def latest(self, kind: str) -> bytes | None:
        """The file of the newest frame, or None before the first one."""
        result = self._live.latest()
        return None if result is None else self.encode(kind, result)[1]

    def take_snapshot(self) -> str | None:
        """Keeps the newest frame; the oldest kept one makes room.

        Returns:
            A name that cannot be guessed, or None before the first frame.
        """
        result = self._live.latest()
        if result is None:
            return None
        name = _new_name()
        self._keep(name, Snapshot(encode_image(result.drawing), encode_image(result.photo)))
        return name

    def name_of(self, picture: Picture) -> str:
        """The name of the booth's last picture, the same for all who ask.

        It can be had by it as long as it is the last one, and then like any other snapshot.
        """
        with self._named_lock:
            if self._named is None or self._named[0] is not picture:
                if self._named is not None:
                    self._keep(*self._named[1:])
                snapshot = Snapshot(picture.drawing, encode_image(picture.photo))
                self._named = picture, _new_name(), snapshot
            return self._named[1]

    def _keep(self, name: str, snapshot: Snapshot) -> None:
        with self._snapshots_lock:
            self._snapshots[name] = snapshot
            while len(self._snapshots) > MOST_SNAPSHOTS:
                self._snapshots.popitem(last=False)

    def snapshot(self, name: str | None) -> Snapshot | None:
        """A kept pair by its name, or None where there is none (any more)."""
        named = self._named
        if named is not None and named[1] == name:
            return named[2]
        with self._snapshots_lock:
            return self._snapshots.get(name)

    def encode(self, kind: str, result) -> tuple[int, bytes]:
        """Number and file of a frame, or of the newest one that was encoded.

        Args:
            kind: kind of picture, see the class.
            result: the frame; see `mobile_demo/frame.py`.
        """
        with self._locks[kind]:
            newest = self._newest.get(kind)
            # Who comes late with an older frame gets the newer one.
            if newest is None or newest[0] < result.number:
                newest = (result.number, self._encoders[kind](result))
                self._newest[kind] = newest
            return newest


def _new_name() -> str:
    return secrets.token_urlsafe(12)


def qr_code(text: str) -> bytes:
    """A QR code as a PNG file, 6 pixels a module, black on white, with its quiet zone."""
    modules = cv2.QRCodeEncoder.create().encode(text)
    modules = np.pad(modules, _QUIET_ZONE, constant_values=255)
    return encode_image(np.kron(modules, np.ones((6, 6), np.uint8)))


def _jpeg(image: np.ndarray) -> bytes:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1].tobytes()
