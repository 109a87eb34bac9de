"""From a generator to preset folders: converted, compared with Keras, and only then written."""

import json
import os
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_portrait
from keras_portrait.errors import InputError, SettingError, nearest
from keras_portrait.inference.metadata import (
    FILE_NAME,
    INTEGER_MODE,
    NOISE,
    PresetMetadata,
    require_line,
    write_metadata,
)
from keras_portrait.inference.presets import load_preset
from keras_portrait.inference.sampler import random_noise
from keras_portrait.inference.style import style_vector
from keras_portrait.training.saved_generator import (
    GENERATOR_FILE,
    TrainedGenerator,
    in_float32,
    raise_contrast,
)
from keras_portrait_export.calibration import LEAST, Faces, image_inputs, load_faces
from keras_portrait_export.convert import CALIBRATED, convert, finish, refuse_mode
from keras_portrait_export.foreign import ForeignGenerator
from keras_portrait_export.foreign_range import check_pixels, in_signed_range, notes_on
from keras_portrait_export.jobs import RECIPE_MODE, Artefact, ExportOptions, Job, Material
from keras_portrait_export.labels import label
from keras_portrait_export.load import open_source
from keras_portrait_export.quantizer import quantize_with_recipe
from keras_portrait_export.ranges import check_range
from keras_portrait_export.rebuild import fold
from keras_portrait_export.recover import describe_network
from keras_portrait_export.targets import check_target, check_target_name
from keras_portrait_export.verify import (
    Fidelity,
    Sample,
    compare,
    fixed_inputs,
    keras_function,
    require,
)
from keras_portrait_export.write import MODEL_FILE, install


