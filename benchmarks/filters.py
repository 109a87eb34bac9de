"""Times the portrait filters: all three of a face on one core, and one of a print of 4000 pixels.

Also prints how much memory the process took at most.

    python benchmarks/filters.py [--rounds 5]
"""

import argparse
import resource
import statistics
import time
from pathlib import Path

import cv2

import keras_portrait
from keras_portrait import Stylizer
from keras_portrait.inference.alignment import prepare_face
from keras_portrait.inference.faces import find_detector, find_faces, largest_face
from keras_portrait.inference.filters import FILTERS, draw_filters
from keras_portrait.inference.imaging import read_image, resize
from keras_portrait.inference.segmentation import PersonSegmenter

# Side of the face that training learns from, and of a print.
FACE, PRINT = 512, 4000


def main() -> None:
    """Prints seconds and megabytes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed runs (default: %(default)s)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    photo = read_image(Path(keras_portrait.__file__).with_name("example.jpg"))
    face = largest_face(find_faces(photo, find_detector()))
    square = prepare_face(photo, face.landmarks, FACE, PersonSegmenter()).square
    seconds = [timed(lambda: draw_filters(square, FILTERS)) for _ in range(options.rounds)]
    print(f"{', '.join(FILTERS)} of {FACE} px: {statistics.median(seconds):.2f} s on one core")
    large = resize(photo, PRINT, PRINT)
    stylize = Stylizer("filter:engraving", threads=1)
    print(f"engraving of a photo of {PRINT} px: {timed(lambda: stylize(large)):.1f} s")
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")


def timed(function) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
