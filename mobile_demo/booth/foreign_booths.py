"""Draws the pictures of photo booths by others: what their plugins share.

The runtime and the networks are imported when the first picture asks for them, so that a booth
starts even where one of them cannot be loaded.
"""

import threading
from functools import lru_cache

import numpy as np
from PIL import Image

from keras_portrait.errors import PortraitError

# The rest of a Raspberry Pi's four cores keeps a booth's preview smooth.
THREADS = 2

_loading = threading.Lock()


def booth_stylizer(preset: str, threads: int):
    """The `Stylizer` of a preset, loaded once for all threads; the one before is forgotten.

    Args:
        preset: name of a preset in the package, or the path of a folder that is one.
        threads: CPU threads that draw.

    Raises:
        SettingError: there is no such preset, or it takes noise instead of photos.
        InputError: a file of the preset is missing or altered.
        MissingExtra: no LiteRT runtime is installed.
    """
    with _loading:
        return _load(preset, threads)


@lru_cache(maxsize=1)
def _load(preset: str, threads: int):
    from keras_portrait.inference.stylizer import Stylizer

    return Stylizer(preset, threads)


def check_settings(preset: str, style: str | None, threads: int) -> None:
    """Loads the preset, so that the first guests do not wait for it, and looks for the style.

    Raises:
        SettingError: there is no such style; and as `booth_stylizer`.
    """
    from keras_portrait.inference.style import style_vector

    style_vector(style, booth_stylizer(preset, threads).metadata.styles)


def draw_photo(photo: Image.Image, preset: str, style: str | None, threads: int) -> Image.Image:
    """Draws every face of a photo on white paper as large as the photo.

    Args:
        photo: PIL image of any mode, drawn as it lies: EXIF orientation is the booth's business.
        preset: as of `booth_stylizer`.
        style: name, index or mix of styles; None for the preset's first.
        threads: CPU threads that draw.

    Returns:
        An RGB image of the same size.

    Raises:
        InputError: no face was found.
        SettingError: there is no such style; and as `booth_stylizer`.
    """
    from keras_portrait.inference.imaging import fit_frame

    pixels = np.asarray(photo.convert("RGB"))
    drawing = booth_stylizer(preset, threads)(pixels, style=style, faces="all")
    # Pictures in colour come as a row of squares.
    return Image.fromarray(fit_frame(drawing, photo.width, photo.height))


def error_line(error: Exception) -> str:
    """What a booth's log says of an error, in one line."""
    text = str(error) if isinstance(error, PortraitError) else f"{type(error).__name__}: {error}"
    return text.replace("\n", " ")
