"""What a model file tells of its network, so that `recover_generator` finds it again."""

import json

import keras
import numpy as np

from keras_portrait.training.preset_generator import KINDS, fits, plain, stored_weights


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
    weighted = [layer for layer in folded.layers if layer.weights]
    stored = stored_weights(model)
    if len(weighted) != len(stored) or any(type(layer) not in KINDS for layer in weighted):
        return ""
    layers, order = {layer.name: layer.get_weights()[0] for layer in weighted}, []
    for kind, kernel, _ in stored:
        fitting = {
            name: float(np.abs(plain(kernel, weights.shape) - weights).mean())
            for name, weights in layers.items()
            if fits(kind, kernel, folded.get_layer(name))
        }
        if not fitting:
            return ""
        order.append(min(fitting, key=fitting.get))
        del layers[order[-1]]
    text = {"styles": styles, "order": order, "keras": json.loads(folded.to_json())}
    return json.dumps(text, separators=(",", ":"))
