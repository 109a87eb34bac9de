"""`portrait.json`: what travels with an exported generator, so that nothing is guessed.

A generator of photos takes `image` float32 (1, S, S, 3) RGB in [-1, 1], the aligned square of
`alignment.prepare_face` in the version that `alignment` names; one with styles also takes `style`
float32 (1, K). A generator of pictures out of nothing takes `noise` float32 (1, Z), standard
normal, instead. What comes back is float32 (1, S, S, channels) in [-1, 1]: a drawing of 1 channel,
+1 for white paper, or an RGB picture of 3. In mode "int8" pictures are uint8 as they are in files,
in and out, and a style's weights uint8 of 0 to 255. The file says so again in its own words, and a
reader of another version refuses what it would draw wrongly.

The same text is appended to the model file as a ZIP, of which runtimes take no notice: one file is
enough, whatever it is called. `network.json.gz` beside it in that ZIP tells how the network is
built, and `styles.txt` holds the names of the styles, one a line, as the labels of the input
`style`. Nothing in the ZIP is compressed by it: the readers of TensorFlow Lite's own metadata, in
Android and MediaPipe, refuse the whole model otherwise.
"""

import gzip
import hashlib
import io
import json
import lzma
import struct
import zipfile
import zlib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, SettingError
from keras_portrait.files import MOST_TEXT, parse_json, read_bounded, write_whole
from keras_portrait.inference.alignment import ALIGNMENTS
from keras_portrait.inference.geometry import face_template

FILE_NAME = "portrait.json"
NETWORK_NAME = "network.json"
# As it is written; files of earlier versions have it without the ending, compressed by the ZIP.
_PACKED_NETWORK = f"{NETWORK_NAME}.gz"
STYLES_NAME = "styles.txt"
# Format 2 says which alignment the generator was trained with; format 1 means the first. Format 3
# says that whole pictures are drawn, which readers of the others would not do.
FORMATS = (1, 2, 3)
# What a generator draws where nothing else is asked for: an aligned face, or the whole picture.
FACE, WHOLE = "face", "whole"
VALUE_RANGE = [-1.0, 1.0]
COLOUR_ORDER = "RGB"
NOISE = ("noise",)
# The mode whose pictures are uint8.
INTEGER_MODE = "int8"
INPUTS = (("image",), ("image", "style"), NOISE)
# Bytes that a model file has at most. The widest network of the package has some 60 million.
MOST_MODEL = 2**30
# What files written before these fields existed mean.
_ADDED_LATER = {"noise": 0, "channels": 1, "framing": FACE}


