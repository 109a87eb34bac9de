"""A photo in, a drawing of the same kind out.

A drawing in black and white is put back at the face's place. A picture in colour stays the aligned
square that the network made: where it ended in a photo its colours would break off, and a cartoon's
head is larger than the face that it was made of.
"""

import contextlib
import os
from pathlib import Path

import numpy as np
from PIL import Image

from keras_portrait.alignment import fade_rim, find_faces, keep_paper, prepare_face, prepare_whole
from keras_portrait.contract import NOISE
from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.faces import Face, find_detector, largest_face
from keras_portrait.geometry import (
    invert,
    paste_back,
    scale_of,
    square_to_photo,
    transform_points,
)
from keras_portrait.imaging import (
    encode_image,
    enlarge_drawing,
    grid,
    read_image,
    resize,
)
from keras_portrait.presets import Generator, load_preset
from keras_portrait.segmentation import PersonSegmenter

FACES = ("largest", "all")
BACKGROUNDS = ("white", "keep")

# Smallest face looked for, in pixels of a photo reduced to `alignment.DETECTION_SIDE`; the second
# look, four times as slow, is only taken where the first finds nothing.
_LEAST_FACES = (40, 20)
# Below this score some finds are no faces; they count only where there is no better one.
_SURE_SCORE = 0.9


