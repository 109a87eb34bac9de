"""`prepare.json`: the options that a data folder was made with, and how its photos are aligned."""

from pathlib import Path

from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import parse_json, read_bounded
from keras_portrait.inference.alignment import ALIGNMENTS

OPTIONS_NAME = "prepare.json"
# The highest that this version knows, raised when the same input comes out as other pictures.
# Format 1 is alignment 1; from format 2 on the options say which alignment the photos have.
FORMAT = 2


def read_options(folder: str | Path) -> dict:
    """Reads with which options a data folder was made; {} where that cannot be told."""
    try:
        options = parse_json(read_bounded(Path(folder) / OPTIONS_NAME))
    except (OSError, ValueError):
        return {}
    return options if isinstance(options, dict) else {}


def read_alignment(folder: str | Path) -> int:
    """Reads how the photos of a data folder are aligned.

    Args:
        folder: made by `prepare`.

    Returns:
        One of `alignment.ALIGNMENTS`: 1 where the folder is older than the others.

    Raises:
        InputError: a newer version made the folder.
    """
    refuse_newer(folder)
    alignment = read_options(folder).get("alignment", 1)
    if type(alignment) is not int or alignment not in ALIGNMENTS:
        raise InputError(
            f"This version knows the alignments {', '.join(map(str, ALIGNMENTS))}. "
            f"Received: alignment {alignment!r} in {Path(folder) / OPTIONS_NAME}"
        )
    return alignment


def require_alignment(folder: str | Path, alignment: int, who: str) -> None:
    """Refuses a data folder whose photos are aligned in another way than a generator's.

    Args:
        folder: made by `prepare`.
        alignment: of the photos that the generator learned from.
        who: the generator, at the beginning of the text.

    Raises:
        SettingError: they are.
        InputError: a newer version made the folder.
    """
    found = read_alignment(folder)
    if found != alignment:
        raise SettingError(
            f"{who} takes photos of alignment {alignment}. Expected a folder made by `portrait "
            f"prepare --alignment {alignment}`. Received: alignment {found} in {folder}"
        )


def refuse_newer(folder: str | Path) -> None:
    """Refuses a data folder whose `prepare.json` is of a format that this version does not know.

    Raises:
        InputError: it is.
    """
    made = read_options(folder).get("format", FORMAT)
    if type(made) is not int or not 1 <= made <= FORMAT:
        raise InputError(
            f"This version reads data folders up to format {FORMAT}. Expected one that "
            f"`portrait prepare` of this version or an older one made. Received: format {made!r} "
            f"in {Path(folder) / OPTIONS_NAME}"
        )
