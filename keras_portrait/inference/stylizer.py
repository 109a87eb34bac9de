"""A photo in, a drawing of the same kind out.

A drawing in black and white is put back at the face's place. A picture in colour stays the aligned
square that the network made: where it ended in a photo its colours would break off, and a cartoon's
head is larger than the face that it was made of.
"""

import os
import threading
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from keras_portrait.errors import NoFaceError, SettingError, TurnedPhotoWarning
from keras_portrait.inference.alignment import keep_paper, prepare_whole
from keras_portrait.inference.drawer import FaceDrawer
from keras_portrait.inference.faces import (
    Face,
    FaceFinder,
    largest_face,
    quarter_turns,
    smallest_faces,
    sure_faces,
)
from keras_portrait.inference.faces.tracking import TrackedFace
from keras_portrait.inference.geometry import paste_back, scale_of, square_to_photo
from keras_portrait.inference.imaging import encode_image, enlarge_drawing, grid, read_image, resize
from keras_portrait.inference.metadata import NOISE
from keras_portrait.inference.paste import at_photo_scale
from keras_portrait.inference.presets import Generator, load_preset
from keras_portrait.inference.segmentation import PersonSegmenter
from keras_portrait.inference.style import check_choice, style_vector

FACES = ("largest", "all")
BACKGROUNDS = ("white", "keep")


