"""One frame and the faces in it become a drawing of the same size."""

import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_portrait.errors import SettingError, nearest
from keras_portrait.inference.alignment import AlignedFace
from keras_portrait.inference.drawer import FaceDrawer
from keras_portrait.inference.faces.tracking import TrackedFace
from keras_portrait.inference.metadata import NOISE, read_metadata
from keras_portrait.inference.presets import BUILT_IN, Generator, list_presets, load_preset
from keras_portrait.inference.segmentation import PersonSegmenter
from keras_portrait.inference.style import style_vector
from keras_portrait_demo import DEFAULT_PRESET
from keras_portrait_demo.layout import Drawing, lay_on_paper
from keras_portrait_demo.timing import Stages

# The person is told from the background in one of so many frames of a face. In the aligned square
# the outline moves little, and on a Raspberry Pi this network costs as much as a small generator.
SEGMENT_EVERY = 3


@dataclass(frozen=True)
class _Choice:
    preset: str
    generator: Generator
    style: str
    vector: np.ndarray


class Drawer:
    """Draws with one preset, which may be changed from another thread between two frames.

    Args:
        preset: name of a preset in the package, a folder that is one, a model file, or an address
            as `presets.find_preset` takes it.
        style: name, index or mix of styles; None for the preset's first.
        threads: CPU threads to use; None for up to four.

    Attributes:
        threads: CPU threads that are used.

    Raises:
        SettingError: there is no such preset or style, or the preset takes noise.
        InputError: a file of the preset is missing or altered.
        MissingExtra: no LiteRT runtime is installed.
    """

    def __init__(
        self,
        preset: str | Path = DEFAULT_PRESET,
        style: str | None = None,
        threads: int | None = None,
    ):
        self.threads = min(4, os.cpu_count() or 1) if threads is None else threads
        self._paths = {
            name: name for name in list_presets() if read_metadata(BUILT_IN / name).inputs != NOISE
        }
        self._choosing = threading.Lock()
        self._choice = self._load(preset, style)
        self._paths.setdefault(self._choice.preset, preset)
        self._segmenter = PersonSegmenter(self.threads)
        # Number of a face -> its alpha in the square, and for how many frames it still serves.
        self._alphas: dict[int, tuple[np.ndarray, int]] = {}

    @property
    def presets(self) -> tuple[str, ...]:
        """Names that `choose` takes: those in the package that draw photos, and the given one."""
        return tuple(sorted(self._paths))

    @property
    def preset(self) -> str:
        """Name of the preset in use."""
        return self._choice.preset

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles of the preset in use."""
        return self._choice.generator.metadata.styles

    @property
    def style(self) -> str:
        """The style in use, as it was chosen."""
        return self._choice.style

    def choose(self, preset: str | None = None, style: str | None = None) -> None:
        """Changes what the next frame is drawn with.

        Args:
            preset: one of `presets`; None keeps it.
            style: name, index or mix of styles; None keeps it where the preset has it too.

        Raises:
            SettingError: there is no such preset or style; nothing is changed.
            InputError: a file of the preset is missing or altered.
        """
        with self._choosing:
            now = self._choice
            if preset in (None, now.preset):
                style = now.style if style is None else style
                vector = style_vector(style, now.generator.metadata.styles)
                self._choice = replace(now, style=style, vector=vector)
            elif preset in self._paths:
                self._choice = self._load(self._paths[preset], style, now.style)
            else:
                known = nearest(preset, self._paths)
                raise SettingError(f"No such preset. {known}Received: {preset}")

    def _load(self, preset: str | Path, style: str | None, wish: str | None = None) -> _Choice:
        generator = load_preset(preset, self.threads)
        metadata = generator.metadata
        if metadata.inputs == NOISE:
            raise SettingError(
                f"The preset makes pictures out of noise, not of photos. Received: {preset}"
            )
        if style is None:
            style = wish if wish in metadata.styles else metadata.styles[0]
        vector = style_vector(style, metadata.styles)
        # A preset of one's own may be called as one in the package is.
        known = str(preset) in self._paths or metadata.name in list_presets()
        name = str(preset) if known else metadata.name
        return _Choice(name, generator, style, vector)

    def draw(self, photo: np.ndarray, faces: list[TrackedFace], stages: Stages) -> Drawing:
        """Draws the faces of a frame.

        Args:
            photo: uint8 RGB (H, W, 3).
            faces: in pixels of the frame; none gives an empty sheet with an oval on it.
            stages: gets the times of "align", "segment", "stylize" and "paste".
        """
        choice = self._choice
        self._alphas = {face.number: self._alphas.get(face.number, (None, 0)) for face in faces}
        squares, drawer = [], FaceDrawer(choice.generator)
        # Where squares overlap the larger face lies on top.
        for face in sorted(faces, key=lambda face: face.box.area):
            aligned = self._align(photo, face, drawer, stages)
            with stages("stylize"):
                drawn = drawer.generate(aligned, choice.vector, face.landmarks)
            with stages("paste"):
                drawn = drawer.finish(drawn, aligned, in_place=True)
            squares.append((drawn, aligned.transform))
        with stages("paste"):
            return lay_on_paper(photo, squares)

    def _align(
        self, photo: np.ndarray, face: TrackedFace, drawer: FaceDrawer, stages: Stages
    ) -> AlignedFace:
        segmented = Stages()

        def alpha(square: np.ndarray) -> np.ndarray:
            held, left = self._alphas[face.number]
            if left <= 0 or held.shape != square.shape[:2]:
                with segmented("segment"):
                    held, left = self._segmenter(square), SEGMENT_EVERY
            self._alphas[face.number] = held, left - 1
            return held

        with stages("align"):
            aligned = drawer.align(photo, face.landmarks, alpha)
        for name, ms in segmented.ms.items():
            stages.ms[name] = stages.ms.get(name, 0.0) + ms
            stages.ms["align"] -= ms
        return aligned
