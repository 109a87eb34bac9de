"""Rebuilds a trained generator from the operations that small runtimes are fast at.

First `fold` takes out what only training needs: batch normalization is multiplied into the
convolution before it, dropout is gone, and everything computes in float32. Then
`rebuild_for_inference` fixes the size and writes these layers differently:

| trained layer                   | in the exported net              | because                    |
| ------------------------------- | -------------------------------- | -------------------------- |
| `ReflectionPadding2D`           | slices, concatenations           | MIRROR_PAD is slow         |
| `UpSampling2D` (nearest)        | concatenation, DEPTH_TO_SPACE    | TILE, RESIZE_NEAREST are   |
| `DepthToSpace`                  | DEPTH_TO_SPACE                   | six axes are               |
| `AppendStyle`                   | reshape, concatenations          | BROADCAST_TO is            |
| `PlaneWave`                     | offsets, DEPTH_TO_SPACE          | RANGE, FLOOR_MOD, COS are  |
| `GroupNormalization(groups=-1)` | `InstanceNormalization`          | its reshapes are           |
| `GroupNormalization(groups=1)`  | `PictureNormalization`           | its reshapes are           |
| `Conv2D` to 1 to 4 channels     | squares of pixels as channels    | most of each kernel idles  |
| `Conv2DTranspose`               | `Conv2D`, DEPTH_TO_SPACE         | 2.14 lacks 8-bit weights   |

`InstanceNormalization` stays as it is. Its moments are accelerated, and taking each mean in two
steps matters here too: one MEAN over height and width is off by 3e-5 in XNNPACK, which nineteen
layers later has become 3e-3.

"Accelerated" means: taken over by XNNPACK, the CPU kernels of the runtime. Whatever it does not
take cuts the net into pieces and runs in slow reference kernels.
"""

import keras
import numpy as np
from keras import layers

from keras_portrait.errors import InputError
from keras_portrait.layers import (
    AppendStyle,
    Convolution2D,
    DepthToSpace,
    InstanceNormalization,
    PlaneWave,
    ReflectionPadding2D,
)
from keras_portrait.training.saved_generator import copy_layers, float32_config
from keras_portrait.training.stored_kernels import has_subpixel_form
from keras_portrait_export.layers import (
    FULL_WIDTH,
    BlockConv2D,
    ConcatenatedStyle,
    ConstantStyle,
    ConstantWave,
    DepthToSpaceUpSampling,
    NativeDepthToSpace,
    PictureNormalization,
    SlicedReflection,
)
from keras_portrait_export.published.layers import CornerUpSampling2D
from keras_portrait_export.transposed import SubpixelConv2DTranspose

# Layers of this package that are exported as they are. Those of Keras are, too: the operators that
# they turn into are looked at afterwards (`check`).
KEPT = (InstanceNormalization,)
# Layers that do nothing outside training.
TRAINING_ONLY = (
    layers.ActivityRegularization,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.SpatialDropout2D,
)


