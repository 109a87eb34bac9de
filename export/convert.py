"""From a run folder to a preset folder: rebuild, convert, look through, compare, write."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import keras_portrait
from keras_portrait.contract import FILE_NAME, Contract, write_contract
from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.trained_generator import (
    GENERATOR_FILE,
    TrainedGenerator,
    in_float32,
    load_run,
)

from .lint import check_model
from .rebuild import rebuild_for_inference
from .verify import Fidelity, compare, require

MODEL_FILE = "generator.tflite"

# Builtin operators only: without this Keras lets in some that the small runtime does not have.
_BUILTINS = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
# Name of a mode -> settings of TensorFlow's converter. "fp16" stores weights in 16 bits, which
# become 32 again when the model is loaded. "dynamic" stores the weights of convolutions in 8 bits,
# one scale for each output channel, and computes with activations that are rounded to 8 bits as
# they come; everything else stays float.
MODES = {
    "fp32": {"target_spec": _BUILTINS},
    "fp16": {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": {**_BUILTINS, "supported_types": [tf.float16]},
    },
    "dynamic": {"optimizations": [tf.lite.Optimize.DEFAULT], "target_spec": _BUILTINS},
}


def convert(trained: TrainedGenerator, mode: str) -> bytes:
    """Rebuilds a generator and converts it.

    Args:
        trained: from `load_run`.
        mode: a key of `MODES`.

    Returns:
        Content of a `.tflite` file: batch 1, fixed size, inputs `noise`, or `image` and, with
        several styles, `style`.

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
            # Without its own signature Keras makes the batch open.
            input_signature=[signature],
            **MODES[mode],
        )
        model = path.read_bytes()
    check_model(model)
    return model


def export_run(
    run: str | Path,
    folder: str | Path,
    mode: str = "dynamic",
    name: str | None = None,
    direction: str = "a-to-b",
) -> tuple[Contract, Fidelity]:
    """Makes a preset folder of a run. Nothing is written unless the result holds to Keras.

    Args:
        run: a run folder, or the `.keras` file in it.
        folder: the preset: made when absent. Its model and `portrait.json` are replaced; other
            files, such as the model card, and what somebody wrote into the old `portrait.json`
            as description and data licence, stay.
        mode: "fp32", "fp16" for 16-bit weights, or "dynamic" for 8-bit weights.
        name: name of the preset; the folder's by default.
        direction: "a-to-b", or "b-to-a" for the inverse generator of a run of cyclegan.

    Returns:
        The contract as written, and how near the model comes to Keras.

    Raises:
        InputError: the run cannot be used, or the folder cannot be written.
        SettingError: there is no such mode or direction.
        PortraitError: the model strays too far from Keras, or holds what small runtimes lack.
    """
    if mode not in MODES:
        raise SettingError(f"No such mode. {nearest(mode, MODES)}Received: {mode}")
    folder = Path(folder)
    _check_destination(folder)
    trained = load_run(run, direction)
    model = convert(trained, mode)
    with tempfile.TemporaryDirectory() as build:
        path = Path(build) / MODEL_FILE
        path.write_bytes(model)
        fidelity = compare(in_float32(trained.model), path)
        require(fidelity, mode)
        contract = trained.contract(
            name=name or folder.resolve().name,
            file=MODEL_FILE,
            mode=mode,
            origin=_origin(trained),
            **_written_by_hand(folder / FILE_NAME),
        )
        contract = write_contract(build, contract)
        _install(Path(build), folder)
    return contract, fidelity


def _check_destination(folder: Path) -> None:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"Expected a folder that can be written to. Received: {folder}")


def _origin(trained: TrainedGenerator) -> str:
    file = "" if trained.file == GENERATOR_FILE else f", {trained.file}"
    return (
        f"run {trained.name}{file}, exported by keras-portrait {keras_portrait.__version__} "
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
