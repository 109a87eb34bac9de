"""The help texts in docs/help are what the commands print.  Run this file to write them again."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from keras_portrait.inference.metadata import read_metadata
from keras_portrait.inference.presets import BUILT_IN
from keras_portrait.inference.style import style_vector

HELP = Path(__file__).resolve().parents[2] / "docs" / "help"
MODULES = {
    "portrait": "keras_portrait.cli",
    "portrait-export": "keras_portrait_export.__main__",
    "portrait-demo": "keras_portrait_demo.__main__",
}


def help_text(command: str) -> str:
    """What `command --help` prints on a terminal 100 columns wide, without colours."""
    program, *arguments = command.split()
    code = (
        f"import sys; from {MODULES[program]} import main; "
        f"sys.argv = [{program!r}, *{arguments!r}, '--help']; sys.exit(main())"
    )
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    environment.pop("FORCE_COLOR", None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines()) + "\n"


def words(text: str) -> list[str]:
    """The words of a help text; frames, brackets and line breaks differ between releases."""
    # Python 3.13 writes "-o, --out OUT" where earlier ones write "-o OUT, --out OUT".
    text = re.sub(r"(-\w) ([A-Z]+), (--[\w-]+ \2)", r"\1, \3", text)
    return re.sub(r"[\u2500-\u257f\[\]{}<>]", " ", text).casefold().split()


def subcommands() -> list[str]:
    """The names of the subcommands of `portrait`, and of theirs."""
    import typer

    from keras_portrait.cli import app

    def names(group):
        for name, command in getattr(group, "commands", {}).items():
            yield name
            yield from (f"{name} {below}" for below in names(command))

    return sorted(names(typer.main.get_command(app)))


def commands() -> list[str]:
    """Every command that a user can type."""
    return [*MODULES, *(f"portrait {name}" for name in subcommands())]


def path_of(command: str) -> Path:
    """The file that holds the help of a command; a subcommand's name follows a dot."""
    return HELP / f"{command.replace(' ', '.')}.txt"


@pytest.mark.parametrize("command", commands())
def test_help_text_is_true(command):
    written = path_of(command).read_text(encoding="utf-8")
    assert words(written) == words(help_text(command)), "run `make help-texts`"


def test_examples_of_styles_can_be_typed_as_they_stand():
    styles = read_metadata(BUILT_IN / "portrait").styles
    text = " ".join(path_of("portrait stylize").read_text(encoding="utf-8").split())
    text = re.sub(r"[\u2500-\u257f ]+", " ", text)
    (about,) = re.findall(r"--style STYLE (.*?)--crop", text)
    examples = re.findall(r"[\w.:]+(?:,[\w.:]*\w)+", about)
    assert len(examples) == 3
    for example in examples:
        assert style_vector(example, styles).shape == (1, len(styles))


def test_no_help_text_is_left_over():
    assert sorted(HELP.iterdir()) == sorted(path_of(command) for command in commands())


if __name__ == "__main__":
    for name in commands():
        path_of(name).write_text(help_text(name), encoding="utf-8")
