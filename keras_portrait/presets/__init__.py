"""Presets: trained generators that are found by name.

A preset is a folder with `portrait.json` (see `keras_portrait.contract`), the model file that it
names and `README.md`, the model card. Those in the package lie beside this file.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.contract import FILE_NAME, Contract, read_contract
from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.runtime import Runner

BUILT_IN = Path(__file__).parent
_MODEL_SUFFIX = ".tflite"


@dataclass(frozen=True)
class Generator:
    """A generator that can be drawn with, whatever runs it.

    Attributes:
        contract: what it takes and returns.
        net: a function of the arrays that `contract` speaks of, float32 of batch 1 and given by
            name; it returns float32 (1, S, S, channels) in [-1, 1].
    """

    contract: Contract
    net: Callable[..., np.ndarray]


def list_presets() -> list[str]:
    """Names of the presets in the package, sorted."""
    return sorted(path.parent.name for path in BUILT_IN.glob(f"*/{FILE_NAME}"))


def find_preset(preset: "str | Path") -> Path:
    """The folder of a preset.

    Args:
        preset: name of a preset in the package, a folder that is one, or the model file in it.

    Raises:
        SettingError: there is neither; the text names presets of nearly that name.
    """
    known = list_presets()
    if str(preset) in known:
        return BUILT_IN / str(preset)
    path = Path(preset)
    # os.path answers False for names that are too long, where Path raises.
    if os.path.isdir(path):
        return path
    if path.suffix == _MODEL_SUFFIX and os.path.isfile(path):
        return path.parent
    raise SettingError(
        f"No such preset. {nearest(str(preset), known)}"
        f"Expected a name or a folder that holds {FILE_NAME}. Received: {preset}"
    )


def load_preset(preset: "str | Path", threads: int = 1) -> Generator:
    """Loads the generator of a preset into the LiteRT runtime.

    Args:
        preset: as `find_preset` takes it.
        threads: CPU threads that one drawing may use.

    Raises:
        SettingError: there is no such preset.
        InputError: a file of the preset is missing, altered, or not what its contract says.
        MissingExtra: no LiteRT runtime is installed.
    """
    folder = find_preset(preset)
    contract = read_contract(folder)
    path = Path(preset)
    if path.suffix == _MODEL_SUFFIX and os.path.isfile(path) and path.name != contract.file:
        raise InputError(
            f"{folder / FILE_NAME} speaks of another model file. Expected: {contract.file}. "
            f"Received: {path}"
        )
    runner = Runner(folder / contract.file, threads)
    _check_shapes(runner, contract, folder)
    return Generator(contract, runner)


def _check_shapes(runner: Runner, contract: Contract, folder: Path) -> None:
    size = contract.size
    shapes = {
        "image": (1, size, size, 3),
        "style": (1, len(contract.styles)),
        "noise": (1, contract.noise),
    }
    inputs = {name: shapes[name] for name in contract.inputs}
    output = (1, size, size, contract.channels)
    received = {tensor.name: tensor.shape for tensor in runner.inputs}
    outputs = [tensor.shape for tensor in runner.outputs]
    if received != inputs or outputs != [output]:
        raise InputError(
            f"The model does not fit its contract: expected inputs {inputs} and one output "
            f"{output}. Received: {received} and {outputs} in {folder}"
        )
