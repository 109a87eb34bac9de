"""The trained generator that a student learns from, and what it draws beforehand."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from keras_portrait.data.manifest import Row
from keras_portrait.data.photos import PhotoData
from keras_portrait.errors import SettingError
from keras_portrait.files import make_folder, require_sha256
from keras_portrait.inference.imaging import read_image, write_image
from keras_portrait.inference.presets import Generator, is_preset, load_preset
from keras_portrait.models.distillation.batches import PLAIN, make_view, view_file
from keras_portrait.models.distillation.config import DistillationDataSettings
from keras_portrait.training.run_folder import OPTIONS_NAME
from keras_portrait.training.saved_generator import GENERATOR_FILE, load_generator

# Folder of the teacher's drawings inside a run folder.
DRAWINGS = "teacher"


@dataclass(frozen=True)
class Teacher:
    """A generator of drawings that a student learns from.

    Attributes:
        generator: `presets.Generator`.
        sha256: hash of its file, in hexadecimal.
    """

    generator: Generator
    sha256: str

    @property
    def size(self) -> int:
        """Side of its pictures in pixels."""
        return self.generator.metadata.size

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of its styles."""
        return self.generator.metadata.styles

    def draw(self, photo: np.ndarray, style: int) -> np.ndarray:
        """Draws one photo.

        Args:
            photo: uint8 RGB (S, S, 3).
            style: index of a style.

        Returns:
            uint8 gray (S, S).
        """
        vector = np.eye(len(self.styles), dtype=np.float32)[[style]]
        return self.generator.draw(photo, vector)[..., 0]


def open_teacher(given: str) -> Teacher:
    """Loads a teacher.

    Args:
        given: name of a preset, a preset's folder or model file, a run folder or a `.keras` file
            in it.

    Raises:
        SettingError: there is nothing of that name, or it makes no drawings of photos.
        InputError: a file is missing, broken or altered.
        MissingExtra: a preset is given, and no LiteRT runtime is installed.
    """
    if not given:
        raise SettingError(
            "teacher: expected a preset or a run, as `portrait distill TEACHER` gives it. "
            "Received: none"
        )
    path = _run_file(given)
    if path is None:
        generator = load_preset(given, min(4, os.cpu_count() or 1))
        teacher = Teacher(generator, generator.metadata.sha256)
    else:
        teacher = Teacher(load_generator(path), require_sha256(path, "the teacher"))
    metadata = teacher.generator.metadata
    if "image" not in metadata.inputs or metadata.channels != 1:
        raise SettingError(
            "teacher: expected a generator of drawings from photos. Received: "
            f"{given}, which makes pictures in colour ({metadata.method})"
        )
    return teacher


def _run_file(given: str) -> Path | None:
    """The generator's file of a run, or None where a preset is meant; presets win over runs."""
    path = Path(given)
    if path.suffix == ".keras":
        return path
    is_run = os.path.isfile(path / OPTIONS_NAME) and not is_preset(given)
    return path / GENERATOR_FILE if is_run else None


def draw_views(
    run: Path,
    teacher: Teacher,
    data: PhotoData,
    settings: DistillationDataSettings,
    seed: int,
    shown: list[Row],
    check_stop: Callable[[], None] = lambda: None,
) -> Path:
    """Lets the teacher draw every view in every style that has not been drawn yet.

    Args:
        run: the run folder.
        teacher: `Teacher`.
        data: photos to train on.
        settings: `DistillationDataSettings`.
        seed: of the training.
        shown: held-back photos, which are drawn as they are.
        check_stop: called before each drawing; what it raises ends the work, and the next call goes
            on there.

    Returns:
        The folder of the drawings: uint8 gray, one for each view and style.

    Raises:
        InputError: a photo cannot be read, or a drawing cannot be written.
    """
    folder = run / DRAWINGS
    missing = {}
    for row, number, view in _views(data, settings, shown):
        for style, name in enumerate(teacher.styles):
            path = folder / view_file(row, view, name)
            if not path.exists():
                missing[path] = (row, number, view, style)
    console, made = Console(stderr=True), (None, None)
    for path, (row, number, view, style) in track(
        missing.items(), "Teacher's drawings", console=console, disable=not console.is_terminal
    ):
        check_stop()
        if made[0] != (row.file, view):
            photo = read_image(data.folder / row.file)
            made = (row.file, view), make_view(photo, settings, seed, number, view)
        make_folder(path.parent)
        write_image(path, teacher.draw(made[1], style))
    return folder


def _views(data, settings, shown):
    """Every view as a row, the photo's number and the view's, those that are shown first."""
    for row in shown:
        yield row, 0, PLAIN
    for view in range(settings.views):
        for number, row in enumerate(data.photos):
            yield row, number, view
