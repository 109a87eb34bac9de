"""From a face in a photo to its drawing: the one way of photos, frames and bulk."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_portrait.inference.alignment import AlignedFace, fade_rim, keep_paper, prepare_face
from keras_portrait.inference.generator import Generator
from keras_portrait.inference.geometry import invert, transform_points


@dataclass(frozen=True)
class FaceDrawer:
    """Draws faces with one generator, in three steps that may be timed one by one.

    Attributes:
        generator: of drawings or pictures in colour, from photos.
    """

    generator: Generator

    def align(
        self,
        photo: np.ndarray,
        landmarks: np.ndarray,
        segment: Callable[[np.ndarray], np.ndarray] | None,
        size: int | None = None,
    ) -> AlignedFace:
        """Turns a face upright, as the generator was trained to see faces.

        Args:
            photo: uint8 RGB (H, W, 3).
            landmarks: float (5, 2), pixels of the photo.
            segment: function of a square to the share of the person at each pixel, float (S, S);
                None keeps the background.
            size: side of the square in pixels; None for the generator's own.
        """
        metadata = self.generator.metadata
        return prepare_face(photo, landmarks, size or metadata.size, segment, metadata.alignment)

    def generate(
        self, aligned: AlignedFace, style: np.ndarray, landmarks: np.ndarray
    ) -> np.ndarray:
        """Lets the generator draw.

        Args:
            aligned: what `align` returned.
            style: float32 (1, K).
            landmarks: float (5, 2), pixels of the photo.

        Returns:
            uint8 (S, S, channels).
        """
        points = transform_points(landmarks, invert(aligned.transform))
        return self.generator.draw(aligned.square, style, points)

    def finish(self, drawing: np.ndarray, aligned: AlignedFace, in_place: bool) -> np.ndarray:
        """Keeps paper blank where the square is.

        Args:
            drawing: what `generate` returned.
            aligned: what `align` returned.
            in_place: whether it is put back into a photo, where strokes fade before the rim.

        Returns:
            uint8 (S, S), or (S, S, 3) in colour, as it came.
        """
        # The network may well draw larger hair than the photo's, and colours are no lines.
        if drawing.shape[2] == 3:
            return drawing
        drawing = keep_paper(drawing[..., 0], aligned.square, aligned.inside)
        return fade_rim(drawing) if in_place and self.generator.metadata.alignment > 1 else drawing

    def draw(
        self,
        photo: np.ndarray,
        landmarks: np.ndarray,
        style: np.ndarray,
        segment: Callable[[np.ndarray], np.ndarray] | None,
        size: int | None = None,
        in_place: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """All three steps.

        Returns:
            The drawing, and the transform (2, 3) from its pixels to those of the photo.
        """
        aligned = self.align(photo, landmarks, segment, size)
        drawing = self.generate(aligned, style, landmarks)
        return self.finish(drawing, aligned, in_place), aligned.transform
