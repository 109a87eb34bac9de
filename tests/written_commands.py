"""The commands that README, docs and the heads of recipes show, as a person would type them."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from keras_portrait.models import recipe_files

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("portrait", "portrait-export", "portrait-demo")
# Commands within a sentence that are whole: what follows the subcommand's name is no option.
_WHOLE = re.compile(r"`(portrait (?:train|prepare|distill|adapt|evaluate|sample) [^-`][^`]*)`")


@dataclass(frozen=True)
class Written:
    """A command, where it stands, and the commands of the same text before it.

    Attributes:
        text: name of the file.
        words: the program and what follows it.
        before: the words of earlier commands of that text, in order.
    """

    text: str
    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = field(repr=False)

    def __str__(self):
        return f"{self.text}: {shlex.join(self.words)}"


def written_commands() -> list[Written]:
    """Every command of every text; one that a text repeats counts once."""
    found = []
    for text, lines in _texts():
        before = []
        for line in lines:
            program, _, rest = re.sub(r"\s+# .*", "", line).strip().partition(" ")
            if program not in PROGRAMS or not rest:
                continue
            words = (program, *shlex.split(rest))
            if words not in before:
                found.append(Written(text, words, tuple(before)))
                before.append(words)
    return found


def _texts():
    """Names of texts, and their lines that may be commands, in the order of the text."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = []
        for block, inline in re.findall(
            rf"^ *```\w*\n(.*?)^ *```$|{_WHOLE.pattern}", text, re.MULTILINE | re.DOTALL
        ):
            lines += [" ".join(inline.split())] if inline else map(str.strip, block.splitlines())
        yield path.name, lines
    for name, path in recipe_files().items():
        head = re.match(r"(#.*\n)*", path.read_text(encoding="utf-8"))[0]
        yield name, [line.removeprefix("# ") for line in head.splitlines()]
