"""ReLU6 that is trained as it will run in 8-bit integers."""

import keras
from keras import ops

# A bound of 6, and 255 steps from 0 to it.
BOUND = 6.0
STEP = BOUND / 255


@keras.saving.register_keras_serializable(package="keras_portrait")
class RoundedReLU6(keras.layers.Layer):
    """ReLU6 whose result takes 256 values in training; outside training it is plain ReLU6.

    What a network learns this way is what 8-bit integers leave of it: features that need finer
    steps do not come up. The gradient passes the rounding unchanged.

    Called on float (N, ...) it returns the same shape, in [0, 6].

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", CVPR 2018, sec. 3.
    """

    def call(self, inputs, training=False):
        x = ops.clip(inputs, 0, BOUND)
        if not training:
            return x
        # In float32: bfloat16 has no room for all of the steps.
        exact = ops.cast(x, "float32")
        lost = ops.round(exact / STEP) * STEP - exact
        return ops.cast(exact + ops.stop_gradient(lost), self.compute_dtype)
