"""`portrait prepare`: folders of photos, drawings and avatars become a folder to train on."""

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from keras_portrait.errors import InputError, SettingError
from keras_portrait.terminal import tell

# Names that are listed of each finding.
_LISTED = 5


class Masks(enum.StrEnum):
    """Where masks are from that do not lie beside the pictures."""

    BOXES = "boxes"
    FACEMESH = "facemesh"


def prepare(
    photos: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of photos; subfolders are searched too. Without DRAWINGS also a training "
            "folder in the layout of Unpaired-Portrait-Drawing, which holds both."
        ),
    ] = None,
    drawings: Annotated[
        Path | None, typer.Argument(help="Folder of drawings; each subfolder is a style.")
    ] = None,
    avatars: Annotated[
        Path | None,
        typer.Option(
            metavar="AVATARS",
            help="Folder of pictures in colour that are taken as they are: the middle square, no "
            "face looked for. Each subfolder is a label. With PHOTOS, with both, or alone.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder to make.")] = None,
    size: Annotated[int, typer.Option(help="Side of the squares in pixels.")] = 256,
    holdout: Annotated[
        float, typer.Option(help="Share of the pictures to keep back for tests.")
    ] = 0.1,
    edge_promote: Annotated[
        bool,
        typer.Option(
            help="Write OUTPUT/smooth too: each avatar and drawing with its edges blurred, as "
            "CartoonGAN needs them."
        ),
    ] = False,
    shards: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Pack OUTPUT/shards too: N tar files of each kind and split, which can be copied "
            "to an object store and trained on there. Without it, earlier ones are removed.",
        ),
    ] = None,
    alignment: Annotated[
        int | None,
        typer.Option(
            help="How photos are aligned: 2 continues them outside of their edge and evens the "
            "exposure of faces, 1 is what presets without it were trained on. Default: that of "
            "OUTPUT, and 2 where it is new.",
        ),
    ] = None,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Landmarks of photos and drawings, a row each: file (the path inside PHOTOS or "
            "DRAWINGS, or its end), left_eye_x, left_eye_y, right_eye_x, right_eye_y, nose_x, "
            "nose_y, mouth_left_x, mouth_left_y, mouth_right_x, mouth_right_y, in pixels, left as "
            "seen. They count wherever they are given, also where the detector would find a face.",
        ),
    ] = None,
    masks: Annotated[
        Masks,
        typer.Option(
            help="Where the masks of eyes, nose and lips are from: soft boxes around the five "
            "landmarks, or the outlines of FaceMesh (extra facemesh). Masks that lie beside the "
            "pictures, as in the release of the paper, are taken in any case.",
        ),
    ] = Masks.BOXES,
    dry_run: Annotated[
        bool, typer.Option(help="Look at every picture and report; nothing is written.")
    ] = False,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Look through a folder made earlier and say what is wrong with it and how to mend "
            "it; nothing is changed. Takes no PHOTOS, DRAWINGS, AVATARS or -o.",
        ),
    ] = None,
) -> None:
    """Make photos, with drawings or avatars or alone, or avatars ready for training.

    Photos and drawings are aligned and get masks of eyes, nose and lips; those without a usable
    face are left out. OUTPUT/manifest.jsonl says why. Files that cannot be read are left out, too,
    and the exit code is 2. Ctrl-C is safe: the same command goes on where it was.

    With --check the exit code is 1 where something serious is wrong.
    """
    given = {"PHOTOS": photos, "DRAWINGS": drawings, "-o": output, "--avatars": avatars}
    if check is not None:
        _refuse_others(given | {"--landmarks": landmarks})
        _check(check)
        return
    _require_enough(given)

    from keras_portrait.data.manifest import NAME
    from keras_portrait.data.prepare.prepare import prepare as run

    with show_preparation() as show:
        summary = run(
            photos,
            drawings,
            output,
            size,
            holdout,
            avatars=avatars,
            edge_promote=edge_promote,
            shards=shards,
            alignment=alignment,
            landmarks=landmarks,
            masks=masks.value,
            dry_run=dry_run,
            progress=show,
        )
    for line in summary.lines():
        tell(_text(line))
    if not any(row.kept for row in summary.rows):
        where = "" if dry_run else f"; {output / NAME} says why each was dropped"
        raise InputError(
            f"No picture can be used{where}. Expected at least one. "
            f"Received: {_number(len(summary.rows), 'picture')}"
        )
    if not dry_run:
        tell(output)
    if summary.unreadable:
        raise typer.Exit(2)


