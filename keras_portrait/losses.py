"""The losses, as pure functions of tensors.

Pictures are float (N, H, W, C) in [-1, 1]; each function returns a float32 scalar.
"""

from keras import ops

from keras_portrait.settings import ADVERSARIAL


def adversarial(scores, real: bool, mode: str = "lsgan"):
    """How far a discriminator's scores are from "all real" or "all fake".

    Args:
        scores: float (N, h, w, 1), unbounded realness scores.
        real: which of the two they should be.
        mode: `"lsgan"`, squared error to 1 or 0 (Mao et al. 2017, the paper's code), or `"log"`,
            binary cross-entropy on logits (Goodfellow et al. 2014, the paper's eq. 2 and 3).

    Returns:
        float32 scalar, the mean over patches.

    Raises:
        ValueError: `mode` is not one of the two.
    """
    scores = ops.cast(scores, "float32")
    if mode == "lsgan":
        return ops.mean(ops.square(scores - (1.0 if real else 0.0)))
    if mode == "log":
        return ops.mean(ops.softplus(-scores if real else scores))
    raise ValueError(f"mode must be one of {ADVERSARIAL}. Received: {mode!r}")


def l1(a, b):
    """Mean absolute difference."""
    return ops.mean(ops.abs(ops.cast(a, "float32") - ops.cast(b, "float32")))


def truncate(drawings, straight_through: bool = False, steps: float = 31.875):
    """T, the truncation to 6 bits that hides what an eye could not see.

    Args:
        drawings: float (N, H, W, 1) in [-1, 1].
        straight_through: whether the gradient passes T unchanged. As published it does not: the
            cast to integers stops it, and the truncated term trains the inverse generator only.
        steps: float, levels per unit; 31.875 gives 64 levels, 0..63 (the code's `trunc_a`).

    Returns:
        float of the same shape; +1 becomes 63 / 31.875 - 1 = 0.976.

    Reference:
        Yi et al., CVPR 2020, sec. 3.3.2.
    """
    drawings = ops.cast(drawings, "float32")
    coarse = ops.floor((drawings + 1.0) * steps) / steps - 1.0
    if straight_through:
        return drawings + ops.stop_gradient(coarse - drawings)
    return ops.stop_gradient(coarse)


def style_classification(style_logits, style):
    """Cross-entropy of a style head, weighted by a soft label.

    Args:
        style_logits: float (N, K).
        style: float (N, K), how much of each style the drawing holds; rows sum to 1.

    Returns:
        float32 scalar: mean over N of -sum_k style_k log softmax(style_logits)_k.

    Reference:
        Yi et al., CVPR 2020, sec. 3.3.5 (style loss).
    """
    log_probabilities = ops.log_softmax(ops.cast(style_logits, "float32"), axis=-1)
    return -ops.mean(ops.sum(ops.cast(style, "float32") * log_probabilities, axis=-1))


def edge_maps(photos, edge_detector):
    """HED edges, scaled to [-1, 1] as LPIPS expects.

    Args:
        photos: float (N, H, W, 3) in [-1, 1].
        edge_detector: callable to edge probability (N, H, W, 1) in [0, 1].

    Returns:
        float32 (N, H, W, 1) in [-1, 1].
    """
    return (edge_detector(photos) - 0.5) * 2.0
