"""What a `.keras` file may hold, looked at before Keras opens it.

Keras 3 builds the network that `config.json` describes. Told to be safe it builds no layer that
carries code; here the list is shorter still: layers of Keras and of this package, and no file of
the archive that Keras would not write.
"""

import zipfile
from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.files import MOST_TEXT, parse_json

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.weights.h5"
_METADATA_NAME = "metadata.json"
# Bytes that each member has at most, unpacked.
_MOST_BYTES = {CONFIG_NAME: MOST_TEXT, _METADATA_NAME: MOST_TEXT, WEIGHTS_NAME: 2**30}
_PACKAGES = ("keras", "keras_portrait")
# Layers of Keras that run code, or a model of another kind, which their configuration brings.
_CODE = ("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")


def check_archive(path: Path) -> None:
    """Looks through a model file without unpacking it.

    Raises:
        InputError: it is no model file saved by Keras, or holds what a generator does not need.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            config = parse_json(archive.read(CONFIG_NAME))
    except InputError:
        raise
    # Of a damaged archive zipfile has many ways to tell.
    except Exception as error:
        raise InputError(
            f"Expected a whole model file saved by Keras. Received: {path} ({type(error).__name__})"
        ) from error
    _check_classes(config, path)


def _check_members(archive, path):
    names = archive.namelist()
    if sorted(names) != sorted(_MOST_BYTES):
        odd = [name for name in names if name not in _MOST_BYTES] or names
        raise InputError(
            f"Cannot load the generator: expected a file of {', '.join(_MOST_BYTES)} alone. "
            f"Received: {', '.join(map(repr, odd[:3])) or 'nothing'} in {path}"
        )
    for info in archive.infolist():
        most = _MOST_BYTES[info.filename]
        if info.file_size > most:
            raise InputError(
                f"Cannot load the generator: {info.filename} is too large. Expected at most {most} "
                f"bytes. Received: {info.file_size} in {path}"
            )


def _check_classes(config, path):
    """Refuses what is of no class of Keras and of this package, or carries code; no recursion."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.values()
            name, module = item.get("class_name"), item.get("module")
            package = module.partition(".")[0] if isinstance(module, str) else None
            known = module is None or package in _PACKAGES
            if name is not None and (not known or name in _CODE):
                raise InputError(
                    "A generator is made of layers of Keras and of this package that carry no "
                    f"code. Received: {module}.{name} in {path}"
                )
        elif isinstance(item, list):
            waiting += item
