"""Draws what a camera sees, live, on a small machine; or one photo; or measures how fast."""

import argparse
import json
import sys
import time
from pathlib import Path

from keras_portrait.errors import PortraitError, SettingError
from keras_portrait.terminal import remark, running, tell
from keras_portrait_demo import DEFAULT_PRESET, VIEWS
from keras_portrait_demo.once import draw_from_source, draw_once, is_photo

_BENCHMARK_FRAMES = 100
# The ways to run, and for what only some of them check_stop, which; everything else goes with each.
_PHOTO, _PHOTO_TO, _BENCHMARK = "--once PHOTO", "--once FILE --source PHOTO", "--benchmark"
_TAKE = "--once FILE --source CAMERA"
_LIVE = tuple(f"--view {view}" for view in VIEWS)
_WEB = "--view web"
_GOES_WITH = {
    "--out": (_PHOTO,),
    "--width": (_TAKE, _BENCHMARK, *_LIVE),
    "--height": (_TAKE, _BENCHMARK, *_LIVE),
    "--faces": (_BENCHMARK, *_LIVE),
    "--layout": (_BENCHMARK, *_LIVE),
    "--frames": (_BENCHMARK,),
    "--view": _LIVE,
    "--record": _LIVE,
    "--button": _LIVE,
    "--countdown": _LIVE,
    "--print-command": _LIVE,
    "--host": (_WEB,),
    "--port": (_WEB,),
    "--token": (_WEB,),
    "--phone-page": (_WEB,),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command `portrait-demo`.

    Args:
        arguments: what follows the command's name; None takes it from the command line.

    Returns:
        The exit code: 0, 2 after an error that the user can mend, or 130 after Ctrl-C.
    """
    started = time.perf_counter()
    with running("portrait-demo"):
        options = _parser().parse_args(arguments)
        try:
            _refuse_idle(options, arguments)
            _run(options, started)
        except PortraitError as error:
            if options.debug:
                raise
            remark(f"portrait-demo: {error}")
            return 2
        except KeyboardInterrupt:
            return 130
        return 0


def _refuse_idle(options: argparse.Namespace, arguments: list[str] | None) -> None:
    """Refuses an option that would do nothing in this way to run."""
    if options.once is not None:
        way = _PHOTO
        if options.source is not None:
            way = _PHOTO_TO if is_photo(options.source) else _TAKE
    else:
        way = _BENCHMARK if options.benchmark else f"--view {options.view}"
    # The parser leaves alone what a namespace holds already, unless the user gives it.
    nothing = object()
    marked = argparse.Namespace(**dict.fromkeys(vars(options), nothing))
    given = _parser().parse_args(arguments, marked)
    for flag, ways in _GOES_WITH.items():
        name = flag.lstrip("-").replace("-", "_")
        if way not in ways and getattr(given, name) is not nothing:
            raise SettingError(f"{flag} goes with {' or '.join(ways)}. Received: {flag} with {way}")


def _usb_camera(number: str) -> str:
    if not number.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number from 0 up. Received: {number}")
    return f"usb:{int(number)}"


def _run(options: argparse.Namespace, started: float) -> None:
    """Does what the options ask for; what each needs is imported there, so that --help is quick."""
    drawn_with = {name: getattr(options, name) for name in ("preset", "style", "threads")}
    size = {"width": options.width, "height": options.height}
    if options.once is not None:
        if options.source is None:
            tell(draw_once(options.once, options.out, **drawn_with))
        else:
            tell(draw_from_source(options.source, options.once, **drawn_with, **size))
        return
    shown = {"faces": options.faces, "layout": options.layout}
    if options.benchmark:
        from keras_portrait_demo.bench import measure

        source = options.source or "synthetic"
        figures = measure(
            source, **drawn_with, **size, **shown, frames=options.frames, started=started
        )
        tell(json.dumps(figures, indent=2))
        return
    from keras_portrait_demo.show import show_live

    show_live(
        options.source or "auto",
        options.view,
        **drawn_with,
        **size,
        **shown,
        host=options.host,
        port=options.port,
        token=options.token,
        phone_page=options.phone_page,
        record=options.record,
        button=options.button,
        countdown=options.countdown,
        print_command=options.print_command,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="portrait-demo",
        description="Draw portraits live from a camera, in the browser. Needs no TensorFlow.",
        allow_abbrev=False,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--source",
        metavar="SOURCE",
        help="auto (picamera2, then USB), picamera2, usb:N, N or /dev/videoN, rtsp://... or "
        "http://... of a stream or video, synthetic (no camera), or a photo, a folder of photos, "
        "an animated picture or a video (default: auto)",
    )
    source.add_argument(
        "--cameraId",
        dest="source",
        metavar="N",
        type=_usb_camera,
        help="the same as --source usb:N",
    )
    preset = parser.add_mutually_exclusive_group()
    preset.add_argument(
        "--preset",
        default=DEFAULT_PRESET,
        help="name of a preset, or its folder (default: %(default)s)",
    )
    preset.add_argument(
        "--model", dest="preset", metavar="FILE", help="a preset's model file instead"
    )
    parser.add_argument("--style", help="name, index or mix of the preset's styles")
    parser.add_argument(
        "--view",
        choices=VIEWS,
        default="web",
        help="where to look at it (default: %(default)s)",
    )
    parser.add_argument(
        "--layout",
        default="drawing",
        metavar="drawing|side-by-side|overlay",
        help="what is shown of a frame (default: %(default)s)",
    )
    parser.add_argument(
        "--faces", type=int, default=1, metavar="K", help="draw up to K faces (default: 1)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address of the web view (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="port of the web view (default: %(default)s)"
    )
    parser.add_argument(
        "--token",
        help="what visitors of the web view must know; one is made where --host is not this "
        "machine alone",
    )
    parser.add_argument(
        "--phone-page",
        metavar="ADDRESS",
        help="https address of a page that `portrait web` made: visitors of the web view get it as "
        "a link and a QR code, to draw on their own phone",
    )
    parser.add_argument(
        "--threads", "--numThreads", type=int, metavar="N", help="CPU threads (default: up to 4)"
    )
    parser.add_argument(
        "--width",
        "--frameWidth",
        type=int,
        default=640,
        metavar="PIXELS",
        help="columns of a frame (default: %(default)s)",
    )
    parser.add_argument(
        "--height",
        "--frameHeight",
        type=int,
        default=480,
        metavar="PIXELS",
        help="rows of a frame (default: %(default)s)",
    )
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="write a video of what is shown into a folder"
    )
    _add_booth(parser)
    task = parser.add_mutually_exclusive_group()
    task.add_argument(
        "--once",
        type=Path,
        metavar="FILE",
        help="draw one photo and print how long each stage took: FILE is the photo, or with "
        "--source the drawing, and the photo is taken there",
    )
    task.add_argument(
        "--benchmark",
        action="store_true",
        help="print as JSON how fast this machine draws (default source: synthetic)",
    )
    parser.add_argument(
        "-o", "--out", type=Path, help="the drawing of --once PHOTO (default: PHOTO.portrait.png)"
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=_BENCHMARK_FRAMES,
        metavar="N",
        help="frames of --benchmark (default: %(default)s)",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    return parser


def _add_booth(parser: argparse.ArgumentParser) -> None:
    booth = parser.add_argument_group(
        "photo booth",
        "The window's space bar takes a picture after a countdown and keeps its drawing in the "
        "folder pictures, or in that of --record. With any of these options so does the push "
        "button, and the page's button.",
    )
    booth.add_argument(
        "--button",
        metavar="PIN",
        help="GPIO number of a push button to ground; needs gpiozero",
    )
    booth.add_argument(
        "--countdown",
        type=float,
        metavar="SECONDS",
        help="from the press to the picture (default: 3)",
    )
    booth.add_argument(
        "--print-command",
        metavar="COMMAND",
        help='prints each drawing, for example "lp -o fit-to-page {}"; {} is its file',
    )


if __name__ == "__main__":
    sys.exit(main())
