"""From a run folder to a preset folder: rebuild, convert, look through, compare, write."""

import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

import keras_portrait
from keras_portrait import layers  # noqa: F401  registers the layers that a saved generator holds
from keras_portrait.contract import FILE_NAME, Contract, write_contract
from keras_portrait.errors import InputError, SettingError, nearest

from .lint import check_model
from .rebuild import in_float32, rebuild_for_inference
from .verify import Fidelity, compare, require

GENERATOR_FILE = "generator.keras"
OPTIONS_FILE = "options.json"
MODEL_FILE = "generator.tflite"

# Name of a mode -> settings of TensorFlow's converter. "dynamic" stores the weights of
# convolutions in 8 bits, one scale for each output channel, and computes with activations that
# are rounded to 8 bits as they come; everything else stays float.
MODES = {
    "fp32": {},
    "dynamic": {"optimizations": [tf.lite.Optimize.DEFAULT]},
}


@dataclass(frozen=True)
class TrainedGenerator:
    """What the exporter takes from a run folder.

    Attributes:
        model: the averaged generator.
        name: name of the run folder.
        method: how it was trained.
        size: side of its training pictures in pixels.
        styles: names of its styles.
    """

    model: keras.Model
    name: str
    method: str
    size: int
    styles: tuple[str, ...]


def load_run(run: str | Path) -> TrainedGenerator:
    """Reads a run folder.

    Args:
        run: the folder, or a `.keras` file; `options.json` lies beside it.

    Returns:
        The generator and what is known of it.

    Raises:
        InputError: a file is missing or broken, or the two do not belong together.
    """
    path = Path(run)
    if path.suffix != ".keras":
        path = path / GENERATOR_FILE
    if not os.path.isfile(path):
        raise InputError(
            f"Expected a run folder that holds {GENERATOR_FILE}, or such a file. Received: {run}"
        )
    options = _read_options(path.with_name(OPTIONS_FILE))
    trained = TrainedGenerator(
        model=_load_model(path),
        name=path.resolve().parent.name,
        method=options["method"],
        size=options["recipe"]["data"]["size"],
        styles=tuple(options["styles"]),
    )
    _check_signature(trained, path)
    return trained


def convert(trained: TrainedGenerator, mode: str) -> bytes:
    """Rebuilds a generator and converts it.

    Args:
        trained: from `load_run`.
        mode: a key of `MODES`.

    Returns:
        Content of a `.tflite` file: batch 1, fixed size, inputs `image` and, with several styles,
        `style`.

    Raises:
        InputError: a layer for which no exported form is known.
        PortraitError: the converted model holds what small runtimes lack.
    """
    net = rebuild_for_inference(trained.model, trained.size)
    # One argument, of the structure that the model takes: a tensor or a list of two.
    signature = keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tf.float32, name=tensor.name), net.input
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        net.export(
            str(path),
            format="litert",
            verbose=False,
            # Without its own signature Keras makes the batch open, and without this target it
            # lets in operators that the small runtime does not have.
            input_signature=[signature],
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
            **MODES[mode],
        )
        model = path.read_bytes()
    check_model(model)
    return model


def export_run(
    run: str | Path, folder: str | Path, mode: str = "dynamic", name: str | None = None
) -> tuple[Contract, Fidelity]:
    """Makes a preset folder of a run. Nothing is written unless the result holds to Keras.

    Args:
        run: a run folder, or the `.keras` file in it.
        folder: the preset: made when absent. Its model and `portrait.json` are replaced; other
            files, such as the model card, and what somebody wrote into the old `portrait.json`
            as description and data licence, stay.
        mode: "fp32", or "dynamic" for 8-bit weights.
        name: name of the preset; the folder's by default.

    Returns:
        The contract as written, and how near the model comes to Keras.

    Raises:
        InputError: the run cannot be used, or the folder cannot be written.
        SettingError: there is no such mode.
        PortraitError: the model strays too far from Keras, or holds what small runtimes lack.
    """
    if mode not in MODES:
        raise SettingError(f"No such mode. {nearest(mode, MODES)}Received: {mode}")
    folder = Path(folder)
    _check_destination(folder)
    trained = load_run(run)
    model = convert(trained, mode)
    with tempfile.TemporaryDirectory() as build:
        path = Path(build) / MODEL_FILE
        path.write_bytes(model)
        fidelity = compare(in_float32(trained.model), path)
        require(fidelity, mode)
        contract = Contract(
            name=name or folder.resolve().name,
            method=trained.method,
            file=MODEL_FILE,
            size=trained.size,
            mode=mode,
            styles=trained.styles,
            inputs=tuple(tensor.name for tensor in trained.model.inputs),
            origin=_origin(trained),
            **_written_by_hand(folder / FILE_NAME),
        )
        contract = write_contract(build, contract)
        _install(Path(build), folder)
    return contract, fidelity


def _load_model(path: Path) -> keras.Model:
    if not zipfile.is_zipfile(path):  # of which Keras says that it does not exist
        raise InputError(f"Expected a whole model file saved by Keras. Received: {path}")
    try:
        return keras.models.load_model(path, compile=False)
    # Depending on what is wrong, Keras lets through errors of zip, of HDF5 and its own.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"Cannot load the generator ({reason}). Received: {path}") from error


def _read_options(path: Path) -> dict:
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"Expected the run's {OPTIONS_FILE} beside its generator ({error.strerror}). "
            f"Received: {path}"
        ) from error
    except ValueError as error:
        raise InputError(f"Expected a JSON file. Received: {path}") from error
    try:
        fits = (
            isinstance(options["method"], str)
            and isinstance(options["recipe"]["data"]["size"], int)
            and all(isinstance(style, str) for style in options["styles"])
        )
    except (KeyError, TypeError):
        fits = False
    if not fits:
        raise InputError(f"Expected method, styles and recipe.data.size. Received: {path}")
    return options


def _check_signature(trained: TrainedGenerator, path: Path) -> None:
    styles = len(trained.styles)
    expected = {"image": (None, None, None, 3)}
    if styles > 1:
        expected["style"] = (None, styles)
    found = {tensor.name: tuple(tensor.shape) for tensor in trained.model.inputs}
    channels = [tensor.shape[-1] for tensor in trained.model.outputs]
    if found != expected or channels != [1]:
        raise InputError(
            f"A generator of {styles} style(s) takes {expected} and returns 1 channel. "
            f"Received: {found} and {channels} in {path}"
        )
    if trained.size < 16 or trained.size % 4:
        raise InputError(
            f"The size must be a multiple of 4 from 16 up. Received: {trained.size} in "
            f"{path.with_name(OPTIONS_FILE)}"
        )


def _check_destination(folder: Path) -> None:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"Expected a folder that can be written to. Received: {folder}")


def _origin(trained: TrainedGenerator) -> str:
    return (
        f"run {trained.name}, exported by keras-portrait {keras_portrait.__version__} "
        f"with Keras {keras.__version__} and TensorFlow {tf.__version__}"
    )


def _written_by_hand(path: Path) -> dict[str, str]:
    """Description and data licence of a former export; empty where there is none."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    keys = ("description", "data_licence") if isinstance(row, dict) else ()
    return {key: row[key] for key in keys if isinstance(row.get(key), str)}


def _install(build: Path, folder: Path) -> None:
    """Copies the finished files, each complete or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (MODEL_FILE, FILE_NAME):
            part = folder / f".{name}.part"
            try:
                shutil.copyfile(build / name, part)
                os.replace(part, folder / name)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot write the preset ({error.strerror}). Received: {folder}"
        ) from error