def export_generator(
    source: str | Path | TrainedGenerator,
    folder: str | Path,
    options: ExportOptions | None = None,
) -> list[Artefact]:
    """Makes preset folders of a generator. Nothing is written unless all of them hold to Keras.

    Args:
        source: a run folder, a preset, a `.keras` file, or a generator that is loaded already.
        folder: the preset, or, where several are asked for, the folder of their folders, which are
            called MODE-SIZE or MODE-SIZE-STYLE. Model and `portrait.json` are replaced; other
            files, such as the model card, and what somebody wrote into the old `portrait.json`
            as description and data licence, stay, unless `options` has others.
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
    loaded = isinstance(source, TrainedGenerator)
    trained = source if loaded else _open(source, options)
    jobs = plan_jobs(trained, options, folder)
    material = gather_material(trained, options, jobs)
    made, samples = [], {}
    with tempfile.TemporaryDirectory() as temporary:
        builds = [Path(temporary) / str(number) for number in range(len(jobs))]
        for job, build in zip(jobs, builds, strict=True):
            model = convert_job(job, material, options)
            metadata = write_build(build, model, job, material, options)
            key = job.size, job.style  # drawn by Keras once for all modes
            samples[key] = samples.get(key) or draw_samples(job, material, metadata)
            fidelity = compare_build(build, samples[key], job, options, material)
            notes = notes_on(material.trained, model, fidelity)
            notes += material.faces[job.size].left_out if job.size in material.faces else ()
            made.append(Artefact(job.folder, metadata, fidelity, samples[key], notes))
        install({build: job.folder for build, job in zip(builds, jobs, strict=True)})
    return made


def _open(source: str | Path, options: ExportOptions) -> TrainedGenerator:
    """Loads the generator, and looks at what is said about its ranges."""
    spans = {
        "--input-range": check_range("--input-range", options.input_range),
        "--output-range": check_range("--output-range", options.output_range),
    }
    span = spans["--input-range"]
    trained = open_source(source, options.direction, options.sizes, span)
    given = [option for option, value in spans.items() if value is not None]
    if given and not isinstance(trained, ForeignGenerator):
        raise SettingError(
            f"{given[0]}: the generator of a {trained.kind} has pictures in -1 to 1; expected a "
            f".keras file of another project. Received: {source}"
        )
    return trained


def plan_jobs(trained: TrainedGenerator, options: ExportOptions, folder: Path) -> list[Job]:
    """What is to be made.

    Raises:
        SettingError: an option that does not fit the generator, before anything is made.
    """
    check_target_name(options.target)
    require_line("--name", options.name)
    require_line("--description", options.description)
    require_line("--licence", options.data_licence)
    if options.contrast != 1 and not isinstance(trained, ForeignGenerator):
        _check_contrast(trained, options.contrast)
    modes = (RECIPE_MODE,) if options.recipe else options.modes
    for mode in () if options.recipe or options.force else modes:
        refuse_mode(trained.model, mode)
    sizes = options.sizes or (trained.size,)
    _check_sizes(trained, options, sizes)
    known = trained.styles if len(trained.styles) > 1 else ()
    for style in options.styles:
        if style not in known:
            raise SettingError(
                f"--style: no such style to choose. {nearest(style, known)}Received: {style}"
            )
    rows = [(m, s, t) for s in sizes for t in options.styles or (None,) for m in modes]
    if len(rows) == 1:
        return [Job(*rows[0], folder)]
    return [
        Job(mode, size, style, folder / "-".join(filter(None, (mode, str(size), style))))
        for mode, size, style in rows
    ]


def gather_material(trained: TrainedGenerator, options: ExportOptions, jobs: list[Job]) -> Material:
    """Folds the generator, and loads the faces that it is calibrated on and compared with.

    Raises:
        InputError: the folder of faces cannot be used, or holds too few.
        SettingError: a mode needs faces, and no folder is known; or the range of anybody's model
            cannot be told.
    """
    faces = _load_faces(trained, options, jobs)
    if isinstance(trained, ForeignGenerator):
        if not trained.output_known:
            trained = in_signed_range(
                trained, options.output_range, faces.get(jobs[0].size), jobs[0].size
            )
        if any(job.mode == INTEGER_MODE for job in jobs):
            check_pixels(trained)
    if options.contrast != 1:
        _check_contrast(trained, options.contrast)
        raise_contrast(trained.model, options.contrast)
    return Material(trained, in_float32(trained.model), fold(trained.model), faces)


def _load_faces(trained, options: ExportOptions, jobs: list[Job]) -> dict[int, Faces]:
    # Ranges are measured on photos, so all modes are compared on photos.
    calibrated = any(job.mode in CALIBRATED for job in jobs)
    folder = options.calibration or (trained.data if calibrated else None)
    faces = {}
    if trained.model.inputs[0].name != "noise":
        if folder is None and calibrated:
            raise SettingError(
                f"Full int8 measures its ranges on {LEAST} faces or more. Expected --calibration "
                "with a folder of photos. Received: none"
            )
        for size in {job.size for job in jobs} if folder is not None else ():
            faces[size] = load_faces(folder, size, trained.alignment)
            if calibrated and len(faces[size].calibration) < LEAST:
                raise InputError(
                    f"Calibration needs {LEAST} photos with a face beside those that the result "
                    f"is compared on. Received: {len(faces[size].calibration)} in {folder}"
                )
    return faces


def convert_job(job: Job, material: Material, options: ExportOptions) -> bytes:
    """The model file of a job, looked through.

    Raises:
        InputError, SettingError, PortraitError: as `export_generator`.
    """
    vector = _vector(job, material)
    recipe = job.mode == RECIPE_MODE
    examples = _examples(job, material) if recipe or job.mode in CALIBRATED else ()
    mode, strict = "fp32" if recipe else job.mode, not options.force
    own = not isinstance(material.trained, ForeignGenerator)
    model = convert(material.trained, mode, job.size, vector, examples, strict, own)
    if recipe:
        model = finish(quantize_with_recipe(model, options.recipe, examples), strict, own)
    check_target(model, options.target, job.mode)
    return model


def write_build(
    build: Path, model: bytes, job: Job, material: Material, options: ExportOptions
) -> PresetMetadata:
    """Writes model and `portrait.json` to a folder of its own, and returns the metadata."""
    trained, vector = material.trained, _vector(job, material)
    build.mkdir()
    changes = {} if vector is None else {"inputs": ("image",), "styles": (job.style,)}
    metadata = trained.metadata(
        name=options.name or job.folder.resolve().name,
        file=MODEL_FILE,
        mode=job.mode,
        size=job.size,
        origin=_origin(trained),
        **changes,
        **{**trained.words, **_written_by_hand(job.folder / FILE_NAME), **options.words},
    )
    (build / MODEL_FILE).write_bytes(label(model, metadata))
    # Of a style that is folded in, weights are lost that the network would need.
    network = "" if job.style else describe_network(material.folded, trained.styles, model)
    return write_metadata(build, metadata, network)


def draw_samples(job: Job, material: Material, metadata: PresetMetadata) -> list[Sample]:
    """What artefacts of a size and style are compared on, drawn by Keras."""
    faces = material.faces.get(job.size)
    if faces and faces.held:
        styles = len(metadata.styles) if "style" in metadata.inputs else 1
        inputs, names = list(image_inputs(faces.held, styles)), faces.held_names
    else:
        inputs, names = fixed_inputs(metadata)
    draw = keras_function(material.reference, _vector(job, material))
    return [Sample(name, one, draw(**one)) for name, one in zip(names, inputs, strict=True)]


def compare_build(
    build: Path, samples: list[Sample], job: Job, options: ExportOptions, material: Material
) -> Fidelity:
    """How near the written preset comes to Keras, in the runtime that draws.

    Raises:
        PortraitError: it strays too far.
    """
    fidelity = compare(load_preset(build), samples)
    if not options.force:
        require(fidelity, job.mode, not isinstance(material.trained, ForeignGenerator))
    return fidelity


def _vector(job: Job, material: Material) -> np.ndarray | None:
    return None if job.style is None else style_vector(job.style, material.trained.styles)


def _examples(job: Job, material: Material) -> list[dict[str, np.ndarray]]:
    """What ranges are measured on; nothing where a recipe may do without."""
    if material.takes_noise:
        noise = random_noise(LEAST, material.reference.inputs[0].shape[-1])
        return [{NOISE[0]: one[None]} for one in noise]
    faces = material.faces.get(job.size)
    styles = len(material.trained.styles) if job.style is None else 1
    return list(image_inputs(faces.calibration, styles)) if faces else []


def _check_sizes(trained: TrainedGenerator, options: ExportOptions, sizes) -> None:
    """Refuses sizes and faces that the generator cannot use."""
    if trained.model.inputs[0].name == "noise":
        if set(sizes) != {trained.size}:
            raise SettingError(
                f"--size: a generator of method {trained.method} makes pictures of "
                f"{trained.size} pixels alone. Received: {', '.join(map(str, sizes))}"
            )
        if options.calibration is not None:
            raise SettingError(
                "--calibration: a generator of noise is calibrated with noise. "
                f"Received: {options.calibration}"
            )
    for size in sizes:
        if not 16 <= size <= 4096 or size % 4:
            raise SettingError(
                f"--size: expected a multiple of 4 from 16 to 4096. Received: {size}"
            )


def _check_destination(folder: Path) -> None:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(f"Expected a folder that can be written to. Received: {folder}")


def _origin(trained: TrainedGenerator) -> str:
    file = "" if trained.file == GENERATOR_FILE else f", {trained.file}"
    told = getattr(trained, "origin", "") or f"{trained.kind} {trained.name}{file}"
    return (
        f"{told}, exported by keras-portrait "
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


def check_factor(contrast: float) -> None:
    """Refuses factors of the contrast that make no sense.

    Raises:
        SettingError: it is out of range.
    """
    if not 0.1 <= contrast <= 10:
        raise SettingError(f"--contrast: expected 0.1 to 10. Received: {contrast:g}")


def _check_contrast(trained: TrainedGenerator, contrast: float) -> None:
    """Refuses contrast for what has no tanh, and factors that make no sense."""
    check_factor(contrast)
    last, gray = trained.model.layers[-1], trained.model.outputs[0].shape[-1] == 1
    if not gray or getattr(last, "activation", None) is not keras.activations.tanh:
        raise SettingError(
            "--contrast: expected a generator of drawings with a tanh at its end. "
            f"Received: one of method {trained.method}, which ends in {last.name}"
        )
