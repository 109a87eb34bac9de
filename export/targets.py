"""Whether the runtime that a model is meant for reads it.

`litert` is ai-edge-litert, the current runtime: it reads whatever this exporter writes.
`tflite-2.14` is tflite-runtime 2.14.0, the last of its name and the only one on 32-bit Raspberry
Pi OS. TensorFlow 2.21 writes files that it does not read, and a few that it reads wrongly.
Nothing is converted differently for it, but for one bit in `separate_scales`: a model passes as it
is, or is refused here.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.errors import PortraitError, SettingError, nearest
from keras_portrait.inference.litert.graph import PLACES, operator_name

TARGETS = ("litert", "tflite-2.14")

# Operator -> the newest version of it that tflite-runtime 2.14.0 has. From TensorFlow 2.14,
# tensorflow/lite/core/kernels/register.cc; tests/inference/test_tflite_runtime.py asks the
# runtime itself.
NEWEST_VERSIONS = {
    "ABS": 5,
    "ADD": 5,
    "AVERAGE_POOL_2D": 3,
    "BATCH_MATMUL": 4,
    "CONCATENATION": 4,
    "CONV_2D": 7,
    "DEPTHWISE_CONV_2D": 7,
    "DEPTH_TO_SPACE": 2,
    "DEQUANTIZE": 5,
    "DIV": 2,
    "ELU": 1,
    "EXP": 2,
    "EXPAND_DIMS": 1,
    "FLOOR": 1,
    "FULLY_CONNECTED": 10,
    "GELU": 2,
    "HARD_SWISH": 1,
    "LEAKY_RELU": 2,
    "LOG": 1,
    "LOGISTIC": 3,
    "MAXIMUM": 4,
    "MAX_POOL_2D": 3,
    "MEAN": 3,
    "MINIMUM": 4,
    "MIRROR_PAD": 3,
    "MUL": 7,
    "NEG": 1,
    "PACK": 4,
    "PAD": 4,
    "PADV2": 4,
    "POW": 1,
    "PRELU": 1,
    "QUANTIZE": 3,
    "REDUCE_MAX": 3,
    "RELU": 3,
    "RELU6": 3,
    "RELU_0_TO_1": 1,
    "RELU_N1_TO_1": 1,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 4,
    "RESIZE_NEAREST_NEIGHBOR": 4,
    "RSQRT": 2,
    "SELECT_V2": 2,
    "SLICE": 6,
    "SOFTMAX": 3,
    "SPLIT": 4,
    "SQRT": 1,
    "SQUARE": 1,
    "SQUARED_DIFFERENCE": 2,
    "SQUEEZE": 2,
    "STRIDED_SLICE": 8,
    "SUB": 5,
    "SUM": 2,
    "TANH": 3,
    "TILE": 3,
    "TRANSPOSE": 6,
    "TRANSPOSE_CONV": 4,
}

# With 8-bit weights and float data the first is refused by tflite-runtime 2.14 when it loads; the
# second is either too new for it, or loads and computes something else: it takes one scale for all
# channels.
_NO_DYNAMIC = ("TRANSPOSE_CONV", "FULLY_CONNECTED")

# Weights of fewer than 8 bits. tflite-runtime 2.14 loads 4-bit convolutions and takes their bytes
# for 8-bit weights: the picture is noise.
_TOO_NARROW = {
    code: name for name, code in vars(schema.TensorType).items() if name in ("INT2", "INT4")
}


def separate_scales(model: bytes) -> bytes:
    """Keeps tflite-runtime 2.14 from taking a dynamic convolution for one without scales.

    Where 8-bit weights on float data have one scale for each output channel and all are equal, as
    in `layers.BlockConv2D`, whose channels share one kernel, 2.14 takes the single scale of
    another field, which is 0 there, and draws an even grey. The first scale becomes the next
    larger float32: a change in the seventh digit of one channel, harmless to every runtime.

    Args:
        model: content of a `.tflite` file.

    Returns:
        The same model, with that change where it is needed.
    """
    content = bytearray(model)
    tree = schema.Model.GetRootAs(content, 0)
    for tensors, operator, name in _operators(tree):
        if name == "CONV_2D" and _is_dynamic(tensors, operator, name):
            scales = _scales(tensors(operator.Inputs(1)))
            if _are_equal(scales):
                # A view into `content`.
                scales[0] = np.nextafter(scales[0], np.float32(np.inf))
    return bytes(content)


def check_target_name(target: str) -> None:
    """Refuses what is none of `TARGETS`.

    Raises:
        SettingError: there is no such target.
    """
    if target not in TARGETS:
        raise SettingError(f"No such target. {nearest(target, TARGETS)}Received: {target}")


def check_target(model: bytes, target: str, mode: str) -> None:
    """Makes sure that the runtime a model is meant for reads it, and computes the same.

    Args:
        model: content of a `.tflite` file that `lint.check_model` let through.
        target: one of `TARGETS`.
        mode: how the model was converted, "dynamic" for instance; only named in errors.

    Raises:
        SettingError: there is no such target.
        PortraitError: an operator, or a version or a use of it, that the runtime lacks.
    """
    check_target_name(target)
    if target == "litert":
        return
    tree = schema.Model.GetRootAs(model, 0)
    for place in range(tree.OperatorCodesLength()):
        code = tree.OperatorCodes(place)
        _check_version(_name(code), code.Version(), mode)
    for tensors, operator, name in _operators(tree):
        for place in range(operator.InputsLength()):
            index = operator.Inputs(place)
            # -1: an input that is left out.
            if index >= 0 and tensors(index).Type() in _TOO_NARROW:
                _refuse(f"{name} with weights of {_TOO_NARROW[tensors(index).Type()]}", mode)
        if name in _NO_DYNAMIC and _is_dynamic(tensors, operator, name):
            _refuse(f"{name} with 8-bit weights on float data", mode)
        if name == "CONV_2D" and _is_dynamic(tensors, operator, name):
            if _are_equal(_scales(tensors(operator.Inputs(1)))):
                _refuse("CONV_2D with equal scales in 8-bit weights on float data", mode)


def _check_version(name: str, version: int, mode: str) -> None:
    newest = NEWEST_VERSIONS.get(name, 0)
    if version > newest:
        known = f"it has up to version {newest}" if newest else "it is not known to have it"
        _refuse(f"{name} version {version} ({known})", mode)


def _operators(tree):
    """Every operator as (function from index to tensor, operator, name)."""
    for place in range(tree.SubgraphsLength()):
        graph = tree.Subgraphs(place)
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            yield graph.Tensors, operator, _name(tree.OperatorCodes(operator.OpcodeIndex()))


def _name(code) -> str:
    return operator_name(schema.OperatorCodeT.InitFromObj(code))


def _is_dynamic(tensors, operator, name: str) -> bool:
    """Whether an operator has 8-bit weights and float data."""
    kinds = [tensors(operator.Inputs(place)).Type() for place in PLACES[name][:2]]
    return kinds == [schema.TensorType.FLOAT32, schema.TensorType.INT8]


def _scales(tensor) -> np.ndarray:
    """Scales of a tensor, a view into the model; empty where it has none."""
    quantization = tensor.Quantization()
    if quantization is None or quantization.ScaleIsNone():
        return np.empty(0, np.float32)
    return quantization.ScaleAsNumpy()


def _are_equal(scales: np.ndarray) -> bool:
    return len(scales) > 1 and bool(np.all(scales == scales[0]))


def _refuse(what: str, mode: str) -> None:
    # These two hold no operator of another form than TensorFlow 2.14 wrote.
    plain = ("fp16", "fp32")
    advice = "--target litert does" if mode in plain else "--mode fp16 and --mode fp32 avoid it"
    raise PortraitError(
        f"tflite-runtime 2.14 does not run this model; {advice}. Received: mode {mode} with {what}"
    )