@dataclass(frozen=True)
class PresetMetadata:
    """An exported generator.

    Attributes:
        name: name of the preset.
        method: how it was trained, such as "asymmetric_cycle".
        file: name of the model file, in the same folder.
        size: side of its square pictures, in and out, in pixels.
        mode: how its weights are stored: "fp32", "fp16", "dynamic", "int8", or the
            name of another way, whose model takes and returns float numbers.
        styles: names of its styles, in the order of the style vector: one or more where it takes
            photos, none where it takes noise.
        inputs: names of the model's inputs: "image", "image" and "style", or "noise".
        noise: length of the noise vector; 0 where it takes photos.
        channels: of what it returns: 1 for drawings, 3 for pictures in colour.
        alignment: of the squares that it takes, one of `alignment.ALIGNMENTS`.
        description: one line for the list of presets.
        data_licence: which pictures it learned from, under which licences.
        origin: which training and export it comes from.
        framing: `FACE` or `WHOLE`, what is drawn where nothing else is asked for.
        sha256: hash of the model in hexadecimal, without what is appended to its file;
            `write_metadata` fills it in.
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
    alignment: int = 1
    description: str = ""
    data_licence: str = ""
    origin: str = ""
    framing: str = FACE
    sha256: str = ""

    def draws_whole(self, crop: bool, whole: bool) -> bool:
        """Whether whole pictures are drawn, for which nobody looks for a face.

        Args:
            crop: whether the aligned face is asked for.
            whole: whether the whole picture is.
        """
        return whole or (self.framing == WHOLE and not crop)


def write_metadata(
    folder: "str | Path", metadata: PresetMetadata, network: str = ""
) -> PresetMetadata:
    """Writes `portrait.json` beside the model file that it describes, and into that file.

    Args:
        folder: holds the model file already.
        metadata: what to write; its sha256 is replaced by that of the model.
        network: JSON text of `network.json`; by default the file keeps the one that it has.

    Returns:
        The metadata as written.

    Raises:
        InputError: the model file is missing, a field does not fit, or a file cannot be written.
    """
    folder = Path(folder)
    path, file = folder / FILE_NAME, folder / metadata.file
    _check(metadata, path)
    model, appended = split_model(_read_model(file, path))
    metadata = replace(metadata, sha256=hashlib.sha256(model).hexdigest())
    row = {"format": 3 if metadata.framing == WHOLE else 2, **asdict(metadata)}
    row |= _constants(metadata)
    if metadata.framing == FACE:
        del row["framing"]  # as before there was another one
    text = json.dumps(row, indent=2, ensure_ascii=False) + "\n"
    network = network or appended.get(NETWORK_NAME, "")
    labels = "".join(f"{style}\n" for style in metadata.styles if "style" in metadata.inputs)
    parts = {
        FILE_NAME: text.encode(),
        STYLES_NAME: labels.encode(),
        _PACKED_NETWORK: gzip.compress(network.encode(), mtime=0) if network else b"",
    }
    write_whole(file, model + _as_zip(parts))
    write_whole(path, text.encode())
    return metadata


def read_metadata(preset: "str | Path") -> PresetMetadata:
    """Reads metadata and makes sure that the model is the one it means.

    Args:
        preset: folder that holds `portrait.json` and the model file, or a model file that a
            metadata is appended to. Without one, `portrait.json` beside the file is read.

    Raises:
        InputError: a file is missing or altered, a field does not fit, or the metadata was
            written by a newer version.
    """
    path = Path(preset)
    if path.is_dir():
        return _read_beside(path)
    appended = split_model(_read_model(path, path))[1]
    if FILE_NAME in appended:
        return _parse(appended[FILE_NAME], path, path)
    metadata = _read_beside(path.parent)
    if metadata.file != path.name:
        raise InputError(
            f"{path.parent / FILE_NAME} speaks of another model file. Expected: {metadata.file}. "
            f"Received: {path}"
        )
    return metadata


def read_network(preset: "str | Path") -> str:
    """The text of `network.json` in a model file; empty where the file has none.

    Args:
        preset: as `read_metadata` takes it.

    Raises:
        InputError: a file is missing.
    """
    path = Path(preset)
    if path.is_dir():
        path = path / _read_beside(path).file
    return split_model(_read_model(path, path))[1].get(NETWORK_NAME, "")


def require_line(option: str, text: str | None) -> None:
    """Refuses a text that a metadata cannot hold, before anything is made of it.

    Args:
        option: that it was given with.
        text: the text; None where none was given.

    Raises:
        SettingError: it is empty, or more than one line of printable letters.
    """
    if text is not None and not (text.strip() and text.isprintable()):
        raise SettingError(f"{option}: expected one line of text. Received: {text!r}")


def split_model(data: bytes) -> tuple[bytes, dict[str, str]]:
    """Parts a model file into the model and the texts that are appended to it, by their names."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            start = min(info.header_offset for info in file.infolist())
            names = set(file.namelist())
            texts = {name: _unpack(file, name) for name in {FILE_NAME, NETWORK_NAME} & names}
            if _PACKED_NETWORK in names:
                with file.open(_PACKED_NETWORK) as packed, gzip.open(packed) as network:
                    texts[NETWORK_NAME] = _read_text(network)
            return data[:start], texts
    # Nothing is appended, or what was is damaged, of which zipfile has many ways to tell.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, RuntimeError, ValueError):
        return data, {}
    except (EOFError, LookupError, struct.error):
        return data, {}


def _unpack(archive: zipfile.ZipFile, name: str) -> str:
    """A text of an archive; ValueError where it is longer than one can be."""
    with archive.open(name) as file:
        return _read_text(file)


def _read_text(file) -> str:
    data = file.read(MOST_TEXT + 1)  # whatever length the archive tells of
    if len(data) > MOST_TEXT:
        raise ValueError(f"more than {MOST_TEXT} bytes")
    return data.decode()


def _as_zip(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        for name, data in parts.items():
            if data:
                # Without the hour, so that the same export gives the same bytes.
                writer.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_STORED)
    return file.getvalue()


def _read_beside(folder: Path) -> PresetMetadata:
    path = folder / FILE_NAME
    try:
        text = read_bounded(path).decode()
    except FileNotFoundError:
        raise InputError(
            f"A preset is a folder that holds {FILE_NAME}. Received: {folder}"
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot read the metadata ({error.strerror}). Received: {path}"
        ) from error
    except ValueError as error:
        raise InputError(f"The metadata is not valid JSON. Received: {path}") from error
    return _parse(text, path, None)


