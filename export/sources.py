"""What is exported: the generator of a run, of a preset, or any Keras model of that form."""

import os
from pathlib import Path

from keras_portrait.contract import FILE_NAME
from keras_portrait.errors import InputError, SettingError
from keras_portrait.presets import list_presets
from keras_portrait.run_folder import OPTIONS_NAME
from keras_portrait.trained_generator import TrainedGenerator, load_model, load_run

from .recover import recover_generator

# What the method of a model is called that no training here has made.
FOREIGN = "foreign"


def open_source(
    source: str | Path, direction: str = "a-to-b", sizes: tuple[int, ...] = ()
) -> TrainedGenerator:
    """Loads a generator.

    Args:
        source: name of a preset in the package, a preset's folder or model file, a run folder, or
            a `.keras` file. Without the `options.json` of a run beside it, such a file may be
            anybody's functional model of `image`, `image` and `style`, or `noise`.
        direction: "a-to-b", or "b-to-a" for the inverse generator of a run of cyclegan.
        sizes: sides of pictures in pixels that will be asked for; the first one stands for the
            size of the training where nothing tells it.

    Raises:
        InputError: a file is missing or broken, or is no generator.
        SettingError: an option does not fit.
    """
    path = Path(source)
    is_preset = (
        str(source) in list_presets()
        or os.path.isfile(path / FILE_NAME)
        or (path.suffix == ".tflite" and os.path.isfile(path))
    )
    if is_preset:
        if direction != "a-to-b":
            raise SettingError(f"A direction needs a run folder, not a preset. Received: {source}")
        return recover_generator(source)
    if (
        path.suffix == ".keras"
        and os.path.isfile(path)
        and not os.path.isfile(path.with_name(OPTIONS_NAME))
    ):
        return _open_foreign(path, sizes)
    return load_run(source, direction)


def _open_foreign(path: Path, sizes: tuple[int, ...]) -> TrainedGenerator:
    model = load_model(path)
    inputs = {tensor.name: tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ()}
    outputs = [tuple(tensor.shape) for tensor in getattr(model, "outputs", None) or ()]
    fits = (
        list(inputs) in (["image"], ["image", "style"], ["noise"])
        and len(outputs) == 1
        and len(outputs[0]) == 4
        and outputs[0][-1] in (1, 3)
    )
    if not fits:
        raise InputError(
            "Expected a functional model of image, image and style, or noise that returns one "
            f"picture of 1 or 3 channels. Received: {inputs} and {outputs} in {path}"
        )
    size = outputs[0][1] or (sizes[0] if sizes else None)
    if size is None:
        raise SettingError(
            "--size: the model takes pictures of any size; expected the one to export. "
            f"Received: none for {path}"
        )
    count = inputs["style"][-1] if "style" in inputs else 1
    names = tuple(f"style-{index}" for index in range(count)) if count > 1 else ("only",)
    return TrainedGenerator(
        model=model,
        file=path.name,
        name=path.stem,
        method=FOREIGN,
        size=size,
        styles=() if "noise" in inputs else names,
        kind="model",
    )
