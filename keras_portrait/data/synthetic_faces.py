"""Faces drawn with Pillow, as a photo stand-in and as a line drawing, with known landmarks.

Tests and examples use them, so neither needs a download nor a picture of anybody.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Drawn this much larger and averaged down, for smooth edges.
OVERSAMPLING = 4
# Distance between the eyes as a share of the side.
EYES = 0.21
SKIN_TONES = ((247, 214, 190), (226, 179, 142), (189, 134, 96), (141, 92, 61), (92, 58, 40))
HAIR_TONES = ((28, 22, 20), (70, 44, 28), (140, 98, 52), (196, 160, 104), (150, 150, 150))
PAPER, INK = 255, 16


@dataclass(frozen=True)
class DrawnFace:
    """One invented face.

    Attributes:
        photo: uint8 (size, size, 3) RGB, a shaded face before a plain background.
        drawing: uint8 (size, size), the same face in lines, 255 is paper.
        landmarks: float32 (5, 2), x and y in pixels, 0-based with pixel centres at whole numbers:
            left eye, right eye, nose tip, left and right mouth corner as seen in the picture.
    """

    photo: np.ndarray
    drawing: np.ndarray
    landmarks: np.ndarray


@dataclass(frozen=True)
class _Shape:
    """Measures of a face in units of the eye distance, the origin between the eyes."""

    centre: tuple[float, float]
    unit: float
    half_width: float
    chin: float
    nose: float
    mouth: float
    mouth_half: float
    long_hair: bool
    glasses: bool
    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    background: tuple[int, int, int]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels on the enlarged canvas of a point given in units."""
        return self.centre[0] + x * self.unit, self.centre[1] + y * self.unit

    def box(self, x: float, y: float, half_width: float, half_height: float) -> list[float]:
        """Pixels of a box around a point given in units."""
        return [
            *self.at(x - half_width, y - half_height),
            *self.at(x + half_width, y + half_height),
        ]


def draw_face(seed: int, size: int = 256, face: float = EYES) -> DrawnFace:
    """Invents a face; the same seed gives the same face.

    Args:
        seed: chooses build, skin, hair, glasses, place and background.
        size: side of the square pictures, pixels.
        face: distance between the eyes as a share of the side.

    Returns:
        The photo stand-in, its line drawing and its five points.
    """
    shape = _shape_of(seed, size, face)
    landmarks = [
        shape.at(-0.5, 0),
        shape.at(0.5, 0),
        shape.at(0, shape.nose),
        shape.at(-shape.mouth_half, shape.mouth),
        shape.at(shape.mouth_half, shape.mouth),
    ]
    # Pillow's coordinates start at a pixel's corner, landmarks at its centre.
    landmarks = np.asarray(landmarks, np.float32) / OVERSAMPLING - 0.5
    return DrawnFace(_photo(shape, size), _drawing(shape, size), landmarks)


def write_drawn_faces(folder: str | Path, count: int, size: int = 256, seed: int = 0) -> None:
    """Writes `folder/photos/*.png` and `folder/drawings/drawn/*.png`, different faces in each.

    Args:
        folder: made when it is not there.
        count: pictures of each kind.
        size: side of the pictures, pixels.
        seed: first seed; photos take the even ones, drawings the odd ones.
    """
    photos, drawings = Path(folder) / "photos", Path(folder) / "drawings" / "drawn"
    for place in (photos, drawings):
        place.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        even, odd = (_shape_of(seed + 2 * index + other, size) for other in (0, 1))
        photo, drawing = _photo(even, size), _drawing(odd, size)
        Image.fromarray(photo).save(photos / f"{index:04d}.png")
        Image.fromarray(drawing).save(drawings / f"{index:04d}.png")


def _shape_of(seed: int, size: int, face: float = EYES) -> _Shape:
    return _invent(np.random.default_rng(seed), size * OVERSAMPLING, face)


