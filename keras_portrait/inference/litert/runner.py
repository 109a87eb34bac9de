"""Runs a LiteRT (`.tflite`) model with whichever runtime is installed.

The runtime is imported when the first model is opened, never before, so that the rest of the
package can be used without one.
"""

import contextlib
import importlib
import operator
import os
import sys
import tempfile
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError, MissingExtra, SettingError
from keras_portrait.inference.litert.causes import cannot_run

# Tried in this order; all three have the same Interpreter. The first is the current one, the
# second its predecessor (32-bit Raspberry Pi OS), the third is slow to import.
RUNTIMES = {
    "ai_edge_litert.interpreter": "Interpreter",
    "tflite_runtime.interpreter": "Interpreter",
    "tensorflow": "lite.Interpreter",
}

INSTALL = 'Install it with: pip install "ai-edge-litert"'

_start_lock = threading.Lock()
_started = False


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        name: name in the model's signature, or of the tensor where there is no signature.
        shape: sizes of the axes; -1 where the model leaves one open.
        dtype: NumPy type that the model itself works with.
        scale: real value of one step of a quantized tensor; 0 when it is not quantized.
        zero_point: quantized value that stands for 0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float = 0.0
    zero_point: int = 0


class Runner:
    """A loaded model that is called like a function.

    A model that computes in 8 bits takes and returns float arrays as any other does: they are
    quantized and dequantized at the border. Arrays of its own integer type are taken as they are;
    where there is one among its inputs, integers are returned.

    It may be called from many threads; calls wait for each other, and what they return is theirs. A
    pickled runner of a file holds the file's path and reads it again.

    Args:
        model: path of a `.tflite` file, or its bytes.
        threads: CPU threads that one call may use.

    Attributes:
        inputs: the model's inputs, in its order.
        outputs: the model's outputs, in its order.

    Raises:
        MissingExtra: no runtime is installed.
        InputError: the file is missing or is not a model.
        SettingError: `threads` is not a whole number from 1 up.
    """

    def __init__(self, model: str | Path | bytes, threads: int = 1):
        if not isinstance(threads, int) or threads < 1:
            raise SettingError(f"threads must be a whole number from 1 up. Received: {threads!r}")
        self._source = model if isinstance(model, bytes) else os.path.abspath(model), threads
        # Between its inputs and its outputs an interpreter belongs to one call.
        self._lock = threading.Lock()
        self._interpreter = _open(model, threads)
        names_in, names_out = _signature_names(self._interpreter)
        details = self._interpreter.get_input_details()
        self.inputs = [_describe(detail, names_in) for detail in details]
        self._input_index = _indices(self.inputs, details)
        self._sizes = {tensor.name: tensor.shape for tensor in self.inputs}
        details = self._interpreter.get_output_details()
        self.outputs = [_describe(detail, names_out) for detail in details]
        self._output_index = _indices(self.outputs, details)
        self._allocate()

    def __getstate__(self) -> dict:
        return {"source": self._source, "sizes": self._sizes}

    def __setstate__(self, state: dict) -> None:
        self.__init__(*state["source"])
        for name, shape in state["sizes"].items():
            if -1 not in shape:
                self.resize(name, shape)

    def resize(self, name: str, shape: tuple[int, ...]) -> None:
        """Gives an input that has open axes the shape of the coming calls.

        The runtime prepares the whole model again, so keep a runner for each shape in use.

        Args:
            name: name of the input.
            shape: its new shape.

        Raises:
            InputError: there is no such input, or a fixed axis would change.
        """
        tensor = self._input(name)
        fits = len(shape) == len(tensor.shape) and all(
            want in (-1, size) for want, size in zip(tensor.shape, shape, strict=True)
        )
        if not fits:
            raise InputError(f"The model's {name} is {tensor.shape}. Received: {tuple(shape)}")
        with self._lock:
            if tuple(shape) != self._sizes[name]:
                self._interpreter.resize_tensor_input(self._input_index[name], shape)
                self._sizes[name] = tuple(shape)
                self._allocate()

    def __call__(self, *arrays: np.ndarray, **named: np.ndarray) -> np.ndarray | dict:
        """Runs the model once.

        Args:
            *arrays: inputs in the model's order.
            **named: inputs by name.

        Returns:
            The output array, or arrays by name when the model has several outputs.

        Raises:
            InputError: an input is missing, unknown, or has the wrong shape or type, or the
                runtime cannot run the model.
        """
        for tensor, array in zip(self.inputs, arrays, strict=False):
            if tensor.name in named:
                raise InputError(f"The model's {tensor.name} was given twice.")
            named[tensor.name] = array
        if len(arrays) > len(self.inputs) or set(named) != set(self._input_index):
            known = ", ".join(self._input_index)
            given = ", ".join(named) if len(arrays) <= len(self.inputs) else f"{len(arrays)} arrays"
            raise InputError(f"The model's inputs are: {known}. Received: {given or 'nothing'}")
        with self._lock:
            return self._run(named)

    def _run(self, named: dict[str, np.ndarray]) -> np.ndarray | dict:
        raw = False
        for name, array in named.items():
            tensor = self._input(name)
            array = np.asarray(array)
            raw |= tensor.scale > 0 and array.dtype == tensor.dtype
            encoded = _encode(array, tensor, self._sizes[name])
            self._interpreter.set_tensor(self._input_index[name], encoded)
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise cannot_run(error) from error
        results = {}
        for tensor in self.outputs:
            array = self._interpreter.get_tensor(self._output_index[tensor.name])
            results[tensor.name] = array if raw else _decode(array, tensor)
        return results if len(results) > 1 else next(iter(results.values()))

    def _input(self, name: str) -> Tensor:
        for tensor in self.inputs:
            if tensor.name == name:
                return tensor
        known = ", ".join(self._input_index)
        raise InputError(f"The model's inputs are: {known}. Received: {name}")

    def _allocate(self) -> None:
        global _started
        if any(-1 in shape for shape in self._sizes.values()):
            return  # waits for resize
        with _start_lock:
            with contextlib.nullcontext() if _started else _without_notices():
                try:
                    self._interpreter.allocate_tensors()
                except (ValueError, RuntimeError) as error:
                    raise cannot_run(error) from error
            _started = True


