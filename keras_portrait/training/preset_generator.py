"""From a preset back to Keras: stored weights in the network that `network.json` describes.

The weights of a preset of 8-bit weights are the rounded ones. Exported once more they stay what
they are; a run folder has the exact ones.
"""

import json
from pathlib import Path

import keras

from keras_portrait import layers as registered  # noqa: F401  for the layers that the text names
from keras_portrait.errors import InputError
from keras_portrait.inference.metadata import NOISE, read_metadata, read_network, split_model
from keras_portrait.inference.presets import find_preset
from keras_portrait.training.saved_generator import TrainedGenerator
from keras_portrait.training.stored_kernels import fits, plain, stored_weights


def recover_generator(preset: str | Path) -> TrainedGenerator:
    """Loads the generator of a preset into Keras.

    Args:
        preset: as `presets.find_preset` takes it.

    Returns:
        The generator, with the weights as the model file stores them.

    Raises:
        SettingError: there is no such preset.
        InputError: its file does not tell how the network is built, or holds other weights.
    """
    path = find_preset(preset)
    metadata = read_metadata(path)
    file = path / metadata.file if path.is_dir() else path
    text = read_network(file)
    if not text:
        raise InputError(
            "The model file does not tell how its network is built; those that this version "
            "exports do, unless a style is folded in or somebody else's layers are among its. "
            "Expected such a preset or a run folder. "
            f"Received: {file}"
        )
    try:
        described = json.loads(text)
        model = keras.models.model_from_json(json.dumps(described["keras"]))
        styles, order = tuple(described["styles"]), list(described["order"])
    except Exception as error:  # Keras answers a forged description with errors of many kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"Cannot read the network of {file}. Received: {reason}") from error
    _set_weights(model, order, stored_weights(split_model(file.read_bytes())[0]), file)
    words = {"description": metadata.description, "data_licence": metadata.data_licence}
    return TrainedGenerator(
        model=model,
        file=metadata.file,
        name=metadata.name,
        method=metadata.method,
        size=metadata.size,
        styles=() if metadata.inputs == NOISE else styles,
        kind="preset",
        alignment=metadata.alignment,
        words={key: text for key, text in words.items() if text},
    )


def _set_weights(model: keras.Model, order: list[str], stored: list, file: Path) -> None:
    """Puts what a file stores into the layers."""
    if len(order) != len(stored):
        raise InputError(
            f"The weights do not fit the network: expected {len(order)} kernels. "
            f"Received: {len(stored)} in {file}"
        )
    for name, (kind, kernel, bias) in zip(order, stored, strict=True):
        layer = model.get_layer(name)
        if not fits(kind, kernel, layer):
            raise InputError(
                f"The weights do not fit the network: {name} takes a kernel of "
                f"{tuple(layer.kernel.shape)}. Received: {kernel.shape} in {file}"
            )
        kernel = plain(kind, kernel, layer)
        weights = [kernel, bias[: layer.bias.shape[0]]] if layer.use_bias else [kernel]
        layer.set_weights(weights)
