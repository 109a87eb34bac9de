"""Presets: trained generators that are found by name.

A preset is a folder with `portrait.json` (see `keras_portrait.contract`), the model file that it
names and `README.md`, the model card. Those in the package lie beside this file.
"""

import os
from pathlib import Path

from keras_portrait.contract import FILE_NAME
from keras_portrait.errors import SettingError, nearest

BUILT_IN = Path(__file__).parent


def list_presets() -> list[str]:
    """Names of the presets in the package, sorted."""
    return sorted(path.parent.name for path in BUILT_IN.glob(f"*/{FILE_NAME}"))


def find_preset(name_or_folder: "str | Path") -> Path:
    """The folder of a preset.

    Args:
        name_or_folder: name of a preset in the package, or a folder that is one.

    Raises:
        SettingError: there is neither; the text names presets of nearly that name.
    """
    known = list_presets()
    if str(name_or_folder) in known:
        return BUILT_IN / str(name_or_folder)
    folder = Path(name_or_folder)
    # os.path answers False for names that are too long, where Path raises.
    if os.path.isdir(folder):
        return folder
    raise SettingError(
        f"No such preset. {nearest(str(name_or_folder), known)}"
        f"Expected a name or a folder that holds {FILE_NAME}. Received: {name_or_folder}"
    )