def _parse(text: str, path: Path, model: Path | None) -> PresetMetadata:
    """Makes metadata of its text; `path` is where it stands, `model` None means as it says."""
    row = {**_ADDED_LATER, **_read_json(text, path)}
    if type(row.get("format")) is not int or row["format"] not in FORMATS:
        raise InputError(
            f"This version reads presets of formats {FORMATS[0]} to {FORMATS[-1]}. "
            f"Received: format {row.get('format')!r} in {path}"
        )
    if row["format"] == 1:
        row["alignment"] = 1
    for name in {"styles", "inputs"} & set(row):
        if not isinstance(row[name], list):
            raise InputError(f"{name} must be a list. Received: {_short(row[name])} in {path}")
        row[name] = tuple(row[name])
    try:
        metadata = PresetMetadata(
            **{field.name: row[field.name] for field in fields(PresetMetadata)}
        )
    except KeyError as error:
        raise InputError(f"The metadata lacks {error.args[0]!r}. Received: {path}") from None
    _check(metadata, path)
    for name, expected in _constants(metadata).items():
        if not _same(row.get(name), expected):
            raise InputError(
                f"This version needs {name} {_short(expected)}. "
                f"Received: {_short(row.get(name))} in {path}"
            )
    model = model or path.parent / metadata.file
    if hashlib.sha256(split_model(_read_model(model, path))[0]).hexdigest() != metadata.sha256:
        raise InputError(
            "The model file is not the one its metadata was written for (its sha256 differs). "
            f"Expected an unaltered preset. Received: {model}"
        )
    return metadata


def _constants(metadata: PresetMetadata) -> dict:
    """What is the same in every metadata of this format; `template` in 0-based pixels."""
    constants = {"value_range": VALUE_RANGE, "colour_order": COLOUR_ORDER}
    if metadata.inputs != NOISE:
        constants["template"] = face_template(metadata.size).round(4).tolist()
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


def _check(metadata: PresetMetadata, path: Path) -> None:
    for field in fields(PresetMetadata):
        value = getattr(metadata, field.name)
        if field.name in ("styles", "inputs"):
            fits = all(isinstance(item, str) and item and item.isprintable() for item in value)
        else:
            # Texts of strangers go to terminals, and into other files.
            fits = type(value) is field.type and (type(value) is not str or value.isprintable())
        if not fits:
            raise InputError(f"{field.name} does not fit. Received: {_short(value)} in {path}")
    takes_noise, styles = metadata.inputs == NOISE, metadata.styles
    checks = (
        ("name", metadata.name, "a name"),
        ("size", 16 <= metadata.size <= 4096, "from 16 to 4096"),
        ("inputs", metadata.inputs in INPUTS, '["image"], ["image", "style"] or ["noise"]'),
        ("styles", takes_noise or 0 < len(styles) == len(set(styles)), "one or more names"),
        ("styles", not (takes_noise and styles), "empty where the input is noise"),
        ("noise", (metadata.noise > 0) is takes_noise, "a length above 0 for noise, otherwise 0"),
        ("channels", metadata.channels in (1, 3), "1 or 3"),
        ("alignment", metadata.alignment in ALIGNMENTS, " or ".join(map(str, ALIGNMENTS))),
        ("file", _is_bare_name(metadata.file), "a file name without folders"),
        ("mode", metadata.mode, "a name"),
        ("framing", metadata.framing in (FACE, WHOLE), f"{FACE} or {WHOLE}"),
    )
    for name, fits, expected in checks:
        if not fits:
            raise InputError(
                f"{name} must be {expected}. Received: {_short(getattr(metadata, name))} in {path}"
            )
    if metadata.inputs == INPUTS[0] and len(styles) != 1:
        raise InputError(f"A model without a style input has one style. Received: {path}")


def _is_bare_name(name: str) -> bool:
    return Path(name).name == name and name not in ("", "..") and name.isprintable()


def _read_json(text: str, path: Path) -> dict:
    try:
        row = parse_json(text)
    except ValueError as error:
        raise InputError(f"The metadata is not valid JSON. Received: {path}") from error
    if not isinstance(row, dict):
        raise InputError(f"The metadata is not a JSON object. Received: {path}")
    return row


def _read_model(model: Path, named_by: Path) -> bytes:
    try:
        return read_bounded(model, MOST_MODEL)
    except FileNotFoundError:
        raise InputError(
            f"The model file that {named_by} names is missing. Received: {model}"
        ) from None
    except OSError as error:
        raise InputError(
            f"Cannot read the model file ({error.strerror}). Received: {model}"
        ) from error
