"""What a model file tells of its network, so that `recover_generator` finds it again."""

import json

import keras
import numpy as np

from keras_portrait import layers as registered
from keras_portrait.training.stored_kernels import KINDS, fits, plain, stored_weights

# Layers between those of `KINDS` that leave stored weights as they are. The converter multiplies
# others into them, a Rescaling for instance, which must not happen twice.
_BETWEEN = (
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.Concatenate,
    keras.layers.Cropping2D,
    keras.layers.GroupNormalization,
    keras.layers.InputLayer,
    keras.layers.LeakyReLU,
    keras.layers.Multiply,
    keras.layers.ReLU,
    keras.layers.Reshape,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
    *(registered.AppendStyle, registered.DepthToSpace, registered.InstanceNormalization),
    *(registered.PlaneWave, registered.ReflectionPadding2D),
)


def describe_network(folded: keras.Model, styles: tuple[str, ...], model: bytes) -> str:
    """The text of `network.json`.

    Args:
        folded: from `rebuild.fold`, with its weights.
        styles: names of its styles.
        model: content of the `.tflite` file that was made of it.

    Returns:
        JSON: `styles`; `keras`, how the network is built; `order`, which layer's weights each
        operator with weights has. The converter sorts operators that do not wait for each other
        in a way of its own. Empty where the weights cannot all be found again.
    """
    if not all(isinstance(layer, (*KINDS, *_BETWEEN)) for layer in folded.layers):
        return ""
    weighted = [layer for layer in folded.layers if layer.weights]
    stored = stored_weights(model)
    if len(weighted) != len(stored) or any(type(layer) not in KINDS for layer in weighted):
        return ""
    layers, order = {layer.name: layer.get_weights()[0] for layer in weighted}, []
    for kind, kernel, _ in stored:
        fitting = {
            name: float(np.abs(plain(kind, kernel, folded.get_layer(name)) - weights).mean())
            for name, weights in layers.items()
            if fits(kind, kernel, folded.get_layer(name))
        }
        if not fitting:
            return ""
        order.append(min(fitting, key=fitting.get))
        del layers[order[-1]]
    text = {"styles": styles, "order": order, "keras": json.loads(folded.to_json())}
    return json.dumps(text, separators=(",", ":"))
