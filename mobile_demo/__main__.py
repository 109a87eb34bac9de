"""Draws one photo on a small machine and prints how long each stage took."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from keras_portrait.errors import PortraitError, SettingError


def main(arguments: list[str] | None = None) -> int:
    """Runs the command `portrait-demo`.

    Args:
        arguments: what follows the command's name; None takes it from the command line.

    Returns:
        The exit code: 0, or 2 after an error that the user can mend.
    """
    options = _parser().parse_args(arguments)
    try:
        drawing = draw_once(options.once, options.out, options.preset, options.style)
    except PortraitError as error:
        print(f"portrait-demo: {error}", file=sys.stderr)
        return 2
    print(drawing)
    return 0


def draw_once(
    photo: Path, out: Path | None = None, preset: str = "pen", style: str | None = None
) -> Path:
    """Draws the largest face of a photo, stage by stage.

    The photo is drawn twice: the first drawing also loads the networks that find the face and the
    person, the second shows what every further picture of that size costs.

    Args:
        photo: the photo's file.
        out: where the drawing goes; None for PHOTO.portrait.png beside the photo.
        preset: name of a preset in the package, or a folder that is one.
        style: name, index or mix of styles; None for the preset's first style.

    Returns:
        The drawing's file.

    Raises:
        PortraitError: the photo, preset or style cannot be used, or no face was found.
    """
    out = out or photo.with_name(f"{photo.stem}.portrait.png")
    if os.path.exists(out) and os.path.exists(photo) and os.path.samefile(out, photo):
        raise SettingError(f"The drawing would overwrite the photo. Received: {out}")
    started = time.perf_counter()
    # Here, not above, so that --help answers at once.
    from keras_portrait.imaging import read_image, write_image
    from keras_portrait.stylizer import Stylizer

    _print_time("import", started)
    stylizer = _timed("load the preset", lambda: Stylizer(preset))
    pixels = _timed("read the photo", lambda: read_image(photo))
    _timed("first drawing", lambda: stylizer(pixels, style=style))
    drawing = _timed("next drawing", lambda: stylizer(pixels, style=style))
    _timed("write", lambda: write_image(out, drawing))
    return out


def _timed(stage: str, work: Callable):
    started = time.perf_counter()
    result = work()
    _print_time(stage, started)
    return result


def _print_time(stage: str, started: float) -> None:
    print(f"{stage:<16}{1000 * (time.perf_counter() - started):8.0f} ms")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="portrait-demo",
        description="Draw one photo and print how long each stage took. Needs no TensorFlow.",
    )
    parser.add_argument(
        "--once", metavar="PHOTO", type=Path, required=True, help="the photo to draw"
    )
    parser.add_argument(
        "-o", "--out", type=Path, help="the drawing's file (default: PHOTO.portrait.png)"
    )
    parser.add_argument(
        "--preset", default="pen", help="name of a preset, or its folder (default: %(default)s)"
    )
    parser.add_argument("--style", help="name, index or mix of the preset's styles")
    return parser


if __name__ == "__main__":
    sys.exit(main())
