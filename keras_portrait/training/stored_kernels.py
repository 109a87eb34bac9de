"""How the weights of layers lie in a model file: what the exporter writes, read back.

A convolution to few channels may be written in squares of pixels, a transposed one as a plain one
whose channels become the pixels between.
"""

from typing import NamedTuple

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.inference.litert.graph import PLACES, open_graph
from keras_portrait.layers.convolution import Convolution2D

# Weight whose product with any feature is lost in the last digit of a plane wave between -1 and 1,
# while offsets in its scale still fit into 32 bits: an exported wave is a convolution of such.
NEXT_TO_NOTHING = 1e-6
# Sides of the squares of pixels that a convolution to few channels may be exported in.
BLOCKS = (4, 2)

_NUMBERS = ("FLOAT32", "FLOAT16", "INT8", "INT32", "INT64", "UINT8")
# Layer with weights -> its operator in a model file.
KINDS = {
    keras.layers.Conv2D: "CONV_2D",
    Convolution2D: "CONV_2D",
    keras.layers.DepthwiseConv2D: "DEPTHWISE_CONV_2D",
    keras.layers.Conv2DTranspose: "TRANSPOSE_CONV",
}


class SubpixelForm(NamedTuple):
    """How the kernel of a transposed convolution lies in that of a plain one.

    Attributes:
        square: int, side of the square of result pixels that one place of the plain kernel makes.
        taps: int, height and width of the plain kernel.
        shift: int, pixels that the kernel stands from the first of the `taps * square`.
        before: int, pixels that padding takes from the beginning of the whole result.
    """

    square: int
    taps: int
    shift: int
    before: int


