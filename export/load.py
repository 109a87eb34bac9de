"""What is exported: the generator of a run, of a preset, or any Keras model of that form."""

import os
from pathlib import Path

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.presets import is_preset
from keras_portrait.training.preset_generator import recover_generator
from keras_portrait.training.run_folder import OPTIONS_NAME
from keras_portrait.training.saved_generator import TrainedGenerator, load_model, load_run

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
    if is_preset(source):
        if direction != "a-to-b":
            raise SettingError(f"A direction needs a run folder, not a preset. Received: {source}")
        return recover_generator(source)
    has_options = os.path.isfile(path.with_name(OPTIONS_NAME))
    if path.suffix == ".keras" and os.path.isfile(path) and not has_options:
        if direction != "a-to-b":
            raise SettingError(f"A direction needs a run folder, not a file. Received: {source}")
        return _open_foreign(path, sizes)
    return load_run(source, direction)


def _open_foreign(path: Path, sizes: tuple[int, ...]) -> TrainedGenerator:
    model = load_model(path)
    inputs = {tensor.name: tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ()}
    outputs = [tuple(tensor.shape) for tensor in getattr(model, "outputs", None) or ()]
    if not _is_generator(inputs, outputs):
        raise InputError(
            "Expected a functional model of image (RGB), image and style, or noise that returns "
            "one square picture of 1 or 3 channels, as large as the image. "
            f"Received: {inputs} and {outputs} in {path}"
        )
    # A size of its own, or that of the request; a fixed one does not go with another.
    size = outputs[0][1] or (sizes[0] if sizes else None)
    if outputs[0][1] and set(sizes) - {size}:
        raise SettingError(
            f"--size: the model takes pictures of {size} pixels alone. "
            f"Received: {', '.join(map(str, sizes))}"
        )
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


def _is_generator(inputs: dict[str, tuple], outputs: list[tuple]) -> bool:
    if len(outputs) != 1 or len(outputs[0]) != 4 or outputs[0][-1] not in (1, 3):
        return False
    plane = outputs[0][1:3]
    square = plane[0] == plane[1]
    if list(inputs) == ["noise"]:
        return square and None not in plane and len(inputs["noise"]) == 2
    if list(inputs) not in (["image"], ["image", "style"]):
        return False
    image, style = inputs["image"], inputs.get("style", (None, 1))
    fits = len(image) == 4 and image[-1] == 3 and image[1] == image[2] and square
    # Where one size is open, the other one may follow from it.
    fits = fits and (None in (image[1], plane[0]) or image[1:3] == plane)
    return fits and len(style) == 2 and isinstance(style[1], int)
