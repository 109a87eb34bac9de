"""`portrait.json`: what travels with an exported generator, so that nothing is guessed.

A generator of photos takes `image` float32 (1, S, S, 3) RGB in [-1, 1], the aligned square of
`geometry.square_to_photo`; one with styles also takes `style` float32 (1, K). A generator of
pictures out of nothing takes `noise` float32 (1, Z), standard normal, instead. What comes back is
float32 (1, S, S, channels) in [-1, 1]: a drawing of 1 channel, +1 for white paper, or an RGB
picture of 3. The file says so again in its own words, and a reader of another version refuses what
it would draw wrongly.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.geometry import face_template

FILE_NAME = "portrait.json"
FORMAT = 1
VALUE_RANGE = [-1.0, 1.0]
COLOUR_ORDER = "RGB"
NOISE = ("noise",)
INPUTS = (("image",), ("image", "style"), NOISE)
# What files written before these fields existed mean.
_ADDED_LATER = {"noise": 0, "channels": 1}


@dataclass(frozen=True)
class Contract:
    """An exported generator.

    Attributes:
        name: name of the preset.
        method: how it was trained, such as "asymmetric_cycle".
        file: name of the model file, in the same folder.
        size: side of its square pictures, in and out, in pixels.
        mode: how its weights are stored: "fp32", "fp16", "dynamic" or "int8".
        styles: names of its styles, in the order of the style vector: one or more where it takes
            photos, none where it takes noise.
        inputs: names of the model's inputs: "image", "image" and "style", or "noise".
        noise: length of the noise vector; 0 where it takes photos.
        channels: of what it returns: 1 for drawings, 3 for pictures in colour.
        description: one line for the list of presets.
        data_licence: which pictures it learned from, under which licences.
        origin: which training and export it comes from.
        sha256: hash of the model file in hexadecimal; `write_contract` fills it in.
    """

    name: str
    method: str
    file: str
    size: int
    mode: str
    styles: tuple[str, ...]
    inputs: tuple[str, ...] = ("image",)
    noise: int = 0
    channels: int = 1
    description: str = ""
    data_licence: str = ""
    origin: str = ""
    sha256: str = ""


def write_contract(folder: "str | Path", contract: Contract) -> Contract:
    """Writes `portrait.json` beside the model file that it describes.

    Args:
        folder: holds the model file already.
        contract: what to write; its sha256 is replaced by that of the file.

    Returns:
        The contract as written.

    Raises:
        InputError: the model file is missing, or a field does not fit.
    """
    folder = Path(folder)
    path = folder / FILE_NAME
    _check(contract, path)
    contract = replace(contract, sha256=_sha256(folder / contract.file, path))
    row = {"format": FORMAT, **asdict(contract), **_constants(contract)}
    text = json.dumps(row, indent=2, ensure_ascii=False) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"Cannot write the contract ({error.strerror}). Received: {path}"
        ) from error
    return contract


def read_contract(folder: "str | Path") -> Contract:
    """Reads `portrait.json` and makes sure that the model file beside it is the one it means.

    Args:
        folder: a preset.

    Raises:
        InputError: a file is missing or altered, a field does not fit, or the contract was
            written by a newer version.
    """
    folder = Path(folder)
    path = folder / FILE_NAME
    row = {**_ADDED_LATER, **_read_json(path)}
    if row.get("format") != FORMAT:
        raise InputError(
            f"This version reads presets of format {FORMAT}. "
            f"Received: format {row.get('format')!r} in {path}"
        )
    for name in {"styles", "inputs"} & set(row):
        if not isinstance(row[name], list):
            raise InputError(f"{name} must be a list. Received: {_short(row[name])} in {path}")
        row[name] = tuple(row[name])
    try:
        contract = Contract(**{field.name: row[field.name] for field in fields(Contract)})
    except KeyError as error:
        raise InputError(f"The contract lacks {error.args[0]!r}. Received: {path}") from None
    _check(contract, path)
    for name, expected in _constants(contract).items():
        if not _same(row.get(name), expected):
            raise InputError(
                f"This version needs {name} {_short(expected)}. "
                f"Received: {_short(row.get(name))} in {path}"
            )
    if _sha256(folder / contract.file, path) != contract.sha256:
        raise InputError(
            "The model file is not the one its contract was written for (its sha256 differs). "
            f"Expected an unaltered preset. Received: {folder / contract.file}"
        )
    return contract


def _constants(contract: Contract) -> dict:
    """What is the same in every contract of this format; `template` in 0-based pixels."""
    constants = {"value_range": VALUE_RANGE, "colour_order": COLOUR_ORDER}
    if contract.inputs != NOISE:
        constants["template"] = face_template(contract.size).round(4).tolist()
    return constants


def _same(value, expected) -> bool:
    if isinstance(expected, str):
        return value == expected
    try:
        value, expected = np.asarray(value, float), np.asarray(expected)
    except (TypeError, ValueError):
        return False
    return value.shape == expected.shape and np.allclose(value, expected, atol=0.01)


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _check(contract: Contract, path: Path) -> None:
    for field in fields(Contract):
        value = getattr(contract, field.name)
        if field.name in ("styles", "inputs"):
            fits = all(isinstance(item, str) and item for item in value)
        else:
            fits = type(value) is field.type
        if not fits:
            raise InputError(f"{field.name} does not fit. Received: {_short(value)} in {path}")
    takes_noise, styles = contract.inputs == NOISE, contract.styles
    checks = (
        ("name", contract.name, "a name"),
        ("size", 16 <= contract.size <= 4096, "from 16 to 4096"),
        ("inputs", contract.inputs in INPUTS, '["image"], ["image", "style"] or ["noise"]'),
        ("styles", takes_noise or 0 < len(styles) == len(set(styles)), "one or more names"),
        ("styles", not (takes_noise and styles), "empty where the input is noise"),
        ("noise", (contract.noise > 0) is takes_noise, "a length above 0 for noise, otherwise 0"),
        ("channels", contract.channels in (1, 3), "1 or 3"),
        ("file", _is_bare_name(contract.file), "a file name without folders"),
    )
    for name, fits, expected in checks:
        if not fits:
            raise InputError(
                f"{name} must be {expected}. Received: {_short(getattr(contract, name))} in {path}"
            )
    if contract.inputs == INPUTS[0] and len(styles) != 1:
        raise InputError(f"A model without a style input has one style. Received: {path}")


def _is_bare_name(name: str) -> bool:
    return Path(name).name == name and name not in ("", "..")


def _read_json(path: Path) -> dict:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"A preset is a folder that holds {FILE_NAME}. Received: {path.parent}"
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot read the contract ({error.strerror}). Received: {path}"
        ) from error
    except ValueError as error:
        raise InputError(f"The contract is not valid JSON. Received: {path}") from error
    if not isinstance(row, dict):
        raise InputError(f"The contract is not a JSON object. Received: {path}")
    return row


def _sha256(model: Path, contract: Path) -> str:
    try:
        return hashlib.sha256(model.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise InputError(
            f"The model file that {contract} names is missing. Received: {model}"
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot read the model file ({error.strerror}). Received: {model}"
        ) from error
