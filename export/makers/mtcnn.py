"""Turns the weights of the PyPI package `mtcnn` into the three nets of the face detector.

The layers are those of `keras_portrait.perceptual.face_nets`. Each net becomes a float LiteRT file:

    pnet.tflite  image (1, H, W, 3)    -> offsets (1, h, w, 4), scores (1, h, w, 2)
    rnet.tflite  image (1, 24, 24, 3)  -> offsets (1, 4), scores (1, 2)
    onet.tflite  image (1, 48, 48, 3)  -> offsets (1, 4), landmarks (1, 10), scores (1, 2)

Pixels are RGB, (value - 127.5) / 128. Batches are fixed, because a runtime leaves nets with a
dynamic batch to slow kernels, and 1, because a patch costs the same in a larger batch (0.3 ms in
ONet at batch 1, 4 and 8), which is rarely full.
Run it with: `python -m keras_portrait_export.makers.mtcnn FOLDER`.
"""

import argparse
import hashlib
from pathlib import Path

import keras

from keras_portrait.perceptual.face_nets import HEADS, NETS, ONET_SIDE, RNET_SIDE

# Name of the net -> shape of the exported input.
SHAPES = {
    "pnet": (1, None, None, 3),
    "rnet": (1, RNET_SIDE, RNET_SIDE, 3),
    "onet": (1, ONET_SIDE, ONET_SIDE, 3),
}

# Of the weight files in the package mtcnn 1.0.0.
WEIGHTS_SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}


def load_net(name: str) -> keras.Model:
    """Makes one net with the weights of the installed package `mtcnn`.

    Args:
        name: "pnet", "rnet" or "onet".

    Returns:
        Functional model; input float RGB in [-1, 1], outputs as in the module's table.

    Raises:
        keras_portrait.errors.MissingExtra: `mtcnn` or `joblib` is not installed.
        keras_portrait.errors.InputError: its weights are not those of version 1.0.0.
    """
    net = NETS[name]()
    trunk = [layer for layer in net.layers if layer.weights and layer.name not in HEADS]
    heads = [layer for head in HEADS for layer in net.layers if layer.name == head]
    weights = iter(_read_weights(name))
    for layer in trunk + heads:
        layer.set_weights([next(weights) for _ in layer.weights])
    return net


def export_nets(folder: str | Path) -> list[Path]:
    """Writes `pnet.tflite`, `rnet.tflite` and `onet.tflite`.

    Args:
        folder: where to write; made when absent.

    Returns:
        Paths of the three files.
    """
    import tensorflow as tf

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, shape in SHAPES.items():
        path = folder / f"{name}.tflite"
        load_net(name).export(
            str(path),
            format="litert",
            verbose=False,
            # Without its own signature Keras makes the batch dynamic, and without this target
            # it lets operators in that the small runtime does not have.
            input_signature=[tf.TensorSpec(shape, tf.float32, name="image")],
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
        )
        paths.append(path)
    return paths


def _read_weights(name: str) -> list:
    from importlib.util import find_spec

    from keras_portrait.errors import InputError, MissingExtra

    # The package is located, not imported: importing it loads the whole of its detector.
    package = find_spec("mtcnn")
    if package is None or find_spec("joblib") is None:
        raise MissingExtra('The weights of MTCNN come from a package: pip install "mtcnn==1.0.0"')
    import joblib

    path = Path(package.submodule_search_locations[0]) / "assets" / "weights" / f"{name}.lz4"
    # The only file that is unpickled anywhere here, and no other than the one that was looked at.
    received = hashlib.sha256(path.read_bytes()).hexdigest()
    if received != WEIGHTS_SHA256[name]:
        raise InputError(
            f"The weights are not those of mtcnn 1.0.0. Expected the SHA-256 "
            f"{WEIGHTS_SHA256[name]}. Received: {received} of {path}"
        )
    return joblib.load(path)


def main() -> None:
    """Command line: `python -m keras_portrait_export.makers.mtcnn FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where pnet, rnet and onet are written")
    for path in export_nets(parser.parse_args().folder):
        print(f"{path} ({path.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
