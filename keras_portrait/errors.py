"""The errors that a user can mend.

Every text is one line that says what is wrong and what was expected, and ends in
"Received: ..." where a value was given. The command line shows it without a traceback.
"""


class PortraitError(Exception):
    """Anything the user can mend: a file, a setting or a missing package.

    Args:
        text: what is wrong. What cannot be printed in it, such as a line break or a command to the
            terminal in the name of a file, is written as Python would: one line remains.

    Attributes:
        exit_code: what a command ends with.
    """

    exit_code = 2

    def __init__(self, text: str = ""):
        super().__init__("".join(map(_printable, text)))


class InputError(PortraitError):
    """A file or folder that cannot be read, or a picture that cannot be used."""


class NoFaceError(InputError):
    """A picture in which no face was found."""


class SettingError(PortraitError):
    """An option, recipe key, preset or style that does not exist or does not fit."""


class MissingExtra(PortraitError):
    """A package that is not installed; the text names the pip line that brings it."""


class PictureWarning(UserWarning):
    """Something odd about a picture that was used nevertheless; one line, as of the errors."""

    def __init__(self, text: str = ""):
        super().__init__("".join(map(_printable, text)))


class TruncatedPictureWarning(PictureWarning):
    """A picture was read whose file lost its end; the text says how much is missing."""


class TurnedPhotoWarning(PictureWarning):
    """The face of a photo that is drawn does not stand upright in it."""


def _printable(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def nearest(name: str, known) -> str:
    """Says which known names come near to a mistyped one.

    Args:
        name: what the user typed.
        known: iterable of the names that exist.

    Returns:
        `'Did you mean "pen"? '` when something is near, otherwise the list of all known names
        as `'Known: a, b. '`; an empty string when nothing is known.
    """
    import difflib

    known = [str(item) for item in known]
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(f'"{item}"' for item in near) + "? "
    return f"Known: {', '.join(known)}. " if known else ""
