"""Renders ink drawings from a folder of photos, without learning.

    python examples/render_ink_drawings.py PHOTOS OUT

Drawings that can be had freely show few women, children or dark skins. Photos that are kept out
of the training's photo side become drawings of such faces: a flow-based difference of Gaussians
with the darkest parts filled. The `ink` style of the shipped preset was made this way.
"""

import sys
from pathlib import Path

import numpy as np

from keras_portrait.alignment import find_faces, prepare_face
from keras_portrait.data.line_drawing import line_drawing
from keras_portrait.faces import find_detector, largest_face
from keras_portrait.imaging import list_images, read_image, write_image
from keras_portrait.segmentation import PersonSegmenter

SIZE = 512
# Line widths suit 256 pixels; at twice the side they are twice as wide.
WIDTH = SIZE / 256


def main(photos: str, output: str) -> None:
    """Writes `OUT/<name>.png` for each photo with a face."""
    detector, segmenter = find_detector(), PersonSegmenter()
    Path(output).mkdir(parents=True, exist_ok=True)
    for path in list_images(photos):
        photo = read_image(path)
        face = largest_face(find_faces(photo, detector))
        if face is None:
            print(f"no face: {path}")
            continue
        square, _ = prepare_face(photo, face.landmarks, SIZE, segmenter)
        paper = line_drawing(square, sigma=0.9 * WIDTH, line_sigma=3.0 * WIDTH, shade=0.4)
        write_image(Path(output) / f"{path.stem}.png", np.uint8(np.rint(paper * 255)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
