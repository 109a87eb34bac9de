"""The three nets of the face detector, in Keras.

Method: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016: table 1 / figure 2, with the
widths of the weights that the PyPI package `mtcnn` 1.0.0 (MIT) ships. `faces.mtcnn` runs the same
nets as a cascade, from model files, without TensorFlow.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

import keras_portrait
from keras_portrait.inference.litert.graph import open_graph

# Only the files are wanted: these networks look for no faces themselves.
_FILES = Path(keras_portrait.__file__).parent / "inference" / "faces" / "nets"
# Sides in pixels of what the three nets look at.
PNET_SIDE, RNET_SIDE, ONET_SIDE = 12, 24, 48
# The layers that end a net, in the order in which the package stores them.
HEADS = ("offsets", "landmarks", "scores")
# Operator of a model file -> where its weights stand among its inputs.
_WEIGHTS = {"CONV_2D": (1, 2), "FULLY_CONNECTED": (1, 2), "PRELU": (1,)}


def load_face_nets(load: bool = True) -> dict[str, keras.Model]:
    """PNet, RNet and ONet.

    Args:
        load: whether to load the weights of the packaged model files; False leaves random ones.

    Returns:
        "pnet", "rnet", "onet" -> model. Input float RGB (N, H, W, 3) in [-1, 1]; outputs by name:
        `scores` (N, 2), of "no face" and "face"; `offsets` (N, 4); of ONet `landmarks` (N, 10),
        five x, then five y, in shares of the patch. PNet's are (N, h, w, ...).
    """
    nets = {name: build() for name, build in NETS.items()}
    for name, net in nets.items() if load else ():
        _set_weights(net, _FILES / f"{name}.tflite")
    return nets


def build_pnet() -> keras.Model:
    """The proposal net: fully convolutional, stride 2, a window of 12 pixels."""
    image = keras.Input((None, None, 3), name="image")
    x = _convolution(image, 10, 3)
    x = layers.MaxPooling2D(2, 2, padding="same")(x)
    x = _convolution(x, 16, 3)
    x = _convolution(x, 32, 3)
    offsets = layers.Conv2D(4, 1, name="offsets")(x)
    scores = layers.Conv2D(2, 1, activation="softmax", name="scores")(x)
    return keras.Model(image, {"offsets": offsets, "scores": scores}, name="pnet")


def build_rnet() -> keras.Model:
    """The refinement net: patches of 24 x 24 pixels."""
    image = keras.Input((RNET_SIDE, RNET_SIDE, 3), name="image")
    x = _convolution(image, 28, 3)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = _convolution(x, 48, 3)
    x = layers.MaxPooling2D(3, 2)(x)
    x = _convolution(x, 64, 2)
    x = _dense(x, 128)
    offsets = layers.Dense(4, name="offsets")(x)
    scores = layers.Dense(2, activation="softmax", name="scores")(x)
    return keras.Model(image, {"offsets": offsets, "scores": scores}, name="rnet")


def build_onet() -> keras.Model:
    """The output net: patches of 48 x 48 pixels, with five landmarks."""
    image = keras.Input((ONET_SIDE, ONET_SIDE, 3), name="image")
    x = _convolution(image, 32, 3)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = _convolution(x, 64, 3)
    x = layers.MaxPooling2D(3, 2)(x)
    x = _convolution(x, 64, 3)
    x = layers.MaxPooling2D(2, 2, padding="same")(x)
    x = _convolution(x, 128, 2)
    x = _dense(x, 256)
    offsets = layers.Dense(4, name="offsets")(x)
    landmarks = layers.Dense(10, name="landmarks")(x)
    scores = layers.Dense(2, activation="softmax", name="scores")(x)
    outputs = {"offsets": offsets, "landmarks": landmarks, "scores": scores}
    return keras.Model(image, outputs, name="onet")


NETS = {"pnet": build_pnet, "rnet": build_rnet, "onet": build_onet}


def _convolution(x, filters: int, size: int):
    x = layers.Conv2D(filters, size)(x)
    return layers.PReLU(shared_axes=[1, 2])(x)


def _dense(x, units: int):
    # The weights come from a column-major framework: columns before rows.
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units)(x)
    return layers.PReLU()(x)


def _set_weights(net: keras.Model, file: Path) -> None:
    """Puts the weights of a float model file into the net that it was made of."""
    stored = _stored_weights(file)
    last = max(index for index, (name, _) in enumerate(stored) if name == "PRELU")
    trunk = [array for _, arrays in stored[: last + 1] for array in arrays]
    # The converter sorts the heads in its own way; their widths tell them apart.
    heads = {len(arrays[1]): arrays for _, arrays in stored[last + 1 :]}
    for layer in net.layers:
        if layer.name in HEADS:
            layer.set_weights(heads[layer.bias.shape[0]])
        elif layer.weights:
            layer.set_weights([trunk.pop(0).reshape(weight.shape) for weight in layer.weights])


def _stored_weights(file: Path) -> list[tuple[str, list[np.ndarray]]]:
    """Operators with weights, and these as Keras has them, in the order of the file."""
    graph, stored = open_graph(file.read_bytes()), []
    for name, operator in graph.operators:
        if name not in _WEIGHTS:
            continue
        tensors = [graph.tensors[operator.inputs[place]] for place in _WEIGHTS[name]]
        arrays = [
            np.frombuffer(bytes(graph.model.buffers[tensor.buffer].data), "float32").reshape(
                tensor.shape
            )
            for tensor in tensors
        ]
        if name != "PRELU":
            arrays[0] = np.moveaxis(arrays[0], 0, -1)
        stored.append((name, arrays))
    return stored
