"""Makes the picture at the top of the README: the example photo beside its drawings.

    python examples/quickstart.py OUT.png

Three calls do it: `Stylizer(preset)`, `stylize(photo, style=name)`, and saving what comes back.
"""

import sys
from pathlib import Path

import keras_portrait
from keras_portrait import Stylizer
from keras_portrait.inference.imaging import grid, read_image, resize, write_image

SIDE = 320


def main(output: str) -> None:
    """Writes the photo and its drawings in every style side by side."""
    photo = read_image(Path(keras_portrait.__file__).with_name("example.jpg"))[:240, 96:336]
    photo = resize(photo, 2 * SIDE, 2 * SIDE)
    stylize = Stylizer("portrait")
    pictures = [photo, *(stylize(photo, style=style) for style in stylize.metadata.styles)]
    squares = [resize(picture, SIDE, SIDE) for picture in pictures]
    write_image(output, grid(squares, columns=len(squares)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
