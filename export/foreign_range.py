"""The range of the pictures of anybody's model: told or measured, and brought to [-1, 1]."""

import keras

from keras_portrait.errors import SettingError
from keras_portrait.training.experiment import spread
from keras_portrait.training.saved_generator import TrainedGenerator
from keras_portrait_export.calibration import Faces, image_inputs
from keras_portrait_export.check import slow_operators
from keras_portrait_export.foreign import ForeignGenerator, with_output_range
from keras_portrait_export.ranges import (
    MOST_MEASURED,
    UNIT,
    Range,
    choose_range,
    measure_output,
)
from keras_portrait_export.verify import Fidelity, fixed_inputs


def in_signed_range(
    trained: ForeignGenerator, output_range: Range | None, faces: Faces | None, size: int
) -> ForeignGenerator:
    """Anybody's model with pictures in [-1, 1].

    Args:
        trained: from `foreign.open_foreign`.
        output_range: what was told; None measures it.
        faces: photos to measure on; None for `verify.fixed_inputs`.
        size: side of the pictures in pixels.

    Raises:
        SettingError: the numbers fit no usual range.
    """
    if output_range is not None:
        low, high = output_range
        note = f"output taken as {low:g} to {high:g}, as --output-range says"
        return with_output_range(trained, output_range, note)
    styles = max(len(trained.styles), 1)
    if faces:
        inputs = list(image_inputs(spread(faces.calibration, MOST_MEASURED), styles))
        source = f"{len(inputs)} photos of {faces.folder}"
    else:
        inputs, names = fixed_inputs(trained.metadata(size=size))
        source = ", ".join(names)
    measured = measure_output(trained.model, inputs)
    span = choose_range(measured, trained.model)
    note = (
        f"output measured from {measured[0]:.3g} to {measured[1]:.3g} on {source}; taken as "
        f"{span[0]:g} to {span[1]:g}; --output-range says otherwise"
    )
    if span == UNIT and not trained.input_known:
        note += "; such a model may well take 0 to 1, too: --input-range 0 1"
    return with_output_range(trained, span, note)


def check_pixels(trained: ForeignGenerator) -> None:
    """Refuses full int8 where the steps of the last numbers are not those of pixels.

    Raises:
        SettingError: the model does not end in a tanh.
    """
    last = trained.model.layers[-1]
    if getattr(last, "activation", None) is not keras.activations.tanh:
        raise SettingError(
            "Full int8 returns pixels, which needs a tanh or a sigmoid at the model's end. "
            f"--mode dynamic does without. Received: int8 for a model that ends in {last.name}"
        )


def notes_on(trained: TrainedGenerator, model: bytes, fidelity: Fidelity) -> tuple[str, ...]:
    """What is told of anybody's model, a line each; nothing of one that was trained here."""
    if not isinstance(trained, ForeignGenerator):
        return ()
    if fidelity.delegates == 1:
        return trained.notes
    slow = ", ".join(f"{count} {name}" for name, count in slow_operators(model).items())
    pieces = f"runs in {fidelity.delegates} pieces" + (
        slow and f"; outside the fast kernels: {slow}"
    )
    return (*trained.notes, pieces)
