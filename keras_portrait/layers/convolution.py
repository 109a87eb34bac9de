"""A convolution that knows how to be quick where oneDNN is not."""

import keras

from keras_portrait.layers import step_kernels

# Results of so few channels, of a kernel so large, are gathered in another way.
NARROW = 4
LARGE_KERNEL = 5


@keras.saving.register_keras_serializable(package="keras_portrait")
class Convolution2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, whose training steps on x86 CPUs go through `step_kernels`.

    The same arguments, weights and numbers, but for rounding.
    """

    def convolution_op(self, inputs, kernel):
        if not step_kernels.in_use() or self.padding != "valid" or self.groups != 1:
            return super().convolution_op(inputs, kernel)
        if None in inputs.shape[1:3]:
            return super().convolution_op(inputs, kernel)
        kernel = keras.ops.cast(kernel, inputs.dtype)
        sides, plane = self.kernel_size, inputs.shape[1:3]
        is_even = not any(length % 2 for length in (*sides, *plane))
        if sides[0] != sides[1] or self.dilation_rate != (1, 1):
            return super().convolution_op(inputs, kernel)
        if self.strides == (2, 2) and is_even:
            return step_kernels.halving_convolution(inputs, kernel)
        if self.strides == (1, 1) and self.filters <= NARROW and sides[0] >= LARGE_KERNEL:
            return step_kernels.narrowing_convolution(inputs, kernel)
        return super().convolution_op(inputs, kernel)
