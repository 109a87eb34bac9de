"""The losses, as pure functions of tensors.

Pictures are float (N, H, W, C) in [-1, 1]; where nothing else is said a function returns a float32
scalar.
"""

import keras
import numpy as np
from keras import ops

from keras_portrait.recipe import ADVERSARIAL

# Scores above it mean "real": halfway between the targets 0 and 1, or the logit of one half.
THRESHOLD = {"lsgan": 0.5, "log": 0.0}

# RGB to YUV, one row for each of Y, U, V (ITU-R BT.601), as in `tf.image.rgb_to_yuv`.
YUV = (
    (0.299, 0.587, 0.114),
    (-0.14714119, -0.28886916, 0.43601035),
    (0.61497538, -0.51496512, -0.10001026),
)


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


def grayness(drawings):
    """How far drawings are from ink and paper alone.

    Args:
        drawings: float (N, H, W, 1) in [-1, 1].

    Returns:
        float32 scalar in [0, 1], the mean of 1 - drawing^2: 0 for black and white, 1 for gray.
    """
    return ops.mean(1.0 - ops.square(ops.cast(drawings, "float32")))


def cross_entropy(logits, drawings):
    """Binary cross-entropy between the probability of paper and a drawing.

    Against drawings that are nearly black and white it neither hedges with gray, as L1 does, nor
    fades out where a tanh saturates.

    Args:
        logits: float (N, H, W, 1), unbounded; sigmoid(logits) is the probability of paper.
        drawings: float (N, H, W, 1) in [-1, 1]; 1 is paper.

    Returns:
        float32 scalar in nats, the mean over pixels; where a drawing is gray its least is not 0.
    """
    logits, drawings = ops.cast(logits, "float32"), ops.cast(drawings, "float32")
    # softplus(x) - x t is -t log sigmoid(x) - (1 - t) log(1 - sigmoid(x)).
    return ops.mean(ops.softplus(logits) - logits * (0.5 + 0.5 * drawings))


def feature_matching(real_features, fake_features):
    """L1 between what a discriminator sees in real pictures and in fakes.

    Args:
        real_features: list of float (N, h, w, C), its feature maps of real pictures.
        fake_features: the same of fakes.

    Returns:
        float32 scalar, the mean over the maps; no gradient reaches the real ones.

    Reference:
        Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional
        GANs", CVPR 2018, eq. 4.
    """
    pairs = zip(real_features, fake_features, strict=True)
    return sum(l1(ops.stop_gradient(real), fake) for real, fake in pairs) / len(real_features)


def unsteadiness(drawings, twins, shift, reach: int | None = None):
    """L1 between drawings of two crops of a picture where both show the same place.

    Args:
        drawings: float (N, H, W, 1), of the first crops.
        twins: the same of the second ones.
        shift: int (N, 2), rows and columns from the first pixel of a crop to that of its twin.
        reach: int, the largest shift that there may be; 1/16 of the height by default.

    Returns:
        float32 scalar, the mean over pixels.
    """
    reach = drawings.shape[1] // 16 if reach is None else reach
    drawings, twins = ops.cast(drawings, "float32"), ops.cast(twins, "float32")
    for axis in (1, 2):
        moved = ops.cast(shift[:, axis - 1], "int32")
        drawings = _from(drawings, ops.maximum(moved, 0), axis, reach)
        twins = _from(twins, ops.maximum(-moved, 0), axis, reach)
    return l1(drawings, twins)


def _from(x, starts, axis, reach):
    """The rows or columns of each picture from its own start on, `reach` fewer than there are."""
    count = x.shape[axis] - reach
    places = starts[:, None] + ops.arange(count, dtype="int32")[None]
    places = ops.reshape(places, (-1, *(count if a == axis else 1 for a in (1, 2)), 1))
    shape = ops.shape(x)
    wide = (shape[0], *(count if a == axis else shape[a] for a in (1, 2)), shape[3])
    return ops.take_along_axis(x, ops.broadcast_to(places, wide), axis=axis)


def half_and_half(real_scores, fake_scores, mode: str = "lsgan"):
    """A discriminator's loss: half of that of real pictures plus half of that of fakes.

    Args:
        real_scores: float (N, h, w, 1), scores of real pictures.
        fake_scores: float (N, h, w, 1), scores of fakes.
        mode: as in `adversarial`.

    Returns:
        float32 scalar.
    """
    real = adversarial(real_scores, True, mode)
    return 0.5 * (real + adversarial(fake_scores, False, mode))


def recognized(scores, real: bool, mode: str = "lsgan"):
    """Share of patches that a discriminator takes for what they are.

    Args:
        scores: float (N, h, w, 1), unbounded realness scores.
        real: whether the pictures are real.
        mode: as in `adversarial`.

    Returns:
        float32 scalar in [0, 1].
    """
    taken_for_real = scores > THRESHOLD[mode]
    return ops.mean(ops.cast(taken_for_real if real else ~taken_for_real, "float32"))


def accuracy(real_scores, fake_scores, mode: str = "lsgan"):
    """`recognized`, real pictures and fakes counting half each."""
    return 0.5 * (recognized(real_scores, True, mode) + recognized(fake_scores, False, mode))


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


def gram(features):
    """Gram matrix of each picture's features: which channels are active together, anywhere.

    Args:
        features: float (N, H, W, C).

    Returns:
        float32 (N, C, C), sums over the plane divided by H * W * C.

    Reference:
        Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks",
        CVPR 2016; divided as in the CartoonGAN and AnimeGAN implementations in use.
    """
    features = ops.cast(features, "float32")
    batch, height, width, channels = ops.shape(features)
    flat = ops.reshape(features, (batch, height * width, channels))
    matrix = ops.matmul(ops.transpose(flat, (0, 2, 1)), flat)
    return matrix / ops.cast(height * width * channels, "float32")


