"""`portrait stylize IN OUT --engine ...`: many photos by several processes."""

import enum

import typer

from keras_portrait.errors import InputError, SettingError


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

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = SpinnerColumn(), TextColumn("{task.completed:.0f} photos"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def report(photo) -> None:
            progress.advance(task)
            if photo.status == FAILED:
                # Names may hold commands to the terminal; errors write those out.
                line = InputError(f"skipped: {photo.name}: {photo.reason}")
                console.print(str(line), markup=False)

        # Enumerations of the command line need not travel to the workers.
        plain = {name: getattr(value, "value", value) for name, value in options.items()}
        made = drawing_options(preset, **plain)
        counts = draw_in_bulk(source, target, made, engine.value, report)
    summary = f"{counts['drawn']} drawn, {counts['skipped']} finished before"
    console.print(summary, markup=False)
    if counts["drawn"] or counts["skipped"]:
        print(target)
    if counts["failed"]:
        console.print(
            f"{counts['failed']} of {counts.total()} pictures could not be drawn; {FILE_NAME} "
            "in OUT says why",
            markup=False,
        )
        raise typer.Exit(2)


def _check_target(target: str | None) -> None:
    from keras_portrait.inference.imaging import WRITABLE_SUFFIXES

    if target is None:
        raise SettingError(
            "--engine needs a place for the drawings. Expected: portrait stylize IN OUT --engine "
            "local. Received: no OUT"
        )
    if target.lower().endswith((*WRITABLE_SUFFIXES, ".svg")):
        raise SettingError(
            f"With --engine OUT is a folder or a URL, and drawings are .png. Received: {target}"
        )
