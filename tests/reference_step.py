"""The recorded training step of the paper's own code: inputs, weights, numbers."""

import json
from pathlib import Path

import numpy as np
from keras import layers

FILE = Path(__file__).parent / "reference" / "asymmetric_step.npz"
SEED = 20201  # of the weight stream, as the recording states


class ReferenceStep:
    """Arrays of the recording, with the weights drawn again from their stream."""

    def __init__(self):
        with np.load(FILE) as file:
            self.arrays = {name: file[name] for name in file.files}
        self.losses = self._json("losses_json")
        rng = np.random.default_rng(SEED)
        self.weights = {}
        for network, _, shape in self._json("weights_json"):
            values = rng.normal(0, 0.08 if len(shape) == 4 else 0.02, shape).astype("float32")
            self.weights.setdefault(network, []).append(values)

    def __getitem__(self, name):
        return self.arrays[name]

    @property
    def photo(self):
        """float32 (1, 512, 512, 3) in [-1, 1]."""
        return self["photo_u8"][None].astype("float32") / 127.5 - 1.0

    @property
    def drawing(self):
        """float32 (1, 512, 512, 1) in [-1, 1]."""
        return self["drawing_u8"][None, ..., None].astype("float32") / 127.5 - 1.0

    @property
    def style(self):
        """float32 (1, 3)."""
        return self["style_soft"][None]

    def mask(self, domain, part):
        """float32 (1, 512, 512, 1) in [0, 1]."""
        return self[f"mask_{domain}_{part}"][None, ..., None].astype("float32")

    def load_into(self, model, network):
        """Gives a Keras model the recorded network's weights, convolution by convolution."""
        stream = iter(self.weights[network])
        for layer in convolutions(model):
            kernel, bias = next(stream), next(stream)
            layer.set_weights([kernel.transpose(2, 3, 1, 0), bias])
        assert next(stream, None) is None, f"{network}: weights left over"

    def _json(self, name):
        return json.loads(self[name].tobytes().decode())


def convolutions(model):
    """The convolutions of a model in the order in which they were made."""
    found = [x for x in model.layers if isinstance(x, layers.Conv2D | layers.Conv2DTranspose)]
    return sorted(found, key=lambda layer: _creation(layer, model))


def _creation(layer, model):
    # Names are conv2d_<n> and conv2d_transpose_<n>, counted apart; the depth in the graph orders
    # the two kinds within a generator, the count orders the heads within a discriminator.
    position = [x.name for x in model.layers].index(layer.name)
    kinds = {type(x) for x in model.layers if isinstance(x, layers.Conv2D | layers.Conv2DTranspose)}
    if len(kinds) > 1:
        return position
    suffix = layer.name.rsplit("_", 1)[-1]
    return int(suffix) if suffix.isdigit() else 0
