"""Names of photos below IN and of drawings below OUT: relative, with "/" between folders."""

import re

from keras_portrait.errors import InputError
from keras_portrait.files import DRAWING_SUFFIX
from keras_portrait.inference.folders import is_hidden
from keras_portrait.inference.formats import kind_of_name
from keras_portrait.storage import check_name

# Most file systems end at 255 bytes; the name while the file is written is somewhat longer.
_MOST_BYTES = 200
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def is_photo(name: str) -> bool | None:
    """Whether a file is a photo by its bare name: a picture, not hidden, and no drawing of ours.

    Returns:
        None where the name does not tell, and the file's first bytes do.
    """
    if is_hidden(name) or name.endswith(DRAWING_SUFFIX):
        return False
    return None if kind_of_name(name) is None else True


def output_name(photo: str) -> str:
    """The name of a photo's drawing.

    The photo's whole name stays in it, so that no two photos share a drawing: a.jpg becomes
    a.jpg.portrait.png, and a.png becomes a.png.portrait.png, whatever else lies beside them.

    Args:
        photo: relative name of a photo. Stores may hold names such as "../a.jpg".

    Raises:
        InputError: the drawing would lie outside OUT, or disks do not take its name.
    """
    parts = photo.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InputError(
            "The name could lead out of the folder of drawings. Expected a relative name without "
            f"empty parts and '..'. Received: {photo!r}"
        )
    if _UNFIT.search(photo) or max(len(part.encode()) for part in parts) > _MOST_BYTES:
        raise InputError(
            "Disks do not take this name. Expected no control characters, valid Unicode and at "
            f"most {_MOST_BYTES} bytes. Received: {photo!r}"
        )
    return check_name(photo + DRAWING_SUFFIX)