def content(features_a, features_b, relative: bool = False):
    """What is in two pictures: L1 between their feature maps.

    Args:
        features_a: list of float (N, H, W, C), feature maps of one picture.
        features_b: the same of the other.
        relative: whether the L1 of each picture is divided by the mean magnitude of its map in
            `features_b`: a share, whatever the scale of the trunk's features.

    Returns:
        float32 scalar, the sum over the maps of the list.

    Reference:
        Chen, Lai, Liu, CVPR 2018, sec. 3.2.2, which prefers L1 to L2 on purpose.
    """
    distance = _relative_l1 if relative else l1
    return sum(distance(a, b) for a, b in zip(features_a, features_b, strict=True))


def style(features_a, features_b, relative: bool = False):
    """How two pictures are drawn: L1 between the Gram matrices of their feature maps.

    Args:
        features_a: list of float (N, H, W, C), feature maps of one picture.
        features_b: the same of the other; H and W may differ.
        relative: as in `content`, of the matrices.

    Returns:
        float32 scalar, the sum over the maps of the list.
    """
    distance = _relative_l1 if relative else l1
    pairs = zip(features_a, features_b, strict=True)
    return sum(distance(gram(a), gram(b)) for a, b in pairs)


def _relative_l1(a, b):
    """Mean absolute difference as a share of the mean magnitude of `b`, picture by picture."""
    a, b = ops.cast(a, "float32"), ops.cast(b, "float32")
    axes = tuple(range(1, len(b.shape)))
    size = ops.maximum(ops.mean(ops.abs(b), axes), 1e-6)
    return ops.mean(ops.mean(ops.abs(a - b), axes) / size)


def grayscale(pictures):
    """Takes the colour off pictures: float RGB (N, H, W, 3) to Y in all three channels."""
    gray = ops.sum(ops.cast(pictures, "float32") * ops.array(YUV[0], "float32"), -1, keepdims=True)
    return ops.repeat(gray, 3, axis=-1)


def gray_style(features, target, feature_maps):
    """`style` against a target without its colours: its strokes are wanted, not its palette.

    Args:
        features: list of float (N, H, W, C), feature maps of the generated pictures, in colour.
        target: float RGB (N, h, w, 3) in [-1, 1], the cartoons.
        feature_maps: callable from pictures to such a list, as `VGGFeatures`.

    Returns:
        float32 scalar; no gradient reaches the target.

    Reference:
        Chen, Liu, Chen, "AnimeGAN: a Novel Lightweight GAN for Photo Animation", ISICA 2019.
    """
    return style(features, [ops.stop_gradient(x) for x in feature_maps(grayscale(target))])


def colour(a, b):
    """How far the colours of two pictures are apart, in YUV: L1 of Y plus Huber of U and of V.

    Args:
        a: float RGB (N, H, W, 3) in [-1, 1].
        b: the same.

    Returns:
        float32 scalar. Y is taken in [0, 1].

    Reference:
        Chen, Liu, Chen, ISICA 2019, colour reconstruction loss.
    """
    # On [0, 1] pictures, as AnimeGAN does; the offset drops out of differences.
    to_yuv = 0.5 * ops.transpose(ops.array(YUV, "float32"))
    yuv_a, yuv_b = (ops.matmul(ops.cast(x, "float32"), to_yuv) for x in (a, b))
    u_and_v = [ops.mean(keras.losses.huber(yuv_a[..., i], yuv_b[..., i])) for i in (1, 2)]
    return l1(yuv_a[..., 0], yuv_b[..., 0]) + sum(u_and_v)


def heat_maps(landmarks, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Where landmarks are, as pictures: a Gaussian of height 1 around each.

    Args:
        landmarks: (N, P, 2) or (P, 2), (x, y) in pixels, centre of the first pixel at (0, 0). A
            point outside the picture leaves the rest of its Gaussian, if any, at the border.
        size: height and width of the maps in pixels.
        sigma: standard deviation in pixels, above 0.

    Returns:
        float32 (N, H, W, P) or (H, W, P) in [0, 1].

    Raises:
        ValueError: not such an array, a coordinate that is not finite, or `sigma` not above 0.
    """
    points = np.asarray(landmarks, "float64")
    if points.ndim not in (2, 3) or points.shape[-1] != 2 or not np.isfinite(points).all():
        raise ValueError(
            "landmarks: expected finite coordinates (N, P, 2) or (P, 2). "
            f"Received: shape {points.shape}"
        )
    if not sigma > 0:
        raise ValueError(f"sigma: expected a number above 0. Received: {sigma}")
    height, width = size
    x = np.exp(-0.5 * ((np.arange(width)[:, None] - points[..., None, :, 0]) / sigma) ** 2)
    y = np.exp(-0.5 * ((np.arange(height)[:, None] - points[..., None, :, 1]) / sigma) ** 2)
    return (y[..., :, None, :] * x[..., None, :, :]).astype("float32")


def landmark_loss(found, wanted):
    """How far landmarks are from where they should be: mean squared difference of heat maps.

    Args:
        found: float (N, H, W, P) in [0, 1], heat maps of the generated pictures.
        wanted: the same of the photos.

    Returns:
        float32 scalar.

    Reference:
        Wu et al., "Landmark Assisted CycleGAN for Cartoon Face Generation", 2019
        (arXiv 1907.01424), sec. 3: landmark consistency.
    """
    return ops.mean(ops.square(ops.cast(found, "float32") - ops.cast(wanted, "float32")))
