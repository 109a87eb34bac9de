"""Looks into a model file for what small runtimes lack, or run slowly."""

from collections import Counter

from keras_portrait.errors import PortraitError
from keras_portrait.inference.litert.graph import open_graph
from keras_portrait.inference.litert.runner import Runner

# What a rebuilt generator is made of; XNNPACK takes over every one of them (DEQUANTIZE: of stored
# 16-bit weights; QUANTIZE: of pixels, which are unsigned, to signed integers). Left out on purpose:
# MIRROR_PAD, TILE, BROADCAST_TO, RESIZE_NEAREST_NEIGHBOR (slow kernels), SHAPE and PACK (signs of
# an open size), VAR_HANDLE (weights that stayed variables), and Flex operators (not there at all).
_GENERATORS = (
    *("ADD", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE"),
    *("LEAKY_RELU", "LOGISTIC", "MEAN", "MUL", "PAD", "QUANTIZE", "RELU", "RELU6", "RESHAPE"),
    *("RESIZE_BILINEAR", "RSQRT", "SLICE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB"),
    *("TANH", "TRANSPOSE_CONV"),
)
# What anybody's model may hold beside it, in the fast kernels too.
_OTHERS = (
    *("ABS", "AVERAGE_POOL_2D", "DIV", "ELU", "EXP", "FULLY_CONNECTED", "GELU", "HARD_SWISH"),
    *("MAXIMUM", "MAX_POOL_2D", "MINIMUM", "NEG", "PRELU", "SOFTMAX", "SQRT", "SQUARE"),
    *("SUM", "TRANSPOSE"),
)
ALLOWED = frozenset({*_GENERATORS, *_OTHERS})
# Signs of weights that stayed variables, and of loops; others are custom operators, which begin so.
_UNFIT = frozenset({"CALL_ONCE", "IF", "READ_VARIABLE", "VAR_HANDLE", "WHILE"})
_CUSTOM = ("Flex", "Custom", "TFLite_")


def check_model(model: bytes, fast_only: bool = True) -> None:
    """Makes sure that a model consists of known operators on tensors of fixed size.

    Args:
        model: content of a `.tflite` file.
        fast_only: whether all must run in the fast kernels; otherwise any builtin one will do.

    Raises:
        PortraitError: an operator outside `ALLOWED`, or one that is none of the runtime's own, an
            open axis, or more than one graph.
    """
    graph = open_graph(model)
    foreign = {}
    for name, operator in graph.operators:
        slow = name not in ALLOWED
        if name in _UNFIT or name.startswith(_CUSTOM) or (fast_only and slow):
            foreign.setdefault(name, _place(graph, operator))
    if foreign:
        found = ", ".join(f"{name} (in {foreign[name]})" for name in sorted(foreign))
        raise PortraitError(
            "The converted model holds operators that small machines lack or run slowly. "
            f"Expected only: {', '.join(sorted(ALLOWED))}. Received: {found}"
        )
    if len(graph.model.subgraphs) != 1:
        raise PortraitError(
            f"The converted model must be one graph. Received: {len(graph.model.subgraphs)}"
        )
    for tensor in graph.tensors:
        signature = tensor.shapeSignature
        if signature is not None and min(signature, default=0) < 0:
            raise PortraitError(
                "The converted model must have tensors of fixed size. "
                f"Received: {tensor.name.decode()} {tuple(int(size) for size in signature)}"
            )


def slow_operators(model: bytes) -> dict[str, int]:
    """Operators outside `ALLOWED`, which run in slow kernels, and how many there are of each."""
    counted = Counter(name for name, _ in open_graph(model).operators)
    return {name: count for name, count in sorted(counted.items()) if name not in ALLOWED}


def count_delegates(runner: Runner) -> int:
    """Number of pieces that XNNPACK, the runtime's fast CPU kernels, took over.

    1 is best: a piece of its own that stays outside splits the rest in two.
    """
    # No runtime tells this through its public interface.
    operators = runner._interpreter._get_ops_details()
    return sum(operator["op_name"] == "DELEGATE" for operator in operators)


def _place(graph, operator) -> str:
    """Name of a tensor around an operator, which holds the name of a layer in most cases."""
    tensors = [graph.tensors[at].name.decode() for at in (*operator.outputs, *operator.inputs)]
    # The result of the whole model is called otherwise.
    return next((name for name in tensors if "PartitionedCall" not in name), tensors[0])