def _interpreter_class() -> type:
    for module, name in RUNTIMES.items():
        try:
            return operator.attrgetter(name)(importlib.import_module(module))
        except (ImportError, AttributeError):  # not there, or without this interpreter
            continue
    raise MissingExtra(f"Running a model needs the LiteRT runtime. {INSTALL}")


def _open(model: str | Path | bytes, threads: int):
    interpreter_class = _interpreter_class()
    if isinstance(model, bytes):
        what, source = f"{len(model)} bytes", {"model_content": model}
    else:
        what, source = str(model), {"model_path": str(model)}
        if not Path(model).is_file():
            raise InputError(f"The model file does not exist. Received: {what}")
    try:
        with warnings.catch_warnings():
            # The interpreter inside TensorFlow announces its own end at every start.
            warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter is deprecated")
            return interpreter_class(num_threads=threads, **source)
    except (ValueError, RuntimeError) as error:
        raise cannot_run(error, what) from error
    except SystemError as error:  # how tflite-runtime meets NumPy 2
        raise MissingExtra(
            f"The installed runtime does not fit this NumPy; ai-edge-litert does. {INSTALL}"
        ) from error


def _signature_names(interpreter) -> tuple[dict[int, str], dict[int, str]]:
    """Names by tensor index, of inputs and of outputs; empty without a signature."""
    keys = list(interpreter.get_signature_list())
    if not keys:
        return {}, {}
    signature = interpreter.get_signature_runner(keys[0])
    return tuple(
        {int(detail["index"]): name for name, detail in details.items()}
        for details in (signature.get_input_details(), signature.get_output_details())
    )


def _describe(detail: dict, names: dict[int, str]) -> Tensor:
    shape = detail.get("shape_signature", detail["shape"])
    scales = detail["quantization_parameters"]["scales"]
    zeros = detail["quantization_parameters"]["zero_points"]
    return Tensor(
        name=names.get(int(detail["index"]), detail["name"]),
        shape=tuple(int(size) for size in shape),
        dtype=np.dtype(detail["dtype"]),
        scale=float(scales[0]) if len(scales) else 0.0,
        zero_point=int(zeros[0]) if len(zeros) else 0,
    )


def _indices(tensors: list[Tensor], details: list[dict]) -> dict[str, int]:
    return {tensor.name: d["index"] for tensor, d in zip(tensors, details, strict=True)}


def _encode(array: np.ndarray, tensor: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    if array.shape != shape:
        raise InputError(f"The model's {tensor.name} is {shape}. Received: {array.shape}")
    if array.dtype == tensor.dtype:
        return array
    floating = np.issubdtype(array.dtype, np.floating)
    if floating and tensor.scale:
        limits = np.iinfo(tensor.dtype)
        steps = np.rint(array / tensor.scale) + tensor.zero_point
        return np.clip(steps, limits.min, limits.max).astype(tensor.dtype)
    if floating and np.issubdtype(tensor.dtype, np.floating):
        return array.astype(tensor.dtype)
    raise InputError(f"The model's {tensor.name} is {tensor.dtype}. Received: {array.dtype}")


def _decode(array: np.ndarray, tensor: Tensor) -> np.ndarray:
    if not tensor.scale:
        return array
    return (array.astype(np.float32) - tensor.zero_point) * np.float32(tensor.scale)


@contextlib.contextmanager
def _without_notices():
    """Drops the lines "INFO: ..." that the runtime writes to stderr when it first starts.

    They come from compiled code and go straight to file descriptor 2. Any other line written
    meanwhile is passed on.
    """
    try:
        caught, stderr = tempfile.TemporaryFile(), os.dup(2)
    except OSError:  # no stderr, or nowhere to write
        yield
        return
    with caught:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            caught.seek(0)
            with contextlib.suppress(OSError):  # a full disk, or nobody who reads
                os.write(2, b"".join(line for line in caught if not line.startswith(b"INFO:")))
