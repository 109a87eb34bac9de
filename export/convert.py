"""From a trained generator to the content of a model file: rebuild, convert, look through."""

import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_portrait.errors import PortraitError, SettingError, nearest
from keras_portrait.inference.metadata import INTEGER_MODE
from keras_portrait.layers import InstanceNormalization
from keras_portrait.training.saved_generator import TrainedGenerator
from keras_portrait_export.check import check_model
from keras_portrait_export.compact import compact
from keras_portrait_export.rebuild import rebuild_for_inference
from keras_portrait_export.targets import separate_scales

# Builtin operators only: without this Keras lets in some that the small runtime does not have.
_BUILTINS = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
_SMALLER = {"optimizations": [tf.lite.Optimize.DEFAULT]}
_WIDE = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
# Name of a mode -> settings of TensorFlow's converter. "fp16" stores weights in 16 bits, which
# become 32 again when the model is loaded. "dynamic" stores the weights of convolutions in 8 bits,
# one scale for each output channel, and computes with activations that are rounded to 8 bits as
# they come; everything else stays float. "int8" computes in 8-bit integers throughout, pixels in
# and pixels out, with ranges measured beforehand; "16x8" has 16 bits for activations.
MODES = {
    "fp32": {"target_spec": _BUILTINS},
    "fp16": {**_SMALLER, "target_spec": {**_BUILTINS, "supported_types": [tf.float16]}},
    "dynamic": {**_SMALLER, "target_spec": _BUILTINS},
    INTEGER_MODE: {
        **_SMALLER,
        "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        "inference_input_type": tf.uint8,
        "inference_output_type": tf.uint8,
    },
    "16x8": {**_SMALLER, "target_spec": {"supported_ops": [_WIDE]}},
}
# Modes whose ranges are measured on examples.
CALIBRATED = (INTEGER_MODE, "16x8")


def refuse_mode(generator: keras.Model, mode: str) -> None:
    """Refuses modes that are known to give bad or slow models.

    Args:
        generator: the trained generator.
        mode: name of a mode.

    Raises:
        SettingError: there is no such mode, or it is a bad one for this generator; the text says
            what was measured.
    """
    if mode not in MODES:
        raise SettingError(f"No such mode. {nearest(mode, MODES)}Received: {mode}")
    instead = "--mode dynamic needs no calibration; --force exports it all the same. "
    if mode == "16x8":
        raise SettingError(
            "16x8 runs outside the fast kernels (0 delegates), and with instance normalization not "
            f"at all. {instead}Received: 16x8"
        )
    normalized = (InstanceNormalization, keras.layers.GroupNormalization)
    if mode == INTEGER_MODE and any(isinstance(layer, normalized) for layer in generator.layers):
        raise SettingError(
            "Full int8 ruins instance normalization: 17 to 23 dB where dynamic keeps 36 to 44, in "
            "47 to 66 pieces instead of 1, slower than float. A student from `portrait distill` "
            f"is made for it. {instead}Received: int8 for {generator.name}"
        )


def convert(
    trained: TrainedGenerator,
    mode: str,
    size: int | None = None,
    style: np.ndarray | None = None,
    calibration: Iterable[dict[str, np.ndarray]] = (),
    strict: bool = True,
    fast_only: bool = True,
) -> bytes:
    """Rebuilds a generator and converts it.

    Args:
        trained: from `load_run`.
        mode: a key of `MODES`.
        size: side of its pictures in pixels; that of its training by default.
        style: float32 (1, K): drawn in this style alone; None keeps the style input.
        calibration: for the modes of `CALIBRATED`, inputs by name: `image` float32
            (1, size, size, 3) in [-1, 1] and `style` float32 (1, K) where it stays, or `noise`.
        strict: whether to refuse operators that small machines lack or run slowly.
        fast_only: whether those that run slowly are among them.

    Returns:
        Content of a `.tflite` file: batch 1, fixed size, inputs `noise`, or `image` and, with
        several styles, `style`.

    Raises:
        InputError: a layer for which no exported form is known.
        PortraitError: the model cannot be converted, or holds what small runtimes lack.
    """
    net = rebuild_for_inference(trained.model, size or trained.size, style)
    # One argument, of the structure that the model takes: a tensor or a list of two.
    signature = keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tf.float32, name=tensor.name), net.input
    )
    settings = dict(MODES[mode])
    if mode in CALIBRATED:
        examples = list(calibration)
        settings["representative_dataset"] = lambda: iter(examples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.tflite"
        try:
            with warnings.catch_warnings():
                # Full int8 measures with an interpreter that announces its own end.
                warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter is depre")
                net.export(
                    str(path),
                    format="litert",
                    verbose=False,
                    # Without its own signature Keras makes the batch open.
                    input_signature=[signature],
                    **settings,
                )
        except Exception as error:  # the converter raises errors of its own and of others
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise PortraitError(
                f"TensorFlow cannot convert this generator as {mode}. Received: {reason}"
            ) from error
        model = path.read_bytes()
    return finish(model, strict, fast_only)


def finish(model: bytes, strict: bool = True, fast_only: bool = True) -> bytes:
    """What every model goes through that a converter has made.

    Args:
        model: content of a `.tflite` file.
        strict: whether to refuse operators that small machines lack or run slowly.
        fast_only: whether those that run slowly are among them.

    Returns:
        The same model, smaller, and safe for older runtimes.

    Raises:
        PortraitError: it holds what small runtimes lack.
    """
    if strict:
        check_model(model, fast_only)
    return separate_scales(compact(model))
