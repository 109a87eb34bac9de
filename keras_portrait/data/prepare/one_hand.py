"""Whether drawings will do for a style of their own: enough of them, by pen, of several sitters."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.data.manifest import Row
from keras_portrait.data.prepare.drawings import whiten_paper
from keras_portrait.data.prepare.duplicates import MOST_BITS, nearest, picture_hash
from keras_portrait.errors import InputError, PortraitError
from keras_portrait.inference.folders import list_images
from keras_portrait.inference.imaging import read_image, reduced

# With fewer the mean over them says more of their sitters than of the hand. Ten are better.
LEAST_DRAWINGS, ENOUGH_DRAWINGS = 5, 10
# A picture is looked at with its longer side at so many pixels. Gray is flat where the range of
# levels in 3 x 3 pixels is below the first number, and gray between the others: in a scan of a
# pen drawing gray lies along the edges of lines, in a photo nearly everywhere.
_SIDE = 512
_FLAT_RANGE, _FLAT_LEVELS = 24, (40, 216)
# Share of a picture that is flat gray, in the median of a folder. Of 29 folders of drawings and
# engravings the highest had 0.026, of 4 folders of photos the lowest 0.157 (12 pictures each).
MOST_FLAT_GRAY = 0.08
# Pictures that are looked at, evenly chosen.
_LOOKED_AT = 20


def flat_gray(picture: np.ndarray) -> float:
    """Share of a picture that is gray without being the edge of a line.

    Args:
        picture: uint8 RGB (H, W, 3), a scan or photo.

    Returns:
        float in [0, 1].
    """
    gray = whiten_paper(cv2.cvtColor(reduced(picture, _SIDE), cv2.COLOR_RGB2GRAY))
    span = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    low, high = _FLAT_LEVELS
    return float(np.mean((span < _FLAT_RANGE) & (gray >= low) & (gray < high)))


def refuse_photos(folder: Path) -> None:
    """Refuses a folder of photos where drawings are expected.

    Args:
        folder: of pictures; subfolders are searched too.

    Raises:
        InputError: it is missing or holds no picture, or most of its pictures are photos.
    """
    paths = list_images(folder)
    if not paths:
        raise InputError(f"Expected a folder of drawings. Received: {folder}, without a picture")
    chosen = paths[:: -(-len(paths) // _LOOKED_AT)]
    shares = []
    for path in chosen:
        try:
            shares.append(flat_gray(read_image(path)))
        except PortraitError:
            continue  # counted where all are prepared
    if shares and np.median(shares) > MOST_FLAT_GRAY:
        gray = sum(share > MOST_FLAT_GRAY for share in shares)
        raise InputError(
            f"Expected drawings, of ink on paper: gray lies along lines alone there. Received: "
            f"{folder}, where {gray} of {len(shares)} pictures are shaded as photos are"
        )


def check_hand(folder: Path, rows: Sequence[Row]) -> list[str]:
    """Refuses prepared drawings that no style can be learned from.

    Args:
        folder: the data folder.
        rows: its rows of drawings, dropped ones too.

    Returns:
        What is worth knowing, a line each.

    Raises:
        InputError: too few can be used, or they show the same picture.
    """
    kept = [row for row in rows if row.kept]
    if len(kept) < LEAST_DRAWINGS:
        raise InputError(
            f"Expected {LEAST_DRAWINGS} drawings that can be used or more, better "
            f"{ENOUGH_DRAWINGS} to 50 of one hand. Received: {len(kept)} of {len(rows)}"
            f"{_dropped(rows)}"
        )
    pictures = _different(folder, kept)
    if pictures < LEAST_DRAWINGS:
        raise InputError(
            f"Expected drawings of {LEAST_DRAWINGS} sitters or more: of one alone a style would "
            f"learn the face, not the hand. Received: {len(kept)} drawings, nearly the same "
            f"{'one' if pictures == 1 else str(pictures)}"
        )
    remarks = []
    if len(kept) < len(rows):
        remarks.append(f"{len(kept)} of {len(rows)} drawings can be used{_dropped(rows)}")
    if len(kept) < ENOUGH_DRAWINGS:
        remarks.append(f"{len(kept)} drawings are few; {ENOUGH_DRAWINGS} tell a hand better")
    small = [row.scale for row in kept if row.scale is not None and row.scale < 1]
    if small:
        remarks.append(
            f"{len(small)} of {len(kept)} scans are small, {1 / min(small):.1f} times enlarged at "
            "most; their lines are traced anew, not blurred"
        )
    return remarks


def _dropped(rows: Sequence[Row]) -> str:
    """Why drawings were dropped, the commonest reason first: "; 3 turned head, 1 dark paper"."""
    # What stands in brackets are figures of the one drawing.
    reasons = Counter((row.reason or "").split(" (")[0] for row in rows if not row.kept)
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    return f"; dropped: {told}" if told else ""


def _different(folder: Path, rows: Sequence[Row]) -> int:
    """How many pictures there are, nearly equal ones counted once."""
    hashes = np.array([picture_hash(row.read(folder, row.file)) for row in rows], np.uint8)
    return int((nearest(hashes, MOST_BITS["drawing"]) < 0).sum())
