"""A model of known speed elsewhere: MobileNet v1, to compare this machine with a Raspberry Pi."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.files import cache_folder, make_folder, write_whole

MODES = ("fp32", "int8")
SIZE = 224
SEED = 0
# Part of the files' names, raised whenever they would come out differently.
_REVISION = 1
# Enough to fix ranges of activations; nobody looks at what the model says.
_CALIBRATION_INPUTS = 8


def mobilenet(mode: str, folder: Path | None = None) -> bytes:
    """A model of MobileNet v1's shape: 224 px, width 1.0, 1000 classes, random seeded weights.

    It is kept in a folder, since making it takes some 20 s and TensorFlow.

    Args:
        mode: a key of `MODES`: floats throughout, or 8-bit integers throughout with uint8 in and
            out.
        folder: where to keep it; by default the user's cache.

    Returns:
        Content of a `.tflite` file.

    Raises:
        MissingExtra: TensorFlow is not installed, and the folder does not have the model yet.
    """
    path = (folder or cache_folder()) / f"mobilenet-v1-{SIZE}-{mode}-{_REVISION}.tflite"
    with contextlib.suppress(OSError):
        return path.read_bytes()
    model = _make(mode)
    with contextlib.suppress(InputError):  # made again next time
        make_folder(path.parent)
        write_whole(path, model)
    return model


def _make(mode: str) -> bytes:
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise MissingExtra(
            "Making the calibration model needs TensorFlow. "
            'Install it with: pip install "keras-portrait[train]"'
        ) from error
    rng = np.random.default_rng(SEED)
    net = keras.applications.MobileNet(input_shape=(SIZE, SIZE, 3), weights=None)
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            _set_random_kernel(layer, rng)

    def inputs():
        for _ in range(_CALIBRATION_INPUTS):
            yield [rng.uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32)]

    settings = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}
    if mode == "int8":
        settings = {
            "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "representative_dataset": inputs,
            "inference_input_type": tf.uint8,
            "inference_output_type": tf.uint8,
        }
    # Without its own signature Keras makes the batch open.
    signature = [tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32, name="image")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mobilenet.tflite"
        net.export(str(path), format="litert", verbose=False, input_signature=signature, **settings)
        return path.read_bytes()


def _set_random_kernel(layer, rng: np.random.Generator) -> None:
    """Draws a kernel that keeps the size of activations, so that none fades to 0 (He et al.)."""
    kernel, *biases = layer.get_weights()
    # The last axis of a kernel is what comes out; a depthwise one takes each channel by itself.
    fan_in = kernel[:, :, 0, 0].size if kernel.shape[-1] == 1 else kernel[..., 0].size
    layer.set_weights([rng.normal(0, np.sqrt(2 / fan_in), kernel.shape), *biases])