def subpixel_form(side: int, stride: int, padding: str, one_pixel: bool = False) -> SubpixelForm:
    """Chooses the form that wastes least.

    Args:
        side: height and width of the kernel.
        stride: at most `side`.
        padding: `"valid"` or `"same"`.
        one_pixel: whether the picture given is one pixel; the result is the kernel then.
    """
    if one_pixel and padding == "valid":
        return SubpixelForm(side, 1, 0, 0)
    taps = -(-side // stride)
    before = (side - stride) // 2 if padding == "same" else 0
    # Squares that begin where the result does need nothing cut off, if the kernel has room.
    shift = -before % stride
    return SubpixelForm(stride, taps, shift if side + shift <= taps * stride else 0, before)


def widen(kernel: np.ndarray, form: SubpixelForm) -> np.ndarray:
    """The kernel (taps, taps, C, square^2 filters) of one (side, side, filters, C)."""
    square, taps, shift, _ = form
    side, _, filters, channels = kernel.shape
    placed = np.zeros((taps * square, taps * square, filters, channels), kernel.dtype)
    placed[shift : shift + side, shift : shift + side] = kernel
    # The given pixel nearest to the result's end takes the kernel's beginning.
    placed = placed.reshape(taps, square, taps, square, filters, channels)[::-1, :, ::-1]
    return placed.transpose(0, 2, 5, 1, 3, 4).reshape(taps, taps, channels, square**2 * filters)


def narrow(wide: np.ndarray, form: SubpixelForm, side: int) -> np.ndarray:
    """The kernel (side, side, filters, C) that `widen` made into one."""
    square, taps, shift, _ = form
    channels = wide.shape[2]
    placed = wide.reshape(taps, taps, channels, square, square, -1)[::-1, ::-1]
    placed = placed.transpose(0, 3, 1, 4, 5, 2).reshape(taps * square, taps * square, -1, channels)
    return placed[shift : shift + side, shift : shift + side]


def has_subpixel_form(layer: keras.Layer) -> bool:
    """Whether a layer is a transposed convolution that can be written as a plain one."""
    if type(layer) is not keras.layers.Conv2DTranspose:
        return False
    side, stride = layer.kernel_size[0], layer.strides[0]
    return (
        layer.kernel_size == (side, side)
        and layer.strides == (stride, stride)
        and {*layer.dilation_rate} == {1}
        and layer.output_padding is None
        and layer.data_format == "channels_last"
        and side >= stride
    )


def fits(kind: str, kernel: np.ndarray, layer: keras.Layer) -> bool:
    """Whether a stored kernel may be that of a layer: plain, in blocks or among pixels.

    Args:
        kind: name of the stored operator.
        kernel: (k, k, ...), as `stored_weights` returns it.
        layer: with weights.
    """
    if kind != KINDS.get(type(layer)):
        return kind == "CONV_2D" and _form_of(kernel, layer) is not None
    shape = tuple(layer.kernel.shape)
    shapes = [shape]
    if isinstance(layer, keras.layers.Conv2D) and shape[0] == shape[1]:
        # At each place of a square within a larger one, see `BlockConv2D` of the exporter.
        side, _, channels, filters = shape
        wide = [(side + block - 1, block**2 * filters) for block in BLOCKS]
        shapes += [(side, side, channels, filters) for side, filters in wide]
    return kernel.shape in shapes


def plain(kind: str, kernel: np.ndarray, layer: keras.Layer) -> np.ndarray:
    """The kernel of a layer out of the stored one that `fits` it."""
    if kind != KINDS[type(layer)]:
        return narrow(kernel, _form_of(kernel, layer), layer.kernel_size[0])
    return kernel[tuple(slice(length) for length in layer.kernel.shape)]


def _form_of(kernel: np.ndarray, layer: keras.Layer) -> SubpixelForm | None:
    """How a transposed convolution was written as this plain one; None where it was not."""
    if not has_subpixel_form(layer):
        return None
    side, stride = layer.kernel_size[0], layer.strides[0]
    for one_pixel in (False, True):
        form = subpixel_form(side, stride, layer.padding, one_pixel)
        outputs = form.square**2 * layer.filters
        if kernel.shape == (form.taps, form.taps, layer.kernel.shape[3], outputs):
            return form
    return None


def stored_weights(model: bytes) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Operator, kernel in the shape that Keras gives it, and bias, in the order of the file."""
    graph, stored = open_graph(model), []
    for name, operator in graph.operators:
        if name not in KINDS.values():
            continue
        at_kernel, at_bias = PLACES[name][1:]
        places = [operator.inputs[at_kernel]]
        if at_bias < len(operator.inputs) and operator.inputs[at_bias] >= 0:
            places.append(operator.inputs[at_bias])
        kernel, *bias = (_real_values(graph, graph.stored(index)) for index in places)
        if np.abs(kernel).max() <= 2 * NEXT_TO_NOTHING:  # a plane wave, which is no layer's weight
            continue
        # (out, k, k, in), of a depthwise convolution (1, k, k, out). In Keras a transposed
        # convolution has (k, k, out, in), the others have the first axis last.
        kernel = np.moveaxis(kernel, 0, 2 if name == "TRANSPOSE_CONV" else 3)
        outputs = kernel.shape[3 if name == "CONV_2D" else 2]
        stored.append((name, kernel, bias[0] if bias else np.zeros(outputs, np.float32)))
    return stored


def _real_values(graph, index: int) -> np.ndarray:
    """A constant as float32, whatever it is stored as."""
    tensor = graph.tensors[index]
    kinds = {getattr(schema.TensorType, name): name.lower() for name in _NUMBERS}
    data = np.frombuffer(bytes(graph.model.buffers[tensor.buffer].data), kinds[tensor.type])
    values = data.reshape(tensor.shape).astype(np.float64)
    quantization = tensor.quantization
    if quantization is not None and quantization.scale is not None and len(quantization.scale):
        scale, zero = np.asarray(quantization.scale), np.asarray(quantization.zeroPoint)
        if len(scale) > 1:
            shape = [1] * values.ndim
            shape[quantization.quantizedDimension] = len(scale)
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        values = (values - zero) * scale
    return values.astype(np.float32)
