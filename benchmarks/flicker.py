"""How much live drawings flicker: a photo moves in a known way, its drawings are moved back.

Each frame is the photo, moved, turned and enlarged a little, with a camera's noise, and goes
through what the demo does: the face is tracked, aligned and drawn in place. The drawings are moved
back to where the photo lay; each is compared with the one before, within two eye distances around
the nose. Printed for each preset and style:

    flicker   mean absolute difference from one frame to the next, gray levels of 255
    moved     the same of one drawing that moves with the photo: what moving back costs by itself
    ink       mean darkness, gray levels of 255
    share     flicker in percent of what it would be if all ink fell anew each time

    python benchmarks/flicker.py [PHOTO ...] [--preset fast portrait] [--frames 40] [--noise 3]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

import keras_portrait
from keras_portrait.inference.faces import find_detector, find_faces, largest_face
from keras_portrait.inference.faces.tracking import Tracker
from keras_portrait.inference.imaging import read_image
from keras_portrait_demo.drawer import Drawer
from keras_portrait_demo.frame import draw_frame

EXAMPLE = Path(keras_portrait.__file__).with_name("example.jpg")
# Frames a second of the camera, and the longer side of its frames in pixels.
RATE, SIDE = 25, 640
# How far the photo strays and in how many frames it is back: sideways and down, as shares of its
# longer side; degrees; enlargement. No two periods fit, so that places between pixels vary.
SIDEWAYS, DOWN, TURN, GROWTH = (0.04, 31), (0.03, 23), (4.0, 41), (0.04, 37)


def motion(number: int, shape: tuple[int, ...]) -> np.ndarray:
    """Where a frame's number moves the photo, float64 (2, 3); nowhere in the first."""
    height, width = shape[:2]
    sideways, down, turn, growth = (
        amount * np.sin(2 * np.pi * number / period)
        for amount, period in (SIDEWAYS, DOWN, TURN, GROWTH)
    )
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1 + growth)
    matrix[:, 2] += max(height, width) * np.array([sideways, down])
    return matrix


def moved_back(drawing: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A drawing uint8 (H, W) where the photo lay before it was moved, float32."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = drawing.shape[1::-1]
    return cv2.warpAffine(np.float32(drawing), matrix, size, flags=flags, borderValue=255)


def moved(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture as the camera sees it after the motion."""
    size = picture.shape[1::-1]
    return cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def near_the_face(photo: np.ndarray) -> np.ndarray:
    """Pixels that are looked at, bool (H, W)."""
    marks = largest_face(find_faces(photo, find_detector())).landmarks
    apart = np.linalg.norm(marks[1] - marks[0])
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    return np.hypot(columns - marks[2, 0], rows - marks[2, 1]) <= 2 * apart


def measure(
    photo: np.ndarray, drawer: Drawer, looked_at: np.ndarray, frames: int, noise: float
) -> np.ndarray:
    """Flicker, that of a drawing which only moves, and ink, in gray levels."""
    rng, tracker = np.random.default_rng(0), Tracker(threads=drawer.threads)
    flicker, floor, ink, before = [], [], [], None
    for number in range(frames):
        matrix = motion(number, photo.shape)
        frame = moved(photo, matrix) + rng.normal(0, noise, photo.shape)
        frame = np.uint8(np.clip(np.rint(frame), 0, 255))
        result = draw_frame(number, number / RATE, frame, tracker, drawer, "drawing")
        drawing = moved_back(cv2.cvtColor(result.drawing, cv2.COLOR_RGB2GRAY), matrix)
        if before is None:
            first = np.uint8(np.rint(drawing))
            before = drawing, drawing
        same = moved_back(moved(first, matrix), matrix)
        if number:
            flicker.append(np.abs(drawing - before[0])[looked_at].mean())
            floor.append(np.abs(same - before[1])[looked_at].mean())
        before = drawing, same
        ink.append((255 - drawing)[looked_at].mean())
    return np.array([np.mean(flicker), np.mean(floor), np.mean(ink)])


def fitted(path: Path) -> np.ndarray:
    """A photo as large as the camera's frames."""
    photo = read_image(path)
    factor = SIDE / max(photo.shape[:2])
    return cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path, default=[EXAMPLE], help="of one face each")
    parser.add_argument("--preset", nargs="+", default=["fast", "portrait"])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--noise", type=float, default=3.0, help="deviation, gray levels")
    options = parser.parse_args()
    photos = [fitted(path) for path in options.photos]
    regions = [near_the_face(photo) for photo in photos]
    print(f"{'preset':16s}{'style':12s} flicker   moved     ink   share")
    for preset in options.preset:
        for style in Drawer(preset).styles:
            rows = [
                measure(photo, Drawer(preset, style), region, options.frames, options.noise)
                for photo, region in zip(photos, regions, strict=True)
            ]
            flicker, floor, ink = np.mean(rows, axis=0)
            # Ink that falls elsewhere is missed in one place and found in another.
            share = 100 * flicker / (2 * ink)
            print(
                f"{preset:16s}{style:12s} {flicker:7.2f} {floor:7.2f} {ink:7.1f} {share:6.1f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
