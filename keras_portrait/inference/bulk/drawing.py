"""What a job draws with, and what makes two drawings of a photo the same."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from keras_portrait.inference.bulk.errors import JobStopped
from keras_portrait.inference.presets import find_preset, is_name
from keras_portrait.inference.style import style_vector
from keras_portrait.inference.stylizer import Stylizer


@dataclass(frozen=True)
class DrawingOptions:
    """A preset as it is now, and how to draw with it.

    Attributes:
        preset: what opens it in any process: a name in the package, or an absolute path.
        preset_name: what it calls itself.
        preset_sha256: hash of its model in hexadecimal, as its metadata gives it.
        style: names of the styles that are drawn with, with their weights where there are several.
        weights: weight of each style of the preset, with a sum of 1.
        faces: "largest" or "all".
        crop: whether the aligned square is what comes out.
        whole: whether no face is looked for.
        background: "white" or "keep".
    """

    preset: str
    preset_name: str
    preset_sha256: str
    style: str
    weights: tuple[float, ...]
    faces: str = "largest"
    crop: bool = False
    whole: bool = False
    background: str = "white"

    def work(self, photo_sha256: str) -> str:
        """Hash, in hexadecimal, of all that a drawing depends on.

        Args:
            photo_sha256: hash of the bytes of the photo's file, in hexadecimal.
        """
        parts = [photo_sha256, self.preset_sha256, self.weights, *self.picture_options().values()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def picture_options(self) -> dict:
        """The options of `Stylizer` beside the style."""
        names = ("faces", "crop", "whole", "background")
        return {name: getattr(self, name) for name in names}


def drawing_options(
    preset: "str | Path", style: "str | int | tuple[float, ...] | None" = None, **options
) -> DrawingOptions:
    """Reads a preset's metadata and says what a job draws with.

    Args:
        preset: as `presets.find_preset` takes it.
        style: as `Stylizer` takes it.
        **options: `faces`, `crop`, `whole` and `background`, as `Stylizer` takes them.

    Raises:
        SettingError: there is no such preset or style, or the preset takes noise.
        InputError: a file of the preset is missing or altered.
        MissingExtra: no LiteRT runtime is installed.
    """
    # One stylizer here, so that what is wrong with a preset is told before any worker starts.
    metadata = Stylizer(preset, threads=1).metadata
    weights = style_vector(style, metadata.styles)[0]
    return DrawingOptions(
        preset=str(preset) if is_name(preset) else os.path.abspath(find_preset(preset)),
        preset_name=metadata.name,
        preset_sha256=metadata.sha256,
        style=style_text(weights, metadata.styles),
        weights=tuple(round(float(weight), 6) for weight in weights),
        **options,
    )


def style_text(weights: np.ndarray, styles: tuple[str, ...]) -> str:
    """A style vector in words, such as "ink" or "ink:0.7,line:0.3".

    Args:
        weights: float (K,).
        styles: names of the K styles.
    """
    return ",".join(
        name if weight == 1 else f"{name}:{weight:.3g}"
        for name, weight in zip(styles, weights, strict=True)
        if weight > 0
    )


def open_drawing(options: DrawingOptions) -> Callable[[bytes], bytes]:
    """Loads the preset into this process, on one thread.

    Returns:
        A function from the bytes of a photo to those of its drawing, a PNG file.

    Raises:
        JobStopped: the preset is no longer the one that the job began with.
    """
    cv2.setNumThreads(1)
    stylizer = Stylizer(options.preset, threads=1)
    found = stylizer.metadata.sha256
    if found != options.preset_sha256:
        raise JobStopped(
            f"The preset was changed while the job ran. Expected sha256 {options.preset_sha256}. "
            f"Received: sha256 {found} in {options.preset}"
        )
    style = options.weights

    def draw(photo: bytes) -> bytes:
        return stylizer(photo, style=style, **options.picture_options())

    return draw
