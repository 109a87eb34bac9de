"""`portrait stylize IN OUT --engine ...`: many photos by several processes."""

import enum

import typer

from keras_portrait.cli.photo_jobs import SVG_SUFFIX
from keras_portrait.errors import InputError, SettingError
from keras_portrait.terminal import remark, tell


class Engine(enum.StrEnum):
    """Who draws in bulk."""

    local = "local"
    ray = "ray"


def stylize_in_bulk(source: str, target: str | None, engine: Engine, preset: str, **options):
    """Draws with a progress line, and says what became of the photos.

    Args:
        source: path or URL of the photos.
        target: path or URL of the drawings.
        engine: who draws.
        preset: as `presets.find_preset` takes it.
        **options: `style`, `faces`, `crop`, `whole`, `background`.

    Raises:
        PortraitError: as `bulk.job.draw_in_bulk`.
        typer.Exit: with code 2, when some photos could not be drawn.
    """
    _check_target(target)
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from keras_portrait.inference.bulk.drawing import drawing_options
    from keras_portrait.inference.bulk.job import draw_in_bulk
    from keras_portrait.inference.bulk.manifest import FILE_NAME
    from keras_portrait.inference.bulk.photos import FAILED
    from keras_portrait.inference.folders import PassedOver
    from keras_portrait.inference.skipped import Skipped

    skipped = Skipped()
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = SpinnerColumn(), TextColumn("{task.completed:.0f} photos"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def report(photo) -> None:
            progress.advance(task)
            # Names may hold commands to the terminal; errors write those out.
            name = str(InputError(photo.name))
            if photo.status == FAILED:
                skipped.add(InputError(photo.reason), name)
            elif photo.remark:
                remark(f"{name}: {photo.remark}")

        # Enumerations of the command line need not travel to the workers.
        plain = {name: getattr(value, "value", value) for name, value in options.items()}
        made = drawing_options(preset, **plain)
        counts = draw_in_bulk(source, target, made, engine.value, report)
    skipped.tell_shared()
    summary = f"{counts['drawn']} drawn, {counts['skipped']} finished before"
    hidden = PassedOver(counts["hidden"]).told()
    remark(f"{summary}, {hidden}" if hidden else summary)
    if counts["failed"]:
        failed = f"{counts['failed']} of {counts.total() - counts['hidden']}"
        remark(f"{failed} pictures could not be drawn; {FILE_NAME} in OUT says why")
    if counts["drawn"] or counts["skipped"]:
        tell(target)
    if counts["failed"]:
        raise typer.Exit(2)


def _check_target(target: str | None) -> None:
    from keras_portrait.inference.imaging import WRITABLE_SUFFIXES

    if target is None:
        raise SettingError(
            "--engine needs a place for the drawings. Expected: portrait stylize IN OUT --engine "
            "local. Received: no OUT"
        )
    if target.lower().endswith((*WRITABLE_SUFFIXES, SVG_SUFFIX)):
        raise SettingError(
            f"With --engine OUT is a folder or a URL, and drawings are .png. Received: {target}"
        )
