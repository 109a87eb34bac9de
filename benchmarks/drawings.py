"""Draws photos that a preset never saw, measures the drawings and makes a sheet of them.

    python benchmarks/drawings.py DATA PRESET SHEET.png [--columns 8] [--count 24] [--side N]

DATA is a folder made by `portrait prepare`; its test split is drawn, in every style of the preset.
Photos of which none was trained on are prepared with `--holdout 0.99`.
Printed for each style:

- found: share of the drawings in which the face detector finds a face, and its five points lie on
  average within 5 % of the square's side of the photo's: eyes, nose and mouth are there.
- gray: share of pixels between 64 and 192. Drawings of this kind have 3 to 9 %; a gray wash more.
- paper: share of pixels above 250 in the outer frame, an eighth of the side: a calm background.

The sheet shows drawings alone, `--side` pixels wide, the styles below each other for the same
subject. `docs/sheet.png` was made so, with `--columns 10 --count 30 --side 200`.

"""

import argparse

import numpy as np

from keras_portrait.data.folder_options import require_alignment
from keras_portrait.data.manifest import read_manifest
from keras_portrait.data.prepare.drawings import find_face_in_drawing
from keras_portrait.inference.alignment import keep_paper
from keras_portrait.inference.faces import find_detector
from keras_portrait.inference.imaging import grid, read_image, resize, write_image
from keras_portrait.inference.presets import load_preset
from keras_portrait.inference.style import style_vector

NEAR = 0.05


def main() -> None:
    """Draws, measures, and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("preset")
    parser.add_argument("sheet")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--side", type=int, help="of a drawing on the sheet; the preset's own")
    options = parser.parse_args()

    generator = load_preset(options.preset, threads=2)
    metadata = generator.metadata
    require_alignment(options.data, metadata.alignment, "The preset")
    rows = [
        row
        for row in read_manifest(options.data)
        if row.kept and row.kind == "photo" and row.split == "test"
    ]
    drawings = {style: [] for style in metadata.styles}
    for row in rows:
        square = resize(read_image(f"{options.data}/{row.file}"), metadata.size, metadata.size)
        for style in metadata.styles:
            drawing = generator.draw(square, style_vector(style, metadata.styles))[..., 0]
            drawings[style].append(keep_paper(drawing, square))
    for style, pictures in drawings.items():
        print(style, len(pictures), "drawings:", measured(rows, pictures, metadata.size))
    side = options.side or metadata.size
    write_image(options.sheet, sheet(drawings, options.count, options.columns, side))


def measured(rows, drawings, size) -> str:
    """The figures of the module's docstring, as text."""
    detector, found, frame = find_detector(20), 0, size // 8
    gray, paper = [], []
    for row, drawing in zip(rows, drawings, strict=True):
        face = find_face_in_drawing(np.repeat(drawing[..., None], 3, axis=2), detector)
        if face is not None:
            landmarks, _ = face
            expected = (np.asarray(row.landmarks) + 0.5) * size / row.size - 0.5
            distance = np.linalg.norm(landmarks - expected, axis=1).mean()
            found += distance <= NEAR * size
        gray.append(np.mean((drawing > 64) & (drawing < 192)))
        top = np.concatenate([drawing[:frame].ravel(), drawing[frame : size // 2, :frame].ravel()])
        paper.append(np.mean(top > 250))
    return (
        f"found {found / len(rows):.0%}, gray {np.mean(gray):.1%} (most {np.max(gray):.1%}), "
        f"paper {np.mean(paper):.1%} (least {np.min(paper):.1%})"
    )


def sheet(drawings, count, columns, side) -> np.ndarray:
    """Drawings alone, evenly chosen: a line of each style in turn."""
    total = len(next(iter(drawings.values())))
    chosen = np.linspace(0, total - 1, min(count, total)).round().astype(int)
    lines = []
    for start in range(0, len(chosen), columns):
        for pictures in drawings.values():
            lines += [resize(pictures[i], side, side) for i in chosen[start : start + columns]]
    return grid(lines, columns)


if __name__ == "__main__":
    main()
