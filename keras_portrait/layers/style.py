"""The style map of the multi-style generator."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_portrait")
class AppendStyle(keras.layers.Layer):
    """Repeats a style vector over the image plane and appends it to the features.

    Called on `[features, style]`: features float (N, H, W, C), style float (N, K); returns
    float (N, H, W, C + K).

    Reference:
        Yi et al., "Unpaired Portrait Drawing Generation via Asymmetric Cycle Mapping", CVPR 2020:
        the style vector joins the encoder's output as K extra feature maps.
    """

    def call(self, inputs):
        features, style = inputs
        shape = ops.shape(features)
        style = ops.cast(style, self.compute_dtype)[:, None, None, :]
        style_map = ops.broadcast_to(style, (shape[0], shape[1], shape[2], style.shape[-1]))
        return ops.concatenate([features, style_map], axis=-1)

    def compute_output_shape(self, input_shape):
        features, style = input_shape
        return (*features[:-1], features[-1] + style[-1])
