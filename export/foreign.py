"""Anybody's Keras model in the form that generators have here.

Whatever its inputs are called, and whatever it is nested in: what comes out is one functional model
of `image` (RGB in [-1, 1]), `image` and `style`, or `noise`, which returns a picture in [-1, 1].
"""

from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from keras import layers

from keras_portrait.errors import InputError, SettingError
from keras_portrait.inference.metadata import FACE, PresetMetadata
from keras_portrait.training.saved_generator import TrainedGenerator, load_model
from keras_portrait_export.ranges import SIGNED, UNIT, Range, input_range_of, rescaling

# What the method of a model is called that no training here has made.
FOREIGN = "foreign"
# Weight of red, green and blue in gray (ITU-R BT.601).
_GRAY = (0.299, 0.587, 0.114)
# Share of the largest number that a copy may be off, of models that compute in 16 bits too.
_MOST_OFF = 0.02


@dataclass(frozen=True)
class ForeignGenerator(TrainedGenerator):
    """A model that no training here has made.

    Attributes:
        notes: what was found out about it, in lines for the user.
        input_known: whether anything tells the range of the pictures that it takes.
        output_known: whether its pictures are in [-1, 1] already.
        framing: what is drawn with it, see `PresetMetadata`.
        origin: where it comes from; empty for the file that it was loaded from.
    """

    notes: tuple[str, ...] = ()
    input_known: bool = True
    output_known: bool = False
    framing: str = FACE
    origin: str = ""

    def metadata(self, **changes) -> PresetMetadata:
        """What the generator takes and returns, and what is drawn with it."""
        return super().metadata(**{"framing": self.framing, **changes})


def open_foreign(
    path: Path, sizes: tuple[int, ...] = (), input_range: Range | None = None
) -> ForeignGenerator:
    """Loads anybody's model.

    Args:
        path: `.keras` file.
        sizes: as `load.open_source`.
        input_range: least and largest number of the picture that the model takes; None for what its
            first layer tells, otherwise [-1, 1].

    Returns:
        The generator. Its model takes pictures in [-1, 1]; what it returns is as the model has it.

    Raises:
        InputError: it is broken, or no generator.
        SettingError: an option does not fit.
    """
    return adopt(load_model(path), path, sizes, input_range)


def adopt(
    model: keras.Model, path: Path, sizes: tuple[int, ...] = (), input_range: Range | None = None
) -> ForeignGenerator:
    """The same as `open_foreign`, of a model that is loaded or built.

    Raises:
        InputError: it is no generator.
        SettingError: an option does not fit.
    """
    given = _graph_of(model, path)
    roles = _roles(given, path)
    size = _size(given, roles, sizes, path)
    if input_range and "image" not in roles:
        raise SettingError(
            "--input-range: expected a model of pictures. "
            f"Received: one of noise, {_shape(given.inputs[0])}"
        )
    span, reason = _input_range(given, roles, input_range)
    inputs, prepared = [], {}
    for name, tensor in roles.items():
        shape = tensor.shape[1:] if name != "image" else (*tensor.shape[1:3], 3)
        inputs.append(keras.Input(shape, name=name))
        is_image = name == "image"
        prepared[id(tensor)] = _as_taken(inputs[-1], tensor, span) if is_image else inputs[-1]
    outputs = _Flattening().run(given, [prepared[id(tensor)] for tensor in given.inputs])
    flat = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs[0], name=model.name)
    _check_same(given, roles, flat, size, span, path)
    count = roles["style"].shape[-1] if "style" in roles else 1
    names = tuple(f"style-{index}" for index in range(count)) if count > 1 else ("only",)
    return ForeignGenerator(
        model=flat,
        file=path.name,
        name=path.stem,
        method=FOREIGN,
        size=size,
        styles=() if "noise" in roles else names,
        kind="model",
        notes=(f"input taken as {span[0]:g} to {span[1]:g}, {reason}",) if reason else (),
        input_known=input_range is not None or "noise" in roles or span != SIGNED,
    )


