"""Renders line drawings from a folder of photos, without learning.

    python examples/render_line_drawings.py PHOTOS OUT [--filter filled|hatched|thin]

Drawings that can be had freely show few women, children or dark skins. Photos that are kept out
of the training's photo side become drawings of such faces. The styles `ink` and `line` of the
shipped presets, and a third of `pen`, were made this way.
"""

import argparse
from pathlib import Path

import numpy as np

from keras_portrait.data.prepare.squares import part_masks
from keras_portrait.inference.alignment import prepare_face
from keras_portrait.inference.faces import FaceFinder, largest_face
from keras_portrait.inference.filters.line_filters import LINE_FILTERS
from keras_portrait.inference.geometry import invert, transform_points
from keras_portrait.inference.imaging import list_images, read_image, write_image
from keras_portrait.inference.segmentation import PersonSegmenter

SIZE = 512


def main() -> None:
    """Writes `OUT/<name>.png` for each photo with a face."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("output", type=Path)
    parser.add_argument("--filter", choices=LINE_FILTERS, default="filled")
    options = parser.parse_args()
    draw = LINE_FILTERS[options.filter]
    finder, segmenter = FaceFinder(), PersonSegmenter()
    options.output.mkdir(parents=True, exist_ok=True)
    for path in list_images(options.photos):
        photo = read_image(path)
        face = largest_face(finder.find(photo))
        if face is None:
            print(f"no face: {path}")
            continue
        aligned = prepare_face(photo, face.landmarks, SIZE, segmenter)
        parts = part_masks(transform_points(face.landmarks, invert(aligned.transform)), SIZE)
        # Widths suit 256 pixels.
        paper = draw(aligned.square, SIZE / 256, np.float32(parts.max(axis=-1)) / 255)
        write_image(options.output / f"{path.stem}.png", np.uint8(np.rint(paper * 255)))


if __name__ == "__main__":
    main()
