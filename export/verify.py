"""Runs an exported generator as a phone or a Pi would, and compares it with Keras."""

import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import keras_portrait
from keras_portrait.alignment import find_faces, prepare_face
from keras_portrait.data.drawn_faces import draw_face
from keras_portrait.errors import PortraitError
from keras_portrait.faces import find_detector
from keras_portrait.imaging import read_image, to_signed
from keras_portrait.runtime import Runner
from keras_portrait.segmentation import PersonSegmenter

from .lint import count_delegates

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
# a picture to the 8 bits of a file leaves 59 dB: 16-bit weights must come as near.
LEAST_PSNR = {"fp16": (59.0, 50.0), "dynamic": (36.0, 30.0)}


@dataclass(frozen=True)
class Fidelity:
    """How near an exported generator comes to Keras, and what it costs here.

    Attributes:
        max_error: largest difference of a pixel over all inputs; pictures are in [-1, 1].
        worst_psnr: lowest peak signal-to-noise ratio of an input, dB, peak 2.
        mean_psnr: mean over the inputs, dB.
        milliseconds: processor time of one drawing at one thread, the best of several.
        delegates: pieces that the runtime's fast kernels took over; 1 is best.
    """

    max_error: float
    worst_psnr: float
    mean_psnr: float
    milliseconds: float
    delegates: int


def verification_inputs(size: int, styles: int) -> list[dict[str, np.ndarray]]:
    """The fixed inputs that generators of photos are compared on: a photo, drawn faces, noise.

    Args:
        size: side of the square in pixels.
        styles: number of styles; each input has the next style, and the last one a mix of all.

    Returns:
        For each input `image` float32 (1, size, size, 3) in [-1, 1], and `style` float32
        (1, styles) where there are several.
    """
    pictures = [_example_face(size)]
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


def compare(reference: keras.Model, path: Path) -> Fidelity:
    """Runs a model file and the Keras model that it was made from on the same inputs.

    Args:
        reference: float32 generator, of any size.
        path: the `.tflite` file.

    Returns:
        What came out.
    """
    runner = Runner(path)
    shapes = {tensor.name: tensor.shape for tensor in runner.inputs}
    if "noise" in shapes:
        inputs = verification_noise(shapes["noise"][1])
    else:
        inputs = verification_inputs(shapes["image"][1], shapes.get("style", (1, 1))[1])
    errors = []
    for one in inputs:
        given = keras.tree.map_structure(lambda tensor, one=one: one[tensor.name], reference.input)
        expected = keras.ops.convert_to_numpy(reference(given, training=False))
        errors.append(runner(**one) - expected)
    ratios = [_psnr(error) for error in errors]
    return Fidelity(
        max_error=float(max(np.abs(error).max() for error in errors)),
        worst_psnr=min(ratios),
        mean_psnr=float(np.mean(ratios)),
        milliseconds=_best_time(runner, inputs[0]),
        delegates=count_delegates(runner),
    )


def require(fidelity: Fidelity, mode: str) -> None:
    """Refuses a model that strays too far from Keras.

    Args:
        fidelity: what `compare` found.
        mode: "fp32", which may be `MOST_ERROR` off, or a key of `LEAST_PSNR`.

    Raises:
        PortraitError: it strays further; the text holds the figures.
    """
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
        bits, advice = (16, "fp32 does not") if mode == "fp16" else (8, "fp16 changes them less")
        raise PortraitError(
            f"{bits}-bit weights change the pictures too much; --mode {advice}. "
            f"Expected a mean of {least_mean:g} dB and {least_worst:g} dB at worst. "
            f"Received: {fidelity.mean_psnr:.1f} dB, {fidelity.worst_psnr:.1f} dB"
        )


def _example_face(size: int) -> np.ndarray:
    photo = read_image(Path(keras_portrait.__file__).with_name("example.jpg"))
    face = find_faces(photo, find_detector())[0]
    return prepare_face(photo, face.landmarks, size, PersonSegmenter())[0]


def _psnr(error: np.ndarray) -> float:
    with np.errstate(divide="ignore"):  # two equal drawings: infinity
        return float(10 * np.log10(PEAK**2 / np.mean(np.square(error, dtype=np.float64))))


def _best_time(runner: Runner, inputs: dict[str, np.ndarray]) -> float:
    times = []
    for _ in range(TIMED_RUNS):
        # Processor time, so that other work on the machine does not count.
        started = time.process_time()
        runner(**inputs)
        times.append(time.process_time() - started)
    return 1000 * min(times)
