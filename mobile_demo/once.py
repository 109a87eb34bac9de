"""One photo, one drawing: `portrait-demo --once`."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from keras_portrait.errors import SettingError
from keras_portrait.files import DRAWING_SUFFIX
from keras_portrait.terminal import tell
from keras_portrait_demo import DEFAULT_PRESET


def draw_once(
    photo: Path,
    out: Path | None = None,
    preset: str = DEFAULT_PRESET,
    style: str | None = None,
    threads: int | None = None,
) -> Path:
    """Draws the largest face of a photo, stage by stage.

    The photo is drawn twice: the first drawing also loads the networks that find the face and the
    person, the second shows what every further picture of that size costs.

    Args:
        photo: the photo's file.
        out: where the drawing goes; None for PHOTO.portrait.png beside the photo.
        preset: name of a preset in the package, a folder that is one, or a model file.
        style: name, index or mix of styles; None for the preset's first style.
        threads: CPU threads to use; None for up to four.

    Returns:
        The drawing's file.

    Raises:
        PortraitError: the photo, preset or style cannot be used, or no face was found.
    """
    out = out or photo.with_name(photo.stem + DRAWING_SUFFIX)
    if os.path.exists(out) and os.path.exists(photo) and os.path.samefile(out, photo):
        raise SettingError(f"The drawing would overwrite the photo. Received: {out}")
    started = time.perf_counter()
    # Here, not above, so that --help answers at once.
    from keras_portrait.inference.imaging import read_image, write_image
    from keras_portrait.inference.stylizer import Stylizer

    _print_time("import", started)
    stylizer = _timed("load the preset", lambda: Stylizer(preset, threads))
    pixels = _timed("read the photo", lambda: read_image(photo))
    _timed("first drawing", lambda: stylizer(pixels, style=style))
    drawing = _timed("next drawing", lambda: stylizer(pixels, style=style))
    _timed("write", lambda: write_image(out, drawing))
    return out


def draw_from_source(
    source: str,
    out: Path,
    preset: str = DEFAULT_PRESET,
    style: str | None = None,
    threads: int | None = None,
    width: int = 640,
    height: int = 480,
) -> Path:
    """Takes a photo with a camera, or out of what stands in for one, and draws it.

    Args:
        source: as `open_source` takes it; a photo is drawn at its own size.
        out: where the drawing goes; a file of that name is replaced.
        preset: as for `draw_once`.
        style: as for `draw_once`.
        threads: as for `draw_once`.
        width: columns of a camera's frame in pixels.
        height: rows of a camera's frame in pixels.

    Returns:
        The drawing's file.

    Raises:
        PortraitError: the source, preset or style cannot be used, or no face came in time.
    """
    from keras_portrait.inference.imaging import WRITABLE_SUFFIXES, write_image

    if out.suffix.lower() not in WRITABLE_SUFFIXES:
        raise SettingError(
            f"The drawing must be a {' or '.join(WRITABLE_SUFFIXES)} file. Received: {out}"
        )
    if is_photo(source):
        return draw_once(Path(source), out, preset, style, threads)
    from keras_portrait.inference.style import style_vector
    from keras_portrait.inference.stylizer import Stylizer

    stylizer = Stylizer(preset, threads)
    style_vector(style, stylizer.metadata.styles)  # a mistyped style needs no camera
    photo = _timed("take the photo", lambda: _take_photo(source, width, height))
    drawing = _timed("drawing", lambda: stylizer(photo, style=style))
    _timed("write", lambda: write_image(out, drawing))
    return out


def is_photo(source: str) -> bool:
    """Whether a source is the path of one photo, which is drawn at its own size."""
    from keras_portrait.inference.folders import is_picture
    from keras_portrait.storage import is_url

    return not is_url(source) and not os.path.isdir(source) and is_picture(Path(source))


def _take_photo(text: str, width: int, height: int):
    """The first frame with a face in it, uint8 RGB (height, width, 3)."""
    from keras_portrait.inference.video.snapshot import take_photo
    from keras_portrait.inference.video.usb_camera import UsbCamera
    from keras_portrait_demo.sources.camera import open_source
    from keras_portrait_demo.sources.ribbon_camera import PiCamera

    with contextlib.closing(open_source(text, width, height, paced=False)) as source:
        return take_photo(source, settles=isinstance(source, PiCamera | UsbCamera))


def _timed(stage: str, work: Callable):
    started = time.perf_counter()
    result = work()
    _print_time(stage, started)
    return result


def _print_time(stage: str, started: float) -> None:
    tell(f"{stage:<16}{1000 * (time.perf_counter() - started):8.0f} ms")