def with_output_range(
    trained: ForeignGenerator, output_range: Range, note: str
) -> ForeignGenerator:
    """The generator with pictures in [-1, 1].

    Args:
        trained: from `open_foreign`.
        output_range: least and largest number of its pictures.
        note: how that was found out.
    """
    model = trained.model
    last = model.layers[-1]
    if output_range == UNIT and getattr(last, "activation", None) is keras.activations.sigmoid:
        # 2 sigmoid(x) - 1 = tanh(x / 2), whose steps in 8-bit integers are those of pixels.
        inputs = [keras.Input(tensor.shape[1:], name=tensor.name) for tensor in model.inputs]
        (x,) = _Flattening(linear=last.name).run(model, inputs)
        x = layers.Activation("tanh", name="pixels")(layers.Rescaling(0.5, name="half")(x))
        model = keras.Model(inputs if len(inputs) > 1 else inputs[0], x, name=model.name)
    elif output_range != SIGNED:
        result = rescaling(output_range, SIGNED, "output_range")(model.outputs[0])
        model = keras.Model(model.input, result, name=model.name)
    return replace(trained, model=model, notes=(*trained.notes, note), output_known=True)


def _graph_of(model, path) -> keras.Model:
    """The model as one functional model of listed inputs and outputs."""
    inputs, outputs = (getattr(model, name, None) for name in ("inputs", "outputs"))
    if not inputs or not outputs:
        raise InputError(
            "Expected a functional model, or a Sequential one that begins with keras.Input. "
            f"Received: a {model.__class__.__name__} without shapes in {path}"
        )
    for layer in _all_layers(model):
        if getattr(layer, "data_format", None) == "channels_first":
            raise InputError(
                "Expected layers with data_format channels_last, as TFLite has them. "
                f"Received: channels_first in {layer.name} of {path}"
            )
        if isinstance(layer, layers.RNN):
            raise InputError(
                "Expected layers without loops, which small runtimes lack. "
                f"Received: {layer.name}, a {layer.__class__.__name__} layer, in {path}"
            )
    return keras.Model(list(inputs), list(outputs), name=model.name)


def _all_layers(model):
    for layer in model.layers:
        yield from _all_layers(layer) if isinstance(layer, keras.Model) else (layer,)


def _roles(model, path) -> dict:
    """What each input is: `image`, then `style`, or `noise`; found by their shapes."""
    pictures = [tensor for tensor in model.inputs if len(tensor.shape) == 4]
    vectors = [tensor for tensor in model.inputs if len(tensor.shape) == 2]
    kinds = len(pictures), len(vectors), len(model.inputs)
    if kinds not in ((1, 0, 1), (1, 1, 2), (0, 1, 1)):
        raise InputError(
            "Expected a model of one picture (N, H, W, channels), of one and a style vector (N, K),"
            f" or of one noise vector. Received: {', '.join(map(_shape, model.inputs))} in {path}"
        )
    if any(tensor.shape[-1] is None for tensor in model.inputs):
        raise InputError(
            "Expected inputs whose last axis has a fixed length. "
            f"Received: {', '.join(map(_shape, model.inputs))} in {path}"
        )
    if not pictures:
        return {"noise": vectors[0]}
    _check_picture("takes", pictures[0], path)
    return {"image": pictures[0]} | ({"style": vectors[0]} if vectors else {})


def _check_picture(verb: str, tensor, path) -> None:
    shape = tensor.shape
    if len(shape) != 4 or shape[3] not in (1, 3) or shape[1] != shape[2]:
        raise InputError(
            f"Expected a model that {verb} square pictures of 1 or 3 channels, the channels last. "
            f"Received: {_shape(tensor)} in {path}"
        )


def _size(model, roles, sizes, path) -> int:
    """Side of the pictures in pixels."""
    if len(model.outputs) != 1:
        raise InputError(
            "Expected a model that returns one picture. "
            f"Received: {len(model.outputs)} outputs in {path}"
        )
    (output,) = model.outputs
    _check_picture("returns", output, path)
    made, taken = output.shape[1], roles["image"].shape[1] if "image" in roles else None
    if None not in (made, taken) and made != taken:
        raise InputError(
            "Expected a model that returns pictures as large as those that it takes. "
            f"Received: {taken} and {made} pixels in {path}"
        )
    fixed = made or taken
    if fixed and set(sizes) - {fixed}:
        raise SettingError(
            f"--size: the model takes pictures of {fixed} pixels alone. "
            f"Received: {', '.join(map(str, sizes))}"
        )
    if not fixed and not sizes:
        raise SettingError(
            "--size: the model takes pictures of any size; expected the one to export. "
            f"Received: none for {path}"
        )
    return fixed or sizes[0]


