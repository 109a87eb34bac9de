"""Masks of the eyes, the nose and the lips of one picture that lie beside it, in three files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.inference.geometry import PART_BOXES, PARTS, face_template, warp
from keras_portrait.inference.imaging import read_image, resize

# How far the middle of each mask may lie from that of its box in the template, as a share of the
# side, for a picture to count as aligned already: 26 of 512 pixels, a quarter of the distance
# between the eyes.
_MOST_OFFSET = 0.05


@dataclass(frozen=True, slots=True)
class GivenMasks:
    """Three files of one picture, white where the part is.

    Attributes:
        paths: of the masks, in the order of `geometry.PARTS`.
        aligned: whether they show the aligned square, and not the picture as it is.
    """

    paths: tuple[Path, ...]
    aligned: bool = False

    def stamp(self) -> str:
        """What tells other files from these.

        Raises:
            OSError: one cannot be looked at.
        """
        found = [path.stat() for path in self.paths]
        told = " ".join(f"{each.st_size}-{each.st_mtime_ns}" for each in found) + f" {self.aligned}"
        return f"masks {hashlib.sha256(told.encode()).hexdigest()[:16]}"

    def cut(self, shape: tuple[int, ...], square_to_photo: np.ndarray, size: int) -> np.ndarray:
        """The masks of the aligned square: they go the way of the picture.

        Args:
            shape: of the picture: its rows and columns come first.
            square_to_photo: float (2, 3), from pixels of the square to those of the picture.
            size: side of the square in pixels.

        Returns:
            uint8 (size, size, 3), 255 inside, 0 outside of the picture.

        Raises:
            InputError: see `read`.
        """
        masks = self.read(shape)
        if self.aligned:
            return resize(masks, size, size)
        return warp(masks, square_to_photo, size, fill=0)

    def read(self, shape: tuple[int, ...]) -> np.ndarray:
        """The masks as they lie in their files, uint8 (H, W, 3).

        Raises:
            InputError: one cannot be read; it is not as large as the picture or, where the masks
                show the aligned square, no square as large as the others.
        """
        planes = []
        for path in self.paths:
            plane = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY)
            if not self.aligned:
                expected, told = tuple(shape[:2]), "as large as its picture"
            elif planes:
                expected, told = planes[0].shape, "as large as the others"
            else:
                expected, told = (plane.shape[0],) * 2, "of the aligned square"
            if plane.shape != expected:
                raise InputError(
                    f"{path}: expected a mask {told}, {expected[1]} x {expected[0]} pixels. "
                    f"Received: {plane.shape[1]} x {plane.shape[0]}"
                )
            planes.append(plane)
        return np.dstack(planes)

    def template(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """The template's landmarks, where the masks say that a picture is aligned already.

        Args:
            shape: of the picture.

        Returns:
            float (5, 2), pixels of the picture; None where it is no square, or the middle of a
            mask lies elsewhere than in an aligned one.

        Raises:
            InputError: see `read`.
        """
        side = shape[0]
        if shape[1] != side or self.aligned:
            return None
        for part, plane in zip(PARTS, np.moveaxis(self.read(shape), -1, 0), strict=True):
            rows, columns = np.nonzero(plane > 127)
            if not len(rows):
                return None
            boxes = np.array([box for box, _ in PART_BOXES[part]], float)
            middle = (boxes[:, :2] + boxes[:, 2:]).mean(axis=0) / 2
            offset = np.array([columns.mean(), rows.mean()]) - ((middle - 0.5) * side / 512 - 0.5)
            if np.abs(offset).max() > _MOST_OFFSET * side:
                return None
        return face_template(side)
