"""Stand-ins for the large networks of an evaluation; importing needs Keras."""

import keras

from keras_portrait.evaluation import content, extractors


class SmallEdges:
    """One convolution for HED."""

    def __init__(self):
        seed = keras.initializers.GlorotUniform(1)
        layer = keras.layers.Conv2D(
            1, 3, padding="same", activation="sigmoid", kernel_initializer=seed
        )
        self.network = keras.Sequential([keras.Input((None, None, 3)), layer])


class SmallTrunk:
    """Reduced pictures for the features of VGG16."""

    source, trunk = "random", "small"

    def __init__(self, trunk, layers):
        self.layers = layers

    def __call__(self, images):
        times = 6 if images.shape[-1] == 1 else 2
        images = (keras.ops.repeat(images, times, axis=-1) + 1) / 2
        return [keras.ops.average_pool(images, 2**index) for index in range(len(self.layers))]


def replace_networks(monkeypatch):
    """Puts the stand-ins in place, Inception out of reach."""
    monkeypatch.setattr(content, "EdgeDetector", SmallEdges)
    monkeypatch.setattr(content, "has_fast_bfloat16", lambda: False)
    monkeypatch.setattr(extractors, "VGGFeatures", SmallTrunk)
    monkeypatch.setattr(extractors, "find_inception", lambda: None)