def _input_range(given, roles, input_range: Range | None) -> tuple[Range, str]:
    """The range of the pictures that the model takes, and why; no reason for noise."""
    if "image" not in roles:
        return SIGNED, ""
    if input_range:
        return input_range, "as --input-range says"
    return input_range_of(given, roles["image"])


def _as_taken(image, tensor, span: Range):
    """The picture in [-1, 1] as the model takes it in `tensor`."""
    if span != SIGNED:
        image = rescaling(SIGNED, span, "input_range")(image)
    if tensor.shape[-1] == 1:
        gray = layers.Conv2D(1, 1, use_bias=False, name="gray_input")
        image = gray(image)
        gray.set_weights([np.reshape(np.float32(_GRAY), (1, 1, 3, 1))])
    return image


def _check_same(given, roles, flat, size: int, span: Range, path) -> None:
    """Makes sure that the model and its copy make the same of the same numbers."""
    rng = np.random.default_rng(0)
    ours = {}
    for name, tensor in roles.items():
        shape = (size, size, 3) if name == "image" else tensor.shape[1:]
        ours[name] = rng.uniform(-1, 1, (1, *shape)).astype(np.float32)
    theirs = dict(ours)
    if "image" in roles:
        low, high = span
        image = low + (ours["image"] + 1) / 2 * (high - low)
        gray = roles["image"].shape[-1] == 1
        theirs["image"] = np.tensordot(image, _GRAY, 1)[..., None] if gray else image
    by_tensor = {id(tensor): theirs[name] for name, tensor in roles.items()}
    expected = given([by_tensor[id(tensor)] for tensor in given.inputs], training=False)[0]
    values = list(ours.values())
    received = flat(values if len(values) > 1 else values[0], training=False)
    expected, received = (
        keras.ops.convert_to_numpy(result).astype(np.float64) for result in (expected, received)
    )
    off = np.abs(expected - received).max() / max(np.abs(expected).max(), 1e-6)
    if off > _MOST_OFF:
        raise InputError(
            "The exporter cannot copy this model: the copy gives other pictures. Expected layers "
            f"of Keras in a functional or Sequential model. Received: {off:.1%} of the largest "
            f"number between them for {path}"
        )


class _Flattening:
    """Copies models into one, layer by layer; a layer that is used twice becomes two.

    Args:
        linear: name of a layer whose copy has no activation.
    """

    def __init__(self, linear: str = ""):
        self._names = set()
        self._linear = linear

    def run(self, model: keras.Model, inputs: list) -> list:
        """Outputs of a model of other inputs."""
        graph = keras.Model(list(model.inputs), list(model.outputs))
        results = graph._run_through_graph(inputs, call_fn=self._call)
        return keras.tree.flatten(results)

    def _call(self, operation, *arguments, **named):
        if isinstance(operation, keras.Model):
            results = self.run(operation, keras.tree.flatten(arguments[0]))
            return results if len(results) > 1 else results[0]
        if isinstance(operation, layers.SpectralNormalization):
            operation = operation.layer  # its kernel is normalized already
        if not isinstance(operation, keras.Layer):
            return operation(*arguments, **named)
        config = {**operation.get_config(), "name": self._new_name(operation.name)}
        if operation.name == self._linear:
            config["activation"] = "linear"
        copy = operation.__class__.from_config(config)
        named.pop("training", None)
        result = copy(*arguments, **named)
        copy.set_weights(operation.get_weights())
        return result

    def _new_name(self, name: str) -> str:
        new, number = name, 1
        while new in self._names:
            new, number = f"{name}_{number}", number + 1
        self._names.add(new)
        return new


def _shape(tensor) -> str:
    return f"{tensor.name} {tuple(tensor.shape)}"
