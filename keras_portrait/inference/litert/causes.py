"""What a LiteRT runtime means by its errors, each cause in words of its own.

The runtime raises ValueError or RuntimeError for everything; only the text tells causes apart. The
texts are those of `ai-edge-litert` 2.1 and `tflite-runtime` 2.14.
"""

import re

from keras_portrait.errors import InputError

_UPDATE = "a newer ai-edge-litert, or a model that was exported for this one"
# A pattern of the runtime's text, what is wrong, and what was expected. The first one counts.
_CAUSES = (
    (
        r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'",
        "The installed runtime is too old for this model: it lacks {0} of version {1}.",
        _UPDATE,
    ),
    (
        r"Op builtin_code out of range: (\d+)",
        "The installed runtime is too old for this model: it does not know operator {0}.",
        _UPDATE,
    ),
    (
        r"is schema version (\d+) not equal to supported version (\d+)",
        "The model file has format {0}, and the installed runtime reads {1}.",
        _UPDATE,
    ),
    (
        r"Select TensorFlow op\(s\).*?\((?:Flex)?(\w+)\) failed to prepare",
        "The model needs an operator of TensorFlow itself, {0}.",
        "a model of builtin operators, as `portrait-export` makes them",
    ),
    (
        r"unresolved custom op: (\w+)",
        "The model needs a custom operator that is not installed, {0}.",
        "a model of builtin operators, as `portrait-export` makes them",
    ),
    (
        r"(?i)alloc\w* (?:\w+ )?(?:memory|failed)|bad_alloc|out of memory|failed to allocate",
        "There is not enough memory to run the model.",
        "a smaller picture, or more free memory",
    ),
    (
        r"([A-Z_0-9]+) node #(\d+)|Node number (\d+) \((\w+)\) failed to (?:prepare|invoke)",
        "The tensors of the model do not fit each other.",
        "a whole model, and inputs of the shapes that it was made for",
    ),
    (
        r"reference to internal data",
        "The program that called the model still holds its arrays.",
        "a program that copies them, or has an interpreter for each thread",
    ),
)


def cannot_run(error: Exception, file: str | None = None) -> InputError:
    """Makes an error that a user can read out of one of the runtime's.

    Args:
        error: ValueError or RuntimeError of an interpreter.
        file: the model, where it could not even be opened.

    Returns:
        To be raised from `error`.
    """
    text = str(error).strip()
    # The runtime glues sentences of several parts together.
    reason = re.split(r"\n|(?<=\w)(?=Node number)", text)[0].strip() or type(error).__name__
    for pattern, wrong, expected in _CAUSES:
        found = re.search(pattern, text, re.DOTALL)
        if found:
            wrong = wrong.format(*found.groups())
            where = f" in {file}" if file else ""
            return InputError(f"{wrong} Expected {expected}. Received: {reason}{where}")
    if file:
        return InputError(f"This is not a LiteRT model that runs here. Received: {file}")
    return InputError(f"The installed runtime cannot run this model. Received: {reason}")