def fold(generator: keras.Model) -> keras.Model:
    """Takes out of a generator what only training needs.

    Args:
        generator: functional model of a generator of `networks`, of any precision.

    Returns:
        A float32 model of the same inputs and outputs, without batch normalization and dropout.
        Normalizations that no convolution can take in have become `Rescaling`.
    """
    normalized, folded_in = {}, set()
    for layer in generator.layers:
        if isinstance(layer, layers.BatchNormalization):
            convolution = _convolution_before(layer)
            if convolution is not None:
                normalized[convolution.name] = layer
                folded_in.add(layer.name)

    def folded_layer(layer):
        if layer.name in folded_in or isinstance(layer, TRAINING_ONLY):
            return _left_out
        affine = _as_rescaling(layer)
        if affine is not None:
            return affine
        config = float32_config(layer)
        if layer.name in normalized:
            config["use_bias"] = True
        return layer.__class__.from_config(config)

    copy = keras.models.clone_model(
        generator, clone_function=folded_layer, call_function=_call_unless_left_out
    )
    kept = {layer.name for layer in copy.layers}
    for layer in generator.layers:
        if layer.name in normalized:
            values = _folded_weights(layer, normalized[layer.name])
            copy.get_layer(layer.name).set_weights(values)
        elif layer.weights and layer.name in kept and _as_rescaling(layer) is None:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def rebuild_for_inference(
    generator: keras.Model, size: int, style: "np.ndarray | None" = None
) -> keras.Model:
    """Makes the net that is exported.

    Args:
        generator: functional model of a generator of `networks`, of any precision.
        size: height and width of pictures in pixels, a multiple of 4.
        style: float32 (1, K), sum 1: drawn in this style alone, without a style input; None keeps
            the input where there is one.

    Returns:
        A float32 model of image (1, size, size, 3), and style (1, K) where the generator has
        one, or of noise (1, Z), with the generator's weights.

    Raises:
        InputError: a layer for which no exported form is known, or sizes that do not fit.
    """
    folded = fold(generator)

    def fixed(tensor):
        plane = (size, size) if len(tensor.shape) == 4 else ()
        shape = (1, *plane, tensor.shape[-1])
        return keras.Input(batch_shape=shape, name=tensor.name, dtype="float32")

    inputs = keras.tree.map_structure(fixed, folded.input)
    try:
        net = copy_layers(folded, _inference_layer, inputs)
    except ValueError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The generator cannot draw squares of {size} pixels. Received: {reason}"
        ) from error
    if style is None:
        return net
    image = fixed(folded.inputs[0])
    return keras.Model(image, net([image, ConstantStyle(style)(image)]))


def _inference_layer(layer):
    named = {"name": layer.name, "dtype": "float32"}
    if isinstance(layer, ReflectionPadding2D):
        return SlicedReflection(layer.sides, **named)
    if isinstance(layer, AppendStyle):
        return ConcatenatedStyle(**named)
    if isinstance(layer, PlaneWave):
        return ConstantWave(layer.period, layer.step, **named)
    # A built layer of groups=-1 knows them by their number.
    if isinstance(layer, layers.GroupNormalization) and layer.groups == layer.input.shape[-1]:
        affine = layer.scale or layer.center
        return InstanceNormalization(layer.epsilon, affine, **named)
    if isinstance(layer, layers.GroupNormalization) and layer.groups == 1:
        if layer.scale and layer.center:
            return PictureNormalization(layer.epsilon, **named)
    if isinstance(layer, layers.UpSampling2D):
        factor = layer.size[0]
        if layer.interpolation == "nearest" and layer.size == (factor, factor):
            return DepthToSpaceUpSampling(factor, **named)
        if layer.interpolation == "bilinear":
            return layer.__class__.from_config(float32_config(layer))
    if isinstance(layer, CornerUpSampling2D):
        return layer.__class__(layer.factor, **named)
    if leaves_lanes_idle(layer):
        return BlockConv2D(layer.filters, layer.kernel_size[0], layer.padding, **named)
    if has_subpixel_form(layer):
        sizes = layer.kernel_size[0], layer.strides[0], layer.padding
        return SubpixelConv2DTranspose(layer.filters, *sizes, layer.activation, **named)
    if isinstance(layer, DepthToSpace):
        return NativeDepthToSpace(layer.factor, **named)
    if isinstance(layer, Convolution2D):
        return layers.Conv2D.from_config(float32_config(layer))
    of_keras = layer.__class__.__module__.partition(".")[0] == "keras"
    if of_keras or isinstance(layer, KEPT):
        return layer.__class__.from_config(float32_config(layer))
    raise InputError(
        "The exporter knows the layers of Keras and those of keras_portrait's generators. "
        f"Received: {layer.name}, a {layer.__class__.__name__} layer that it does not know"
    )


