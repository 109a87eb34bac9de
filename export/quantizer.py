"""A second engine beside TensorFlow's converter: the recipes of the package `litert-quantizer`.

It takes a finished float model and stores or computes parts of it in fewer bits, as a recipe says,
operator by operator. Needs the extra `quantizer`.
"""

import inspect
import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_portrait.errors import InputError, MissingExtra, SettingError, nearest

# What a recipe that the package cannot follow makes it raise.
_FAULTS = (AttributeError, KeyError, RuntimeError, TypeError, ValueError, re.error)


def quantize_with_recipe(
    model: bytes,
    recipe: str | Path,
    calibration: Iterable[dict[str, np.ndarray]] | None = None,
) -> bytes:
    """Quantizes a float model by a recipe.

    Args:
        model: content of a float `.tflite` file with a signature, as `convert` writes in mode fp32.
        recipe: name of a ready recipe of the package, such as "dynamic_wi8_afp32", or a JSON file:
            a list of rules with `regex`, `operation`, `algorithm_key` and `op_config`.
        calibration: inputs of the model by name, float32 arrays of its own shapes and ranges, one
            dictionary for each call; only taken by recipes that compute in integers throughout.

    Returns:
        Content of the quantized `.tflite` file, of the same inputs and outputs.

    Raises:
        MissingExtra: the package is not installed.
        SettingError: there is no recipe of this name, or it needs calibration and gets none.
        InputError: the recipe cannot be read or followed, or changes nothing.
    """
    engine, ready = _load_package()
    rules = _read_rules(recipe, ready)
    try:
        with warnings.catch_warnings():
            # Keeping every tensor is what a calibration is about.
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors")
            if engine(model, rules).need_calibration:
                rules = [*rules, *_float_pictures(rules)]
            quantized = _quantize(engine(model, rules), model, recipe, calibration)
    except _FAULTS as error:
        raise InputError(
            f"litert-quantizer cannot follow the recipe ({_reason(error)}). Received: {recipe}"
        ) from error
    _check_types(model, quantized, recipe)
    return quantized


def _load_package() -> tuple[type, ModuleType]:
    """The quantizer's class, and the module of ready recipes."""
    try:
        from litert_quantizer import recipe
        from litert_quantizer.quantizer import Quantizer
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "litert_quantizer":
            raise
        raise MissingExtra(
            "Recipes need the package litert-quantizer. Install it with: "
            'pip install "keras-portrait[quantizer]"'
        ) from error
    return Quantizer, recipe


def _read_rules(recipe: str | Path, ready: ModuleType) -> list[dict]:
    """The rules of a ready recipe, or of a file."""
    makers = _ready_recipes(ready)
    if str(recipe) in makers:
        rules = makers[str(recipe)]()
    elif isinstance(recipe, str) and not recipe.endswith(".json") and not Path(recipe).exists():
        raise SettingError(
            f"No recipe of this name, and no such file. {nearest(recipe, makers)}Received: {recipe}"
        )
    else:
        try:
            rules = json.loads(Path(recipe).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"Expected a recipe file in JSON ({_reason(error)}). Received: {recipe}"
            ) from error
    if not isinstance(rules, list) or not rules or not all(isinstance(r, dict) for r in rules):
        raise InputError(
            "Expected a recipe that is a list of rules, each with regex, operation, algorithm_key "
            f"and op_config. Received: {recipe}"
        )
    return rules


def _float_pictures(rules: list[dict]) -> list[dict]:
    """Rules that leave a static recipe's inputs and outputs as they are: the metadata's floats."""
    settings = rules[0].get("op_config", {})
    return [
        {
            "regex": ".*",
            "operation": place,
            "algorithm_key": "no_quantize",
            "op_config": settings,
        }
        for place in ("INPUT", "OUTPUT")
    ]


def _ready_recipes(ready: ModuleType) -> dict[str, Callable]:
    return {
        name: function
        for name, function in inspect.getmembers(ready, inspect.isfunction)
        if not name.startswith("_")
    }


def _quantize(quantizer, model: bytes, recipe, calibration) -> bytes:
    observed = None
    if quantizer.need_calibration:
        observed = _observe(quantizer, model, recipe, calibration)
    result = quantizer.quantize(observed, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _observe(quantizer, model: bytes, recipe, calibration) -> dict:
    """Ranges of the model's tensors over the calibration data."""
    # A list, because the package goes through it twice.
    samples = list(calibration or ())
    if not samples:
        raise SettingError(
            "The recipe computes in integers throughout and needs calibration data. "
            f"Received: {recipe} without calibration data"
        )
    signature = schema.Model.GetRootAs(model, 0).SignatureDefs(0).SignatureKey().decode()
    return quantizer.calibrate({signature: samples}, num_threads=os.cpu_count() or 1)


def _check_types(model: bytes, quantized: bytes, recipe) -> None:
    before, after = _types(model), _types(quantized)
    if before == after:
        raise InputError(
            "The recipe changes nothing in this model: none of its rules fits an operator. "
            f"Received: {recipe}"
        )
    if schema.TensorType.INT2 in after:
        # ai-edge-litert 2.3 ends the whole process, or draws what is not a number.
        raise InputError(
            f"The runtime cannot draw with 2-bit weights. Expected 4 or 8 bits. Received: {recipe}"
        )


def _types(model: bytes) -> Counter:
    """How many tensors there are of each type."""
    tree = schema.Model.GetRootAs(model, 0)
    graphs = [tree.Subgraphs(place) for place in range(tree.SubgraphsLength())]
    return Counter(
        graph.Tensors(index).Type() for graph in graphs for index in range(graph.TensorsLength())
    )


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).strip().splitlines()
    # Some texts hold whole settings.
    return f"{text[0][:150]}" if text else type(error).__name__