class Stylizer:
    """Draws portraits with one preset.

    One stylizer may be called from many threads, and gives the same drawings to each; networks run
    one at a time. It may be pickled where its generator may: a preset is loaded again there.

    Args:
        preset: name of a preset in the package, a folder that is one, the model file in it, an
            address as `presets.find_preset` takes it, or a generator that is loaded already.
        threads: CPU threads to use; None for up to four.

    Attributes:
        metadata: what the preset says about itself, such as the names of its styles.
        generator: what draws squares.

    Raises:
        SettingError: there is no such preset, or it takes noise instead of photos.
        InputError: a file of the preset is missing or altered.
        MissingExtra: no LiteRT runtime is installed.
    """

    def __init__(self, preset: str | Path | Generator = "portrait", threads: int | None = None):
        self._threads = min(4, os.cpu_count() or 1) if threads is None else threads
        loaded = isinstance(preset, Generator)
        generator = preset if loaded else load_preset(preset, self._threads)
        self.metadata = generator.metadata
        if self.metadata.inputs == NOISE:
            raise SettingError(
                "The preset makes pictures out of noise, not of photos; use `portrait sample`. "
                f"Received: {self.metadata.name if loaded else preset}"
            )
        self.generator = generator
        self._drawer = FaceDrawer(generator)
        self._finder = FaceFinder(self._threads)
        self._segmenter, self._lock = None, threading.Lock()

    def __reduce__(self) -> tuple:
        return Stylizer, (self.generator, self._threads)

    def __call__(
        self,
        image: "str | Path | bytes | BinaryIO | Image.Image | np.ndarray",
        style: "str | int | tuple[float, ...] | None" = None,
        faces: str = "largest",
        crop: bool = False,
        whole: bool = False,
        background: str = "white",
    ) -> "Image.Image | bytes | np.ndarray":
        """Draws a photo.

        Args:
            image: path of a file, its bytes, a file object, a PIL image, or an array as
                `imaging.read_image` takes it. EXIF orientation is honoured.
            style: name of a style, its index from 0, or one weight for each style to mix them
                (weights are scaled to a sum of 1); a text may hold any of these, or names to mix
                such as "ink,line" and "ink:0.7,line:0.3". None is the first style.
            faces: "largest" draws the largest face, "all" every face.
            crop: return the aligned square instead of putting the drawing back at the face's place;
                with `faces="all"` the squares side by side, from left to right. Pictures in colour
                are always cropped, unless they are drawn whole.
            whole: draw the whole picture as it is, without looking for a face; presets that were
                made for that do so unless `crop` is asked for.
            background: "white" draws people alone on white paper. "keep" keeps what is behind
                them: the photo itself around a drawing that is put back, otherwise the drawn
                background.

        Returns:
            The drawing, upright: a PIL image for a path or a PIL image, the bytes of a PNG file for
            bytes or a file object, a uint8 RGB array (H, W, 3) for an array. It is as large as the
            photo as `imaging.read_image` reads it, or with `crop` a square of the preset's size.

        Raises:
            InputError: the picture cannot be read.
            NoFaceError: no face was found in it.
            SettingError: there is no such style, or options that exclude each other.

        Warns:
            TurnedPhotoWarning: the face is turned by about 90 or 180 degrees; it is drawn so, too.
        """
        check_choice("faces", faces, FACES)
        check_choice("background", background, BACKGROUNDS)
        if crop and whole:
            raise SettingError("Choose either crop or whole. Received: both")
        vector = style_vector(style, self.metadata.styles)
        photo = read_image(image)
        if self.metadata.draws_whole(crop, whole):
            drawing = self._draw_whole(photo, vector, background)
        else:
            found = self._choose(photo, faces, _name(image))
            draw = self._draw_crops if self.crops(crop) else self._draw_in_place
            drawing = draw(photo, found, vector, background)
        return _same_kind(drawing, image)

    def largest_face(self, photo: np.ndarray, name: str = "the photo") -> Face:
        """Finds the face that is drawn where nothing else is asked for, whichever way it is turned.

        Args:
            photo: uint8 RGB (H, W, 3).
            name: what an error calls the photo.

        Returns:
            The face, in pixels of the photo.

        Raises:
            NoFaceError: no face was found.

        Warns:
            TurnedPhotoWarning: the face is turned by about 90 or 180 degrees.
        """
        return self._choose(photo, "largest", name)[0]

    def crops(self, crop: bool) -> bool:
        """Whether faces become squares of their own: where `crop` asks for it, and in colour."""
        return crop or self.metadata.channels == 3

    def draw_in_place(
        self,
        photo: np.ndarray,
        faces: "list[Face] | list[TrackedFace]",
        style: "str | int | tuple[float, ...] | None" = None,
        background: str = "white",
    ) -> np.ndarray:
        """Draws faces that are found already at their places, as in a frame of a video.

        Args:
            photo: uint8 RGB (H, W, 3).
            faces: in pixels of the photo; none leaves paper, or the photo with `background="keep"`.
            style: as in a call.
            background: as in a call.

        Returns:
            uint8 RGB (H, W, 3).

        Raises:
            SettingError: there is no such style or background.
        """
        check_choice("background", background, BACKGROUNDS)
        vector = style_vector(style, self.metadata.styles)
        return self._draw_in_place(photo, faces, vector, background)

    def draw_face(
        self,
        photo: np.ndarray,
        face: "Face | TrackedFace",
        style: "str | int | tuple[float, ...] | None" = None,
        background: str = "white",
    ) -> np.ndarray:
        """Draws a face that is found already, for those who draw it with several presets.

        Args:
            photo: uint8 RGB (H, W, 3).
            face: what `largest_face` of any stylizer, or a `Tracker`, answered.
            style: as in a call.
            background: as in a call.

        Returns:
            The aligned square: uint8 (S, S) drawing, or (S, S, 3) in colour.

        Raises:
            SettingError: there is no such style or background.
        """
        check_choice("background", background, BACKGROUNDS)
        return self._crop(photo, face, style_vector(style, self.metadata.styles), background)

    def _crop(
        self, photo: np.ndarray, face: Face, vector: np.ndarray, background: str
    ) -> np.ndarray:
        segmenter = self._find_segmenter() if background == "white" else None
        return self._drawer.draw(photo, face.landmarks, vector, segmenter)[0]

    def _draw_whole(self, photo: np.ndarray, vector: np.ndarray, background: str) -> np.ndarray:
        segmenter = self._find_segmenter() if background == "white" else None
        height, width = photo.shape[:2]
        square, place = prepare_whole(photo, self.generator.side_for(max(height, width)), segmenter)
        drawing = self.generator.draw(square, vector, has_face=False)
        if self.metadata.channels == 3:
            return resize(drawing[place], width, height)
        drawing = keep_paper(drawing[..., 0], square)[place]
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
            side = self.generator.side_for(pixels)
            drawing, transform = self._drawer.draw(
                photo, face.landmarks, vector, self._find_segmenter(), side, in_place=True
            )
            drawing, transform = at_photo_scale(drawing, transform)
            canvas = paste_back(canvas, drawing, transform)
        return canvas

    def _choose(self, photo: np.ndarray, faces: str, name: str) -> list[Face]:
        found = sure_faces(self._finder.find(photo))
        if not found:
            turned, upright = smallest_faces(photo)
            smaller = f", {upright} where it stands upright" if upright < turned else ""
            raise NoFaceError(
                "No face found. Expected a face that looks at the camera, turned in any way, from "
                f"{turned} pixels up in this photo{smaller}; --whole (whole=True) draws the whole "
                f"picture as it is. Received: {name}"
            )
        largest = largest_face(found)
        quarters = quarter_turns(largest)
        if quarters:
            text = (
                f"The face is turned by {quarters} degrees in the photo, and drawn as it lies; "
                f"--crop (crop=True) draws it upright. Received: {name}"
            )
            warnings.warn(TurnedPhotoWarning(text), stacklevel=3)
        return found if faces == "all" else [largest]

    def _find_segmenter(self) -> PersonSegmenter:
        with self._lock:
            if self._segmenter is None:
                self._segmenter = PersonSegmenter(self._threads)
            return self._segmenter


def _name(image) -> str:
    if isinstance(image, str | os.PathLike):
        return str(image)
    if isinstance(image, np.ndarray):
        return f"array {image.shape}"
    if isinstance(image, Image.Image):
        return f"PIL image {image.size[0]} x {image.size[1]}"
    if hasattr(image, "read"):
        return str(getattr(image, "name", type(image).__name__))
    return f"{len(image)} bytes"


def _same_kind(drawing: np.ndarray, image) -> "Image.Image | bytes | np.ndarray":
    if isinstance(image, np.ndarray):
        return drawing
    if isinstance(image, bytes | bytearray | memoryview) or hasattr(image, "read"):
        return encode_image(drawing)
    return Image.fromarray(drawing)
