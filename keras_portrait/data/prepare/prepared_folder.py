"""The manifest of a data folder while it is being made.

Lines are appended while the work goes on, so that an interrupted run can go on where it was; at
the end the file is written again in order.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from keras_portrait.data.folder_options import OPTIONS_NAME, read_options, refuse_newer
from keras_portrait.data.manifest import NAME, Row, append_row, read_manifest, write_rows
from keras_portrait.errors import InputError
from keras_portrait.files import remove_unfinished, write_whole


class PreparedFolder:
    """The manifest of a data folder while it is being made.

    Args:
        folder: the data folder; made when it is not there.
        options: settings that the squares depend on; squares made with others are removed. The
            squares do not depend on "edge_promote": without it their twins alone are removed.
        dry_run: keep nothing and touch nothing.

    Raises:
        InputError: the folder holds something that no earlier run made, was made by a newer
            version, leads to another folder, or cannot be written to.
    """

    def __init__(self, folder: Path, options: dict, dry_run: bool = False):
        self._folder = folder
        self._dry_run = dry_run
        self._done: dict[tuple[str, str], Row] = {}
        _check_ours(folder)
        refuse_newer(folder)
        if dry_run:
            return
        _make_folder(folder)
        _refuse_links(folder)
        remove_unfinished(folder)
        rows = read_manifest(folder) if (folder / NAME).is_file() else []
        before = read_options(folder)
        if before | {"edge_promote": None} != options | {"edge_promote": None}:
            self._remove(rows)
            rows = []
        elif before.get("edge_promote") and not options.get("edge_promote"):
            self._unlink(row.smooth for row in rows)
        self._done = {(row.kind, row.source): row for row in rows}
        # Rows before options: an interruption in between costs work, but never keeps a wrong row.
        write_rows(folder, rows)
        write_whole(folder / OPTIONS_NAME, (json.dumps(options, indent=1) + "\n").encode())

    def find(self, kind: str, source: str) -> Row | None:
        """The row of a picture that an earlier run finished, or None."""
        return self._done.get((kind, source))

    def add(self, row: Row) -> None:
        """Appends a row at once, so that an interruption does not lose it."""
        if self._dry_run:
            return
        append_row(self._folder, row)

    def finish(self, rows: list[Row]) -> None:
        """Replaces the file by these rows, in their order, and removes squares of gone pictures."""
        if self._dry_run:
            return
        files = {row.file for row in rows}
        self._remove([row for row in self._done.values() if row.file not in files])
        write_rows(self._folder, rows)

    def _remove(self, rows: list[Row]) -> None:
        self._unlink(name for row in rows for name in (row.file, row.mask, row.smooth))

    def _unlink(self, names: Iterable[str | None]) -> None:
        folder = self._folder.resolve()
        for name in {name for name in names if name}:
            path = folder / name
            # A manifest from elsewhere must not reach files outside its folder.
            if path.resolve().is_relative_to(folder):
                path.unlink(missing_ok=True)


def _check_ours(folder: Path) -> None:
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise InputError(
            f"Cannot read the output folder ({error.strerror}). Received: {folder}"
        ) from error
    if names and not names & {NAME, OPTIONS_NAME}:
        raise InputError(
            "The output folder holds something else. Expected a new or empty folder, or one made "
            f"by `portrait prepare`. Received: {folder}"
        )


def _refuse_links(folder: Path) -> None:
    """A folder from elsewhere must not have pictures written to other places."""
    for place, names, _ in os.walk(folder):
        for name in names:
            if os.path.islink(os.path.join(place, name)):
                raise InputError(
                    "A folder in the output folder is a link. Expected real folders; the output "
                    f"folder itself may be a link. Received: {os.path.join(place, name)}"
                )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot make the output folder ({error.strerror}). Received: {folder}"
        ) from error
