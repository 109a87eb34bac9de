"""Runs the page's JavaScript modules in Node.js and compares their results with Python's."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

import keras_portrait

STATIC = Path(keras_portrait.__file__).parent / "web" / "static"
_CHECKER = Path(__file__).parent / "web" / "check_pixels.mjs"


class Segment:
    """Stands for the person segmenter: hands the module what the network has returned.

    Args:
        mask: float32 (256, 256) in [0, 1].
    """

    def __init__(self, mask: np.ndarray):
        self.mask = mask


class Cases:
    """Calls of JavaScript functions, each with the result that Python has."""

    def __init__(self):
        self._cases, self._bytes, self._offsets = [], bytearray(), {}

    def add(self, name: str, function: str, arguments: list, expected, pick: str = "") -> None:
        """Adds a case.

        Args:
            name: of the case.
            function: `MODULE:FUNCTION`, or `MODULE:CLASS.METHOD`, whose first argument is the list
                of those of the constructor.
            arguments: pictures as uint8 or float32 arrays (H, W) or (H, W, C), transforms and
                points as float64 arrays; anything that JSON knows.
            expected: what Python returned, likewise.
            pick: a property of the result.
        """
        module, call = function.split(":")
        case = {"name": name, "module": module, "call": call, "pick": pick}
        case["args"] = [self._written(argument) for argument in arguments]
        self._cases.append(case | {"expected": self._written(expected)})

    def _written(self, value):
        if isinstance(value, list):
            return [self._written(one) for one in value]
        if isinstance(value, Segment):
            return self._stored(value.mask) | {"kind": "segmenter"}
        if not isinstance(value, np.ndarray):
            return value
        if value.dtype == np.float64:
            return (value.ravel() if value.shape == (2, 3) else value).tolist()
        return self._stored(value) | {"kind": "picture" if value.ndim > 1 else "array"}

    def _stored(self, array: np.ndarray) -> dict:
        """Where an array lies among the bytes; equal ones are stored once."""
        content, shape = np.ascontiguousarray(array).tobytes(), list(array.shape)
        if content not in self._offsets:
            self._bytes += bytes(-len(self._bytes) % 8)
            self._offsets[content] = len(self._bytes)
            self._bytes += content
        offset = self._offsets[content]
        return {"type": str(array.dtype), "offset": offset, "length": array.size, "shape": shape}

    def run(self, folder: Path) -> dict[str, dict]:
        """Calls all of it in one Node.js process.

        Args:
            folder: an empty one, for what is handed over.

        Returns:
            For each case whether the shapes are the same (`fits`), how many numbers there are
            (`count`), how many are not the same (`different`), and by how much at most (`largest`).
        """
        # Node.js takes .js files for modules where a package says so.
        modules = shutil.copytree(STATIC / "inference", folder / "inference")
        (modules / "package.json").write_text('{"type": "module"}')
        (folder / "data.bin").write_bytes(self._bytes)
        (folder / "cases.json").write_text(json.dumps(self._cases))
        command = ["node", _CHECKER, modules, folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
