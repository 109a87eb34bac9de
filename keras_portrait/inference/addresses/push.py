"""From a folder to the hub: what goes there, and under which card."""

import os
from dataclasses import dataclass
from pathlib import Path

from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import read_bounded
from keras_portrait.inference.addresses import hub
from keras_portrait.inference.addresses.address import HUB, parse_address
from keras_portrait.inference.addresses.contents import (
    check_files,
    is_part,
    is_passed_over,
    most_bytes,
)
from keras_portrait.inference.metadata import FILE_NAME, NOISE, PresetMetadata

_CARD = "README.md"
# Between such lines the hub looks for words about a repository.
_FRONT_MATTER = "---"


@dataclass(frozen=True)
class Pushed:
    """What became of a preset.

    Attributes:
        address: of exactly this state.
        left_out: names of files and folders that are no part of a preset.
    """

    address: str
    left_out: tuple[str, ...]


def push_preset(folder: Path, metadata: PresetMetadata, given: str, private: bool) -> Pushed:
    """Puts a preset on the hub.

    Args:
        folder: of the preset, which has been tried.
        metadata: of it.
        given: the address.
        private: whether a repository that is made now is for its owner alone.

    Raises:
        SettingError: it is no folder, or the address is none of the hub.
        InputError: a file is missing or too large, or the hub does not take them.
        MissingExtra: huggingface_hub is not installed.
    """
    address = parse_address(given)
    if address.kind != HUB:
        raise SettingError(
            f"Presets are put on the hub alone. Expected hf://user/name. Received: {address.text}"
        )
    if not os.path.isdir(folder):
        raise SettingError(f"Expected a folder that holds {FILE_NAME}. Received: {folder}")
    files, left_out = {}, []
    for path in sorted(folder.iterdir()):
        if is_part(path.name) and path.is_file():
            files[path.name] = path
        elif not is_passed_over(path.name):
            left_out.append(path.name)
    check_files({name: path.stat().st_size for name, path in files.items()}, str(folder))
    commit = hub.push({**files, _CARD: _card(folder, metadata)}, address, private)
    return Pushed(f"{HUB}://{address.place}@{commit}", tuple(left_out))


def _card(folder: Path, metadata: PresetMetadata) -> bytes:
    """The model card, with words that the hub finds presets by where it has none of its own."""
    try:
        text = read_bounded(folder / _CARD, most_bytes(_CARD)).decode()
    except FileNotFoundError:
        text = f"# {metadata.name}\n\n{metadata.description}\n"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError(
            f"Cannot read the model card ({reason}). Received: {folder / _CARD}"
        ) from error
    if text.startswith(_FRONT_MATTER):
        return text.encode()
    task = "unconditional-image-generation" if metadata.inputs == NOISE else "image-to-image"
    head = f"library_name: keras-portrait\npipeline_tag: {task}\ntags:\n- tflite\n"
    return f"{_FRONT_MATTER}\n{head}{_FRONT_MATTER}\n\n{text}".encode()
