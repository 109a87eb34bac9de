"""Times our face detector against the package `mtcnn`, in one process, on one thread.

Both look for faces in the example photo at 640 x 480, in turns of some frames each, so that other
load on the machine hits both, and each finds its own weights in the processor's caches as it does
in a stream of frames. The package is timed twice: as it is, and with the levels of its pyramid left
out that are too small for its first net. As it is, it gives up on such a level and reports no
face at all, which is what happens at the default setting of this script.

    python benchmarks/face_detector.py --min-face 80
"""

import argparse
import statistics
import time
from pathlib import Path

import cv2
import mtcnn
import numpy as np
import tensorflow as tf
from mtcnn.stages import stage_pnet

import keras_portrait
from keras_portrait.inference.faces.mtcnn import SMALLEST_LEVEL, Mtcnn
from keras_portrait.inference.imaging import read_image

PACKAGE_PYRAMID = stage_pnet.build_scale_pyramid


def usable_pyramid(width, height, **settings):
    """The package's pyramid without the levels that stop it."""
    scales = PACKAGE_PYRAMID(width, height, **settings)
    return scales[(min(width, height) * scales).astype(int) >= SMALLEST_LEVEL]


# Frames of one detector before it is another's turn; the first ones warm up.
TURN, WARM_UP = 30, 5


def example_frame() -> np.ndarray:
    """The example photo as a camera would give it: uint8 (480, 640, 3)."""
    photo = read_image(Path(keras_portrait.__file__).with_name("example.jpg"))
    height = photo.shape[1] * 3 // 4
    return cv2.resize(photo[:height], (640, 480), interpolation=cv2.INTER_LINEAR)


def time_in_turns(detectors: dict, frame: np.ndarray, rounds: int) -> dict[str, float]:
    """Median milliseconds of each detector."""
    times = {name: [] for name in detectors}
    for _ in range(-(-rounds // (TURN - WARM_UP))):
        for name, detect in detectors.items():
            for index in range(TURN):
                start = time.perf_counter()
                detect(frame)
                if index >= WARM_UP:
                    times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Prints milliseconds, faces found and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--min-face", type=int, default=80, help="pixels (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=100, help="timed runs (default: %(default)s)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    package, ours = mtcnn.MTCNN(), Mtcnn(min_face=options.min_face, threads=1)

    def package_with(pyramid):
        def detect(frame):
            stage_pnet.build_scale_pyramid = pyramid
            return package.detect_faces(frame, min_face_size=options.min_face)

        return detect

    detectors = {
        "keras-portrait": ours.detect,
        "mtcnn as it is": package_with(PACKAGE_PYRAMID),
        "mtcnn, usable levels": package_with(usable_pyramid),
    }
    frame = example_frame()
    times = time_in_turns(detectors, frame, options.rounds)
    print(f"640 x 480, min face {options.min_face}, 1 thread, median of {options.rounds} runs")
    for name, milliseconds in times.items():
        ratio = milliseconds / times["keras-portrait"]
        faces = len(detectors[name](frame))
        print(f"{name:22}{milliseconds:9.2f} ms {ratio:7.1f} x   faces found: {faces}")


if __name__ == "__main__":
    main()
