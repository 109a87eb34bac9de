"""A convolution that cannot become steep: spectral normalization."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_portrait")
class SpectralConv2D(keras.layers.Layer):
    """A convolution whose kernel is divided by its largest singular value.

    The kernel counts as a matrix (side^2 C, filters); one step of the power iteration a call in
    training follows its singular value. Keras's own wrapper writes the normalized kernel back into
    the weight instead, which no optimizer knows of and several devices may not do.

    Called on float (N, H, W, C) it returns float (N, h, w, filters) of the size that the padding
    leaves.

    Args:
        filters: int, channels of the result.
        side: int, height and width of the kernel.
        strides: int.
        padding: int, rows and columns of zeros added on every side.

    Reference:
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018.
    """

    def __init__(self, filters: int, side: int, strides: int = 1, padding: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.side = side
        self.strides = strides
        self.padding = padding

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(self.side, self.side, input_shape[-1], self.filters),
            initializer="he_normal",
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        # The direction of the largest singular value, as the power iteration knows it so far.
        self.direction = self.add_weight(
            shape=(self.filters, 1),
            initializer="random_normal",
            trainable=False,
            aggregation="only_first_replica",
            name="direction",
        )
        self.built = True

    def call(self, inputs, training=False):
        # A bfloat16 sum over the kernel would lose the digits that the division needs.
        kernel = ops.cast(self.kernel.value, "float32")
        kernel = kernel / self._largest_singular_value(kernel, training)
        edge = (self.padding, self.padding)
        x = ops.pad(inputs, ((0, 0), edge, edge, (0, 0)))
        x = ops.conv(x, ops.cast(kernel, x.dtype), self.strides, "valid", "channels_last")
        return x + ops.cast(self.bias, x.dtype)

    def _largest_singular_value(self, kernel, training):
        """float32 scalar; the direction counts as a constant."""
        matrix = ops.reshape(kernel, (-1, self.filters))
        fixed = ops.stop_gradient(matrix)
        left = _unit(ops.matmul(fixed, ops.cast(self.direction.value, "float32")))
        right = _unit(ops.matmul(ops.transpose(fixed), left))
        if training:
            self.direction.assign(right)
        return ops.sum(left * ops.matmul(matrix, right))

    def compute_output_shape(self, input_shape):
        plane = [
            None if length is None else (length + 2 * self.padding - self.side) // self.strides + 1
            for length in input_shape[1:3]
        ]
        return (input_shape[0], *plane, self.filters)

    def get_config(self):
        own = ("filters", "side", "strides", "padding")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def _unit(vector):
    return vector / ops.maximum(ops.norm(vector), 1e-12)
