"""`portrait stylize --watch FOLDER -o OUT`: draws the photos that arrive in a folder."""

import signal
import sys
from collections import Counter
from pathlib import Path

import typer

from keras_portrait.cli.photo_jobs import folder_of_drawings
from keras_portrait.errors import InputError, SettingError
from keras_portrait.terminal import remark, tell

# What a shell shows of a program that Ctrl-C ended.
_INTERRUPTED = 130


def watch_folder(given: list[str], output: str | None, preset: str, **options) -> None:
    """Draws until Ctrl-C or SIGTERM, and ends with the counts.

    Args:
        given: what the user names, one folder.
        output: what follows -o; None where it is not given.
        preset: as `presets.find_preset` takes it.
        **options: `style`, `faces`, `crop`, `whole`, `background`.

    Raises:
        PortraitError: a setting does not fit, or a folder cannot be used.
        typer.Exit: with code 130 after Ctrl-C.
    """
    if len(given) > 1:
        raise SettingError(f"--watch takes one folder. Received: {' '.join(given)}")
    source = Path(given[0])
    target = folder_of_drawings(source, output)
    from keras_portrait.inference.bulk.drawing import drawing_options
    from keras_portrait.inference.bulk.photos import DRAWN
    from keras_portrait.inference.bulk.watching import Watch
    from keras_portrait.inference.stylizer import Stylizer

    def report(photo) -> None:
        name = str(InputError(photo.name))  # it may hold commands to the terminal
        if photo.status == DRAWN:
            tell(target / photo.output)
            if photo.remark:
                remark(f"{name}: {photo.remark}")
        else:
            remark(f"skipped: {name}: {photo.reason}")

    plain = {name: getattr(value, "value", value) for name, value in options.items()}
    made = drawing_options(preset, **plain)
    stylizer = Stylizer(made.preset)
    watch = Watch(source, target, made, stylizer, report, lambda line: remark(f"portrait: {line}"))
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    remark(f"Watching {InputError(str(source))}; Ctrl-C ends")
    try:
        watch.run()
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        remark(_told(watch.counts()))


def _told(counts: Counter) -> str:
    """The counts in words."""
    parts = [f"{counts['drawn']} drawn", f"{counts['skipped']} finished before"]
    if counts["failed"]:
        parts.append(f"{counts['failed']} could not be drawn")
    if counts["other"]:
        noun = "file that is no picture" if counts["other"] == 1 else "files that are no pictures"
        parts.append(f"{counts['other']} {noun} passed over")
    if counts["hidden"]:
        noun = "file or folder" if counts["hidden"] == 1 else "files and folders"
        parts.append(f"{counts['hidden']} hidden or system {noun} passed over")
    if counts["waiting"]:
        parts.append(f"{counts['waiting']} not drawn yet")
    return ", ".join(parts)
