"""Measures how near an exported generator comes to the float Keras model."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_portrait.inference.imaging import from_signed
from keras_portrait.inference.presets import Generator
from keras_portrait.metrics import line_overlap
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait_export.verify import Sample, mean_of_finite, psnr

# Inputs whose pictures are kept to be shown.
EXAMPLES = 6

# Weights of red, green and blue in the luminance (ITU-R BT.601).
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
# Below this side, in pixels, nothing is left for the last layers of LPIPS.
_LEAST_LPIPS = 32


@dataclass(frozen=True)
class Score:
    """One measure over all inputs.

    Attributes:
        mean: over the inputs. Of peak signal-to-noise ratios only finite ones are averaged, unless
            there are none: a single pair of equal pictures would hide all others.
        worst: of the inputs: the lowest, or of a distance the highest.
        each: of every input, in order.
    """

    mean: float
    worst: float
    each: tuple[float, ...]


@dataclass(frozen=True)
class Pictures:
    """What two generators made of one input.

    Attributes:
        name: of the input.
        photo: uint8 (S, S, 3) RGB; None where the input is noise.
        expected: uint8 (S, S, 1) or (S, S, 3), from Keras.
        received: the same, from the exported model.
    """

    name: str
    photo: np.ndarray | None
    expected: np.ndarray
    received: np.ndarray


@dataclass(frozen=True)
class FidelityReport:
    """How near an exported generator comes to the float Keras model.

    Attributes:
        names: of the inputs.
        psnr: peak signal-to-noise ratio, dB, peak 2; infinite where two pictures are equal.
        ssim: structural similarity (Wang et al. 2004), 1 for equal pictures.
        lpips: learned perceptual distance (`keras_portrait.perceptual`), 0 for equal pictures.
        line_f1: see `line_f1`.
        max_error: largest difference of a pixel over all inputs; pictures are in [-1, 1].
        worst_index: the input of the lowest `psnr`.
        worst: its pictures.
        examples: pictures of the first inputs, `EXAMPLES` at most.
    """

    names: tuple[str, ...]
    psnr: Score
    ssim: Score
    lpips: Score
    line_f1: Score
    max_error: float
    worst_index: int
    worst: Pictures
    examples: tuple[Pictures, ...]


def measure_fidelity(generator: Generator, samples: list[Sample]) -> FidelityReport:
    """Runs an exported generator on inputs that the Keras model it was made from has drawn.

    Args:
        generator: from `presets.load_preset`; one of pixels is compared by its pixels.
        samples: the inputs, and what the float Keras model made of them; one or more.

    Returns:
        What came out.

    Raises:
        InputError: the generator does not take these inputs.
    """
    scores = {name: [] for name in _MEASURES}
    max_error, examples = 0.0, []
    for sample in samples:
        received = generator.net(**sample.inputs)
        for name, measure in _MEASURES.items():
            scores[name].append(measure(sample.expected, received))
        max_error = float(np.maximum(max_error, np.abs(sample.expected - received).max()))
        if len(examples) < EXAMPLES:
            examples.append(_pictures(sample, received))
    worst = int(np.argmin(scores["psnr"]))  # or one that is not a number
    return FidelityReport(
        names=tuple(sample.name for sample in samples),
        max_error=max_error,
        worst_index=worst,
        # Run once more rather than keep the pictures of all.
        worst=_pictures(samples[worst], generator.net(**samples[worst].inputs)),
        examples=tuple(examples),
        **{name: _score(values, worst=_WORST[name]) for name, values in scores.items()},
    )


def ssim(expected: np.ndarray, received: np.ndarray) -> float:
    """Structural similarity of pictures float32 (1, S, S, C) in [-1, 1], S at least 11.

    Reference:
        Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
        2004, as in `tf.image.ssim`: a Gaussian window of 11 pixels.
    """
    return float(tf.image.ssim((expected + 1) / 2, (received + 1) / 2, max_val=1.0)[0])


def lpips(expected: np.ndarray, received: np.ndarray) -> float:
    """LPIPS of pictures float32 (1, S, S, C) in [-1, 1]; pixels are repeated under 32 of them."""
    times = -(-_LEAST_LPIPS // expected.shape[1])
    pictures = [a.repeat(times, 1).repeat(times, 2) for a in (expected, received)]
    return float(_perceptual_distance()(*pictures)[0])


def line_f1(expected: np.ndarray, received: np.ndarray) -> float:
    """How well the lines of two drawings cover each other, 0 to 1.

    A pixel belongs to a line where its luminance is under mid-grey. It counts as found only where
    the very same pixel is a line in the other drawing, without any tolerance: compression does not
    move lines, so what is beside its place is wrong. White paper, which makes up most of a drawing
    and lifts every other measure, does not count.

    Args:
        expected: float (1, S, S, C) in [-1, 1], C 1 or 3 (RGB).
        received: the same shape.

    Returns:
        2 hits / (2 hits + misses + false finds); 1 where neither drawing has a line.
    """
    return line_overlap(*(_luminance(picture) < 0 for picture in (expected, received)))


_MEASURES = {"psnr": psnr, "ssim": ssim, "lpips": lpips, "line_f1": line_f1}
_WORST = {"psnr": np.min, "ssim": np.min, "lpips": np.max, "line_f1": np.min}


def _pictures(sample: Sample, received: np.ndarray) -> Pictures:
    photo = sample.inputs.get("image")
    return Pictures(
        name=sample.name,
        photo=None if photo is None else _shown(photo),
        expected=_shown(sample.expected),
        received=_shown(received),
    )


def _shown(picture: np.ndarray) -> np.ndarray:
    """As bytes; what is no number is black."""
    return from_signed(np.nan_to_num(picture[0], nan=-1.0))


def _score(values: list[float], worst: Callable) -> Score:
    return Score(mean_of_finite(values), float(worst(values)), tuple(values))


def _luminance(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0] if picture.shape[-1] == 1 else picture @ LUMINANCE


@functools.cache
def _perceptual_distance():
    return PerceptualDistance()