def leaves_lanes_idle(convolution: keras.Layer) -> bool:
    """Whether a convolution is exported in blocks, see `layers.BlockConv2D`."""
    if not isinstance(convolution, layers.Conv2D):
        return False
    side = convolution.kernel_size[0]
    plain = (
        convolution.kernel_size == (side, side)
        and (convolution.padding == "valid" or side % 2)
        and convolution.groups == 1
        and convolution.use_bias
        and convolution.activation is keras.activations.linear
        and {*convolution.strides, *convolution.dilation_rate} == {1}
    )
    # Squares of 2 x 2 pixels are the least that helps.
    return plain and side > 1 and 4 * convolution.filters <= FULL_WIDTH


# Stands for a layer that does nothing.
_left_out = layers.Identity()


def _call_unless_left_out(layer, inputs, *arguments, **named):
    if layer is _left_out:
        return inputs
    if isinstance(layer, layers.Rescaling):  # for a normalization, which takes a mask
        return layer(inputs)
    return layer(inputs, *arguments, **named)


def _convolution_before(normalization):
    """The convolution whose result is normalized; None unless it is used here alone."""
    if normalization.axis not in (-1, len(normalization.input.shape) - 1):
        return None
    node = normalization._inbound_nodes[0]
    before = node.parent_nodes[0].operation if node.parent_nodes else None
    places = {one.operation.name for n in normalization._inbound_nodes for one in n.parent_nodes}
    fits = (
        len(places) == 1
        and isinstance(before, (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D))
        and len({node.operation.name for node in before._outbound_nodes}) == 1
        and before.activation is keras.activations.linear
    )
    return before if fits else None


def _as_rescaling(layer) -> layers.Rescaling | None:
    """A normalization by fixed numbers of each channel as one scale and offset."""
    if isinstance(layer, layers.BatchNormalization):
        mean, variance, epsilon = layer.moving_mean, layer.moving_variance, layer.epsilon
        scale = 1 / np.sqrt(np.asarray(variance, np.float64) + epsilon)
        offset = -np.asarray(mean, np.float64) * scale
        if layer.scale:
            scale, offset = (part * np.asarray(layer.gamma, np.float64) for part in (scale, offset))
        if layer.center:
            offset = offset + np.asarray(layer.beta, np.float64)
        axes = (layer.axis,)
    elif isinstance(layer, layers.Normalization) and not layer.invert:
        # As Keras: never divided by less than its epsilon.
        deviation = np.sqrt(np.asarray(layer.variance, np.float64)).reshape(-1)
        scale = 1 / np.maximum(deviation, keras.config.epsilon())
        offset = -np.asarray(layer.mean, np.float64).reshape(-1) * scale
        axes = layer.axis
    else:
        return None
    if {*axes} - {-1, len(layer.input.shape) - 1}:
        return None
    scale, offset = (np.ravel(part).tolist() for part in (scale, offset))
    return layers.Rescaling(scale, offset, name=layer.name, dtype="float32")


def _folded_weights(convolution, normalization):
    """Kernel and bias with the normalization multiplied in."""
    kernel, *bias = convolution.get_weights()
    mean = np.asarray(normalization.moving_mean, np.float64)
    variance = np.asarray(normalization.moving_variance, np.float64)
    scale = 1 / np.sqrt(variance + normalization.epsilon)
    if normalization.scale:
        scale = scale * np.asarray(normalization.gamma, np.float64)
    offset = np.asarray(normalization.beta, np.float64) if normalization.center else 0.0
    bias = bias[0] if bias else 0.0
    if isinstance(convolution, layers.DepthwiseConv2D):
        factors = scale.reshape(kernel.shape[2:])
    elif isinstance(convolution, layers.Conv2DTranspose):
        factors = scale[:, None]
    else:
        factors = scale
    return [np.float32(kernel * factors), np.float32((bias - mean) * scale + offset)]
