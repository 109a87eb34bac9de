"""The face descriptor's weights, from the npm package `@vladmandic/face-api` (MIT), 6.4 MB."""

import json
from math import prod
from pathlib import Path

import numpy as np

from keras_portrait.inference.addresses.npm_files import NpmFiles

_PACKAGE = "@vladmandic/face-api"
WEIGHTS = NpmFiles(
    "the face descriptor's weights",
    "face-descriptor",
    _PACKAGE,
    Path(__file__).with_name("npm"),
)
_MODEL = f"{_PACKAGE}/model/face_recognition_model"


def read_weights() -> dict[str, np.ndarray]:
    """The weights by name; npm fetches them the first time.

    Returns:
        float32 arrays, see `network.weight_shapes`.

    Raises:
        MissingExtra: npm is missing, or cannot fetch them.
        InputError: the cache cannot be written to, or what npm brought is not what is pinned.
    """
    files = WEIGHTS.read()
    manifest = json.loads(files[f"{_MODEL}-weights_manifest.json"])
    return decode(manifest[0]["weights"], files[f"{_MODEL}.bin"])


def decode(listed: list[dict], data: bytes) -> dict[str, np.ndarray]:
    """Arrays that TensorFlow.js stores one after the other.

    Args:
        listed: name and shape of each, and where it is stored in 8 bits `quantization`, by whose
            scale a byte is multiplied before its minimum is added.
        data: the bytes.

    Returns:
        float32 arrays by name.
    """
    arrays, start = {}, 0
    for each in listed:
        stored, count = each.get("quantization"), prod(each["shape"])
        kind = np.dtype("uint8" if stored else "<f4")
        array = np.frombuffer(data, kind, count, start).astype(np.float32)
        if stored:
            array = array * np.float32(stored["scale"]) + np.float32(stored["min"])
        arrays[each["name"]] = array.reshape(each["shape"])
        start += count * kind.itemsize
    return arrays
