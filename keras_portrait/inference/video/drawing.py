"""A clip in, a drawn clip of the same length out."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import make_folder, whole_file
from keras_portrait.inference.faces import DETECTION_SIDE, LEAST_FACE, find_detector
from keras_portrait.inference.faces.tracking import TrackedFace, Tracker
from keras_portrait.inference.imaging import grid
from keras_portrait.inference.style import check_choice
from keras_portrait.inference.stylizer import BACKGROUNDS, FACES, Stylizer
from keras_portrait.inference.video.clip import Clip
from keras_portrait.inference.video.encoding import (
    ANIMATION_SUFFIXES,
    MOST_ANIMATED,
    AnimationFile,
    Film,
    OpenCvEncoder,
)
from keras_portrait.inference.video.ffmpeg import FfmpegEncoder, add_sound, find_ffmpeg
from keras_portrait.inference.video.survey import (
    MOST_REPEATED,
    Survey,
    in_cells,
    largest_only,
    survey,
)

# Faces that are drawn at most, the largest: a row of so many squares of 512 pixels is as wide as
# MPEG-4 can be, 8191.
MOST_FACES = 15
DRAWING = "Drawing"
# Sides in pixels of the smallest face that is looked for, in a frame of at most `DETECTION_SIDE`,
# and what is said meanwhile; as in photos, the second where the whole clip has none of the first.
_LOOKS = ((LEAST_FACE, "Looking for faces"), (20, "Looking for smaller faces"))
_NO_LOOK = ((0, "Reading"),)


@dataclass(frozen=True)
class DrawnClip:
    """What became of a clip.

    Attributes:
        frames: how many it has.
        without_face: in how many of them nobody was drawn.
        missing: how many more its file tells of, that was cut short.
        lost_sound: why a sound track was left out; "" where none was.
    """

    frames: int
    without_face: int
    missing: int
    lost_sound: str


@dataclass(frozen=True)
class ClipDrawer:
    """Draws clips with one stylizer.

    Attributes:
        stylizer: draws the frames.
        style: as in a call of the stylizer, and so are the others.
        faces: "largest" or "all"; faces are looked for in every frame and followed from each to the
            next.
        crop: draw squares, side by side where there are several; each face keeps its place.
        whole: draw each frame whole, without looking for a face, as presets that were made for that
            do anyway unless `crop` is asked for.
        background: "white" or "keep".
        threads: CPU threads of the search.
    """

    stylizer: Stylizer
    style: "str | int | tuple[float, ...] | None" = None
    faces: str = "largest"
    crop: bool = False
    whole: bool = False
    background: str = "white"
    threads: int = 1

    def __post_init__(self):
        check_choice("faces", self.faces, FACES)
        check_choice("background", self.background, BACKGROUNDS)
        if self.crop and self.whole:
            raise SettingError("Choose either crop or whole. Received: both")

    @property
    def _draws_whole(self) -> bool:
        return self.stylizer.metadata.draws_whole(self.crop, self.whole)

    def draw(
        self,
        source: Path,
        target: Path,
        report: Callable[[str, int | None], None] = lambda stage, frames: None,
    ) -> DrawnClip:
        """Draws a clip.

        Args:
            source: a video, or an animated picture.
            target: the file to write, with one of `VIDEO_SUFFIXES` or `ANIMATION_SUFFIXES`. It is
                there whole or not at all. Videos have the clip's rate, or where its frames are not
                evenly spaced that of its fastest; animated pictures each frame's own time.
            report: called after each frame with what is done to it, and how many frames there are,
                as far as that is known.

        Raises:
            InputError: the clip cannot be read or the drawing not be written, or there is no face.
            SettingError: an animated picture of this length is asked for.
        """
        clip = Clip(source)
        found = self._look(clip, report)
        squares = self.stylizer.crops(self.crop) and not self._draws_whole
        cells = in_cells(found.faces) if squares else None
        if target.suffix.lower() in ANIMATION_SUFFIXES:
            _check_animation(len(found.times), self._size(found, cells), target)
        else:
            _check_film(found, source)
        make_folder(target.parent)
        with _writer(clip, target, found.rate) as writer:
            with contextlib.closing(clip.frames()) as frames:
                for index, seconds in enumerate(found.times):
                    frame = next(frames, None)
                    if frame is None:
                        raise InputError(f"The video changed meanwhile. Received: {source}")
                    each = found.faces[index] if cells is None else cells[index]
                    drawing = self._draw_frame(frame.picture, each, cells is not None)
                    writer.film.add(drawing, seconds)
                    report(DRAWING, len(found.times))
            writer.finish(found.length)
        return DrawnClip(
            frames=len(found.times),
            without_face=0 if self._draws_whole else sum(not faces for faces in found.faces),
            missing=clip.missing(len(found.times), found.length),
            lost_sound=writer.lost_sound,
        )

    def _look(self, clip: Clip, report: Callable[[str, int | None], None]) -> Survey:
        """Finds out what is in the clip, and who is drawn."""
        for least, stage in _NO_LOOK if self._draws_whole else _LOOKS:
            detector = None if self._draws_whole else find_detector(least, self.threads)
            tracker = detector and Tracker(every=1, faces=MOST_FACES, detector=detector)
            found = survey(clip.frames(), tracker, partial(report, stage, clip.expected))
            if not found.times:
                raise InputError(f"The video holds no whole picture. Received: {clip.path}")
            if self.faces == "largest":
                found.faces = largest_only(found.faces)
            if self._draws_whole or any(found.faces):
                return found
        upright = round(least * max(1.0, max(found.size) / DETECTION_SIDE))
        raise InputError(
            f"No face found in any of the {len(found.times)} frames. Expected a face that looks at "
            f"the camera and stands upright, from {upright} pixels up in this video; --whole "
            f"(whole=True) draws each frame as it is. Received: {clip.path}"
        )

    def _size(self, found: Survey, cells: list[list[TrackedFace | None]] | None) -> tuple[int, int]:
        """Height and width in pixels of a drawn frame."""
        if cells is None:
            return found.size
        side = self.stylizer.metadata.size
        return grid([np.empty((side, side), np.uint8)] * len(cells[0]), len(cells[0])).shape[:2]

    def _draw_frame(
        self, picture: np.ndarray, faces: list[TrackedFace | None], in_cells: bool
    ) -> np.ndarray:
        if self._draws_whole:
            return self.stylizer(picture, style=self.style, whole=True, background=self.background)
        if not in_cells:
            return self.stylizer.draw_in_place(picture, faces, self.style, self.background)
        side = self.stylizer.metadata.size
        squares = [
            np.full((side, side), 255, np.uint8)
            if face is None
            else self.stylizer.draw_face(picture, face, self.style, self.background)
            for face in faces
        ]
        return grid(squares, len(squares))


class _Writer:
    """Where a drawn clip goes."""

    def __init__(self, clip: Clip, part: Path, rate: float):
        self.lost_sound = ""
        self._clip, self._part = clip, part
        self._program = find_ffmpeg()
        # What ffmpeg makes of frames has no sound yet.
        self._silent = part.with_name(f"{part.stem}.silent{part.suffix}")
        if part.suffix.lower() in ANIMATION_SUFFIXES:
            self._program, self._silent = None, part
            self.film = AnimationFile(part)
        elif self._program is None:
            self._silent = part
            self.film = Film(OpenCvEncoder(part, rate), rate)
        else:
            self.film = Film(FfmpegEncoder(self._program, self._silent, rate), rate)

    def finish(self, seconds: float) -> None:
        self.film.finish(seconds)
        is_film = isinstance(self.film, Film)
        if self._program is not None:
            reason = ""
            if self._clip.has_sound:
                reason = add_sound(self._program, self._silent, self._clip.path, self._part)
            if reason is not None:
                os.replace(self._silent, self._part)
                self.lost_sound = reason and f"ffmpeg cannot copy it: {reason}"
        elif is_film and self._clip.has_sound:
            self.lost_sound = "ffmpeg, which copies it, is not installed"

    def remove_silent(self) -> None:
        if self._silent != self._part:
            with contextlib.suppress(OSError):
                self._silent.unlink()


@contextlib.contextmanager
def _writer(clip: Clip, target: Path, rate: float) -> Iterator[_Writer]:
    with whole_file(target) as part:
        writer = _Writer(clip, part, rate)
        try:
            yield writer
        finally:
            writer.film.abandon()
            writer.remove_silent()


def _check_film(found: Survey, source: Path) -> None:
    most = max(len(found.times), MOST_REPEATED)
    if found.length > most:  # at the least rate, of one a second
        raise InputError(
            f"The frames of the video are too far apart. Expected at most {most:,} seconds. "
            f"Received: {len(found.times)} frames in {found.length:,.0f} seconds, {source}"
        )


def _check_animation(frames: int, size: tuple[int, int], target: Path) -> None:
    pixels = frames * size[0] * size[1]
    if pixels > MOST_ANIMATED:
        raise SettingError(
            "An animated picture of this length would be too large. Expected at most "
            f"{MOST_ANIMATED // 1_000_000} million pixels in all frames together, or -o with .mp4. "
            f"Received: {frames} frames of {size[1]} x {size[0]} for {target}"
        )
