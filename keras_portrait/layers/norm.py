"""Instance normalization, written as moments over height and width."""

import keras
from keras import ops

from keras_portrait.layers import step_kernels


def plane_mean(x):
    """Mean over height and width, float32 (N, H, W, C) to (N, 1, 1, C).

    In two steps: TensorFlow's CPU kernel adds a plane up one value after the other, which on
    512 x 512 nearly equal values costs three digits (3e-4 of the paper's reference output).
    """
    return ops.mean(ops.mean(x, axis=2, keepdims=True), axis=1, keepdims=True)


@keras.saving.register_keras_serializable(package="keras_portrait")
class InstanceNormalization(keras.layers.Layer):
    """Normalizes each channel of each image by its own mean and biased variance.

    `keras.layers.GroupNormalization(groups=-1)` computes the same numbers, but its reshapes
    export badly; moments with kept dimensions become a handful of delegated ops. Statistics are
    always taken in float32, whatever the layer's compute type.

    Args:
        epsilon: float, added to the variance. 1e-5 is PyTorch's default, used by the paper's code.
        affine: bool, whether to learn a scale and an offset per channel. The paper's networks
            have none (their convolutions keep a bias instead).

    Reference:
        Ulyanov, Vedaldi, Lempitsky, "Instance Normalization", 2016 (arXiv 1607.08022).
    """

    def __init__(self, epsilon: float = 1e-5, affine: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.affine = affine

    def build(self, input_shape):
        if self.affine:
            self.gamma = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="beta")
        self.built = True

    def call(self, inputs):
        if step_kernels.in_use() and inputs.shape[0] is not None:
            weights = (self.gamma, self.beta) if self.affine else ()
            return step_kernels.normalize(inputs, self.epsilon, *weights)
        x = ops.cast(inputs, "float32")
        centered = x - plane_mean(x)
        # Not ops.square: the converter would take the difference again for it, one plane more.
        variance = plane_mean(centered * centered)
        x = centered * ops.rsqrt(variance + self.epsilon)
        if self.affine:
            x = x * ops.cast(self.gamma, "float32") + ops.cast(self.beta, "float32")
        return ops.cast(x, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "affine": self.affine}