def _invent(rng: np.random.Generator, side: int, face: float) -> _Shape:
    unit = face * side
    centre = (side / 2 + rng.uniform(-0.15, 0.15) * unit, 0.46 * side)
    skin = int(rng.integers(len(SKIN_TONES)))
    # Light hair only beside light skin: the detector does not see the other way round.
    hair = int(rng.integers(len(HAIR_TONES) if skin < 2 else 2))
    return _Shape(
        centre=centre,
        unit=unit,
        half_width=rng.uniform(0.98, 1.12),
        chin=rng.uniform(1.75, 1.95),
        nose=rng.uniform(0.56, 0.62),
        mouth=rng.uniform(1.08, 1.16),
        mouth_half=rng.uniform(0.40, 0.47),
        long_hair=bool(rng.integers(2)),
        glasses=bool(rng.random() < 0.25),
        skin=SKIN_TONES[skin],
        hair=HAIR_TONES[hair],
        background=tuple(int(v) for v in rng.integers(150, 230, 3)),
    )


def _photo(shape: _Shape, size: int) -> np.ndarray:
    return np.asarray(_shrink(_paint(shape, size * OVERSAMPLING), size))


def _drawing(shape: _Shape, size: int) -> np.ndarray:
    return np.asarray(_shrink(_sketch(shape, size * OVERSAMPLING), size))


def _paint(shape: _Shape, side: int) -> Image.Image:
    """The photo stand-in, enlarged."""
    picture = Image.new("RGB", (side, side), shape.background)
    pen = ImageDraw.Draw(picture)
    dark, light = _tone(shape.skin, 0.6), _tone(shape.skin, 1.15)
    brow = _tone(shape.hair, 0.4)
    _hair_behind(pen, shape, fill=shape.hair)
    pen.rectangle([*shape.at(-0.55, 1.3), *shape.at(0.55, 2.6)], fill=_tone(shape.skin, 0.85))
    pen.ellipse(shape.box(0, 3.6, 2.2, 1.5), fill=_tone(shape.background, 0.5))
    pen.ellipse(_head(shape), fill=shape.skin)
    _light_head(picture, shape)
    pen = ImageDraw.Draw(picture)
    for x in (-0.5, 0.5):
        pen.ellipse(shape.box(x, -0.02, 0.27, 0.19), fill=dark)
        pen.ellipse(shape.box(x, 0, 0.22, 0.11), fill=(245, 243, 240))
        pen.ellipse(shape.box(x, 0, 0.105, 0.105), fill=(60, 42, 30))
        pen.ellipse(shape.box(x, 0, 0.05, 0.05), fill=(8, 8, 8))
        pen.arc(shape.box(x, 0.02, 0.24, 0.16), 190, 350, (30, 20, 18), int(0.05 * shape.unit))
        pen.arc(shape.box(x, -0.12, 0.32, 0.26), 205, 335, brow, int(0.1 * shape.unit))
    pen.polygon([shape.at(-0.06, 0.1), shape.at(0.06, 0.1), shape.at(0.1, shape.nose)], fill=light)
    for x in (-0.13, 0.13):
        pen.ellipse(shape.box(x, shape.nose + 0.08, 0.06, 0.035), fill=_tone(shape.skin, 0.45))
    pen.arc(shape.box(0, shape.nose - 0.02, 0.2, 0.16), 20, 160, dark, int(0.04 * shape.unit))
    _mouth(pen, shape, (178, 84, 82), (96, 36, 38))
    _hair_above(pen, shape, fill=shape.hair)
    if shape.glasses:
        _glasses(pen, shape, (30, 30, 34), 0.05)
    return picture.filter(ImageFilter.GaussianBlur(0.02 * shape.unit))


