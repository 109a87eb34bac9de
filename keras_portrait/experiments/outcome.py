"""What an experiment has made so far, for its figures and its page."""

import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.evaluation.report.files import JSON_NAME, PHOTOS, PICTURES, picture_path
from keras_portrait.experiments.declaration import Declaration
from keras_portrait.files import parse_json, read_bounded
from keras_portrait.inference.generator import Generator
from keras_portrait.inference.imaging import read_image
from keras_portrait.training.saved_generator import GENERATOR_FILE

EVALUATION = "evaluation"
# In that folder: what was measured of pictures out of noise.
NOISE = "noise.json"


def read_evaluation(folder: Path) -> dict | None:
    """The figures of an experiment's evaluation; None before it is made.

    Args:
        folder: of the experiment.

    Raises:
        InputError: the file cannot be read.
    """
    path = folder / EVALUATION / JSON_NAME
    if not os.path.isfile(path):
        return None
    try:
        return parse_json(read_bounded(path))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected the figures of an evaluation ({error}). Received: {path}"
        ) from None


@dataclass(frozen=True)
class Outcome:
    """The folders of an experiment, finished ones.

    Attributes:
        declaration: which experiment.
        folder: where everything lies.
        runs: the run folders of finished runs by the keys of their rows.
        open: loads the generator of a run folder, or of a preset.
        photos: whether photos may be shown.
        trained: run or preset that draws instead of a run of the experiment; None for none.
        photo: uint8 RGB (H, W, 3) that styles are shown on; None for none.
        reference: file of a drawing whose style vector is told; None for drawings of the data
            folder.
        data: the data folder.
    """

    declaration: Declaration
    folder: Path
    runs: dict[str, Path]
    open: Callable[[str], Generator]
    photos: bool = True
    trained: str | None = None
    photo: np.ndarray | None = field(default=None, compare=False)
    reference: Path | None = None
    data: Path | None = None

    @functools.cached_property
    def evaluation(self) -> dict | None:
        """The figures of the evaluation; None before it is made."""
        return read_evaluation(self.folder)

    @functools.cached_property
    def noise(self) -> dict:
        """What `noise.measure_noise` found; empty before the evaluation."""
        path = self.folder / EVALUATION / NOISE
        return json.loads(path.read_bytes()) if os.path.isfile(path) else {}

    def entries(self, key: str) -> list[dict]:
        """The entries of the evaluation that a run drew, one for each of its styles."""
        found = self.evaluation["entries"] if self.evaluation else []
        return [entry for entry in found if entry["kind"] != "floor" and entry["name"] == key]

    def picture(self, key: str, index: int) -> np.ndarray:
        """A picture of the evaluation.

        Args:
            key: of an entry, or "photos".
            index: place of the photo in the evaluation.
        """
        return read_image(picture_path(self.folder / EVALUATION / PICTURES, key, index))

    @property
    def shows_photos(self) -> bool:
        """Whether photos may be shown and are there."""
        return self.photos and (self.folder / EVALUATION / PICTURES / PHOTOS).is_dir()

    def generator(self, key: str) -> Generator | None:
        """The generator of a run; None where it is not finished, or has none."""
        if key not in self.runs or not os.path.isfile(self.runs[key] / GENERATOR_FILE):
            return None
        return self.open(str(self.runs[key]))

    def title(self, key: str) -> str:
        """What the page calls a run."""
        titles = {row.key: row.title for row in self.declaration.rows}
        return titles.get(key, key)