def _refuse_others(given: dict[str, Path | None]) -> None:
    others = [name for name, path in given.items() if path is not None]
    if others:
        raise SettingError(
            "--check takes the folder to look through and nothing else. Expected: "
            f"portrait prepare --check DATA. Received: {', '.join(others)} too"
        )


def _require_enough(given: dict[str, Path | None]) -> None:
    """Sees to it that there are an output folder and inputs that one can train on together."""
    missing = [name for name, path in given.items() if path is None]
    if not {"--avatars", "PHOTOS"} <= set(missing):
        missing = [name for name in missing if name == "-o"]
    if missing:
        raise SettingError(
            "Expected: portrait prepare PHOTOS [DRAWINGS] -o OUTPUT, portrait prepare [PHOTOS] "
            "--avatars AVATARS -o OUTPUT, or portrait prepare --check DATA. "
            f"Received: no {', no '.join(missing)}"
        )


def _check(folder: Path) -> None:
    """Prints what is wrong with a data folder and ends with exit code 1 where it is serious."""
    from keras_portrait.data.manifest import Summary, read_manifest
    from keras_portrait.data.prepare.check import check_prepared, find_hidden

    with show_preparation() as show:
        findings = check_prepared(folder, progress=show)
    for finding in findings:
        count = f": {len(finding.files)}" if finding.files else ""
        tell(_text(f"{'serious' if finding.serious else 'remark'}: {finding.what}{count}"))
        for name in finding.files[:_LISTED]:
            tell(f"    {_text(name)}")
        if len(finding.files) > _LISTED:
            tell(f"    and {len(finding.files) - _LISTED} more")
        tell(f"  mend: {finding.remedy}")
    hidden = find_hidden(folder)
    passed = [hidden.told()] if hidden.hidden else []
    serious = sum(finding.serious for finding in findings)
    if serious:
        remarks = _number(len(findings) - serious, "remark")
        tell(_text(f"{folder}: {', '.join([f'{serious} serious', *passed, remarks])}"))
        raise typer.Exit(1)
    # Without a serious finding the manifest is whole.
    summary = Summary(read_manifest(folder))
    remarks = _number(len(findings), "remark") if findings else "nothing to mend"
    tell(_text(f"{folder}: {', '.join([*_holdings(summary), *passed, remarks])}"))


def _holdings(summary) -> list[str]:
    """How much there is of each kind: "4 photos", "4 drawings in 1 style"."""
    parts = []
    for kind, noun in (("photo", None), ("drawing", "style"), ("avatar", "label")):
        rows = [row for row in summary.rows if row.kept and row.kind == kind]
        tags = {row.style for row in rows if row.style}
        part = _number(len(rows), kind)
        if noun and tags:
            part += f" in {_number(len(tags), noun)}"
        if rows:
            parts.append(part)
    return parts


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _text(name: str) -> str:
    """A name as one line of text: it may hold bytes that are no text, or control characters."""
    name = name.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in name)


@contextmanager
def show_preparation() -> Iterator[Callable]:
    """A bar on terminals; gives the function that moves it and names what cannot be read."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from keras_portrait.data.manifest import UNREADABLE
    from keras_portrait.inference.skipped import Skipped

    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    name_column = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), name_column)
    hidden, skipped = not console.is_terminal, Skipped()
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)

        def show(row, number: int, count: int) -> None:
            name = _text(row.source)
            if row.broken:
                error = row.reason.removeprefix(f"{UNREADABLE} (").removesuffix(")")
                skipped.add(error, name, line=f"{name}: {row.reason}")
            bar.update(task, completed=number, total=count, description=name[-40:])

        yield show
    skipped.tell_shared()
