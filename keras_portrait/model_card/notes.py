"""`notes.toml` of a model card: what no file of a training knows, and a person has to say.

See `docs/training.md` for an example.
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from keras_portrait.errors import InputError, SettingError, nearest


@dataclass(frozen=True)
class DataSource:
    """Pictures that a preset learned from. All texts are Markdown.

    Attributes:
        name: what they are called.
        used_for: such as "photos", or the style whose drawings they are.
        licence: under which they are.
        credit: whom to name; "" where nobody has to be.
        link: where they come from; "" where there is no such place.
    """

    name: str
    used_for: str
    licence: str
    credit: str = ""
    link: str = ""


@dataclass(frozen=True)
class Notes:
    """What a person says about a preset. All texts are Markdown; those of lists are one item each.

    Attributes:
        sources: what it learned from; at least one.
        weights_licence: the licence of the preset itself.
        intended_use: what it is made for; at least one.
        failures: what it does badly; at least one.
        limits: what it is not made for.
        training: what the files of the training do not tell, such as which epoch was taken.
        data: what more there is to say of the pictures.
    """

    sources: tuple[DataSource, ...]
    weights_licence: str
    intended_use: tuple[str, ...]
    failures: tuple[str, ...]
    limits: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


def untold(data_licence: str) -> Notes:
    """What a card says where nobody has told anything yet.

    Args:
        data_licence: what the preset says of its pictures; "" for nothing.
    """
    pictures = f"Of the pictures the preset says: {data_licence}." if data_licence else ""
    return Notes(
        sources=(),
        weights_licence="",
        intended_use=(
            "Nobody has said yet what it is meant for, and what not: `portrait card --notes` "
            "writes this card again with what no file knows.",
        ),
        failures=("Nobody has looked through its drawings yet.",),
        data=(pictures or "Under which licences the pictures are nobody has said yet.",),
    )


_NEEDED = ("weights_licence", "intended_use", "failures")
_NEEDED_OF_SOURCE = ("name", "used_for", "licence")


def read_notes(path: str | Path) -> Notes:
    """Reads `notes.toml`.

    Args:
        path: the file.

    Raises:
        InputError: it cannot be read, or is no TOML.
        SettingError: a key is unknown, or a value does not fit or is missing; without sources and
            their licences, and without known failures, there is no model card.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read the notes ({error.strerror}). Received: {path}") from None
    except ValueError as error:
        raise InputError(f"{path}: expected notes in TOML. Received: {error}") from None
    sources = values.pop("sources", None)
    if not isinstance(sources, list) or not sources:
        raise SettingError(
            "A model card says which pictures were used, under which licences. Expected a "
            f"[[sources]] section with {', '.join(_NEEDED_OF_SOURCE)} for each. "
            f"Received: none in {path}"
        )
    found = []
    for number, source in enumerate(sources, start=1):
        place = f"[[sources]] number {number}"
        if not isinstance(source, dict):
            raise SettingError(f"{place}: expected a section. Received: {source!r} in {path}")
        _check_keys(source, DataSource, _NEEDED_OF_SOURCE, place, path)
        words = {key: _text(value, f"{place}: {key}", path) for key, value in source.items()}
        found.append(DataSource(**words))
    _check_keys(values, Notes, _NEEDED, "The notes", path)
    rest = {
        key: (_text if key == "weights_licence" else _texts)(value, key, path)
        for key, value in values.items()
    }
    return Notes(sources=tuple(found), **rest)


def _check_keys(values, kind, needed, place, path):
    known = [item.name for item in fields(kind)]
    for key in values:
        if key not in known:
            raise SettingError(
                f"{place}: unknown key. {nearest(key, known)}Received: {key} in {path}"
            )
    for key in needed:
        if not values.get(key):
            raise SettingError(f"{place}: expected {key}. Received: none in {path}")


def _text(value, place, path) -> str:
    """A text in one line."""
    if not isinstance(value, str) or not value.strip():
        raise SettingError(f"{place}: expected a text. Received: {value!r} in {path}")
    return " ".join(value.split())


def _texts(value, place, path) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SettingError(f"{place}: expected a list of texts. Received: {value!r} in {path}")
    return tuple(_text(item, place, path) for item in value)
