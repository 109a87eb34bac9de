"""What an export is asked for, and what goes from one of its steps to the next."""

from dataclasses import dataclass
from pathlib import Path

import keras

from keras_portrait.inference.metadata import PresetMetadata
from keras_portrait.training.saved_generator import TrainedGenerator
from keras_portrait_export.calibration import Faces
from keras_portrait_export.ranges import Range
from keras_portrait_export.verify import Fidelity, Sample

# What a recipe of litert-quantizer makes is called and judged by.
RECIPE_MODE = "recipe"


@dataclass(frozen=True)
class ExportOptions:
    """What to make of a generator: an artefact of each combination of mode, size and style.

    Attributes:
        modes: keys of `convert.MODES`.
        sizes: sides in pixels; none for that of the training.
        styles: names of styles that get an artefact of their own, without a style input; none for
            one artefact with all of them.
        calibration: folder as `load_faces` takes it; None for the data of the run, where it is
            still there.
        target: a key of `targets.TARGETS`.
        recipe: file, or name, of a recipe of litert-quantizer; it takes the place of the modes.
        contrast: factor of what goes into the tanh of a generator of drawings; above 1 its edges
            are steeper than in training.
        name: name of the preset; the folder's by default.
        description: one line for the list of presets; by default what is known: see
            `export_generator`.
        data_licence: which pictures it learned from, under which licences; by default the same.
        direction: "a-to-b", or "b-to-a" for the inverse generator of a run of cyclegan.
        force: whether to write what is known to be bad or fails the comparison.
        input_range: least and largest number of the pictures that anybody's model takes; None for
            what its first layer tells, otherwise [-1, 1].
        output_range: the same of those that it returns; None measures it.
    """

    modes: tuple[str, ...] = ("dynamic",)
    sizes: tuple[int, ...] = ()
    styles: tuple[str, ...] = ()
    calibration: Path | None = None
    target: str = "litert"
    recipe: str = ""
    contrast: float = 1.0
    name: str | None = None
    description: str | None = None
    data_licence: str | None = None
    direction: str = "a-to-b"
    force: bool = False
    input_range: Range | None = None
    output_range: Range | None = None

    @property
    def words(self) -> dict[str, str]:
        """Those of `description` and `data_licence` that are given, fields of `PresetMetadata`."""
        given = {"description": self.description, "data_licence": self.data_licence}
        return {key: text for key, text in given.items() if text is not None}


@dataclass(frozen=True)
class Artefact:
    """What was made.

    Attributes:
        folder: the preset's folder.
        metadata: as written.
        fidelity: how near it comes to Keras.
        samples: what it was compared on.
        notes: what was found out about anybody's model and left out of its photos, a line each.
    """

    folder: Path
    metadata: PresetMetadata
    fidelity: Fidelity
    samples: list[Sample]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One preset to make.

    Attributes:
        mode: key of `convert.MODES`, or `RECIPE_MODE`.
        size: side of the pictures in pixels.
        style: name of a style that is folded in, or None.
        folder: where it goes.
    """

    mode: str
    size: int
    style: str | None
    folder: Path


@dataclass(frozen=True)
class Material:
    """What every job needs, made once.

    Attributes:
        trained: the generator, with more contrast where that was asked for.
        reference: the same, computing in float32: what artefacts are held to.
        folded: the same, without what only training needs.
        faces: photos to calibrate on and to compare with, by size; empty without a folder.
    """

    trained: TrainedGenerator
    reference: keras.Model
    folded: keras.Model
    faces: dict[int, Faces]

    @property
    def takes_noise(self) -> bool:
        """Whether pictures are made out of noise."""
        return self.reference.inputs[0].name == "noise"
