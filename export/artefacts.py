"""From a generator to preset folders: converted, compared with Keras, and only then written."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_portrait
from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.inference.metadata import FILE_NAME, NOISE, Contract, write_contract
from keras_portrait.inference.presets import load_preset
from keras_portrait.inference.sampler import random_noise
from keras_portrait.inference.style import style_vector
from keras_portrait.training.saved_generator import (
    GENERATOR_FILE,
    TrainedGenerator,
    in_float32,
    raise_contrast,
)

from .calibration import LEAST, Faces, image_inputs, load_faces
from .convert import CALIBRATED, convert, finish, refuse_mode
from .install import MODEL_FILE, install
from .quantizer import quantize_with_recipe
from .rebuild import fold
from .recover import describe_network
from .sources import open_source
from .targets import check_target, check_target_name
from .verify import Fidelity, Sample, compare, fixed_inputs, keras_function, require

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
        direction: "a-to-b", or "b-to-a" for the inverse generator of a run of cyclegan.
        force: whether to write what is known to be bad or fails the comparison.
    """

    modes: tuple[str, ...] = ("dynamic",)
    sizes: tuple[int, ...] = ()
    styles: tuple[str, ...] = ()
    calibration: Path | None = None
    target: str = "litert"
    recipe: str = ""
    contrast: float = 1.0
    name: str | None = None
    direction: str = "a-to-b"
    force: bool = False


@dataclass(frozen=True)
class Artefact:
    """What was made.

    Attributes:
        folder: the preset's folder.
        contract: as written.
        fidelity: how near it comes to Keras.
        samples: what it was compared on.
    """

    folder: Path
    contract: Contract
    fidelity: Fidelity
    samples: list[Sample]


def export_generator(
    source: str | Path, folder: str | Path, options: ExportOptions | None = None
) -> list[Artefact]:
    """Makes preset folders of a generator. Nothing is written unless all of them hold to Keras.

    Args:
        source: a run folder, a preset, or a `.keras` file.
        folder: the preset, or, where several are asked for, the folder of their folders, which are
            called MODE-SIZE or MODE-SIZE-STYLE. Model and `portrait.json` are replaced; other
            files, such as the model card, and what somebody wrote into the old `portrait.json`
            as description and data licence, stay.
        options: what to make.

    Returns:
        The artefacts as written.

    Raises:
        InputError: the source or the calibration cannot be used, or the folder not be written.
        SettingError: an option that does not fit the generator.
        MissingExtra: the recipe needs litert-quantizer.
        PortraitError: a model strays too far from Keras, or holds what small runtimes lack.
    """
    folder, options = Path(folder), options or ExportOptions()
    _check_destination(folder)
    trained = open_source(source, options.direction, options.sizes)
    export = _Export(trained, options, folder)
    with tempfile.TemporaryDirectory() as build:
        made = [export.make(Path(build) / str(n), job) for n, job in enumerate(export.jobs())]
        install({Path(build) / str(n): artefact.folder for n, artefact in enumerate(made)})
    return made


@dataclass(frozen=True)
class _Job:
    mode: str
    size: int
    style: str | None
    folder: Path


