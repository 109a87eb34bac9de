"""Runs an exported generator as a phone or a Pi would, and compares it with Keras."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import keras_portrait
from keras_portrait.data.synthetic_faces import draw_face
from keras_portrait.errors import PortraitError
from keras_portrait.inference.alignment import ALIGNMENT, prepare_face
from keras_portrait.inference.faces import find_detector, find_faces
from keras_portrait.inference.imaging import from_signed, read_image, to_signed
from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.inference.presets import Generator
from keras_portrait.inference.segmentation import PersonSegmenter
from keras_portrait_export.check import count_delegates

DRAWN_FACES = 3
NOISE_VECTORS = 5
SEED = 0
TIMED_RUNS = 5

# A drawing in [-1, 1] spans 2.
PEAK = 2.0
# A float model differs by rounding alone.
MOST_ERROR = 1e-4
# Mode -> least mean and least single peak signal-to-noise ratio, dB. Where 8-bit weights were
# judged by eye, 36 dB and up passed for the same picture; a single input may fall further. Rounding
# a picture to the 8 bits of a file leaves 59 dB: 16-bit weights must come as near. In full int8
# the values between layers are rounded too.
LEAST_PSNR = {
    "fp16": (59.0, 50.0),
    "dynamic": (36.0, 30.0),
    "int8": (34.0, 30.0),
    "recipe": (34.0, 30.0),
}
# Mode -> what changes the pictures, and what changes them less.
_ADVICE = {
    "fp16": ("16-bit weights change", "--mode fp32 does not"),
    "dynamic": ("8-bit weights change", "--mode fp16 changes them less"),
    "int8": ("8-bit integers change", "more --calibration photos, or --mode dynamic, may help"),
    "recipe": ("The recipe changes", "one that quantizes less changes them less"),
}


@dataclass(frozen=True)
class Fidelity:
    """How near an exported generator comes to Keras, and what it costs here.

    Attributes:
        max_error: largest difference of a pixel over all inputs; pictures are in [-1, 1].
        worst_psnr: lowest peak signal-to-noise ratio of an input, dB, peak 2.
        mean_psnr: mean over the inputs whose pictures are not equal, dB.
        milliseconds: processor time of one drawing at one thread, the best of several.
        delegates: pieces that the runtime's fast kernels took over; 1 is best.
    """

    max_error: float
    worst_psnr: float
    mean_psnr: float
    milliseconds: float
    delegates: int


@dataclass(frozen=True)
class Sample:
    """An input and what the Keras model makes of it.

    Attributes:
        name: of the photo.
        inputs: float32 arrays by name.
        expected: float32 (1, S, S, channels) in [-1, 1].
    """

    name: str
    inputs: dict[str, np.ndarray]
    expected: np.ndarray


def verification_inputs(
    size: int, styles: int, alignment: int = ALIGNMENT
) -> list[dict[str, np.ndarray]]:
    """The fixed inputs that generators of photos are compared on: a photo, drawn faces, noise.

    Args:
        size: side of the square in pixels.
        styles: number of styles; each input has the next style, and the last one a mix of all.
        alignment: one of `alignment.ALIGNMENTS`.

    Returns:
        For each input `image` float32 (1, size, size, 3) in [-1, 1], and `style` float32
        (1, styles) where there are several.
    """
    pictures = [_example_face(size, alignment)]
    pictures += [draw_face(SEED + index, size).photo for index in range(DRAWN_FACES)]
    rng = np.random.default_rng(SEED)
    pictures.append(rng.integers(0, 256, (size, size, 3), np.uint8))
    inputs = [{"image": to_signed(picture)[None]} for picture in pictures]
    if styles > 1:
        vectors = np.eye(styles, dtype=np.float32)
        for index, one in enumerate(inputs):
            one["style"] = vectors[[index % styles]]
        inputs[-1]["style"] = np.full((1, styles), 1 / styles, np.float32)
    return inputs


def verification_noise(length: int) -> list[dict[str, np.ndarray]]:
    """The fixed inputs that generators of noise are compared on.

    Args:
        length: of a noise vector.

    Returns:
        For each input `noise` float32 (1, length), standard normal; the last one is all 0.
    """
    rng = np.random.default_rng(SEED)
    noise = rng.standard_normal((NOISE_VECTORS, 1, length), dtype=np.float32)
    return [{"noise": one} for one in (*noise, np.zeros((1, length), np.float32))]


def compare(generator: Generator, samples: list[Sample]) -> Fidelity:
    """Runs an exported generator on inputs that the Keras model it was made from has drawn.

    Args:
        generator: from `presets.load_preset`.
        samples: the inputs, and what Keras made of them.

    Returns:
        What came out.
    """
    received = [generator.net(**sample.inputs) for sample in samples]
    pairs = [(sample.expected, picture) for sample, picture in zip(samples, received, strict=True)]
    ratios = [psnr(*pair) for pair in pairs]
    return Fidelity(
        # NumPy's: a number that is none is the largest.
        max_error=float(np.max([np.abs(one - other).max() for one, other in pairs])),
        worst_psnr=float(np.min(ratios)),
        mean_psnr=mean_of_finite(ratios),
        milliseconds=_best_time(generator, samples[0].inputs),
        delegates=count_delegates(generator.pixel_net or generator.net),
    )


def psnr(expected: np.ndarray, received: np.ndarray) -> float:
    """Peak signal-to-noise ratio, dB, of float pictures in [-1, 1]; infinite for equal ones."""
    with np.errstate(divide="ignore"):
        error = np.mean(np.square(expected - received, dtype=np.float64))
        return float(10 * np.log10(PEAK**2 / error))


def mean_of_finite(values: list[float]) -> float:
    """Mean without infinite ratios, unless there are no others: equal pictures would hide them."""
    return float(np.mean([value for value in values if value != np.inf] or values))


def keras_function(reference: keras.Model, style: np.ndarray | None = None) -> Callable:
    """The Keras model as a function of arrays by name, as exported ones are called.

    Args:
        reference: float32 generator.
        style: float32 (1, K), used where none is given.

    Returns:
        A function of float32 arrays by name to a float32 array.
    """

    def draw(**arrays: np.ndarray) -> np.ndarray:
        arrays.setdefault("style", style)
        given = keras.tree.map_structure(lambda tensor: arrays[tensor.name], reference.input)
        return keras.ops.convert_to_numpy(reference(given, training=False))

    return draw


def fixed_inputs(metadata: PresetMetadata) -> tuple[list[dict[str, np.ndarray]], list[str]]:
    """Inputs that need no pictures of anybody: see `verification_inputs`, `verification_noise`.

    Args:
        metadata: of the exported generator.

    Returns:
        The inputs, and their names.
    """
    if metadata.noise:
        inputs = verification_noise(metadata.noise)
        return inputs, [f"noise {index}" for index in range(len(inputs))]
    styles = len(metadata.styles) if "style" in metadata.inputs else 1
    drawn = [f"drawn face {index}" for index in range(DRAWN_FACES)]
    inputs = verification_inputs(metadata.size, styles, metadata.alignment)
    return inputs, ["example photo", *drawn, "random pixels"]


def require(fidelity: Fidelity, mode: str, one_piece: bool = True) -> None:
    """Refuses a model that strays too far from Keras, or runs in more than one piece.

    Args:
        fidelity: what `compare` found.
        mode: "fp32", which may be `MOST_ERROR` off, or a key of `LEAST_PSNR`.
        one_piece: whether more pieces than one are refused.

    Raises:
        PortraitError: it strays further; the text holds the figures.
    """
    if one_piece and fidelity.delegates != 1:
        raise PortraitError(
            "The exported model does not run as one piece in the fast kernels. Expected 1 "
            f"delegate. Received: {fidelity.delegates}"
        )
    # Each written so that a difference that is not a number fails too.
    if mode == "fp32":
        if not fidelity.max_error <= MOST_ERROR:
            raise PortraitError(
                "The exported model does not draw as the trained one does. "
                f"Expected at most {MOST_ERROR:g} off. Received: {fidelity.max_error:.2g}"
            )
        return
    least_mean, least_worst = LEAST_PSNR[mode]
    if not (fidelity.mean_psnr >= least_mean and fidelity.worst_psnr >= least_worst):
        changed, advice = _ADVICE[mode]
        raise PortraitError(
            f"{changed} the pictures too much; {advice}. "
            f"Expected a mean of {least_mean:g} dB and {least_worst:g} dB at worst. "
            f"Received: {fidelity.mean_psnr:.1f} dB, {fidelity.worst_psnr:.1f} dB"
        )


def _example_face(size: int, alignment: int) -> np.ndarray:
    photo = read_image(Path(keras_portrait.__file__).with_name("example.jpg"))
    face = find_faces(photo, find_detector())[0]
    return prepare_face(photo, face.landmarks, size, PersonSegmenter(), alignment).square


def _best_time(generator: Generator, inputs: dict[str, np.ndarray]) -> float:
    net = generator.net
    if generator.pixel_net is not None:  # as it is drawn with, without float numbers
        net, inputs = generator.pixel_net, {**inputs, "image": from_signed(inputs["image"])}
    times = []
    for _ in range(TIMED_RUNS):
        # Processor time, so that other work on the machine does not count.
        started = time.process_time()
        net(**inputs)
        times.append(time.process_time() - started)
    return 1000 * min(times)
