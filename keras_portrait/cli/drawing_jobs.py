"""Draws what a plan says, with a progress bar, and says what became of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from keras_portrait.cli.photo_jobs import Plan
from keras_portrait.errors import PortraitError
from keras_portrait.terminal import remark, tell

if TYPE_CHECKING:
    from rich.progress import Progress


def progress_bar(is_shown: bool = True, **options) -> "Progress":
    """A bar on standard error, where that is a terminal.

    Args:
        is_shown: False for none at all.
        **options: of `rich.progress.Progress`.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    hidden = not (is_shown and console.is_terminal)
    # Names of drawings go to standard output, wherever the bar is.
    return Progress(console=console, redirect_stdout=False, disable=hidden, **options)


def draw_plan(
    plan: Plan,
    draw: Callable[[Path | None, Path | None], None],
    things: str,
    has_bar: bool = True,
) -> None:
    """Draws each job; what cannot be drawn is named and left out.

    Args:
        plan: the jobs.
        draw: draws a photo or clip into a file; see `Plan.jobs`.
        things: what they are called in the plural.
        has_bar: False where `draw` shows a bar of its own.

    Raises:
        PortraitError: the only one cannot be drawn.
        typer.Exit: with code 2, when some of several could not be drawn.
    """
    if plan.is_alone:
        ((source, target),) = plan.jobs
        draw(source, target)
        if target is not None:
            tell(target)
        return
    from keras_portrait.inference.skipped import Skipped

    skipped, drawn = Skipped(), 0
    for error in plan.refused:
        skipped.add(error)
    with progress_bar(has_bar) as bar:
        for source, target in bar.track(plan.jobs, description="Drawing"):
            try:
                draw(source, target)
            except PortraitError as error:
                skipped.add(error)
                continue
            drawn += 1
            if plan.result is None:
                tell(target)
    skipped.tell_shared()
    for line in plan.remarks:
        remark(line)
    if skipped.count:
        remark(f"{skipped.count} of {drawn + skipped.count} {things} could not be drawn")
    if drawn and plan.result is not None:
        tell(plan.result)
    if skipped.count:
        raise typer.Exit(2)