class Stylizer:
    """Draws portraits with one preset.

    Args:
        preset: name of a preset in the package, a folder that is one, the model file in it, or a
            generator that is loaded already.
        threads: CPU threads to use; None for up to four.

    Attributes:
        contract: what the preset says about itself, such as the names of its styles.

    Raises:
        SettingError: there is no such preset, or it takes noise instead of photos.
        InputError: a file of the preset is missing or altered.
        MissingExtra: no LiteRT runtime is installed.
    """

    def __init__(self, preset: str | Path | Generator = "portrait", threads: int | None = None):
        self._threads = min(4, os.cpu_count() or 1) if threads is None else threads
        loaded = isinstance(preset, Generator)
        generator = preset if loaded else load_preset(preset, self._threads)
        self.contract = generator.contract
        if self.contract.inputs == NOISE:
            raise SettingError(
                "The preset makes pictures out of noise, not of photos; use `portrait sample`. "
                f"Received: {self.contract.name if loaded else preset}"
            )
        self._generator = generator
        self._detectors = {}
        self._segmenter = None

    def __call__(
        self,
        image: "str | Path | bytes | Image.Image | np.ndarray",
        style: "str | int | tuple[float, ...] | None" = None,
        faces: str = "largest",
        crop: bool = False,
        whole: bool = False,
        background: str = "white",
    ) -> "Image.Image | bytes | np.ndarray":
        """Draws a photo.

        Args:
            image: path of a file, its bytes, a PIL image, or an array as `imaging.read_image`
                takes it. EXIF orientation is honoured.
            style: name of a style, its index from 0, or one weight for each style to mix them
                (weights are scaled to a sum of 1); a text may hold any of these, or names to mix
                such as "ink,pen" and "ink:0.7,pen:0.3". None is the first style.
            faces: "largest" draws the largest face, "all" every face.
            crop: return the aligned square instead of putting the drawing back at the face's place;
                with `faces="all"` the squares side by side, from left to right. Pictures in colour
                are always cropped, unless they are drawn whole.
            whole: draw the whole picture as it is, without looking for a face.
            background: "white" draws people alone on white paper. "keep" keeps what is behind
                them: the photo itself around a drawing that is put back, otherwise the drawn
                background.

        Returns:
            The drawing, upright: a PIL image for a path or a PIL image, the bytes of a PNG file for
            bytes, a uint8 RGB array (H, W, 3) for an array. It is as large as the photo, or with
            `crop` a square of the preset's size.

        Raises:
            InputError: the picture cannot be read, or no face was found in it.
            SettingError: there is no such style, or options that exclude each other.
        """
        check_choice("faces", faces, FACES)
        check_choice("background", background, BACKGROUNDS)
        if crop and whole:
            raise SettingError("Choose either crop or whole. Received: both")
        vector = style_vector(style, self.contract.styles)
        photo = read_image(image)
        if whole:
            drawing = self._draw_whole(photo, vector, background)
        else:
            found = self._choose(photo, faces, _name(image))
            in_place = not crop and self.contract.channels == 1
            draw = self._draw_in_place if in_place else self._draw_crops
            drawing = draw(photo, found, vector, background)
        return _same_kind(drawing, image)

    def largest_face(self, photo: np.ndarray, name: str = "the photo") -> Face:
        """Finds the face that is drawn where nothing else is asked for.

        Args:
            photo: uint8 RGB (H, W, 3).
            name: what an error calls the photo.

        Returns:
            The face, in pixels of the photo.

        Raises:
            InputError: no face was found.
        """
        return self._choose(photo, "largest", name)[0]

    def draw_face(
        self,
        photo: np.ndarray,
        face: Face,
        style: "str | int | tuple[float, ...] | None" = None,
        background: str = "white",
    ) -> np.ndarray:
        """Draws a face that is found already, for those who draw it with several presets.

        Args:
            photo: uint8 RGB (H, W, 3).
            face: what `largest_face` of any stylizer answered.
            style: as in a call.
            background: as in a call.

        Returns:
            The aligned square: uint8 (S, S) drawing, or (S, S, 3) in colour.

        Raises:
            SettingError: there is no such style or background.
        """
        check_choice("background", background, BACKGROUNDS)
        return self._crop(photo, face, style_vector(style, self.contract.styles), background)

    def _crop(
        self, photo: np.ndarray, face: Face, vector: np.ndarray, background: str
    ) -> np.ndarray:
        segmenter = self._find_segmenter() if background == "white" else None
        return self._draw_face(photo, face, segmenter, vector, self.contract.size)[0]

    def _draw_face(
        self,
        photo: np.ndarray,
        face: Face,
        segmenter: PersonSegmenter | None,
        vector: np.ndarray,
        size: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The drawing of a square of so many pixels, and the transform from it to the photo."""
        alignment = self.contract.alignment
        aligned = prepare_face(photo, face.landmarks, size, segmenter, alignment)
        landmarks = transform_points(face.landmarks, invert(aligned.transform))
        drawing = self._generator.draw(aligned.square, vector, landmarks)
        return self._clean(drawing, aligned.square, aligned.inside), aligned.transform

    def _draw_whole(self, photo: np.ndarray, vector: np.ndarray, background: str) -> np.ndarray:
        segmenter = self._find_segmenter() if background == "white" else None
        height, width = photo.shape[:2]
        square, place = prepare_whole(
            photo, self._generator.side_for(max(height, width)), segmenter
        )
        drawing = self._generator.draw(square, vector, has_face=False)
        drawing = self._clean(drawing, square)[place]
        if self.contract.channels == 3:
            return resize(drawing, width, height)
        return np.repeat(enlarge_drawing(drawing, width, height)[..., None], 3, axis=2)

    def _draw_crops(
        self, photo: np.ndarray, faces: list[Face], vector: np.ndarray, background: str
    ) -> np.ndarray:
        faces = sorted(faces, key=lambda face: face.landmarks[:, 0].mean())
        squares = [self._crop(photo, face, vector, background) for face in faces]
        return grid(squares, len(squares))

    def _draw_in_place(
        self, photo: np.ndarray, faces: list[Face], vector: np.ndarray, background: str
    ) -> np.ndarray:
        canvas = photo if background == "keep" else np.full_like(photo, 255)
        # Where squares overlap the larger face lies on top: its drawing is the more exact one.
        for face in sorted(faces, key=lambda face: face.box.area):
            # As many pixels as the photo has there, where the generator can draw so many.
            pixels = scale_of(square_to_photo(face.landmarks, 1))
            drawing, transform = self._draw_face(
                photo, face, self._find_segmenter(), vector, self._generator.side_for(pixels)
            )
            if self.contract.alignment > 1:
                drawing = fade_rim(drawing)
            drawing, transform = at_photo_scale(drawing, transform)
            canvas = paste_back(canvas, drawing, transform)
        return canvas

    def _clean(
        self, drawing: np.ndarray, square: np.ndarray, inside: np.ndarray | None = None
    ) -> np.ndarray:
        """The drawing (S, S, channels) as uint8 (S, S), blank where the square is; or in colour."""
        # The network may well draw larger hair than the photo's, and colours are no lines.
        if self.contract.channels == 3:
            return drawing
        return keep_paper(drawing[..., 0], square, inside)

    def _choose(self, photo: np.ndarray, faces: str, name: str) -> list[Face]:
        for least in _LEAST_FACES:
            if least not in self._detectors:
                self._detectors[least] = find_detector(least, self._threads)
            found = find_faces(photo, self._detectors[least])
            if found:
                break
        else:
            raise InputError(
                "No face found. Expected a face that looks at the camera; --whole (whole=True) "
                f"draws the whole picture as it is. Received: {name}"
            )
        sure = [face for face in found if face.score >= _SURE_SCORE] or found[:1]
        return sure if faces == "all" else [largest_face(sure)]

    def _find_segmenter(self) -> PersonSegmenter:
        if self._segmenter is None:
            self._segmenter = PersonSegmenter(self._threads)
        return self._segmenter


def at_photo_scale(drawing: np.ndarray, transform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Enlarges a drawing to the photo's resolution.

    Args:
        drawing: uint8 (S, S).
        transform: float (2, 3), from its pixels to those of the photo.

    Returns:
        The drawing, uint8 (F S, F S) for a whole factor F, and its transform to the photo.
    """
    factor = max(1, round(scale_of(transform)))
    side = factor * drawing.shape[0]
    # Pixel centres lie at integers, so the outer half pixel has to be counted in.
    shrink = np.array([[1, 0, 0.5 * (1 - factor)], [0, 1, 0.5 * (1 - factor)]]) / factor
    moved = transform[:, :2] @ shrink
    moved[:, 2] += transform[:, 2]
    return enlarge_drawing(drawing, side, side), moved


def style_vector(style, styles: tuple[str, ...]) -> np.ndarray:
    """What a user says about style as the network's style vector.

    Args:
        style: None, a name, an index from 0, or one weight for each style. A text may hold any,
            or names with commas between them, each with its weight after a colon or with 1.
        styles: names of the preset's styles.

    Returns:
        float32 (1, K) with a sum of 1.

    Raises:
        SettingError: no such style, or weights that do not fit.
    """
    count, given = len(styles), style
    if style is None:
        style = 0
    if isinstance(style, str):
        style = styles.index(style) if style in styles else _parse_style(style, styles)
    if isinstance(style, int | np.integer):
        if not 0 <= style < count:
            raise SettingError(
                f"The preset has {count} style(s), counted from 0: {', '.join(styles)}. "
                f"Received: {style}"
            )
        return np.eye(count, dtype=np.float32)[[style]]
    try:
        weights = np.asarray(style, np.float64)
    except (TypeError, ValueError):
        weights = np.full(0, np.nan)
    fits = weights.shape == (count,) and np.isfinite(weights).all() and (weights >= 0).all()
    if not fits or weights.sum() == 0:
        raise SettingError(
            f"A mix needs {count} weight(s) from 0 up, not all 0, one for each of: "
            f"{', '.join(styles)}. Received: {given!r}"
        )
    return (weights / weights.sum()).astype(np.float32)[None]


def _parse_style(text: str, styles: tuple[str, ...]) -> "int | list[float]":
    """An index, or the weight of each style."""
    parts = [part.strip() for part in text.split(",")]
    with contextlib.suppress(ValueError):
        return int(text) if len(parts) == 1 else [float(part) for part in parts]
    weights = [0.0] * len(styles)
    for part in parts:
        name, _, weight = (part, "", "1") if part in styles else part.partition(":")
        name = name.strip()
        if name not in styles:
            raise SettingError(
                f"No such style. {nearest(name, styles)}Expected a name, an index, or a mix such "
                f"as 0.7,0.3 or NAME,NAME or NAME:0.7,NAME:0.3. Received: {text}"
            )
        try:
            weights[styles.index(name)] += float(weight)
        except ValueError:
            raise SettingError(
                f"The weight of a style must be a number, as in {name}:0.7. Received: {text}"
            ) from None
    return weights


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises SettingError, which names near matches, unless value is one of the choices."""
    if value not in choices:
        raise SettingError(f"No such {name}. {nearest(value, choices)}Received: {value}")


def _name(image) -> str:
    if isinstance(image, str | os.PathLike):
        return str(image)
    if isinstance(image, np.ndarray):
        return f"array {image.shape}"
    if isinstance(image, Image.Image):
        return f"PIL image {image.size[0]} x {image.size[1]}"
    return f"{len(image)} bytes"


def _same_kind(drawing: np.ndarray, image) -> "Image.Image | bytes | np.ndarray":
    if isinstance(image, np.ndarray):
        return drawing
    if isinstance(image, bytes | bytearray | memoryview):
        return encode_image(drawing)
    return Image.fromarray(drawing)
