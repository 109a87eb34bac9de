"""From an address to a folder in the cache: fetched, looked at, tried, and only then kept."""

import threading
from collections.abc import Callable
from pathlib import Path

from keras_portrait.errors import InputError, PortraitError
from keras_portrait.files import make_folder, write_whole
from keras_portrait.inference.addresses import hub, web
from keras_portrait.inference.addresses.address import HUB, MODEL, Address, parse_address
from keras_portrait.inference.addresses.archive import unpack
from keras_portrait.inference.addresses.cache import find_cached, keep, new_folder
from keras_portrait.inference.addresses.contents import check_files
from keras_portrait.inference.metadata import FILE_NAME, MOST_MODEL, read_metadata, split_model

# Threads of one process wait for each other; processes do not have to.
_one_at_a_time = threading.Lock()


def find_address(given: str, try_preset: Callable[[Path], object]) -> Path:
    """The folder of a preset in the cache, where it is fetched to if it is not there yet.

    Args:
        given: the address.
        try_preset: opens the preset in a folder as if to draw with it.

    Raises:
        SettingError: it is no address.
        InputError: it cannot be reached, or leads to what is no sound preset.
        MissingExtra: huggingface_hub is needed and not installed.
    """
    address = parse_address(given)
    with _one_at_a_time:
        return find_cached(address) or _fetch(address, try_preset)


def fetch_address(given: str, try_preset: Callable[[Path], object]) -> Path:
    """As `find_address`, but fetches it in any case."""
    address = parse_address(given)
    with _one_at_a_time:
        return _fetch(address, try_preset)


def _fetch(address: Address, try_preset: Callable[[Path], object]) -> Path:
    with new_folder() as part:
        work, made = part / "work", part / "preset"
        make_folder(work)
        make_folder(made)
        try:
            if address.kind == HUB:
                hub.download(address, work, made)
            else:
                _fetch_file(address, work, made)
            try_preset(made)
        except PortraitError as error:
            # Folders that are gone by then tell the user nothing.
            text = str(error).replace(str(made), address.text)
            raise error if text == str(error) else type(error)(text) from None
        return keep(address, made)


def _fetch_file(address: Address, work: Path, made: Path) -> None:
    """Fetches an archive, or a model file that is a preset alone."""
    file = work / "fetched"
    web.download(address, file, MOST_MODEL)
    if not address.place.partition("?")[0].lower().endswith(MODEL):
        unpack(file, made, address.text)
        return
    model = file.read_bytes()
    text = split_model(model)[1].get(FILE_NAME)
    if not text:
        raise InputError(
            f"The model file has no {FILE_NAME} at its end. Expected one that `portrait-export` "
            f"made. Received: {address.text}"
        )
    write_whole(made / FILE_NAME, text.encode())
    # Read once to learn the name that the file has to have; `try_preset` looks at the rest.
    named = made / "named.tflite"
    write_whole(named, model)
    name = read_metadata(named).file
    check_files({FILE_NAME: len(text), name: len(model)}, address.text)
    named.rename(made / name)
