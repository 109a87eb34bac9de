"""Times the edge smoothing of CartoonGAN against a loop over the pixels.

    python benchmarks/edge_promoting.py [--size 256] [--pictures 5]

The loop multiplies the surroundings of each edge pixel with the Gaussian, which is how the edge
smoothing is commonly written. Both smooth the same invented faces, in turns, and must give the
same pictures. Printed are the medians and their ratio.
"""

import argparse
import statistics
import time

import cv2
import numpy as np

from keras_portrait.data.edge_promoting import CANNY_HIGH, CANNY_LOW, WIDTH, promote_edges
from keras_portrait.data.synthetic_faces import draw_face

# Calls of the fast one that are timed together: a single one is over too soon.
REPEATS = 20


def pixel_loop(picture: np.ndarray) -> np.ndarray:
    """`promote_edges`, one pixel and colour at a time."""
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    edges = cv2.dilate(cv2.Canny(gray, CANNY_LOW, CANNY_HIGH), np.ones((WIDTH, WIDTH), np.uint8))
    line = cv2.getGaussianKernel(WIDTH, 0)
    weights = line * line.T
    reach = WIDTH // 2
    padded = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    result = picture.copy()
    for y, x in zip(*np.nonzero(edges), strict=True):
        for colour in range(3):
            patch = padded[y : y + WIDTH, x : x + WIDTH, colour]
            result[y, x, colour] = np.rint(np.sum(patch * weights))
    return result


def main() -> None:
    """Prints both times and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pictures", type=int, default=5)
    options = parser.parse_args()
    slow, fast = [], []
    for seed in range(options.pictures):
        picture = draw_face(seed, options.size).photo
        promote_edges(picture)  # warms up
        start = time.perf_counter()
        for _ in range(REPEATS):
            smoothed = promote_edges(picture)
        middle = time.perf_counter()
        expected = pixel_loop(picture)
        end = time.perf_counter()
        if not np.array_equal(smoothed, expected):
            raise SystemExit(f"the pictures of seed {seed} differ")
        fast.append((middle - start) / REPEATS)
        slow.append(end - middle)
    fast, slow = statistics.median(fast), statistics.median(slow)
    print(f"at once {fast * 1e3:.2f} ms, loop {slow * 1e3:.0f} ms: {slow / fast:.0f} times faster")


if __name__ == "__main__":
    main()
