"""Which squares show the same picture twice: equal in every pixel, or nearly equal.

The same photo comes to a folder under two names, saved again, smaller or cut differently. Such a
pair has nearly the same difference hash: in which direction the gray levels fall, from cell to cell
of a coarse grid. Avatars are many, and drawn from few parts: for them only equality counts.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field

import cv2
import numpy as np

from keras_portrait.data.manifest import KINDS
from keras_portrait.inference.imaging import resize

# Cells of the grid in each direction; a hash has CELLS * CELLS bits across and as many down.
CELLS = 16
HASH_BITS = 2 * CELLS * CELLS
# What is cut off on each side (white paper and background are alike in all squares), and the blur
# before the grid (the same face found in two versions of a picture lies some pixels apart), as
# shares of the side.
_MARGIN, _BLUR = 1 / 8, 1 / 32
# Bits in which two squares may differ and still show the same picture. Among 560 aligned photos of
# different people, 142 of them taken in two studios, no two were nearer than 46 bits; among 314 old
# pen portraits and engravings none nearer than 67. Of the same pictures saved again (JPEG 50, half
# the size, other tones, cut, turned by 3 degrees) and aligned again, 89 % of the photos and 80 % of
# the drawings lay within the limit. Faces that a program puts together from few parts can lie
# within it though they are not the same.
MOST_BITS = {"photo": 32, "drawing": 40}

# Squares of one side that are compared at once with all of the other.
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is remembered of a square; equal digests, equal in every pixel."""

    file: str
    digest: bytes
    bits: np.ndarray | None


@dataclass
class SquareIndex:
    """Remembers a hash and a digest of each square, and finds those that show the same picture."""

    _entries: dict[tuple[str, str], list[_Entry]] = field(default_factory=lambda: defaultdict(list))

    def add(self, file: str, kind: str, split: str, square: np.ndarray) -> None:
        """Takes in a square.

        Args:
            file: its name.
            kind: "photo", "drawing" or "avatar"; only squares of one kind are compared.
            split: "train" or "test".
            square: uint8 RGB (S, S, 3).
        """
        digest = hashlib.sha256(f"{square.shape}".encode() + square.tobytes()).digest()
        bits = picture_hash(square) if kind in MOST_BITS else None
        self._entries[kind, split].append(_Entry(file, digest, bits))

    def duplicates(self) -> dict[str, list[str]]:
        """Pairs of names, "A = B", each A once.

        Returns:
            "same across": test pictures that equal a training picture in every pixel; "near
            across": those that nearly do; "same" and "near": pictures that equal, or nearly, an
            earlier one of their split.
        """
        found = defaultdict(list)
        for kind in KINDS:
            train, test = (self._entries[kind, split] for split in ("train", "test"))
            train, test = _unlike(train, found["same"]), _unlike(test, found["same"])
            known = {entry.digest: entry for entry in train}
            found["same across"] += [
                _pair(entry, known[entry.digest]) for entry in test if entry.digest in known
            ]
            most_bits = MOST_BITS.get(kind)
            if most_bits is None:
                continue
            rest = [entry for entry in test if entry.digest not in known]
            found["near across"] += _near(
                rest, train, nearest(_bits(rest), most_bits, _bits(train))
            )
            for entries in (train, test):
                found["near"] += _near(entries, entries, nearest(_bits(entries), most_bits))
        return found


def picture_hash(square: np.ndarray) -> np.ndarray:
    """The difference hash of a square.

    Args:
        square: uint8 RGB (S, S, 3).

    Returns:
        uint8 (HASH_BITS / 8,), packed bits.
    """
    gray = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    size = gray.shape[0]
    margin = round(size * _MARGIN)
    face = gray[margin : size - margin, margin : size - margin]
    blurred = cv2.GaussianBlur(face, (0, 0), size * _BLUR)
    across = resize(blurred, CELLS + 1, CELLS)
    down = resize(blurred, CELLS, CELLS + 1)
    bits = (across[:, 1:] < across[:, :-1], down[1:] < down[:-1])
    return np.packbits(np.concatenate([part.ravel() for part in bits]))


def nearest(hashes: np.ndarray, most_bits: int, among: np.ndarray | None = None) -> np.ndarray:
    """Finds for each square the one that differs from it in the fewest bits.

    Args:
        hashes: uint8 (N, B), packed bits.
        most_bits: how many bits may differ.
        among: uint8 (M, B), where to look; None for those of `hashes` that come before the square.

    Returns:
        int (N,), indices into `among` or `hashes`; -1 where none is near enough.
    """
    found = np.full(len(hashes), -1)
    least = np.full(len(hashes), most_bits + 1)
    before = among is None
    among = hashes if before else among
    for start in range(0, len(hashes), _BLOCK):
        block = slice(start, start + _BLOCK)
        signs = _signs(hashes[block])
        places = np.arange(start, start + len(signs))[:, None]
        for first in range(0, start + 1 if before else len(among), _BLOCK):
            others = _signs(among[first : first + _BLOCK])
            # Each bit that differs costs two in the product; whole numbers, so it is exact.
            distance = (signs.shape[1] - signs @ others.T) / 2
            if before:
                distance[places <= np.arange(first, first + len(others))] = np.inf
            nearer = distance.min(axis=1) < least[block]
            found[block] = np.where(nearer, first + distance.argmin(axis=1), found[block])
            least[block] = np.where(nearer, distance.min(axis=1), least[block])
    return found


def _signs(hashes: np.ndarray) -> np.ndarray:
    """The bits as float32 +1 and -1, (N, 8 B)."""
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1


def _unlike(entries: list[_Entry], same: list[str]) -> list[_Entry]:
    """Those that equal none before them; the others go to `same`."""
    first = {}
    for entry in entries:
        if first.setdefault(entry.digest, entry) is not entry:
            same.append(_pair(entry, first[entry.digest]))
    return list(first.values())


def _near(entries: list[_Entry], others: list[_Entry], places: np.ndarray) -> list[str]:
    pairs = zip(entries, places, strict=True)
    return [_pair(entry, others[place]) for entry, place in pairs if place >= 0]


def _pair(entry: _Entry, other: _Entry) -> str:
    return f"{entry.file} = {other.file}"


def _bits(entries: list[_Entry]) -> np.ndarray:
    return np.array([entry.bits for entry in entries], np.uint8).reshape(-1, HASH_BITS // 8)
