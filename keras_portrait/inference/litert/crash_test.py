"""Runs a model once in a process of its own, before it is run in this one.

The runtime is compiled code that trusts its models: one that was damaged, or made to, takes the
process down with it. A SHA-256 tells damage, but not a forger, who writes one that fits. This
shows a crash without suffering it. It does not isolate the model: one that takes the runtime over
acts with the rights of the user there too.
"""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from keras_portrait.errors import InputError
from keras_portrait.inference.litert.runner import Runner

# Seconds after which a model is given up. A large one needs many on a small board.
PATIENCE = 60
# What the child answers where the runtime said in an orderly way what is wrong.
_REFUSED = 1


@functools.lru_cache(maxsize=64)
def try_model(path: Path, sha256: str) -> None:
    """Loads a model in a child process and runs it on zeros.

    What the runtime refuses in an orderly way is not told here: it will refuse it again.

    Args:
        path: the model file.
        sha256: hash of the model; what has passed once is not tried again.

    Raises:
        InputError: the child crashed, or did not end.
    """
    if not Path(sys.executable or "").name.lower().startswith("py"):
        return  # Python within another program, which must not be started once more
    places = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
    # -P: nothing is imported from the current folder.
    command = [sys.executable, "-P", "-m", "keras_portrait.inference.litert.crash_test", str(path)]
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"The model did not end within {PATIENCE} seconds. Expected a whole model from "
            f"somebody you trust. Received: {path}"
        ) from None
    if done.returncode not in (0, _REFUSED):
        raise InputError(
            "The model crashes the runtime. Expected a whole model from somebody you trust. "
            f"Received: {path}"
        )


def _run_on_zeros(path: str) -> None:
    runner = Runner(path)
    zeros = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in runner.inputs}
    runner(**zeros)


if __name__ == "__main__":
    try:
        _run_on_zeros(sys.argv[1])
    except Exception:
        sys.exit(_REFUSED)
