"""Pictures and weights of the face descriptor's shapes, from a seed."""

import numpy as np

from keras_portrait.evaluation.identity.network import MEAN_RGB, SIDE, weight_shapes


def random_weights(seed=0) -> dict[str, np.ndarray]:
    """float32 weights by name, of a size that keeps numbers near 1 from layer to layer."""
    rng, weights = np.random.default_rng(seed), {}
    for name, shape in weight_shapes().items():
        values = (2 * rng.random(shape) - 1).astype(np.float32)
        if name.endswith("scale/weights"):
            values = 1 + values / 2
        elif len(shape) > 1:
            values *= np.sqrt(3 / np.prod(shape[:-1]), dtype=np.float32)
        weights[name] = values.astype(np.float32)
    return weights


def random_pictures(seed=0, count=2) -> np.ndarray:
    """uint8 (N, 150, 150, 3): colours from a seed around the mean of photos of faces."""
    noise = np.random.default_rng(seed).random((count, SIDE, SIDE, 3)) - 0.5
    return np.rint(np.clip(np.array(MEAN_RGB) + 200 * noise, 0, 255)).astype(np.uint8)