def _sketch(shape: _Shape, side: int) -> Image.Image:
    """The line drawing, enlarged."""
    picture = Image.new("L", (side, side), PAPER)
    pen = ImageDraw.Draw(picture)
    width = int(0.055 * shape.unit)
    _hair_behind(pen, shape, fill=PAPER, outline=INK, width=width)
    pen.arc(shape.box(0, 3.6, 2.2, 1.5), 180, 360, INK, width)
    pen.rectangle([*shape.at(-0.55, 1.3), *shape.at(0.55, 2.14)], fill=PAPER)
    for x in (-0.55, 0.55):
        pen.line([shape.at(x, 1.3), shape.at(x, 2.14)], INK, width)
    pen.ellipse(_head(shape), fill=PAPER, outline=INK, width=width)
    for x in (-0.5, 0.5):
        pen.ellipse(shape.box(x, 0, 0.11, 0.11), fill=INK)
        pen.arc(shape.box(x, 0.02, 0.25, 0.17), 185, 355, INK, width)
        pen.arc(shape.box(x, -0.02, 0.22, 0.13), 20, 160, INK, width // 2)
        pen.arc(shape.box(x, -0.12, 0.32, 0.26), 205, 335, INK, int(1.6 * width))
    pen.arc(shape.box(0, shape.nose - 0.02, 0.2, 0.16), 10, 170, INK, width)
    pen.line([shape.at(0.08, 0.1), shape.at(0.13, shape.nose - 0.1)], INK, width // 2)
    _mouth(pen, shape, None, INK)
    _hair_above(pen, shape, fill=PAPER, outline=INK, width=width)
    _hatch_hair(pen, shape, width)
    if shape.glasses:
        _glasses(pen, shape, INK, 0.05)
    return picture


def _head(shape: _Shape) -> list[float]:
    middle = (shape.chin - 1.25) / 2
    return shape.box(0, middle, shape.half_width, (shape.chin + 1.25) / 2)


def _hair_behind(pen: ImageDraw.ImageDraw, shape: _Shape, **ink) -> None:
    bottom = 2.2 if shape.long_hair else 0.35
    middle = (bottom - 1.5) / 2
    pen.ellipse(shape.box(0, middle, shape.half_width + 0.2, (bottom + 1.5) / 2), **ink)


def _hair_above(pen: ImageDraw.ImageDraw, shape: _Shape, **ink) -> None:
    pen.chord(shape.box(0, -0.35, shape.half_width + 0.14, 1.15), 200, 340, **ink)


def _hatch_hair(pen: ImageDraw.ImageDraw, shape: _Shape, width: int) -> None:
    """Strokes over the hair: closer together where the hair is darker."""
    step = 0.09 + 0.14 * (sum(shape.hair) / 765)
    for x in np.arange(-0.75, 0.76, step):
        top = -0.35 - 1.1 * np.sqrt(max(0.0, 1 - (x / (shape.half_width + 0.14)) ** 2))
        pen.line([shape.at(x, top), shape.at(x * 0.96, -0.78)], INK, max(1, width // 2))


def _mouth(pen: ImageDraw.ImageDraw, shape: _Shape, lips, line) -> None:
    half, y = shape.mouth_half, shape.mouth
    if lips is not None:
        pen.ellipse(shape.box(0, y + 0.01, half, 0.12), fill=lips)
    else:
        pen.arc(shape.box(0, y, 0.7 * half, 0.17), 30, 150, line, int(0.04 * shape.unit))
    pen.line([shape.at(-half, y), shape.at(0, y + 0.03), shape.at(half, y)], line,
             int(0.05 * shape.unit))  # fmt: skip


def _glasses(pen: ImageDraw.ImageDraw, shape: _Shape, tone, width: float) -> None:
    thick = int(width * shape.unit)
    for x in (-0.5, 0.5):
        pen.ellipse(shape.box(x, 0.03, 0.36, 0.3), outline=tone, width=thick)
    pen.line([shape.at(-0.15, 0), shape.at(0.15, 0)], tone, thick)


def _light_head(picture: Image.Image, shape: _Shape) -> None:
    """Lets light from the upper left fall on the head."""
    left, top, right, bottom = _head(shape)
    box = [max(0, int(left)), max(0, int(top))]
    box += [min(picture.width, int(right) + 1), min(picture.height, int(bottom) + 1)]
    x = (np.arange(box[0], box[2]) - (left + right) / 2) / ((right - left) / 2)
    y = (np.arange(box[1], box[3])[:, None] - (top + bottom) / 2) / ((bottom - top) / 2)
    inside = x**2 + y**2 < 1
    light = 1.05 - 0.22 * np.clip(0.6 * x + 0.4 * y + 0.8 * (x**2 + y**2) - 0.3, 0, 1.4)
    pixels = np.asarray(picture.crop(box)).astype(np.float32)
    pixels = np.where(inside[..., None], pixels * light[..., None], pixels)
    picture.paste(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), box[:2])


def _tone(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    return tuple(min(255, int(value * factor)) for value in colour)


def _shrink(picture: Image.Image, size: int) -> Image.Image:
    return picture.resize((size, size), Image.Resampling.BOX)
