"""What makes it the same run, wherever it, its pictures and its files lie."""

import contextlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import file_sha256

# The options of the recipe, in `options.json`.
RECIPE = "recipe"
EPOCHS = "train.epochs"
# What follows the name of a setting that is a path, in the key that tells what lies there.
CONTENT = "_sha256"
# Told, and not compared: pictures are compared one by one, wherever they lie; and what a run
# started from has done its work, and may have learned more since; how many steps are taken at once
# changes none of them.
_NOT_COMPARED = (
    *("data", "photos", "drawings", "pictures", f"start_from{CONTENT}"),
    "train.steps_per_execution",
    # Of an adaptation, which has its own in its checkpoint: that of the run may have learned more.
    f"inverse{CONTENT}",
)
# As many differences are named, and as many pictures.
_NAMED = 3
# Of a hash, as many digits are shown.
_DIGITS = 12
# What `-s` takes as it is; anything else needs quotes to stay a text.
_WORD = re.compile(r"[A-Za-z_./~][\w./~-]*")
_NO_WORDS = ("true", "false", "inf", "nan")


@dataclass(frozen=True)
class RunIdentity:
    """What tells one run from another.

    Attributes:
        options: what `options.json` holds: the recipe, what the pictures are, and for a setting
            that is a path, `NAME`, what lies there, as `NAME_sha256`.
        pictures: what `pictures.json` holds, a fingerprint by file.
        defaults: what a run has that began before there was such an option, of the method's recipe.
    """

    options: dict
    pictures: dict
    defaults: dict = field(default_factory=dict)

    def differences(self, known: Mapping) -> list[tuple[str, object, object]]:
        """In which options a run differs, more epochs than it began with left out.

        Args:
            known: the options of its folder.

        Returns:
            Triples of a key, its value there and its value now; keys of the recipe as `-s` takes
            them. Paths at which the same lies are the same.
        """
        before, now = self._flat(known), self._flat(self.options)
        if before.get("method") != now.get("method"):
            return [("method", before.get("method"), now.get("method"))]
        found = []
        # What stands beside the recipe first: what it is of comes before how it is made.
        for key in sorted({*before, *now}, key=lambda key: ("." in key, key)):
            old, new = before.get(key), now.get(key)
            content = f"{key.rpartition('.')[2]}{CONTENT}"
            moved = content in before and before[content] == now.get(content)
            # Runs that began before it was told are not asked for it.
            untold = key.endswith(CONTENT) and key not in before
            grows = key == EPOCHS and self.former_epochs(known) is not None
            if old != new and not (key in _NOT_COMPARED or moved or untold or grows):
                found.append((key, old, new))
        return found

    def former_epochs(self, known: Mapping) -> int | None:
        """How many epochs a run began with, where there are to be more now; else None."""
        old, new = (self._flat(options).get(EPOCHS) for options in (known, self.options))
        return old if type(old) is type(new) is int and old < new else None

    def moves(self, known: Mapping) -> list[str]:
        """A line for the pictures where they lie elsewhere than a run's options say; or none."""
        old, new = known.get("data"), self.options.get("data")
        return [] if old == new else [f"The same pictures, now in {new} instead of {old}."]

    def is_of(self, known: Mapping, pictures: Mapping | None) -> bool:
        """Whether a run is this one, neither shorter nor with other pictures.

        Args:
            known: the options of its folder.
            pictures: the pictures of its folder. Where the data folder is the same they do not
                matter: it is that run, whose pictures have changed.
        """
        if self.differences(known) or self.former_epochs(known) is not None:
            return False
        stayed = known.get("data") == self.options.get("data")
        return stayed or (pictures is not None and not changes(pictures, self.pictures))

    def refuse_others(self, folder, known: Mapping, pictures: Mapping | None) -> None:
        """Refuses to go on with a run that is another one.

        Args:
            folder: the run folder, for the text of the error.
            known: its options.
            pictures: its pictures; None where they are not known.

        Raises:
            SettingError: its options are others.
            InputError: its pictures are.
        """
        if found := self.differences(known):
            former = f"the options that it began with{_as_settings(found)}"
            raise SettingError(
                f"{folder} holds a run with other options. Expected {former}, or another --run-dir "
                f"for a new run. Received: {describe(found)}"
            )
        if pictures is None or not (change := changes(pictures, self.pictures)):
            return
        old, new = known.get("data"), self.options.get("data")
        what = (
            f"{new}: the pictures have changed since {folder} began"
            if old == new
            else f"{new} holds other pictures than {old}, on which {folder} is trained"
        )
        raise InputError(
            f"{what}. Expected the pictures that it began with, or another --run-dir. "
            f"Received: {change}"
        )

    def renewed(self, known: Mapping, begun: bool) -> dict:
        """The options of a run as they are from now on, where it is gone on with.

        Args:
            known: what they were.
            begun: whether it has taken what it started from.
        """
        origin = f"start_from{CONTENT}"
        kept = {origin: known[origin]} if begun and origin in known else {}
        return {**self.options, **kept}

    def _flat(self, options):
        """Every option by its name, the recipe's as `-s` takes them."""
        own = {name: value for name, value in options.items() if name != RECIPE}
        recipe = options.get(RECIPE) or {}
        return {**own, **flatten(self.defaults), **flatten(recipe)}


def content_of(**paths: str) -> dict[str, str]:
    """What lies at the paths that a recipe names, for its options.

    Args:
        **paths: by the name of the setting; "" for none.

    Returns:
        SHA-256 by `NAME_sha256`, of those that can be read: others are refused where they are used.
    """
    found = {}
    for name, path in paths.items():
        with contextlib.suppress(OSError, ValueError):
            found |= {f"{name}{CONTENT}": file_sha256(Path(path))} if path else {}
    return found


def changes(before: dict[str, list], now: dict[str, list]) -> str:
    """Names pictures that were added, removed or changed; "" where there are none.

    Args:
        before: `data.fingerprint` of when the run began.
        now: that of today.
    """
    parts = []
    for word, files in (
        ("added", now.keys() - before.keys()),
        ("removed", before.keys() - now.keys()),
        ("changed", {file for file in before.keys() & now.keys() if before[file] != now[file]}),
    ):
        if files:
            names = ", ".join(sorted(files)[:_NAMED])
            more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
            parts.append(f"{word} {names}{more}")
    return "; ".join(parts)


def flatten(values: Mapping, prefix: str = "") -> dict:
    """The values of nested sections, by names with points."""
    flat = {}
    for key, value in values.items():
        inner = isinstance(value, Mapping)
        flat |= flatten(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return flat


def describe(found: list[tuple[str, object, object]]) -> str:
    """Differences in words, the first three of them."""
    named = [
        f"{key}: {_shown(key, old)} there, {_shown(key, new)} now"
        for key, old, new in found[:_NAMED]
    ]
    more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return "; ".join([*named, *more])


def _shown(key, value):
    if value in (None, ""):
        return "nothing"
    return value[:_DIGITS] if key.endswith(CONTENT) else value


def _as_settings(found):
    """What a command says to have the former options again; "" where it cannot say it all."""
    settings = [
        f"-s {shlex.quote(f'{key}={_setting(old)}')}"
        for key, old, _ in found
        if "." in key and old is not None
    ]
    return f" ({' '.join(settings)})" if len(settings) == len(found) <= _NAMED else ""


def _setting(value):
    """A value as `-s` takes it."""
    plain = isinstance(value, str) and _WORD.fullmatch(value) and value not in _NO_WORDS
    return value if plain else json.dumps(value)
