"""Which photos `portrait stylize` draws, and where each drawing goes."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from keras_portrait.errors import InputError, PortraitError, SettingError
from keras_portrait.files import DRAWING_SUFFIX

SVG_SUFFIX = ".svg"
GCODE_SUFFIX = ".gcode"
# Stands for standard input as a photo, and for standard output as the place of a drawing.
STREAM = "-"
STREAM_STEM = "stdin"


@dataclass
class Plan:
    """What is to be drawn.

    Attributes:
        jobs: pairs of a photo, None for standard input, and the file of its drawing, None for
            standard output.
        result: what is printed at the end where something was drawn; None prints each drawing.
        folders: that drawings go into, which must be writable.
        is_alone: whether it is one photo, whose error ends the command.
        refused: errors of photos whose drawings cannot have a name, and of folders that cannot be
            read.
        remarks: lines on what was passed over.
    """

    jobs: list[tuple[Path | None, Path | None]]
    result: Path | None = None
    folders: list[Path] = field(default_factory=list)
    is_alone: bool = False
    refused: list[InputError] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def plan_jobs(photos: list[str], output: str | None) -> Plan:
    """Finds the photos that are named, and names their drawings.

    Args:
        photos: paths of photos and of folders of photos, or `STREAM` alone.
        output: what follows -o; None where it is not given.

    Raises:
        SettingError: the output does not fit, or a drawing would overwrite a photo.
        InputError: a folder is missing, cannot be read, or holds no picture.
    """
    if len(photos) > 1:
        return _plan_several(photos, output)
    if os.path.isdir(photos[0]):
        return _plan_folder(Path(photos[0]), output)
    return _plan_photo(photos[0], output)


def _plan_photo(photo: str, output: str | None) -> Plan:
    from keras_portrait.inference.imaging import WRITABLE_SUFFIXES

    source = None if photo == STREAM else Path(photo)
    name = (STREAM_STEM if source is None else source.stem) + DRAWING_SUFFIX
    if output == STREAM or (source is None and output is None):
        return Plan([(source, None)], is_alone=True)
    if output is None:
        target = source.with_name(name)
    elif is_folder(output):
        target = Path(output) / name
    elif Path(output).suffix.lower() in (*WRITABLE_SUFFIXES, SVG_SUFFIX, GCODE_SUFFIX):
        target = Path(output)
    else:
        raise SettingError(
            f"-o must be a {', '.join(WRITABLE_SUFFIXES)}, {SVG_SUFFIX} or {GCODE_SUFFIX} file, or "
            f"a folder. Received: {output}"
        )
    if source is not None:
        refuse_overwriting(target, source)
    return Plan([(source, target)], target, [target.parent], is_alone=True)


def refuse_overwriting(target: Path, photo: Path) -> None:
    """Raises SettingError where a result would take the place of a photo."""
    if os.path.exists(target) and os.path.exists(photo) and os.path.samefile(target, photo):
        raise SettingError(
            f"-o would overwrite the photo. Expected another name. Received: {target}"
        )


def is_folder(output: str) -> bool:
    """Whether -o names a folder: one that is there, or a new one by its slash or lack of suffix."""
    ends = (os.sep, "/", os.altsep or "/")
    return os.path.isdir(output) or output.endswith(ends) or not Path(output).suffix


def _require_folder(output: str, what: str) -> Path:
    from keras_portrait.inference.imaging import WRITABLE_SUFFIXES

    is_file = Path(output).suffix.lower() in (*WRITABLE_SUFFIXES, SVG_SUFFIX, GCODE_SUFFIX)
    if output == STREAM or os.path.isfile(output) or (is_file and not is_folder(output)):
        raise SettingError(f"-o must be a folder {what}. Received: {output}")
    return Path(output)


def folder_of_drawings(photos: Path, output: str | None) -> Path:
    """Where the drawings of a folder of photos go.

    Args:
        photos: the folder.
        output: what follows -o; None where it is not given.

    Raises:
        SettingError: the output is no folder.
    """
    if output is not None:
        return _require_folder(output, "when the photos are a folder")
    photos = photos.resolve() if photos.name in ("", "..") else photos
    return photos.with_name(photos.name + ".portraits")


def _plan_folder(photos: Path, output: str | None) -> Plan:
    """All pictures of a folder but earlier results; its tree is kept in the output."""
    from keras_portrait.inference.bulk.names import output_name
    from keras_portrait.inference.folders import PassedOver, list_images

    target = folder_of_drawings(photos, output)
    passed = PassedOver()
    found = list_images(photos, passed)
    plan = Plan([], target, [target], refused=list(passed.unreadable.values()))
    plan.remarks += [passed.told()] if passed.hidden else []
    photos_found = [source for source in found if not source.name.endswith(DRAWING_SUFFIX)]
    plan.remarks += _earlier(len(found) - len(photos_found))
    for source in photos_found:
        try:
            name = output_name(source.relative_to(photos).as_posix())
        except InputError as error:
            plan.refused.append(error)
            continue
        plan.jobs.append((source, target / name))
    if not plan.jobs:
        raise next(iter(plan.refused), None) or InputError(
            "No pictures in the folder. Expected such as JPEG, PNG, WebP or HEIC files. "
            f"Received: {photos}"
        )
    return plan


def _plan_several(photos: list[str], output: str | None) -> Plan:
    """Photos and folders that are named one by one, as a shell makes them of *.jpg."""
    from keras_portrait.inference.bulk.names import output_name

    if STREAM in photos:
        raise SettingError(f"- is standard input, and stands alone. Received: {' '.join(photos)}")
    if output is None and len(photos) == 2 and not os.path.lexists(photos[1]):
        raise SettingError(
            "No such photo. Expected photos that are there, -o before the place of the drawing, or "
            f"--engine local before IN OUT. Received: {photos[1]}"
        )
    target = None if output is None else _require_folder(output, "for several photos")
    plan, earlier = Plan([], target), 0
    for photo in map(Path, dict.fromkeys(photos)):
        if os.path.isdir(photo):
            try:
                inner = _plan_folder(photo, target and os.path.join(target, photo.resolve().name))
            except PortraitError as error:
                plan.refused.append(error)
                continue
            for part in ("jobs", "folders", "refused", "remarks"):
                getattr(plan, part).extend(getattr(inner, part))
            continue
        if photo.name.endswith(DRAWING_SUFFIX):
            earlier += 1
            continue
        try:
            drawing = (target or photo.parent) / output_name(photo.name)
        except InputError as error:
            plan.refused.append(error)
            continue
        plan.folders.append(drawing.parent)
        plan.jobs.append((photo, drawing))
    return finish_plan(
        plan, earlier, photos, "photos", ", or the folder that holds both instead of them"
    )


def finish_plan(
    plan: Plan, earlier: int, given: Iterable[str], things: str, or_else: str = ""
) -> Plan:
    """Looks whether each drawing has a name of its own, and says what was passed over.

    Args:
        plan: with all its jobs.
        earlier: how many drawings of an earlier run were passed over.
        given: what the user names.
        things: what that is called in the plural.
        or_else: what else would help where two have one name.

    Raises:
        SettingError: two drawings would have one name.
        InputError: nothing is left to draw.
    """
    taken: dict[str, Path | None] = {}
    for source, drawing in plan.jobs:
        # Some file systems take names that differ in their case alone for the same.
        place = str(drawing).casefold()
        if place in taken:
            raise SettingError(
                f"Two {things} would have one drawing. Expected {things} of different "
                f"names{or_else}. Received: {taken[place]} and {source}"
            )
        taken[place] = source
    plan.remarks += _earlier(earlier)
    if not (plan.jobs or plan.refused):
        raise InputError(
            f"Nothing but drawings of earlier runs. Expected {things}. Received: {' '.join(given)}"
        )
    return plan


def _earlier(count: int) -> list[str]:
    noun = "drawing" if count == 1 else "drawings"
    return [f"{count} {noun} of an earlier run passed over"] if count else []
