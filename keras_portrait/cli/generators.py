"""What the commands draw with: a preset, its model file, or a run folder."""

import os
from pathlib import Path

from keras_portrait.cli.with_keras import import_with_keras
from keras_portrait.errors import SettingError, nearest
from keras_portrait.inference.litert.silence import silent_stderr

ARGUMENT_HELP = (
    "A name from `portrait presets`, a preset's folder, model file or address (hf://user/name), "
    "or a run folder."
)
_RUN_FILE, _RUN_SUFFIX = "generator.keras", ".keras"


def open_generator(given: str):
    """Loads a generator: presets into the LiteRT runtime, those of runs into Keras.

    Args:
        given: name of a preset in the package, a preset's folder, `.tflite` file or address, a run
            folder or a `.keras` file in it. A name wins over a folder, and a preset over a run.

    Returns:
        `presets.Generator`.

    Raises:
        SettingError: there is nothing of that name.
        InputError: a file is missing, broken or altered.
        MissingExtra: Keras is needed and not installed, or no LiteRT runtime is.
    """
    from keras_portrait.inference.metadata import FILE_NAME
    from keras_portrait.inference.presets import is_preset, list_presets, load_preset

    is_folder = os.path.isdir(given)
    if not is_preset(given):
        has_generator = os.path.isfile(os.path.join(given, _RUN_FILE))
        if has_generator or (Path(given).suffix == _RUN_SUFFIX and os.path.isfile(given)):
            return _trained_generator(given)
        if is_folder or not os.path.exists(given):
            near = "" if is_folder else nearest(given, list_presets())
            raise SettingError(
                f"No such preset. {near}Expected a name, a preset's folder, which holds "
                f"{FILE_NAME}, or a run folder, which holds {_RUN_FILE}. Received: {given}"
            )
    return load_preset(given, min(4, os.cpu_count() or 1))


def _trained_generator(run):
    purpose = "A preset, made by `portrait-export`, needs no Keras. Drawing with a run"
    module = import_with_keras("keras_portrait.training.saved_generator", purpose)
    with silent_stderr():
        return module.load_generator(run)
