"""`portrait stylize clip.mp4`: videos and animated pictures to drawn ones."""

import os
from functools import partial
from pathlib import Path

from keras_portrait.cli.drawing_jobs import draw_plan, progress_bar
from keras_portrait.cli.photo_jobs import (
    STREAM,
    Plan,
    finish_plan,
    is_folder,
    refuse_overwriting,
)
from keras_portrait.errors import InputError, SettingError
from keras_portrait.terminal import remark

# What a drawn video's name ends with, where -o does not say it.
DRAWN_SUFFIX = ".portrait.mp4"


def find_clips(given: list[str], output: str | None) -> list[str]:
    """Which of the files are drawn frame by frame: videos, and animated pictures that -o keeps so.

    Args:
        given: what the user names.
        output: what follows -o; None where it is not given.

    Raises:
        InputError: a picture that may be animated cannot be read.
    """
    from keras_portrait.inference.formats import is_video_name

    clips = [place for place in given if is_video_name(place) and not os.path.isdir(place)]
    if not clips and output is not None and not is_folder(output) and _is_clip_name(output):
        from keras_portrait.inference.video.animation import is_animated

        clips = [place for place in given if is_animated(Path(place))]
    return clips


def stylize_clips(
    given: list[str], clips: list[str], output: str | None, preset: str, **options
) -> None:
    """Draws videos and animated pictures; says what became of them.

    Args:
        given: paths.
        clips: what `find_clips` found among them.
        output: what follows -o; None where it is not given.
        preset: as `generators.open_generator` takes it.
        **options: `style`, `faces`, `crop`, `whole`, `background`.

    Raises:
        PortraitError: a setting does not fit, or the only clip cannot be drawn.
        typer.Exit: with code 2, when some of several clips could not be drawn.
    """
    plan = _plan(given, clips, output)
    from keras_portrait.cli.generators import open_generator
    from keras_portrait.files import check_writable
    from keras_portrait.inference.style import style_vector
    from keras_portrait.inference.stylizer import Stylizer
    from keras_portrait.inference.video.drawing import ClipDrawer

    for folder in dict.fromkeys(plan.folders):
        check_writable(folder)
    stylizer = Stylizer(open_generator(preset))
    # A mistyped style would be told after each clip was searched for faces.
    style_vector(options["style"], stylizer.metadata.styles)
    drawer = ClipDrawer(stylizer, threads=min(4, os.cpu_count() or 1), **options)
    draw_plan(plan, partial(_draw, drawer), "videos", has_bar=False)


def _draw(drawer, source: Path, target: Path) -> None:
    """Draws one clip with a progress bar, and says what was left out."""
    tasks: dict[str, int] = {}
    with progress_bar(transient=True) as progress:

        def report(stage: str, frames: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=frames)
            progress.advance(tasks[stage])

        drawn = drawer.draw(source, target, report)
    name = str(InputError(source.name))  # it may hold commands to the terminal
    if drawn.missing:
        whole = drawn.frames + drawn.missing
        remark(f"{name}: the file was cut short: {drawn.missing} of {whole} frames are missing")
    if drawn.without_face:
        remark(f"{name}: no face in {drawn.without_face} of {drawn.frames} frames")
    if drawn.lost_sound:
        remark(f"{name}: sound, if there is any, is left out: {drawn.lost_sound}")


def _is_clip_name(output: str) -> bool:
    return Path(output).suffix.lower() in _clip_suffixes()


def _clip_suffixes() -> tuple[str, ...]:
    from keras_portrait.inference.video.encoding import ANIMATION_SUFFIXES, VIDEO_SUFFIXES

    return (*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES)


def _plan(given: list[str], clips: list[str], output: str | None) -> Plan:
    """What is drawn, and where each drawing goes.

    Raises:
        SettingError: the output does not fit, or clips are mixed with photos.
        InputError: there is nothing but drawings of earlier runs.
    """
    if output == STREAM:
        raise SettingError("A video is not written to standard output. Received: -o -")
    if len(given) == 1:
        return _plan_alone(Path(given[0]), output)
    known = set(clips)
    others = [place for place in given if place not in known]
    if others:
        raise SettingError(
            "Videos are drawn apart from photos and folders. Expected videos alone. "
            f"Received: {others[0]}"
        )
    if output is not None and (os.path.isfile(output) or not is_folder(output)):
        raise SettingError(f"-o must be a folder for several videos. Received: {output}")
    return _plan_several([Path(place) for place in dict.fromkeys(given)], output)


def _plan_alone(source: Path, output: str | None) -> Plan:
    if output is None:
        target = source.with_name(source.stem + DRAWN_SUFFIX)
    elif is_folder(output):
        target = Path(output) / (source.stem + DRAWN_SUFFIX)
    elif _is_clip_name(output):
        target = Path(output)
    else:
        raise SettingError(
            f"-o must be a {', '.join(_clip_suffixes())} file for a video, or a folder. "
            f"Received: {output}"
        )
    refuse_overwriting(target, source)
    return Plan([(source, target)], target, [target.parent], is_alone=True)


def _plan_several(sources: list[Path], output: str | None) -> Plan:
    plan, earlier = Plan([], None if output is None else Path(output)), 0
    for source in sources:
        if source.name.endswith(DRAWN_SUFFIX):
            earlier += 1
            continue
        # The whole name stays, so that clip.mov and clip.mp4 do not share a drawing.
        target = (plan.result or source.parent) / (source.name + DRAWN_SUFFIX)
        plan.jobs.append((source, target))
        plan.folders.append(target.parent)
    return finish_plan(plan, earlier, map(str, sources), "videos")