class _Export:
    """One call of `export_generator`."""

    def __init__(self, trained: TrainedGenerator, options: ExportOptions, folder: Path):
        self.trained = trained
        self.options = options
        self.folder = folder
        if options.contrast != 1:
            _check_contrast(trained, options.contrast)
            raise_contrast(trained.model, options.contrast)
        self.reference = in_float32(trained.model)
        self.takes_noise = self.reference.inputs[0].name == "noise"
        self.folded = fold(trained.model)
        # Ranges are measured on photos, so all modes are compared on photos.
        self.calibrated = bool({*options.modes} & {*CALIBRATED}) and not options.recipe
        self._faces = {}
        self._samples = {}

    def jobs(self) -> list[_Job]:
        """What is to be made; refuses what is bad before anything is."""
        options, trained = self.options, self.trained
        check_target_name(options.target)
        modes = (RECIPE_MODE,) if options.recipe else options.modes
        for mode in () if options.recipe or options.force else modes:
            refuse_mode(trained.model, mode)
        sizes = options.sizes or (trained.size,)
        if self.takes_noise and set(sizes) != {trained.size}:
            raise SettingError(
                f"--size: a generator of method {trained.method} makes pictures of "
                f"{trained.size} pixels alone. Received: {', '.join(map(str, sizes))}"
            )
        if self.takes_noise and options.calibration is not None:
            raise SettingError(
                "--calibration: a generator of noise is calibrated with noise. "
                f"Received: {options.calibration}"
            )
        for size in sizes:
            if not 16 <= size <= 4096 or size % 4:
                raise SettingError(
                    f"--size: expected a multiple of 4 from 16 to 4096. Received: {size}"
                )
        known = trained.styles if len(trained.styles) > 1 else ()
        for style in options.styles:
            if style not in known:
                raise SettingError(
                    f"--style: no such style to choose. {nearest(style, known)}Received: {style}"
                )
        rows = [(m, s, t) for s in sizes for t in options.styles or (None,) for m in modes]
        if len(rows) == 1:
            return [_Job(*rows[0], self.folder)]
        return [
            _Job(mode, size, style, self.folder / "-".join(filter(None, (mode, str(size), style))))
            for mode, size, style in rows
        ]

    def make(self, build: Path, job: _Job) -> Artefact:
        """Converts and compares; what is finished lies in the folder `build`."""
        options, trained = self.options, self.trained
        vector = None if job.style is None else style_vector(job.style, trained.styles)
        model = self._convert(job, vector)
        check_target(model, options.target, job.mode)
        build.mkdir()
        (build / MODEL_FILE).write_bytes(model)
        changes = {} if vector is None else {"inputs": ("image",), "styles": (job.style,)}
        contract = trained.contract(
            name=options.name or job.folder.resolve().name,
            file=MODEL_FILE,
            mode=job.mode,
            size=job.size,
            origin=_origin(trained),
            **changes,
            **{**trained.words, **_written_by_hand(job.folder / FILE_NAME)},
        )
        # Of a style that is folded in, weights are lost that the network would need.
        network = "" if job.style else describe_network(self.folded, trained.styles, model)
        contract = write_contract(build, contract, network)
        samples = self._find_samples(job, vector, contract)
        fidelity = compare(load_preset(build), samples)
        if not options.force:
            require(fidelity, job.mode)
        return Artefact(job.folder, contract, fidelity, samples)

    def _find_samples(
        self, job: _Job, vector: np.ndarray | None, contract: Contract
    ) -> list[Sample]:
        """What artefacts are compared on, drawn by Keras once for each size and style."""
        if (job.size, job.style) not in self._samples:
            faces = self._find_faces(job.size, needed=self.calibrated)
            if faces and faces.held:
                styles = len(contract.styles) if "style" in contract.inputs else 1
                inputs, names = list(image_inputs(faces.held, styles)), faces.held_names
            else:
                inputs, names = fixed_inputs(contract)
            draw = keras_function(self.reference, vector)
            self._samples[job.size, job.style] = [
                Sample(name, one, draw(**one)) for name, one in zip(names, inputs, strict=True)
            ]
        return self._samples[job.size, job.style]

    def _convert(self, job: _Job, vector: np.ndarray | None) -> bytes:
        mode = "fp32" if job.mode == RECIPE_MODE else job.mode
        examples = ()
        if job.mode in CALIBRATED or job.mode == RECIPE_MODE:
            examples = self._examples(job, vector)
        strict = not self.options.force
        model = convert(self.trained, mode, job.size, vector, examples, strict)
        if job.mode == RECIPE_MODE:
            model = finish(quantize_with_recipe(model, self.options.recipe, examples), strict)
        return model

    def _examples(self, job: _Job, vector: np.ndarray | None) -> list[dict[str, np.ndarray]]:
        """What ranges are measured on; nothing where a recipe may do without."""
        if self.takes_noise:
            noise = random_noise(LEAST, self.reference.inputs[0].shape[-1])
            return [{NOISE[0]: one[None]} for one in noise]
        faces = self._find_faces(job.size, needed=job.mode in CALIBRATED)
        if job.mode in CALIBRATED and len(faces.calibration) < LEAST:
            raise InputError(
                f"Calibration needs {LEAST} photos with a face beside those that the result is "
                f"compared on. Received: {len(faces.calibration)} in {faces.folder}"
            )
        styles = len(self.trained.styles) if vector is None else 1
        return list(image_inputs(faces.calibration, styles)) if faces else []

    def _find_faces(self, size: int, needed: bool) -> Faces | None:
        """The faces, read once for each size; None where no folder was named and none is needed."""
        folder = self.options.calibration or (self.trained.data if needed else None)
        if size in self._faces or self.takes_noise:
            return self._faces.get(size)
        if folder is not None:
            self._faces[size] = load_faces(folder, size, self.trained.alignment)
        elif needed:
            raise SettingError(
                f"Full int8 measures its ranges on {LEAST} faces or more. Expected --calibration "
                "with a folder of photos. Received: none"
            )
        return self._faces.get(size)


def _check_destination(folder: Path) -> None:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"Expected a folder that can be written to. Received: {folder}")


def _origin(trained: TrainedGenerator) -> str:
    file = "" if trained.file == GENERATOR_FILE else f", {trained.file}"
    return (
        f"{trained.kind} {trained.name}{file}, exported by keras-portrait "
        f"{keras_portrait.__version__} with Keras {keras.__version__} and TensorFlow "
        f"{tf.__version__}"
    )


def _written_by_hand(path: Path) -> dict[str, str]:
    """Description and data licence of a former export; empty where there is none."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    keys = ("description", "data_licence") if isinstance(row, dict) else ()
    return {key: row[key] for key in keys if isinstance(row.get(key), str) and row[key]}


def _check_contrast(trained: TrainedGenerator, contrast: float) -> None:
    """Refuses contrast for what has no tanh, and factors that make no sense."""
    if not 0.1 <= contrast <= 10:
        raise SettingError(f"--contrast: expected 0.1 to 10. Received: {contrast:g}")
    last, gray = trained.model.layers[-1], trained.model.outputs[0].shape[-1] == 1
    if not gray or getattr(last, "activation", None) is not keras.activations.tanh:
        raise SettingError(
            "--contrast: expected a generator of drawings with a tanh at its end. "
            f"Received: one of method {trained.method}, which ends in {last.name}"
        )
